/** Redis memory: raises maxmemory where keys are evicted before they expire, as far as the data needs it. */
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, RedisStats, Step, TargetView } from "../core/observation.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried, withinDomain } from "./tuner.ts";

export interface RedisMemoryObservation {
  readonly maxmemory: KnobReading | undefined;
  readonly redis: RedisStats | undefined;
  readonly windowMs: number;
  /** How long the service keeps an entry in Redis, where a knob says so. */
  readonly entryTtlMs: number | undefined;
  readonly machineBytes: number;
}

const PRESET_BYTES = 1024 ** 3;
/** The least that a new limit is above the old one: the ladder's factor (research/tuning.md section 1.5). */
const FACTOR = 2.5;
/** Redis shares the machine with PostgreSQL and the service; copy-on-write at a save can need as much again. */
const MEMORY_SHARE_MOST = 0.25;
/** Above this share of maxmemory the next write evicts. */
const FULL_SHARE = 0.95;
/** Room above the estimate: tables double in size, and clients need buffers. */
const HEADROOM = 1.25;

export const redisMemory = erase<RedisMemoryObservation>({
  id: "redis-memory",
  title: "Redis memory",
  rationale:
    "More memory helps while Redis evicts keys that would be asked for again before they expire. It cannot help when nothing is evicted: " +
    "then every key already lives until it expires.",
  roles: ["redis-maxmemory"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): RedisMemoryObservation {
  return {
    maxmemory: knobByRole(view, "redis-maxmemory"),
    redis: view.redis,
    windowMs: view.sample.load.windowMs,
    entryTtlMs: numberOf(knobByRole(view, "l2-ttl")?.value),
    machineBytes: view.machine.memoryBytes,
  };
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
  if (redis.evictedInWindow === 0 && redis.usedBytes < FULL_SHARE * redis.maxmemoryBytes) {
    return done(
      `more memory cannot raise the hit rate: no key was evicted in the window, ${usedOf(redis)} used. ${hitsOf(redis)}`,
    );
  }
  if (trialsOf(history).length >= ask.candidatesMax) return done("the candidates are used up");
  const most = mostBytes(ask);
  for (const bytes of [neededBytes(observation, redis, most), most]) {
    const change = bytes > redis.maxmemoryBytes ? setKnob(maxmemory, bytes) : undefined;
    if (!change || wasTried(history, [change])) continue;
    return propose("redis-memory", history, {
      hypothesis: `with ${formatBytes(Number(change.to))} instead of ${formatBytes(redis.maxmemoryBytes)} Redis keeps the keys that it now evicts, and more reads hit`,
      changes: [change],
      evidence: evidenceOf(observation, redis),
    });
  }
  return done(
    trialsOf(history).length > 0
      ? `what the memory allows was tried, up to ${formatBytes(most)}`
      : `Redis evicts, but ${formatBytes(redis.maxmemoryBytes)} is as much as the strategy, the knob and the machine allow (${formatBytes(most)})`,
  );
}

/** The strategy's preset, within the machine's share. */
function mostBytes(ask: Ask<RedisMemoryObservation>): number {
  const preset = numberSetting(ask.strategy, "redis-maxmemory") ?? PRESET_BYTES;
  const share = Math.floor(ask.observation.machineBytes * MEMORY_SHARE_MOST);
  return Math.min(preset, share);
}

/**
 * The rung of the ladder that holds what would be there without eviction. A cache-aside store gets one key a miss, and keeps it
 * for its time to live: misses a second times time to live is the most keys there can be. Without a known time to live: the most.
 */
function neededBytes(observation: RedisMemoryObservation, redis: RedisStats, most: number): number {
  const { entryTtlMs, windowMs } = observation;
  if (!entryTtlMs || redis.keys === 0 || windowMs <= 0) return most;
  const keys = Math.max(redis.keys, (redis.missesInWindow / windowMs) * entryTtlMs);
  const needed = redis.usedBytes + ((keys - redis.keys) * redis.datasetBytes) / redis.keys;
  let rung = redis.maxmemoryBytes * FACTOR;
  while (rung < needed * HEADROOM && rung < most) rung *= FACTOR;
  return Math.min(most, Math.round(rung));
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
