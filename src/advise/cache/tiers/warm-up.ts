/** What a warm-up of the most asked for keys would be worth: learnt from the first half of a trace, judged on the second. */
import type { WarmUpPoint } from "../../../core/cache-advice.ts";
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";

export interface WarmUp extends WarmUpPoint {
  /**
   * Of the second half's gets, the first ones of a key, which miss when the cache is empty at its beginning (a restart) and
   * would hit with the warm-up.
   */
  readonly spared: number;
}

/** By number of keys, on a grid of 1, 2, 5, 10 and so on; the last is all keys of the first half. Empty without gets. */
export function warmUpPoints(trace: CacheTrace, bytes: Float64Array): readonly WarmUp[] {
  const half = halfOf(trace);
  const first = getsByKey(trace, 0, half.row);
  const second = getsByKey(trace, half.row, trace.rows);
  const sizes = sizesOf(trace, bytes, half.row);
  const ranked = [...first.keys()]
    .filter((key) => (first[key] ?? 0) > 0)
    .toSorted((a, b) => (first[b] ?? 0) - (first[a] ?? 0) || a - b);
  const points: WarmUp[] = [];
  let covered = 0;
  let spared = 0;
  let heldBytes = 0;
  for (const [place, key] of ranked.entries()) {
    covered += second[key] ?? 0;
    spared += (second[key] ?? 0) > 0 ? 1 : 0;
    heldBytes += sizes[key] ?? 0;
    const keys = place + 1;
    if (!isRound(keys) && keys < ranked.length) continue;
    points.push({
      keys: Math.round(keys / trace.sampledShare),
      bytes: Math.round(heldBytes / trace.sampledShare),
      covered: covered / half.getsAfter,
      spared: spared / half.getsAfter,
    });
  }
  return points;
}

/** The row at which half of the gets are over. */
function halfOf(trace: CacheTrace): { readonly row: number; readonly getsAfter: number } {
  let gets = 0;
  for (let row = 0; row < trace.rows; row += 1) gets += trace.operation[row] === GET ? 1 : 0;
  let before = 0;
  let row = 0;
  for (; row < trace.rows && before < gets >> 1; row += 1) {
    before += trace.operation[row] === GET ? 1 : 0;
  }
  return { row, getsAfter: gets - before };
}

function getsByKey(trace: CacheTrace, from: number, to: number): Uint32Array {
  const gets = new Uint32Array(trace.keyCount);
  for (let row = from; row < to; row += 1) {
    if (trace.operation[row] !== GET) continue;
    const key = trace.key[row] ?? 0;
    gets[key] = (gets[key] ?? 0) + 1;
  }
  return gets;
}

/** By key: as large as it was when it was last asked for or stored before that row. */
function sizesOf(trace: CacheTrace, bytes: Float64Array, to: number): Float64Array {
  const sizes = new Float64Array(trace.keyCount);
  for (let row = 0; row < to; row += 1) {
    const size = bytes[row] ?? 0;
    if (size > 0) sizes[trace.key[row] ?? 0] = size;
  }
  return sizes;
}

/** 1, 2, 5, 10, 20, 50 and so on. */
function isRound(count: number): boolean {
  const mantissa = count / 10 ** Math.floor(Math.log10(count));
  return mantissa === 1 || mantissa === 2 || mantissa === 5;
}
