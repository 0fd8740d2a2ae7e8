/** Views of targets made by hand: what a tuner sees after one observed window. */
import type { Knob, KnobRole, KnobValue } from "../../src/core/knob.ts";
import type { Past, RedisStats, TargetView } from "../../src/core/observation.ts";
import type { Query } from "../../src/core/planner.ts";
import type { Strategy } from "../../src/core/persona.ts";
import type { MetricValues, TraceEntry } from "../../src/core/sample.ts";
import type { Candidate, Decision } from "../../src/core/trial.ts";
import type { MetricId } from "../../src/core/metric.ts";
import type { Ask, Step } from "../../src/core/observation.ts";
import { makeSample } from "../samples.ts";

export const MB = 1024 ** 2;
export const GB = 1024 ** 3;

export const knobs: readonly Knob[] = [
  knob("memory-ttl", "l1-ttl", { kind: "duration", min: 0, max: 600_000 }, 0),
  knob("memory-size", "l1-size", { kind: "bytes", min: 1024, max: 4 * GB }, 32 * MB),
  knob("shared-ttl", "l2-ttl", { kind: "duration", min: 0, max: 600_000 }, 300_000),
  knob("connections", "pool-max", { kind: "int", min: 1, max: 200 }, 15),
  knob("connections-least", "pool-min", { kind: "int", min: 0, max: 200 }, 2),
  knob("redis-memory", "redis-maxmemory", { kind: "bytes", min: 16 * MB, max: 8 * GB }, 128 * MB),
  knob("under-way", "requests-in-flight", { kind: "int", min: 1, max: 10_000 }, 10_000),
  knob("crew", "async-workers", { kind: "int", min: 1, max: 64 }, 4),
  knob("room", "queue-limit", { kind: "int", min: 10, max: 100_000 }, 500),
  knob("classes", "job-priorities", { kind: "bool" }, false),
  knob("patience", "job-ageing", { kind: "duration", min: 100, max: 600_000 }, 5_000),
  knob("tries", "job-attempts", { kind: "int", min: 1, max: 20 }, 3),
  knob("pause", "job-backoff", { kind: "duration", min: 10, max: 300_000 }, 1_000),
  knob("handful", "job-batch", { kind: "int", min: 1, max: 100 }, 1),
  knob("threads-most", "threads", { kind: "int", min: 1, max: 64 }, 16),
  knob("threads-least", "threads-min", { kind: "int", min: 0, max: 64 }, 1),
  knob("threads-idle", "thread-idle-timeout", { kind: "duration", min: 0, max: 600_000 }, 60_000),
  knob("threads-of-libuv", "libuv-threads", { kind: "int", min: 1, max: 64 }, 4),
  knob("copies", "processes", { kind: "int", min: 1, max: 8 }, 1),
  knob(
    "order",
    "balancing",
    { kind: "enum", values: ["round-robin", "least-connections"] },
    "round-robin",
  ),
  knob("front", "gateway", { kind: "enum", values: ["embedded", "haproxy"] }, "embedded"),
  knob("checks", "health-check-interval", { kind: "duration", min: 100, max: 120_000 }, 30_000),
  knob("sticky", "sticky-sessions", { kind: "bool" }, true),
  knob("kept-open", "keep-alive", { kind: "bool" }, true),
  knob("rows", "batch-size", { kind: "int", min: 1, max: 50_000 }, 100),
  knob("writers", "batch-parallel", { kind: "int", min: 1, max: 16 }, 1),
  knob("ahead", "batch-in-flight", { kind: "int", min: 1, max: 64 }, 4),
  knob("way", "batch-method", { kind: "enum", values: ["insert", "copy"] }, "insert"),
  knob("body", "batch-buffer", { kind: "bytes", min: 16_384, max: 4 * MB }, 65_536),
  knob("hands", "report-workers", { kind: "int", min: 1, max: 16 }, 4),
  knob("part", "report-split", { kind: "int", min: 10, max: 20_000 }, 500),
  knob("read-ahead", "report-depth", { kind: "int", min: 1, max: 16 }, 1),
  knob("young", "semi-space", { kind: "bytes", min: MB, max: 128 * MB }, 16 * MB),
  knob("old", "heap-limit", { kind: "bytes", min: 0, max: 8 * GB }, 0),
  knob("helpers", "pg-parallel-workers", { kind: "int", min: 0, max: 16 }, 2),
];

export interface ViewSketch {
  readonly knobs?: readonly Knob[];
  readonly values?: Readonly<Record<string, KnobValue>>;
  readonly metrics?: MetricValues;
  readonly trace?: readonly TraceEntry[];
  readonly windowMs?: number;
  readonly redis?: Partial<RedisStats> | null;
  readonly database?: TargetView["database"];
  readonly maxConnections?: number;
  readonly invalidBecause?: string;
}

