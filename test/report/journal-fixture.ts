/** Journals for the report's tests: typed, deterministic, with windows that have noise and effects that follow from them. */
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import { metricOf, type MetricId } from "../../src/core/metric.ts";
import type { Sample } from "../../src/core/sample.ts";
import type { Candidate, Decision, Effect, Role } from "../../src/core/trial.ts";

export const SECRET = "hunter2";

export interface State {
  readonly p95Ms: number;
  readonly queryMs: number;
  readonly cacheHit: number;
  readonly indexHit: number;
  readonly memoryMb: number;
}

export const slow: State = {
  p95Ms: 286,
  queryMs: 34.6,
  cacheHit: 0.912,
  indexHit: 0.884,
  memoryMb: 141,
};

export interface Writer {
  readonly entries: Entry[];
  readonly add: (event: RunEvent, afterMs?: number) => void;
  readonly pairs: (
    block: string,
    count: number,
    incumbent: State,
    candidate: State,
    invalidAt?: number,
  ) => readonly Effect[];
  readonly trial: (
    phase: string,
    candidate: Candidate,
    measured:
      | {
          readonly pairs: number;
          readonly incumbent: State;
          readonly candidate: State;
          readonly invalidAt?: number;
        }
      | undefined,
    decide: (effects: readonly Effect[]) => Decision,
    constraints?: Extract<RunEvent, { type: "trial-decided" }>["constraints"],
  ) => void;
  readonly apply: (id: string, change: Change) => void;
  readonly observe: (phase: string, state: State, observation: unknown) => void;
  readonly probe: (phase: string, state: State, changes: readonly Change[], why: string) => void;
}

export function journal(): Writer {
  const entries: Entry[] = [];
  const random = generator(42);
  let now = Date.parse("2026-11-20T10:00:00.000Z");
  const add = (event: RunEvent, afterMs = 40) => {
    now += afterMs;
    entries.push({ seq: entries.length + 1, at: new Date(now).toISOString(), event });
  };
  const window = (state: State, valid = true) => sampleOf(state, random, valid);
  const pairs: Writer["pairs"] = (block, count, incumbent, candidate, invalidAt) => {
    const measured: { incumbent: Sample; candidate: Sample }[] = [];
    for (let pair = 0; measured.length < count; pair += 1) {
      const first = window(incumbent);
      const second = window(candidate, pair !== invalidAt);
      const order = pair % 2 === 0 ? "incumbent-first" : "candidate-first";
      const roles: readonly Role[] =
        pair % 2 === 0 ? ["incumbent", "candidate"] : ["candidate", "incumbent"];
      for (const role of roles)
        add(
          {
            type: "sampled",
            block,
            pair,
            role,
            order,
            sample: role === "incumbent" ? first : second,
          },
          6_800,
        );
      if (second.valid) measured.push({ incumbent: first, candidate: second });
    }
    return effectsOf(measured);
  };
  return {
    entries,
    add,
    pairs,
    trial: (phase, candidate, measured, decide, constraints = []) => {
      add({ type: "trial-started", phase, candidate });
      const effects = measured
        ? pairs(
            candidate.id,
            measured.pairs,
            measured.incumbent,
            measured.candidate,
            measured.invalidAt,
          )
        : [];
      add({
        type: "trial-decided",
        phase,
        candidate,
        decision: decide(effects),
        effects,
        constraints,
      });
    },
    apply: (changeId, change) => {
      add({ type: "change-applying", changeId, change });
      add({ type: "change-applied", changeId, detail: "read back and found as asked for" }, 900);
    },
    observe: (phase, state, observation) =>
      add({ type: "observed", phase, observation, sample: window(state) }, 7_000),
    probe: (phase, state, changes, why) =>
      add({ type: "probed", phase, changes, why, sample: window(state) }, 7_400),
  };
}

export function effect(effects: readonly Effect[], metric: MetricId): Effect {
  const found = effects.find((each) => each.metric === metric);
  if (!found) throw new Error(`no effect of ${metric}`);
  return found;
}

export function keep(effects: readonly Effect[], metric: MetricId = "api.latencyP95Ms"): Decision {
  return {
    verdict: "keep",
    effect: effect(effects, metric),
    detail: "the whole interval is better than no change and the gain is above the minimum",
  };
}

export function setKnob(knob: string, from: number | boolean, to: number | boolean): Change {
  return { kind: "set-knob", knob, from, to };
}

export function candidateOf(
  id: string,
  tuner: string,
  hypothesis: string,
  changes: readonly Change[],
  evidence: readonly string[] = [],
): Candidate {
  return { id, tuner, hypothesis, changes, evidence };
}

const measuredMetrics: readonly MetricId[] = [
  "api.latencyP50Ms",
  "api.latencyP95Ms",
  "api.latencyP99Ms",
  "api.requestsPerSecond",
  "api.errorRate",
  "db.queryMeanMs",
  "db.statementsPerRequest",
  "db.indexHitRate",
  "pool.useRatio",
  "pool.waitMs",
  "cache.hitRate",
  "redis.evictionsPerSecond",
  "service.cpuMsPerRequest",
  "service.memoryBytes",
];

