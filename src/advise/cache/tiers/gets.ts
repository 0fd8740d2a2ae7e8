/** Gets of a trace as rates need them: how many there are, by prefix, and how many there should be in a sample. */
import { GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";

/**
 * Of a trace of some keys, the gets that its share of the keys should have. When the sample happens to hold fewer or more of
 * the hottest keys, the difference are hits: the correction of SHARDS (Waldspurger et al., FAST '15, section 3.2).
 */
export function getsExpected(
  trace: Pick<CacheTrace, "sampledShare" | "getsOfAll">,
  gets: number,
): number {
  if (trace.getsOfAll === undefined || trace.sampledShare >= 1) return gets;
  return trace.getsOfAll * trace.sampledShare;
}

/** Share of the gets that did not miss, corrected where the trace is a sample; 0 without gets. */
export function hitRateOf(
  trace: Pick<CacheTrace, "sampledShare" | "getsOfAll">,
  gets: number,
  misses: number,
): number {
  const expected = getsExpected(trace, gets);
  return expected > 0 ? Math.max(0, (expected - misses) / expected) : 0;
}

export function getsByPrefix(trace: CacheTrace): Float64Array {
  const gets = new Float64Array(trace.prefixes.length);
  const { key, operation, prefixOf, rows } = trace;
  for (let row = 0; row < rows; row += 1) {
    if (operation[row] !== GET) continue;
    const prefix = prefixOf[key[row] ?? 0] ?? 0;
    gets[prefix] = (gets[prefix] ?? 0) + 1;
  }
  return gets;
}

/** Places of the prefixes with most gets, busiest first; none without gets. */
export function busiestPrefixes(gets: Float64Array, countMax: number): readonly number[] {
  return [...gets.keys()]
    .filter((prefix) => (gets[prefix] ?? 0) > 0)
    .toSorted((a, b) => (gets[b] ?? 0) - (gets[a] ?? 0) || a - b)
    .slice(0, countMax);
}

/** Whether a row says that a value changed; to be asked for every row in order. The first store of a key does not: what was there before, nobody knows. */
export function changesOf(trace: CacheTrace): (row: number) => boolean {
  const { key, operation } = trace;
  const seen = new Uint8Array(trace.keyCount);
  return (row) => {
    const id = key[row] ?? 0;
    const known = seen[id] === 1;
    seen[id] = 1;
    const what = operation[row] ?? GET;
    return what !== GET && (known || what !== SET);
  };
}

/** Whether anything in the trace says that data changes; without it nothing can be said about staleness. */
export function showsChanges(trace: CacheTrace): boolean {
  const changes = changesOf(trace);
  for (let row = 0; row < trace.rows; row += 1) if (changes(row)) return true;
  return false;
}

export function lengthMsOf(trace: CacheTrace): number {
  return trace.rows === 0 ? 0 : (trace.timeMs[trace.rows - 1] ?? 0) - (trace.timeMs[0] ?? 0);
}
