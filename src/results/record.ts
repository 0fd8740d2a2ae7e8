/** A bench's result as the one line that a history keeps: numbers of the whole run, without windows and histograms. */
import { redactSecrets } from "../core/errors.ts";
import type { HistoryRecord } from "../core/history.ts";
import { isMetricId } from "../core/metric.ts";
import type { BenchResult, MetricSummary } from "../core/result.ts";

/** More than any run can tell apart, and half as long as all digits of a double. */
const DIGITS = 7;

/** With its newline. */
export function lineOf(result: BenchResult): string {
  return `${redactSecrets(JSON.stringify(recordOf(result)))}\n`;
}

function recordOf(result: BenchResult): HistoryRecord {
  const { startedAt, target, workload, scale, side, environment, seed, load, limit } = result;
  return {
    schema: "perfopt-history/v1",
    startedAt,
    target,
    workload,
    ...(scale === undefined ? {} : { scale }),
    side,
    environment,
    seed,
    load,
    windows: {
      valid: result.windows.filter(({ valid }) => valid).length,
      all: result.windows.length,
    },
    metrics: metricsOf(result.metrics),
    endpoints: result.endpoints.map((endpoint) => ({
      name: endpoint.name,
      requests: endpoint.requests,
      errors: endpoint.errors,
      latencyP50Ms: rounded(endpoint.latencyP50Ms),
      latencyP95Ms: rounded(endpoint.latencyP95Ms),
      latencyP99Ms: rounded(endpoint.latencyP99Ms),
    })),
    ...(limit === undefined ? {} : { limit: limitOf(limit) }),
  };
}

function metricsOf(metrics: BenchResult["metrics"]): HistoryRecord["metrics"] {
  const kept: Partial<Record<keyof BenchResult["metrics"], MetricSummary>> = {};
  for (const [id, summary] of Object.entries(metrics)) {
    if (isMetricId(id)) kept[id] = summaryOf(summary);
  }
  return kept;
}

function summaryOf({ value, low, high, windows }: MetricSummary): MetricSummary {
  return {
    value: rounded(value),
    ...(low === undefined ? {} : { low: rounded(low) }),
    ...(high === undefined ? {} : { high: rounded(high) }),
    windows,
  };
}

function limitOf({
  unit,
  holds,
  breaks,
  estimate,
}: NonNullable<BenchResult["limit"]>): NonNullable<HistoryRecord["limit"]> {
  return {
    unit,
    ...(holds === undefined ? {} : { holds }),
    ...(breaks === undefined ? {} : { breaks }),
    estimate,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
