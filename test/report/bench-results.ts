/** Results of benches as they are written: with a load that changes, and of a search for the limit. */
import type { BenchResult, BenchWindow, LimitProbe } from "../../src/core/result.ts";
import { environment, sloVerdict } from "./gate-results.ts";

function benchWindow(seed: number, change: Partial<BenchWindow> = {}): BenchWindow {
  return {
    seed,
    valid: true,
    invalidBecause: [],
    checks: [],
    metrics: { "api.latencyP50Ms": 8.2, "api.latencyP95Ms": 24.8, "api.errorRate": 0.0003 },
    requests: 12_360,
    errors: 4,
    statuses: { "200": 12_356, "503": 4 },
    timeline: Array.from({ length: 30 }, (_, index) => ({
      atMs: index * 1_000,
      lengthMs: 1_000,
      target: index < 10 || index >= 20 ? 200 : 600,
      requests: index < 10 || index >= 20 ? 200 : 600,
      errors: index === 18 ? 4 : 0,
      ...(index === 29 ? {} : { latencyP50Ms: 8, latencyP95Ms: index === 18 ? 190 : 20 + index }),
    })),
    server: { requests: 12_360, unmeasured: ["service CPU: the service runs on another machine"] },
    ...change,
  };
}

export function benchResult(change: Partial<BenchResult> = {}): BenchResult {
  return {
    schema: "perfopt-result/v1",
    startedAt: "2026-11-20T11:00:00.000Z",
    tookMs: 96_000,
    target: "model-registry",
    workload: "read-heavy",
    side: { label: "HEAD", commit: "9f2c1ab" },
    environment,
    seed: 42,
    load: {
      kind: "open",
      arrivals: "poisson",
      amount: 412,
      how: "as asked for",
      scenario: "spike",
      warmupMs: 1_000,
      windowMs: 30_000,
    },
    metrics: {
      "api.latencyP50Ms": { value: 8.2, low: 8.1, high: 8.4, windows: 3 },
      "api.latencyP95Ms": { value: 24.8, low: 23.9, high: 26.3, windows: 3 },
      "api.requestsPerSecond": { value: 411.8, low: 411, high: 412.2, windows: 3 },
      "api.errorRate": { value: 0.0003, windows: 2 },
      "cache.hitRate": { value: 0.91, low: 0.9, high: 0.92, windows: 3 },
      "db.statementsPerRequest": { value: 1.8, low: 1.8, high: 1.8, windows: 3 },
    },
    endpoints: [
      {
        name: "GET /models/search",
        requests: 24_000,
        errors: 8,
        latencyP50Ms: 9.9,
        latencyP95Ms: 31.5,
        latencyP99Ms: 70.2,
        responseBytesMean: 4_812,
        response: "",
      },
    ],
    windows: [
      benchWindow(42),
      benchWindow(43),
      benchWindow(44, { valid: false, invalidBecause: ["generator lag p99 3.1 ms is above 1 ms"] }),
    ],
    slos: [
      sloVerdict("p95<200ms", { value: 24.8, low: 23.9, high: 26.3, windows: 3 }),
      sloVerdict("p99[GET /models/search]<50ms", {
        verdict: "fail",
        value: 70.2,
        windows: 2,
        detail: "70.2 ms is above 50 ms",
      }),
    ],
    warnings: ["the window is short for a p99.9"],
    ...change,
  };
}

function probe(load: number, outcome: LimitProbe["outcome"], p95: number): LimitProbe {
  return {
    load,
    outcome,
    why: `p95<200ms: ${p95} ms`,
    metrics: { "api.latencyP50Ms": p95 / 3, "api.latencyP95Ms": p95, "api.errorRate": 0 },
  };
}

export function limitResult(): BenchResult {
  return benchResult({
    windows: [],
    metrics: {},
    endpoints: [],
    slos: [],
    warnings: [],
    limit: {
      unit: "requests/s",
      holds: 1_180,
      breaks: 1_240,
      estimate: 1_209.6,
      probes: [probe(600, "holds", 31), probe(1_240, "breaks", 402), probe(1_180, "holds", 171)],
      detail: "the search stopped when the two were within 5 %",
    },
  });
}
