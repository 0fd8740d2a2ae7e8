/** What loading a value costs, for misses that a trace did not have: what its key cost elsewhere, or keys like it. */
import type { CacheTrace } from "../../../core/cache-trace.ts";

/** Milliseconds of a load at a row; undefined when the trace has no costs at all. */
export function costsOf(trace: CacheTrace): ((row: number) => number) | undefined {
  const { costMs, key, prefixOf, rows } = trace;
  if (!costMs) return undefined;
  const ofKey = createMeans(trace.keyCount);
  const ofPrefix = createMeans(trace.prefixes.length);
  const ofAll = createMeans(1);
  for (let row = 0; row < rows; row += 1) {
    const cost = costMs[row] ?? 0;
    if (!(cost > 0)) continue;
    const id = key[row] ?? 0;
    ofKey.add(id, cost);
    ofPrefix.add(prefixOf[id] ?? 0, cost);
    ofAll.add(0, cost);
  }
  const overall = ofAll.mean(0);
  if (overall === undefined) return undefined;
  return (row) => {
    const own = costMs[row] ?? 0;
    if (own > 0) return own;
    const id = key[row] ?? 0;
    return ofKey.mean(id) ?? ofPrefix.mean(prefixOf[id] ?? 0) ?? overall;
  };
}

function createMeans(length: number) {
  const sums = new Float64Array(length);
  const counts = new Uint32Array(length);
  return {
    add(at: number, value: number): void {
      sums[at] = (sums[at] ?? 0) + value;
      counts[at] = (counts[at] ?? 0) + 1;
    },
    mean(at: number): number | undefined {
      const count = counts[at] ?? 0;
      return count === 0 ? undefined : (sums[at] ?? 0) / count;
    },
  };
}
