/** Results of gates, self-tests and benches as they are written, one of each kind that an output has to tell apart. */
import type { EnvironmentFacts } from "../../src/core/event.ts";
import type {
  CounterFinding,
  CounterVerdict,
  GateResult,
  GateWindow,
  MetricNoise,
  MetricVerdict,
  SelfTestResult,
  SloVerdict,
} from "../../src/core/gate.ts";
import { metricOf, type MetricId } from "../../src/core/metric.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { parseSlo } from "../../src/core/slo.ts";
import type { Effect } from "../../src/core/trial.ts";

const STATEMENT =
  "SELECT t.key, t.value FROM model_tags t WHERE t.model_id = $1 AND t.key || $2 <> $3 ORDER BY t.key";

export const environment: EnvironmentFacts = {
  perfopt: "0.1.0",
  node: "v20.20.2",
  platform: "linux x64",
  cpu: "AMD EPYC 7763",
  cores: 4,
  memoryBytes: 16 * 1024 ** 3,
  postgres: "18.4",
  redis: "7.0.15",
  gitCommit: "9f2c1ab",
};

export function effectOf(
  metric: MetricId,
  [incumbentMedian, candidateMedian]: readonly [number, number],
  [estimate, low, high]: readonly [number, number, number],
  pairs = 14,
): Effect {
  return {
    metric,
    compare: metricOf(metric).compare,
    estimate,
    low,
    high,
    confidence: 0.95,
    pairs,
    permutationP: 0.41,
    incumbentMedian,
    candidateMedian,
  };
}

const alike: readonly MetricVerdict[] = [
  metric(effectOf("service.cpuMsPerRequest", [2.41, 2.42], [1.004, 0.991, 1.017])),
  metric(effectOf("db.cpuMsPerRequest", [1.12, 1.11], [0.993, 0.974, 1.012])),
  metric(effectOf("api.latencyP50Ms", [8.3, 8.35], [1.006, 0.982, 1.03])),
  metric(effectOf("api.latencyP95Ms", [25.1, 25.0], [0.998, 0.961, 1.036])),
];

function metric(effect: Effect, change: Partial<MetricVerdict> = {}): MetricVerdict {
  return {
    metric: effect.metric,
    tier: effect.metric.startsWith("api.") ? 2 : 1,
    verdict: "pass",
    margin: 0.05,
    minEffect: 0.03,
    effect,
    pairs: effect.pairs,
    detectable: 0.034,
    detail: "a regression of 5 % is excluded",
    ...change,
  };
}

export function counted(findings: readonly CounterFinding[], change: Partial<CounterVerdict> = {}) {
  return {
    verdict: "pass",
    findings,
    endpoints: 5,
    requests: 500,
    unmeasured: [],
    detail: "500 requests over 5 endpoints cause the same work on both sides",
    ...change,
  } satisfies CounterVerdict;
}

/** Both windows of so many pairs, alike but for the metrics of the head. */
export function windowsOf(pairs: number, head: MetricValues = {}): readonly GateWindow[] {
  const base: MetricValues = {
    "api.latencyP50Ms": 8.3,
    "api.latencyP95Ms": 25.1,
    "service.cpuMsPerRequest": 2.41,
    "db.cpuMsPerRequest": 1.12,
  };
  return Array.from({ length: pairs }, (_, pair) => {
    const order = pair % 2 === 0 ? "incumbent-first" : "candidate-first";
    const window = { block: "trial", pair, order, valid: true, invalidBecause: [] } as const;
    return [
      { ...window, role: "incumbent", metrics: base } as const,
      { ...window, role: "candidate", metrics: { ...base, ...head } } as const,
    ];
  }).flat();
}

export function sloVerdict(text: string, change: Partial<SloVerdict>): SloVerdict {
  const slo = parseSlo(text);
  if (typeof slo === "string") throw new Error(slo);
  return { slo, verdict: "pass", windows: 14, detail: "it holds", ...change };
}

