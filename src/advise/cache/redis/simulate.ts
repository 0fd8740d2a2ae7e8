/** A trace played against a simulated Redis, cache-aside: what misses is loaded and stored at once. */
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import type { RedisPolicy } from "../../../core/cache-curve.ts";
import { COLD, EVICTED, EXPIRED, HIT, INVALIDATED, type GetCounts } from "../simulated-cache.ts";
import { addAge, createAges, medianAge } from "./ages.ts";
import { entryBytesOf, type Footprint } from "./footprint.ts";
import { createRedisCache } from "./redis-cache.ts";

export interface RedisSetting {
  /** Of the whole server, also where the trace has only a share of its keys. */
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  readonly samples?: number;
  readonly lfuLogFactor?: number;
  readonly lfuDecayMinutes?: number;
  /** What the server has beside startup, tables and entries: see `overheadBytes`. */
  readonly overheadBytes?: number;
  /** Factor of all times to live; what has none stays without. */
  readonly ttlFactor?: number;
  /** Time to live by key, instead of the trace's; 0: none. */
  readonly ttlOf?: (key: number) => number;
  /** How much faster than the trace's own times it is played: Redis' clock and times to live do not go faster with it. */
  readonly speed?: number;
}

export interface RedisOutcome {
  readonly counts: GetCounts;
  /** Of the gets; of a sample, with the gets corrected for what the sample has too many or too few of. */
  readonly hitRate: number;
  /** Of those simulated. */
  readonly keysAtEnd: number;
  /** Of the whole server, as INFO's used_memory. */
  readonly usedBytesMax: number;
  readonly evictions: number;
  readonly expired: number;
  /** Of what missed, and of writes through. */
  readonly stores: number;
  /** Stores that failed for lack of memory. */
  readonly refused: number;
  /** Of gets from `PreparedTrace.lateFromMs` on. */
  readonly missesLate: number;
  /** Median time that keys had not been touched for when they were evicted. */
  readonly evictionAgeMs?: number;
  /** Median time since they were stored, of values that were read. */
  readonly hitAgeMs?: number;
}

/** What `simulateRedis` needs of a trace, made once for many settings. */
export interface PreparedTrace {
  readonly trace: CacheTrace;
  /** A row; with the times to live of the trace. */
  readonly entryBytes: Float64Array;
  /** What a time to live takes, for settings that give keys one or take it. */
  readonly ttlBytes: number;
  readonly footprint: Footprint;
  /** From when on misses are counted apart, in the trace's own time; Infinity: never. */
  readonly lateFromMs: number;
}

export function prepareTrace(
  trace: CacheTrace,
  footprint: Footprint,
  lateFromMs = Infinity,
): PreparedTrace {
  return {
    trace,
    footprint,
    lateFromMs,
    entryBytes: entryBytesOf(trace, footprint),
    ttlBytes: footprint.entryBytes(24, 100, true) - footprint.entryBytes(24, 100, false),
  };
}

export function simulateRedis(
  trace: CacheTrace,
  footprint: Footprint,
  setting: RedisSetting,
  seed: number,
): RedisOutcome {
  return simulatePrepared(prepareTrace(trace, footprint), setting, seed);
}

export function simulatePrepared(
  prepared: PreparedTrace,
  setting: RedisSetting,
  seed: number,
): RedisOutcome {
  const { trace, entryBytes, footprint, lateFromMs } = prepared;
  const { ttlOf, ttlFactor = 1, speed = 1, ...server } = setting;
  const cache = createRedisCache({
    ...server,
    footprint,
    seed,
    keyCount: trace.keyCount,
    share: trace.sampledShare,
  });
  const outcomes = new Float64Array(INVALIDATED + 1);
  const hitAges = createAges();
  let [gets, stores, missesLate] = [0, 0, 0];
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    const operation = trace.operation[row];
    const timeMs = (trace.timeMs[row] ?? 0) / speed;
    if (operation === GET) {
      const outcome = cache.get(key, timeMs);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      gets += 1;
      if (outcome === HIT) {
        addAge(hitAges, timeMs - (cache.storedAt(key) ?? timeMs));
        continue;
      }
      if ((trace.timeMs[row] ?? 0) >= lateFromMs) missesLate += 1;
    } else if (operation === DELETE) {
      cache.delete(key, timeMs);
      continue;
    } else if (operation !== SET) {
      continue;
    }
    const recordedMs = trace.ttlMs?.[row] ?? 0;
    const ttlMs = ttlOf === undefined ? recordedMs * ttlFactor : ttlOf(key) * ttlFactor;
    const ttlBytes =
      ttlMs > 0 === recordedMs > 0 ? 0 : ttlMs > 0 ? prepared.ttlBytes : -prepared.ttlBytes;
    stores += 1;
    cache.set(key, (entryBytes[row] ?? 0) + ttlBytes, timeMs, ttlMs);
  }
  const counts = countsOf(outcomes, gets);
  const evictionAgeMs = cache.evictionAgeMs();
  const hitAgeMs = medianAge(hitAges);
  return {
    counts,
    hitRate: hitRateOf(counts, trace),
    keysAtEnd: cache.keys(),
    usedBytesMax: cache.usedBytesMax(),
    evictions: cache.evictions(),
    expired: cache.expired(),
    stores,
    refused: cache.refused(),
    missesLate,
    ...(evictionAgeMs === undefined ? {} : { evictionAgeMs }),
    ...(hitAgeMs === undefined ? {} : { hitAgeMs }),
  };
}

function countsOf(outcomes: Float64Array, gets: number): GetCounts {
  return {
    gets,
    hits: outcomes[HIT] ?? 0,
    compulsory: outcomes[COLD] ?? 0,
    capacity: outcomes[EVICTED] ?? 0,
    expired: outcomes[EXPIRED] ?? 0,
    invalidated: outcomes[INVALIDATED] ?? 0,
  };
}

/**
 * SHARDS' correction (Waldspurger and others, FAST 2015): a sample of keys has as many gets as the few popular keys make it have,
 * and those hit; what it has beyond, or lacks, of its share of all gets counts as hits.
 */
function hitRateOf(counts: GetCounts, trace: CacheTrace): number {
  const expected = expectedGets(trace);
  if (counts.gets === 0 || expected <= 0) return 0;
  return Math.max(0, Math.min(1, 1 - (counts.gets - counts.hits) / expected));
}

/** Gets that a trace should have by its share of the keys; those that it has, where nobody counted all. */
export function expectedGets(trace: CacheTrace): number {
  if (trace.sampledShare < 1 && trace.getsOfAll !== undefined)
    return trace.getsOfAll * trace.sampledShare;
  let gets = 0;
  for (const operation of trace.operation) if (operation === GET) gets += 1;
  return gets;
}
