/** Samples and pairs made by hand, for tests that care about metrics and nothing else. */
import type { MetricId } from "../src/core/metric.ts";
import type { LoadResult, MetricValues, Sample } from "../src/core/sample.ts";
import type { Pair } from "../src/core/trial.ts";

export interface SampleOptions {
  readonly windowMs?: number;
  readonly requestsPerSecond?: number;
  /** Makes the sample invalid, for this reason. */
  readonly invalidBecause?: string;
}

/** A sample that reports these metrics; valid unless told otherwise. */
export function makeSample(metrics: MetricValues, options: SampleOptions = {}): Sample {
  const { windowMs = 3_000, requestsPerSecond = 200, invalidBecause } = options;
  return {
    load: makeLoad(metrics, windowMs, requestsPerSecond, invalidBecause),
    metrics,
    valid: invalidBecause === undefined,
    invalidBecause: invalidBecause === undefined ? [] : [invalidBecause],
  };
}

/** Pairs of one metric from `[incumbent, candidate]` values, in alternating order. */
export function makePairs(
  metric: MetricId,
  values: readonly (readonly [number | undefined, number | undefined])[],
): readonly Pair[] {
  return values.map(([incumbent, candidate], index) => ({
    order: index % 2 === 0 ? "incumbent-first" : "candidate-first",
    incumbent: makeSample(incumbent === undefined ? {} : { [metric]: incumbent }),
    candidate: makeSample(candidate === undefined ? {} : { [metric]: candidate }),
  }));
}

function makeLoad(
  metrics: MetricValues,
  windowMs: number,
  requestsPerSecond: number,
  invalidBecause: string | undefined,
): LoadResult {
  const requests = Math.round((requestsPerSecond * windowMs) / 1_000);
  const errors = Math.round(requests * (metrics["api.errorRate"] ?? 0));
  const p50Ms = metrics["api.latencyP50Ms"] ?? 10;
  const p95Ms = metrics["api.latencyP95Ms"] ?? p50Ms * 2;
  const p99Ms = metrics["api.latencyP99Ms"] ?? p95Ms * 1.5;
  const lagP99Ms = invalidBecause === undefined ? 0.1 : 50;
  return {
    requestsPerSecondTarget: requestsPerSecond,
    requestsPerSecondReached: requestsPerSecond,
    windowMs,
    requests,
    errors,
    timeouts: 0,
    dropped: 0,
    statuses: errors > 0 ? { "200": requests - errors, "500": errors } : { "200": requests },
    latency: {
      p50Ms,
      p90Ms: (p50Ms + p95Ms) / 2,
      p95Ms,
      p99Ms,
      p999Ms: metrics["api.latencyP999Ms"] ?? p99Ms * 1.5,
      maxMs: p99Ms * 2,
      meanMs: metrics["api.latencyMeanMs"] ?? p50Ms,
    },
    histograms: { response: "", service: "", lag: "" },
    endpoints: [],
    generator: { lagP99Ms, cpuShare: 0.2 },
    checks: [
      {
        id: "generator-lag",
        ok: invalidBecause === undefined,
        value: lagP99Ms,
        limit: 1,
        detail:
          invalidBecause ?? `the generator lagged ${lagP99Ms} ms at p99, at most 1 ms is allowed`,
      },
    ],
  };
}
