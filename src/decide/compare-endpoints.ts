/** What is known of a single endpoint: its percentiles, from the histograms of all valid windows together, and its errors. */
import type { HistoryEndpoint } from "../core/history.ts";
import type { MetricId } from "../core/metric.ts";

/** Undefined for an endpoint that was not requested. */
type Read = (endpoint: HistoryEndpoint) => number | undefined;

const BY_METRIC: ReadonlyMap<MetricId, Read> = new Map<MetricId, Read>([
  ["api.latencyP50Ms", ({ latencyP50Ms }) => latencyP50Ms],
  ["api.latencyP95Ms", ({ latencyP95Ms }) => latencyP95Ms],
  ["api.latencyP99Ms", ({ latencyP99Ms }) => latencyP99Ms],
  ["api.errorRate", ({ errors, requests }) => (requests > 0 ? errors / requests : undefined)],
]);

export const endpointMetrics: readonly MetricId[] = [...BY_METRIC.keys()];

export function endpointValue(endpoint: HistoryEndpoint, metric: MetricId): number | undefined {
  return BY_METRIC.get(metric)?.(endpoint);
}