export function passResult(change: Partial<GateResult> = {}): GateResult {
  return {
    schema: "perfopt-gate/v1",
    startedAt: "2026-11-20T10:00:00.000Z",
    tookMs: 192_400,
    target: "model-registry",
    workload: "read-heavy",
    scale: "small",
    base: { label: "origin/main", commit: "41d0c3e" },
    head: { label: "faster-search", commit: "9f2c1ab" },
    environment,
    design: "both versions started by perfopt, each with its own clone of the database",
    seed: 42,
    rate: {
      requestsPerSecond: 412,
      how: "40 % of the saturation rate that a closed loop found on the base",
      saturationRequestsPerSecond: 1_031.4,
    },
    warmupMs: 1_000,
    windowMs: 3_000,
    pairsMax: 30,
    verdict: "pass",
    reasons: ["a regression of 5 % is excluded for CPU a request, DB CPU, API p50 and API p95"],
    warnings: [],
    counters: counted([]),
    metrics: alike,
    watched: [effectOf("api.latencyP99Ms", [61, 60.2], [0.99, 0.9, 1.09])],
    slos: [
      sloVerdict("p95<200ms", {
        value: 25,
        low: 24.1,
        high: 26.2,
        detail: "25 ms is within 200 ms",
      }),
    ],
    windows: windowsOf(14),
    ...change,
  };
}

export const grown: CounterFinding = {
  counter: "statements",
  endpoint: "GET /models/search",
  subject: STATEMENT,
  base: 0,
  head: 10,
  kind: "regression",
  detail: "GET /models/search runs a statement 10 times a request that the base does not run",
};

/** Tier 0: one statement more for every row of an answer. */
export function grownStatementResult(): GateResult {
  return passResult({
    verdict: "fail",
    reasons: [
      "GET /models/search runs a statement 10 times a request that the base does not run",
      "CPU time and latency were not compared, since the counters have decided",
    ],
    counters: counted(
      [
        grown,
        {
          ...grown,
          counter: "buffers",
          base: 41.2,
          head: 76.8,
          detail: "GET /models/search touches 76.8 buffers a request instead of 41.2",
        },
        {
          counter: "redis-commands",
          endpoint: "GET /models/:id",
          subject: "HGETALL",
          base: 2,
          head: 1,
          kind: "improvement",
          detail: "GET /models/:id sends HGETALL once a request instead of twice",
        },
        {
          counter: "response-bytes",
          endpoint: "GET /stats",
          base: 812.4,
          head: 812.9,
          kind: "noise",
          detail: "GET /stats answers with lengths that differ between two replays of the base",
        },
      ],
      { verdict: "fail", detail: "2 counters grew on 1 of 5 endpoints" },
    ),
    metrics: [],
    watched: [],
    windows: [],
    slos: [],
  });
}

export function cpuFailResult(): GateResult {
  const worse = effectOf("service.cpuMsPerRequest", [2.41, 2.66], [1.104, 1.081, 1.127], 7);
  return passResult({
    verdict: "fail",
    reasons: ["CPU a request got 10.4 % worse, and a fresh block confirms it"],
    metrics: [
      metric(worse, {
        verdict: "fail",
        detail: "a regression of at least 3 % is proven",
        confirmation: {
          confirmed: true,
          effect: effectOf("service.cpuMsPerRequest", [2.4, 2.63], [1.097, 1.07, 1.125], 7),
        },
      }),
      ...alike.slice(1),
    ],
    windows: windowsOf(7, { "service.cpuMsPerRequest": 2.66 }),
  });
}

export function latencyFailResult(): GateResult {
  return passResult({
    verdict: "fail",
    reasons: ["API p95 got 21.0 % worse, and a fresh block confirms it", "p95<30ms does not hold"],
    metrics: [
      ...alike.slice(0, 3),
      metric(effectOf("api.latencyP95Ms", [25.1, 30.4], [1.21, 1.15, 1.274], 10), {
        verdict: "fail",
        detail: "a regression of at least 3 % is proven",
        confirmation: {
          confirmed: true,
          effect: effectOf("api.latencyP95Ms", [25.3, 30.1], [1.19, 1.12, 1.265], 10),
        },
      }),
    ],
    slos: [
      sloVerdict("p95<30ms", {
        verdict: "fail",
        value: 30.4,
        low: 30.1,
        high: 31,
        detail: "30.4 ms is above 30 ms",
      }),
    ],
  });
}

