/** How much the logarithm of a metric varies from window to window, as far as it can be known before anything was measured. */
import type { MetricId } from "../core/metric.ts";

/** From trial to trial on a typical machine: 3 % between runs and 5 % of drift (research/load-gate.md section 6). */
const WINDOW_NOISE = 0.06;
/**
 * Sampling error of a percentile, times the square root of the number of requests: 2.0, 8.7 and 11 % for 1,000 requests
 * (research/load-gate.md section 6). p99.9 needs ten times as many requests as p99 for the same; the mean is a little worse than
 * the median, for its tail.
 */
const SAMPLING: ReadonlyMap<MetricId, number> = new Map<MetricId, number>([
  ["api.latencyP50Ms", 0.63],
  ["api.latencyMeanMs", 1.2],
  ["api.latencyP95Ms", 2.75],
  ["api.latencyP99Ms", 3.5],
  ["api.latencyP999Ms", 11],
]);
/** Anscombe (1948): the square root of a count plus this has a standard deviation of a half, whatever the count. */
const COUNT_OFFSET = 3 / 8;

export function priorNoise(metric: MetricId, requests: number): number {
  return Math.hypot(WINDOW_NOISE, (SAMPLING.get(metric) ?? 0) / Math.sqrt(Math.max(1, requests)));
}

/**
 * Of a share of requests (errors, misses) against its limit: the logarithm of their ratio, and the noise at which it is as many
 * standard deviations from zero as the count behind it is from the count that is allowed.
 */
export function shareAgainst(
  share: number,
  limit: number,
  requests: number,
): { readonly logRatio: number; readonly noise: number } {
  const allowed = limit * requests;
  const count = share * requests;
  // Half a request more, so that no failure among few requests is not less than none among many (Haldane 1955).
  const logRatio = Math.log((count + 0.5) / (allowed + 0.5));
  const deviations = 2 * (Math.sqrt(count + COUNT_OFFSET) - Math.sqrt(allowed + COUNT_OFFSET));
  const sampling =
    Math.abs(deviations) < 1e-6 ? 1 / Math.sqrt(allowed + COUNT_OFFSET) : logRatio / deviations;
  return { logRatio, noise: Math.hypot(WINDOW_NOISE, sampling) };
}
