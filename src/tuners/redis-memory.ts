/** Redis memory: keeps entries longer where they expire too early, and raises maxmemory where they are evicted before that. */
import { l2Points, observedCache, policyRates } from "../advise/cache/observed.ts";
import type { PolicyRate, TrialPoint } from "../advise/cache/observed.ts";
import { redisPolicies } from "../core/cache-curve.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, RedisStats, Step, TargetView } from "../core/observation.ts";
import type { Prediction } from "../core/trial.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried, withinDomain } from "./tuner.ts";

export interface RedisMemoryObservation {
  readonly maxmemory: KnobReading | undefined;
  readonly redis: RedisStats | undefined;
  readonly windowMs: number;
  /** How long the service keeps an entry in Redis, where a knob says so. */
  readonly ttl: KnobReading | undefined;
  readonly machineBytes: number;
  /** What a trial would measure by time to live in Redis, memory unbounded; empty where the service does not tell its look-ups. */
  readonly points: readonly TrialPoint[];
  readonly policy: KnobReading | undefined;
  /** At the present memory, the present policy first; empty where nothing is evicted. */
  readonly policies: readonly PolicyRate[];
}

const PRESET_BYTES = 1024 ** 3;
/** The least that a new limit is above the old one: the ladder's factor (research/tuning.md section 1.5). */
const FACTOR = 2.5;
/** Redis shares the machine with PostgreSQL and the service; copy-on-write at a save can need as much again. */
const MEMORY_SHARE_MOST = 0.25;
/** Above this share of maxmemory the next write evicts. */
const FULL_SHARE = 0.95;
const POLICIES = ["allkeys-lru", "allkeys-lfu"] as const;
/** A policy is changed for more than twice the error of the simulation only (research/cache.md section 4). */
const ERRORS_TO_SWITCH = 2;
const GRID_MS = [60_000, 300_000] as const;
/** Room above the estimate: tables double in size, and clients need buffers. */
const HEADROOM = 1.25;

export const redisMemory = erase<RedisMemoryObservation>({
  id: "redis-memory",
  title: "Redis memory",
  rationale:
    "More memory helps while Redis evicts keys that would be asked for again before they expire. It cannot help when nothing is evicted: " +
    "then every key already lives until it expires.",
  roles: ["redis-maxmemory", "redis-policy", "l2-ttl"],
  observe,
  next,
});

async function observe(view: TargetView): Promise<RedisMemoryObservation> {
  const ttl = knobByRole(view, "l2-ttl");
  return {
    maxmemory: knobByRole(view, "redis-maxmemory"),
    redis: view.redis,
    windowMs: view.sample.load.windowMs,
    ttl,
    machineBytes: view.machine.memoryBytes,
    points: pointsOf(view, numberOf(ttl?.value)),
    policy: knobByRole(view, "redis-policy"),
    policies: await policiesOf(view),
  };
}

async function policiesOf(view: TargetView): Promise<readonly PolicyRate[]> {
  const { redis } = view;
  const observed = observedCache(view);
  const present = redisPolicies.find((policy) => policy === redis?.policy);
  if (!redis || !present || !isFull(redis) || observed?.from !== "look-ups") return [];
  const others = POLICIES.filter((policy) => policy !== present);
  return policyRates(observed, view, [present, ...others], pause);
}

/** Between simulations, for timers and signals. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Behind the in-process cache as it is. */
function pointsOf(view: TargetView, presentMs: number | undefined): readonly TrialPoint[] {
  const observed = observedCache(view);
  if (!presentMs || observed?.from !== "look-ups") return [];
  const size = knobByRole(view, "l1-size");
  const sizeBytes = size?.knob.domain.kind === "bytes" ? numberOf(size.value) : undefined;
  const l1 = {
    ttlMs: numberOf(knobByRole(view, "l1-ttl")?.value) ?? 0,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
  };
  const ttls = [...new Set([presentMs, ...GRID_MS])].toSorted((a, b) => a - b);
  return l2Points(observed, view, ttls, l1);
}