/** A regression was seen, and a fresh block did not see it. */
export function notConfirmedResult(): GateResult {
  return passResult({
    verdict: "inconclusive",
    reasons: ["API p50 looked 4.1 % worse, and a fresh block did not see it again"],
    metrics: [
      ...alike.slice(0, 2),
      metric(effectOf("api.latencyP50Ms", [8.3, 8.6], [1.041, 1.01, 1.073], 20), {
        verdict: "inconclusive",
        detail: "a regression was seen and not confirmed",
        confirmation: {
          confirmed: false,
          effect: effectOf("api.latencyP50Ms", [8.3, 8.31], [1.003, 0.98, 1.026], 10),
        },
      }),
      ...alike.slice(3),
    ],
  });
}

export function inconclusiveResult(): GateResult {
  return passResult({
    verdict: "inconclusive",
    reasons: ["30 pairs cannot tell whether API p95 got 5 % worse"],
    warnings: ["the machine was busy: 31 % of the time some task waited for a CPU"],
    metrics: [
      ...alike.slice(0, 3),
      metric(effectOf("api.latencyP95Ms", [25.1, 25.9], [1.032, 0.95, 1.121], 30), {
        verdict: "inconclusive",
        detectable: 0.118,
        detail: "neither a regression nor its absence is proven",
      }),
    ],
  });
}

export function invalidResult(): GateResult {
  const busy = "generator CPU 91 % is above 70 %";
  const result = passResult({
    verdict: "invalid",
    reasons: ["of 7 pairs none was valid", busy],
    warnings: ["counters could not be compared: pg_stat_statements is not installed"],
    metrics: [
      {
        metric: "api.latencyP95Ms",
        tier: 2,
        verdict: "invalid",
        margin: 0.05,
        minEffect: 0.03,
        pairs: 0,
        detail: "no pair has two valid windows",
      },
    ],
    watched: [],
    slos: [sloVerdict("p95<200ms", { verdict: "invalid", windows: 0, detail: "no valid window" })],
    windows: windowsOf(7).map((window) => ({ ...window, valid: false, invalidBecause: [busy] })),
  });
  const { counters, ...rest } = result;
  return counters ? rest : result;
}

function noiseOf(id: MetricId, change: Partial<MetricNoise>): MetricNoise {
  return {
    metric: id,
    tier: id.startsWith("api.") ? 2 : 1,
    pairs: 20,
    noise: 0.021,
    effect: effectOf(id, [8.3, 8.31], [1.001, 0.99, 1.012], 20),
    detectable: 0.018,
    margin: 0.05,
    pairsForMargin: 6,
    msForMargin: 55_000,
    ok: true,
    ...change,
  };
}

export function selfTestRefused(): SelfTestResult {
  const { environment: machine, rate } = passResult();
  if (!rate) throw new Error("the fixture of a pass has a rate");
  return {
    schema: "perfopt-self-test/v1",
    startedAt: "2026-11-20T09:00:00.000Z",
    tookMs: 184_000,
    target: "model-registry",
    workload: "read-heavy",
    scale: "small",
    side: { label: "HEAD", commit: "9f2c1ab" },
    environment: machine,
    seed: 42,
    rate,
    warmupMs: 1_000,
    windowMs: 3_000,
    pairsMax: 20,
    msPerPair: 9_200,
    counters: counted([], { detail: "two replays of one build cause the same work" }),
    metrics: [
      noiseOf("service.cpuMsPerRequest", {}),
      noiseOf("api.latencyP50Ms", { noise: 0.06, detectable: 0.049, pairsForMargin: 20 }),
      noiseOf("api.latencyP95Ms", {
        noise: 0.17,
        detectable: 0.142,
        pairsForMargin: 160,
        msForMargin: 1_472_000,
        ok: false,
        effect: effectOf("api.latencyP95Ms", [25, 26.1], [1.042, 1.004, 1.082], 20),
      }),
      noiseOf("db.cpuMsPerRequest", {
        noise: Number.NaN,
        detectable: Number.POSITIVE_INFINITY,
        pairsForMargin: null,
        msForMargin: null,
        ok: false,
        pairs: 0,
        effect: effectOf("db.cpuMsPerRequest", [Number.NaN, 1], [1, 1, 1], 0),
      }),
    ],
    windows: windowsOf(20),
    verdict: "fail",
    reasons: ["20 pairs cannot see a regression of 5 % in API p95 here"],
  };
}
