/** Quantiles of millions of durations in little memory: counts in buckets that are 1 % wide. */

export interface Quantiles {
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const BUCKETS_PER_OCTAVE = 64;
/** From 1/64 of a millisecond to about 500 years. */
const OCTAVE_FIRST = -6;
const OCTAVES = 50;

export interface DurationCounts {
  add(ms: number): void;
  /** Undefined without any. */
  quantiles(): Quantiles | undefined;
}

export function createDurationCounts(): DurationCounts {
  const counts = new Float64Array(OCTAVES * BUCKETS_PER_OCTAVE + 1);
  let total = 0;
  return {
    add(ms) {
      const place = Math.floor((Math.log2(ms) - OCTAVE_FIRST) * BUCKETS_PER_OCTAVE) + 1;
      const bucket = ms > 0 ? Math.min(counts.length - 1, Math.max(0, place)) : 0;
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      total += 1;
    },
    quantiles() {
      if (total === 0) return undefined;
      return { p10: at(0.1), p50: at(0.5), p90: at(0.9), p99: at(0.99) };
    },
  };

  function at(share: number): number {
    let below = 0;
    for (let bucket = 0; bucket < counts.length; bucket += 1) {
      below += counts[bucket] ?? 0;
      if (below >= share * total) return middleOf(bucket);
    }
    return middleOf(counts.length - 1);
  }
}

function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : 2 ** ((bucket - 0.5) / BUCKETS_PER_OCTAVE + OCTAVE_FIRST);
}

/** The value that half of them do not exceed; undefined without any. */
export function medianOf(values: Float64Array): number | undefined {
  return values.toSorted()[(values.length - 1) >> 1];
}