export function viewOf(sketch: ViewSketch = {}): TargetView {
  const all = sketch.knobs ?? knobs;
  const values = Object.fromEntries(all.map((each) => [each.id, each.default]));
  const { windowMs = 10_000, metrics = { "api.latencyP95Ms": 100 }, invalidBecause } = sketch;
  const sample = makeSample(
    metrics,
    invalidBecause === undefined ? { windowMs } : { windowMs, invalidBecause },
  );
  return {
    knobs: all,
    values: { ...values, ...sketch.values },
    sample: { ...sample, load: { ...sample.load, trace: sketch.trace ?? [] } },
    statements: [],
    redis: sketch.redis === null ? undefined : { ...quietRedis, ...sketch.redis },
    database: sketch.database ?? databaseOf(sketch),
    machine: { cores: 2, memoryBytes: 8 * GB },
  };
}

function databaseOf({ maxConnections = 100 }: ViewSketch): TargetView["database"] {
  const query: Query = (sql) =>
    Promise.resolve(
      sql.includes("max_connections") ? [{ limit: maxConnections, open: 12, active: 3 }] : [],
    );
  return {
    query,
    together: (use) => use(query),
    withPlanner: () => Promise.reject(new Error("this view has no planner's server")),
  };
}

const quietRedis: RedisStats = {
  maxmemoryBytes: 128 * MB,
  policy: "allkeys-lru",
  usedBytes: 20 * MB,
  datasetBytes: 15 * MB,
  keys: 10_000,
  evictedInWindow: 0,
  expiredInWindow: 100,
  hitsInWindow: 900,
  missesInWindow: 100,
};

/** Requests at even distances, `keys` in turn. */
export function traceOf(
  keys: readonly number[],
  sketch: Partial<TraceEntry> & { readonly everyMs?: number } = {},
): TraceEntry[] {
  const { everyMs = 10, ...rest } = sketch;
  return keys.map((key, index) => ({
    atMs: index * everyMs,
    endpoint: "get-thing",
    method: "GET",
    key,
    responseBytes: 700,
    ...rest,
  }));
}

/** Numbers from 0 below `count`, the small ones far more often, the same for the same seed. */
export function skewedKeys(length: number, count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) ** 3 * count);
  });
}

export function strategyOf(
  objective: MetricId = "api.latencyP95Ms",
  settings: Strategy["settings"] = {},
): Strategy {
  return { name: "a-strategy", title: "A strategy", objective, settings };
}

export function askOf<O>(observation: O, ask: Partial<Ask<O>> = {}): Ask<O> {
  return {
    observation,
    history: [],
    strategy: strategyOf(),
    noiseFloor: 0.03,
    candidatesMax: 3,
    ...ask,
  };
}

/** The candidate of a step; throws when it is another kind of step. */
export function candidateOf(step: Step): Candidate {
  if (step.kind !== "candidate")
    throw new Error(`expected a candidate, found ${JSON.stringify(step)}`);
  return step.candidate;
}

export function reasonOf(step: Step): string {
  if (step.kind !== "done") throw new Error(`expected the end, found ${JSON.stringify(step)}`);
  return step.because;
}

/** The values that a step's changes lead to, by knob. */
export function valuesOf(step: Step): Readonly<Record<string, KnobValue>> {
  const changes =
    step.kind === "candidate" ? step.candidate.changes : step.kind === "probe" ? step.changes : [];
  return Object.fromEntries(
    changes.flatMap((change) => (change.kind === "set-knob" ? [[change.knob, change.to]] : [])),
  );
}

export function decided(candidate: Candidate, verdict: Decision["verdict"]): Past {
  const effect = {
    metric: "api.latencyP95Ms",
    compare: "ratio",
    estimate: 0.9,
    low: 0.85,
    high: 0.95,
    confidence: 0.95,
    pairs: 7,
    permutationP: 0.02,
    incumbentMedian: 100,
    candidateMedian: 90,
  } as const;
  const decision: Decision =
    verdict === "keep"
      ? { verdict, effect, detail: "better" }
      : verdict === "discard"
        ? { verdict, because: "no-gain", detail: "no better" }
        : { verdict, detail: "too noisy" };
  return { kind: "trial", candidate, decision };
}

function knob(id: string, role: KnobRole, domain: Knob["domain"], initial: KnobValue): Knob {
  return {
    id,
    title: id,
    role,
    domain,
    default: initial,
    scope: "restart",
    set: { kind: "env", variable: id.toUpperCase() },
  };
}
