/** The highest hit rate that any amount of memory can reach on a trace, and what stands in its way. */
import type { Ceiling } from "../../../core/cache-advice.ts";
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import { getsExpected, hitRateOf } from "./gets.ts";

export function ceilingOf(trace: CacheTrace): Ceiling {
  const byPrefix = countMisses(trace);
  const all = new Float64Array(FIELDS);
  for (let at = 0; at < byPrefix.length; at += 1) {
    all[at % FIELDS] = (all[at % FIELDS] ?? 0) + (byPrefix[at] ?? 0);
  }
  return ceilingFrom(all, trace);
}

/** One a prefix, in the order of `trace.prefixes`; not corrected for sampling, since gets are known of all keys together only. */
export function ceilingByPrefix(trace: CacheTrace): readonly Ceiling[] {
  const byPrefix = countMisses(trace);
  return trace.prefixes.map((_, prefix) =>
    ceilingFrom(byPrefix.subarray(prefix * FIELDS, (prefix + 1) * FIELDS), { sampledShare: 1 }),
  );
}

/** Counts of a prefix, one after another. */
const GETS = 0;
const COMPULSORY = 1;
const EXPIRED = 2;
const INVALIDATED = 3;
const FIELDS = 4;

function ceilingFrom(
  counts: Float64Array,
  sample: Pick<CacheTrace, "sampledShare" | "getsOfAll">,
): Ceiling {
  const count = (field: number): number => counts[field] ?? 0;
  const gets = count(GETS);
  const expected = getsExpected(sample, gets);
  const share = (misses: number): number => (expected > 0 ? misses / expected : 0);
  const compulsory = count(COMPULSORY);
  const rate = (misses: number): number => hitRateOf(sample, gets, misses);
  return {
    hitRate: rate(compulsory + count(EXPIRED) + count(INVALIDATED)),
    // What was taken out is a miss whether it had expired before or not.
    hitRateWithoutExpiry: rate(compulsory + count(INVALIDATED)),
    hitRateOfAnyCache: rate(compulsory),
    misses: {
      compulsory: share(compulsory),
      capacity: 0,
      expired: share(count(EXPIRED)),
      invalidated: share(count(INVALIDATED)),
    },
  };
}

const NEVER_STORED = 0;
const STORED = 1;
const TAKEN_OUT = 2;

function countMisses(trace: CacheTrace): Float64Array {
  const { rows, key, operation, timeMs, ttlMs, prefixOf } = trace;
  const counts = new Float64Array(trace.prefixes.length * FIELDS);
  const state = new Uint8Array(trace.keyCount);
  const aliveUntil = ttlMs ? new Float64Array(trace.keyCount) : undefined;
  for (let row = 0; row < rows; row += 1) {
    const id = key[row] ?? 0;
    const now = state[id] ?? NEVER_STORED;
    if (operation[row] === GET) {
      const at = (prefixOf[id] ?? 0) * FIELDS;
      const time = timeMs[row] ?? 0;
      counts[at] = (counts[at] ?? 0) + 1;
      if (now === STORED && (aliveUntil === undefined || time <= (aliveUntil[id] ?? 0))) continue;
      const miss = now === NEVER_STORED ? COMPULSORY : now === STORED ? EXPIRED : INVALIDATED;
      counts[at + miss] = (counts[at + miss] ?? 0) + 1;
    } else if (operation[row] === DELETE) {
      if (now === STORED) state[id] = TAKEN_OUT;
      continue;
    } else if (operation[row] !== SET) {
      continue;
    }
    state[id] = STORED;
    if (aliveUntil) aliveUntil[id] = endOfLife(timeMs[row] ?? 0, ttlMs?.[row] ?? 0);
  }
  return counts;
}

function endOfLife(storedAtMs: number, ttlMs: number): number {
  return ttlMs === 0 ? Infinity : storedAtMs + ttlMs;
}