function next(ask: Ask<RedisMemoryObservation>): Step {
  const { observation, history } = ask;
  const { maxmemory, redis } = observation;
  if (!maxmemory || withinDomain(maxmemory, PRESET_BYTES) === undefined) {
    return done("the target has no knob for Redis' maxmemory (role redis-maxmemory)");
  }
  if (!redis) return done("the target has no Redis");
  if (redis.maxmemoryBytes === 0) {
    return done(`Redis has no memory limit; it uses ${formatBytes(redis.usedBytes)}`);
  }
  if (trialsOf(history).length >= ask.candidatesMax) return done("the candidates are used up");
  const evicts = isFull(redis);
  return (
    (evicts ? otherPolicy(ask, redis) : undefined) ??
    (evicts ? moreMemory(ask, maxmemory, redis) : undefined) ??
    longerLife(ask, maxmemory, redis) ??
    done(evicts ? memoryTried(ask, redis) : memoryCannotHelp(redis))
  );
}

function isFull(redis: RedisStats): boolean {
  return redis.evictedInWindow > 0 || redis.usedBytes >= FULL_SHARE * redis.maxmemoryBytes;
}

/** It costs no memory, so it is tried before more of that. */
function otherPolicy(ask: Ask<RedisMemoryObservation>, redis: RedisStats): Step | undefined {
  const { policy, policies } = ask.observation;
  const [present, ...others] = policies;
  const best = others.toSorted((a, b) => b.hitRate - a.hitRate)[0];
  if (!policy || policy.knob.domain.kind !== "enum" || !present || !best) return undefined;
  const gain = best.hitRate - present.hitRate;
  if (gain <= ERRORS_TO_SWITCH * Math.max(best.error, present.error)) return undefined;
  if (!policy.knob.domain.values.includes(best.policy)) return undefined;
  const changes = [
    { kind: "set-knob", knob: policy.knob.id, from: policy.value, to: best.policy },
  ] as const;
  if (wasTried(ask.history, changes)) return undefined;
  return propose("redis-memory", ask.history, {
    hypothesis: `${best.policy} keeps what is asked for again better than ${present.policy}: ${formatRatio(best.hitRate)} of the reads would hit at the same memory, not ${formatRatio(present.hitRate)}`,
    changes,
    evidence: [
      `simulated as Redis evicts, from the window's look-ups drawn again: the gain is more than ${ERRORS_TO_SWITCH} times the error (${formatRatio(Math.max(best.error, present.error))})`,
      ...evidenceOf(ask.observation, redis),
    ],
  });
}

function moreMemory(
  ask: Ask<RedisMemoryObservation>,
  maxmemory: KnobReading,
  redis: RedisStats,
): Step | undefined {
  const most = mostBytes(ask);
  for (const bytes of [neededBytes(ask.observation, redis, most), most]) {
    const change = bytes > redis.maxmemoryBytes ? setKnob(maxmemory, bytes) : undefined;
    if (!change || wasTried(ask.history, [change])) continue;
    return propose("redis-memory", ask.history, {
      hypothesis: `with ${formatBytes(Number(change.to))} instead of ${formatBytes(redis.maxmemoryBytes)} Redis keeps the keys that it now evicts, and more reads hit`,
      changes: [change],
      evidence: evidenceOf(ask.observation, redis),
    });
  }
  return undefined;
}

/** The strategy's time to live, with the memory that it would need where the present limit does not hold it. */
function longerLife(
  ask: Ask<RedisMemoryObservation>,
  maxmemory: KnobReading,
  redis: RedisStats,
): Step | undefined {
  const { ttl } = ask.observation;
  const present = numberOf(ttl?.value);
  const wanted = numberSetting(ask.strategy, "l2-ttl");
  if (!ttl || !present || wanted === undefined || wanted <= present || redis.missesInWindow === 0) {
    return undefined;
  }
  const longer = setKnob(ttl, wanted);
  if (!longer) return undefined;
  const needed = neededBytes(
    { ...ask.observation, ttl: { ...ttl, value: longer.to } },
    redis,
    mostBytes(ask),
  );
  const larger = needed > redis.maxmemoryBytes ? setKnob(maxmemory, needed) : undefined;
  const changes = larger ? [longer, larger] : [longer];
  if (wasTried(ask.history, changes)) return undefined;
  return propose("redis-memory", ask.history, {
    hypothesis: `entries that live ${formatDuration(Number(longer.to))} in Redis instead of ${formatDuration(present)} are still there when they are asked for again, and more reads hit`,
    changes,
    evidence: evidenceOf(ask.observation, redis),
    ...predictedAt(ask.observation, Number(longer.to)),
  });
}

