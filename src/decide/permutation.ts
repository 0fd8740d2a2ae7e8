/** A sign-flip permutation test: how often chance alone, swapping the arms of each pair, gives a mean at least as far from zero. */
import { normalTail } from "./distribution.ts";

/** Above this the 2^n sign patterns are no longer counted but taken as normal, which they then very nearly are. */
const EXACT_MAX = 32;

/** Sums that differ by rounding alone count as equal. */
const TIE = 1e-9;

/** Two-sided p. Exact up to 32 pairs, and without any random draw: equal pairs always give the same p. */
export function signFlipP(values: readonly number[]): number {
  const observed = Math.abs(values.reduce((sum, value) => sum + value, 0));
  const size = values.reduce((sum, value) => sum + Math.abs(value), 0);
  const least = observed - TIE * size;
  if (least <= 0) return 1;
  if (values.length > EXACT_MAX) {
    const spread = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    return 2 * normalTail(observed / spread);
  }
  // Every sign pattern is one of the first half with one of the second, so two sorted lists of 2^(n/2) sums hold all 2^n.
  const middle = Math.floor(values.length / 2);
  const first = signedSums(values.slice(0, middle));
  const second = signedSums(values.slice(middle));
  const above = countAtLeast(first, second, least);
  return Math.min(1, (2 * above) / 2 ** values.length);
}

/** The sums of all sign patterns, sorted: each value merges the list shifted down with the list shifted up. */
function signedSums(values: readonly number[]): Float64Array {
  let sums = Float64Array.of(0);
  for (const value of values) {
    const shift = Math.abs(value);
    const merged = new Float64Array(sums.length * 2);
    let low = 0;
    let high = 0;
    for (let index = 0; index < merged.length; index += 1) {
      const down = (sums[low] ?? Infinity) - shift;
      const up = (sums[high] ?? Infinity) + shift;
      if (down <= up) low += 1;
      else high += 1;
      merged[index] = Math.min(down, up);
    }
    sums = merged;
  }
  return sums;
}

/** How many sums of one from each sorted list reach `least`. */
function countAtLeast(first: Float64Array, second: Float64Array, least: number): number {
  let count = 0;
  let start = second.length;
  for (const value of first) {
    while (start > 0 && value + (second[start - 1] ?? Number.NaN) >= least) start -= 1;
    count += second.length - start;
  }
  return count;
}
