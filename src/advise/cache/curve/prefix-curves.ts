/** Hit rates by prefix of keys, where all prefixes share one LRU cache. */
import type { PrefixCurveFacts } from "../../../core/cache-advice.ts";
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { countExactly } from "./exact.ts";
import { ratesOf } from "./hit-counts.ts";

/**
 * One of each of the trace's prefixes, in their order. `bytes` are of the entries, by row; sizes ascend. Exact for any number of keys:
 * a sample has too few of a rare prefix.
 */
export function prefixCurves(
  trace: CacheTrace,
  bytes: Float64Array | Uint32Array,
  sizes: readonly number[],
): readonly PrefixCurveFacts[] {
  const { key, keyCount, operation, sampledShare, prefixOf, prefixes } = trace;
  const accesses = { key, bytes, keyCount, operation, sampledShare };
  const counts = countExactly(accesses, sizes, { of: prefixOf, count: prefixes.length });
  return counts.map((of, index) => ({
    prefix: prefixes[index] ?? "",
    gets: of.gets,
    ...ratesOf(of, of),
  }));
}
