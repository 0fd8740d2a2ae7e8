/** What a series without a change looks like: shuffled, with the correlation of neighbours that the series has. */
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { uniformInt } from "pure-rand/distribution/uniformInt";

/** Nearer to 1, a level shift and a slow drift cannot be told apart. */
const CORRELATION_MAX = 0.9;
/** Squares of what a double cannot tell are about 1e-32 of the values' own. */
const ROUNDING = 1e-24;
/** Of very short series the correction would divide by nothing. */
const REMAINDER_MIN = 0.25;

/**
 * The correlation of neighbours around the levels between the splits; not below 0. Levels fitted to the same values take a part of
 * it away: by 1 + 3r over n for each of them (Kendall, Biometrika 41, 1954), and each split counts as a level more, since its place is
 * fitted too.
 */
export function neighbourCorrelation(series: Float64Array, splits: readonly number[]): number {
  const bounds = [0, ...splits, series.length];
  const size = series.reduce((sum, value) => sum + value * value, 0);
  let products = 0;
  let squares = 0;
  for (const [position, from] of bounds.slice(0, -1).entries()) {
    const part = series.subarray(from, bounds[position + 1]);
    const level = meanOf(part);
    for (let index = 0; index < part.length; index += 1) {
      const rest = (part[index] ?? 0) - level;
      squares += rest * rest;
      if (index > 0) products += rest * ((part[index - 1] ?? 0) - level);
    }
  }
  // Of values that are equal but for rounding, the rounding would seem to be all alike.
  if (squares <= ROUNDING * size) return 0;
  const fitted = (2 * splits.length + 1) / series.length;
  const corrected = (products / squares + fitted) / Math.max(REMAINDER_MIN, 1 - 3 * fitted);
  return Math.min(CORRELATION_MAX, Math.max(0, corrected));
}

/**
 * Draws series that have no change: the part of each value that its neighbour does not explain, in another order, put together again.
 * Without correlation that is the plain permutation. Each call overwrites what the last one returned.
 */
export function shuffler(
  values: Float64Array,
  correlation: number,
  random: RandomGenerator,
): () => Float64Array {
  const count = values.length;
  const level = meanOf(values);
  // The first value has no neighbour before it: it is drawn from the whole spread, of which the others have this share.
  const share = Math.sqrt(1 - correlation * correlation);
  const own = Float64Array.from(values, (value, index) =>
    index === 0
      ? share * (value - level)
      : value - level - correlation * ((values[index - 1] ?? level) - level),
  );
  const drawn = new Float64Array(count);
  return () => {
    for (let index = count - 1; index > 0; index -= 1) {
      const other = uniformInt(random, 0, index);
      const kept = own[index] ?? 0;
      own[index] = own[other] ?? 0;
      own[other] = kept;
    }
    let last = 0;
    for (let index = 0; index < count; index += 1) {
      const fresh = own[index] ?? 0;
      last = index === 0 ? fresh / share : correlation * last + fresh;
      drawn[index] = last;
    }
    return drawn;
  };
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