/** Of the nearest time to live that was played; longer ones than a trial lasts make no difference to it. */
function predictedAt(
  { points, windowMs }: RedisMemoryObservation,
  ttlMs: number,
): { readonly predicted?: readonly Prediction[] } {
  const point = points.find((each) => each.ttlMs >= ttlMs) ?? points.at(-1);
  if (!point) return {};
  const method = `the look-ups of ${formatDuration(windowMs)} drawn again over a trial's windows, entries living ${formatDuration(point.ttlMs)}, nothing evicted`;
  return {
    predicted: (["hitRate", "l2HitRate"] as const).map((name) => ({
      metric: `cache.${name}`,
      ...point[name],
      byWindows: point.byWindows.map((each) => ({ windows: each.windows, ...each[name] })),
      method,
    })),
  };
}

function memoryTried(ask: Ask<RedisMemoryObservation>, redis: RedisStats): string {
  const most = formatBytes(mostBytes(ask));
  return trialsOf(ask.history).length > 0
    ? `what the memory allows was tried, up to ${most}`
    : `Redis evicts, but ${formatBytes(redis.maxmemoryBytes)} is as much as the strategy, the knob and the machine allow (${most})`;
}

function memoryCannotHelp(redis: RedisStats): string {
  return `more memory cannot raise the hit rate: no key was evicted in the window, ${usedOf(redis)} used. ${hitsOf(redis)}`;
}

/** The strategy's preset, within the machine's share. */
function mostBytes(ask: Ask<RedisMemoryObservation>): number {
  const preset = numberSetting(ask.strategy, "redis-maxmemory") ?? PRESET_BYTES;
  const share = Math.floor(ask.observation.machineBytes * MEMORY_SHARE_MOST);
  return Math.min(preset, share);
}

/**
 * What has to be there without eviction: a cache-aside store gets one key a miss, and keeps it for its time to live, so misses a
 * second times time to live is the most keys there can be. The present limit where that is enough, else the rung of the ladder
 * that holds it. Without a known time to live: the most.
 */
function neededBytes(observation: RedisMemoryObservation, redis: RedisStats, most: number): number {
  const { ttl, windowMs } = observation;
  const entryTtlMs = numberOf(ttl?.value);
  if (!entryTtlMs || redis.keys === 0 || windowMs <= 0) return most;
  const keys = Math.max(redis.keys, (redis.missesInWindow / windowMs) * entryTtlMs);
  const needed = redis.usedBytes + ((keys - redis.keys) * redis.datasetBytes) / redis.keys;
  let rung = isFull(redis) ? redis.maxmemoryBytes * FACTOR : redis.maxmemoryBytes;
  while (rung < needed * HEADROOM && rung < most) rung *= FACTOR;
  return Math.min(Math.max(most, redis.maxmemoryBytes), Math.round(rung));
}

function evidenceOf(observation: RedisMemoryObservation, redis: RedisStats): readonly string[] {
  return [
    `${redis.evictedInWindow} keys evicted and ${redis.expiredInWindow} expired in ${formatDuration(observation.windowMs)}, policy ${redis.policy}`,
    `${usedOf(redis)} used by ${redis.keys} keys`,
    hitsOf(redis),
  ];
}

function usedOf(redis: RedisStats): string {
  return `${formatBytes(redis.usedBytes)} of ${formatBytes(redis.maxmemoryBytes)} (${formatBytes(redis.datasetBytes)} of it data)`;
}

function hitsOf(redis: RedisStats): string {
  const lookups = redis.hitsInWindow + redis.missesInWindow;
  if (lookups === 0) return "Redis was not asked for a key in the window";
  return `${formatRatio(redis.hitsInWindow / lookups)} of ${lookups} look-ups hit`;
}