function sampleOf(state: State, random: () => number, valid: boolean): Sample {
  const wobble = (size: number) => 1 + size * (random() - 0.5);
  const p95Ms = state.p95Ms * wobble(0.09);
  const latency = {
    p50Ms: p95Ms * 0.31,
    p90Ms: p95Ms * 0.82,
    p95Ms,
    p99Ms: p95Ms * 1.7 * wobble(0.2),
    p999Ms: p95Ms * 2.9 * wobble(0.4),
    maxMs: p95Ms * 3.6 * wobble(0.5),
    meanMs: p95Ms * 0.42,
  };
  const requests = 960 + Math.round(20 * (random() - 0.5));
  return {
    load: {
      requestsPerSecondTarget: 240,
      requestsPerSecondReached: requests / 4,
      windowMs: 4_000,
      requests,
      errors: 0,
      timeouts: 0,
      dropped: 0,
      statuses: { "200": requests },
      latency,
      histograms: { response: "", service: "", lag: "" },
      endpoints: [
        {
          name: "search runs",
          requests: 640,
          errors: 0,
          latencyP50Ms: latency.p50Ms * 1.1,
          latencyP95Ms: p95Ms * 1.1,
          latencyP99Ms: latency.p99Ms,
          responseBytesMean: 5_120,
          response: "",
        },
        {
          name: "get model",
          requests: 60,
          errors: 0,
          latencyP50Ms: latency.p50Ms * 0.4,
          latencyP95Ms: p95Ms * 0.4,
          latencyP99Ms: latency.p99Ms,
          responseBytesMean: 900,
          response: "",
        },
      ],
      generator: { lagP99Ms: 0.4, cpuShare: 0.2 },
      checks: [],
    },
    metrics: {
      "api.latencyP50Ms": latency.p50Ms,
      "api.latencyP95Ms": p95Ms,
      "api.latencyP99Ms": latency.p99Ms,
      "api.requestsPerSecond": requests / 4,
      "api.errorRate": 0,
      "db.queryMeanMs": state.queryMs * wobble(0.06),
      "db.statementsPerRequest": 1.8 * wobble(0.02),
      "db.indexHitRate": Math.min(1, state.indexHit * wobble(0.004)),
      "pool.useRatio": 0.62 * wobble(0.1),
      "pool.waitMs": 1.9 * wobble(0.6),
      "cache.hitRate": Math.min(1, state.cacheHit * wobble(0.006)),
      "redis.evictionsPerSecond": 0,
      "service.cpuMsPerRequest": 2.2 * wobble(0.05),
      "service.memoryBytes": state.memoryMb * 1024 ** 2 * wobble(0.02),
    },
    valid,
    invalidBecause: valid ? [] : ["231 of 240 requests/s reached, at least 99 % needed"],
  };
}

/** Student's t for 95 % by pairs less one; 2.1 beyond, near enough for a fixture. */
const t95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16];

function effectsOf(pairs: readonly { incumbent: Sample; candidate: Sample }[]): readonly Effect[] {
  return measuredMetrics.map((metric) => {
    const { compare } = metricOf(metric);
    const incumbents = pairs.map((pair) => pair.incumbent.metrics[metric] ?? Number.NaN);
    const candidates = pairs.map((pair) => pair.candidate.metrics[metric] ?? Number.NaN);
    const changes = incumbents.map((before, index) =>
      compare === "ratio" ? Math.log(candidates[index]! / before) : candidates[index]! - before,
    );
    const mean = changes.reduce((sum, each) => sum + each, 0) / changes.length;
    const variance =
      changes.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (changes.length - 1);
    const margin = (t95[changes.length - 2] ?? 2.1) * Math.sqrt(variance / changes.length);
    const shown = compare === "ratio" ? Math.exp : (value: number) => value;
    return {
      metric,
      compare,
      estimate: shown(mean),
      low: shown(mean - margin),
      high: shown(mean + margin),
      confidence: 0.95,
      pairs: pairs.length,
      permutationP: signFlipP(changes),
      incumbentMedian: median(incumbents),
      candidateMedian: median(candidates),
    };
  });
}

function signFlipP(changes: readonly number[]): number {
  const found = Math.abs(changes.reduce((sum, each) => sum + each, 0));
  const flips = 2 ** changes.length;
  let asFar = 0;
  for (let flip = 0; flip < flips; flip += 1) {
    const sum = changes.reduce(
      (total, each, index) => total + (Math.floor(flip / 2 ** index) % 2 === 0 ? each : -each),
      0,
    );
    if (Math.abs(sum) >= found - 1e-12) asFar += 1;
  }
  return asFar / flips;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Lehmer's generator: the same numbers on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
