/** Hits by size, as they are counted, and the rates that they come to. */

/** Of a sample, what its gets stand for. */
export interface HitCounts {
  readonly gets: number;
  /** That were asked for. */
  readonly bytes: number;
  /** At each size. */
  readonly hits: Float64Array;
  readonly hitBytes: Float64Array;
}

/** Gets that there were, and the bytes of their entries. */
export interface Asked {
  readonly gets: number;
  readonly bytes: number;
}

export interface HitRates {
  readonly hitRate: readonly number[];
  readonly byteHitRate: readonly number[];
}

export interface HitCounter {
  /** A get of so many bytes that caches of at least `bytesNeeded` answer; negative: none does. */
  add(bytes: number, bytesNeeded: number, weight: number): void;
  counts(): HitCounts;
}

/** Sizes ascend. */
export function createHitCounter(sizes: readonly number[]): HitCounter {
  const limits = Float64Array.from(sizes);
  const hits = new Float64Array(sizes.length + 1);
  const hitBytes = new Float64Array(sizes.length + 1);
  let gets = 0;
  let asked = 0;
  return {
    add(bytes, bytesNeeded, weight) {
      gets += weight;
      asked += weight * bytes;
      if (bytesNeeded < 0) return;
      let low = 0;
      let high = limits.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((limits[middle] ?? 0) < bytesNeeded) low = middle + 1;
        else high = middle;
      }
      hits[low] = (hits[low] ?? 0) + weight;
      hitBytes[low] = (hitBytes[low] ?? 0) + weight * bytes;
    },
    counts: () => ({
      gets,
      bytes: asked,
      hits: sumsOf(hits, sizes.length),
      hitBytes: sumsOf(hitBytes, sizes.length),
    }),
  };
}

/** What hits are added from one size to the next one, summed up. */
export function sumsOf(steps: Float64Array, count: number): Float64Array {
  let sum = 0;
  return steps.slice(0, count).map((step) => (sum += step));
}

/**
 * Rates of all gets that there were. What counted gets lack of these, or have beyond them, is due to hot keys that the
 * sample has not, or has; their distances are small, so that it counts as hits (SHARDS-adj of Waldspurger et al., FAST 2015).
 * 0 without a get.
 */
export function ratesOf(counts: HitCounts, { gets, bytes }: Asked): HitRates {
  return {
    hitRate: Array.from(counts.hits, (hits) => share(hits + gets - counts.gets, gets)),
    byteHitRate: Array.from(counts.hitBytes, (hit) => share(hit + bytes - counts.bytes, bytes)),
  };
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}
