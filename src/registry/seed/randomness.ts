// Random choices that depend only on the seed and on what they are made for.

import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

export type Random = {
  /** In [0, 1). */
  readonly fraction: () => number;
  /** A whole number from min to max, both included. */
  readonly whole: (min: number, max: number) => number;
  readonly pick: <T>(items: readonly T[]) => T;
  readonly chance: (probability: number) => boolean;
  /** Roughly normal around 0, within -3 and 3. */
  readonly bell: () => number;
  readonly hex: (digits: number) => string;
};

/** A stream of its own for each purpose, so that a change to one table leaves the others as they were. */
export function randomFor(seed: number, purpose: string, index = 0): Random {
  const generator = xoroshiro128plus(mix(mix(seed, hashText(purpose)), index));
  const fraction = (): number => (generator.next() >>> 0) / 2 ** 32;
  const whole = (min: number, max: number): number =>
    min + Math.floor(fraction() * (max - min + 1));
  return {
    fraction,
    whole,
    pick: (items) => at(items, whole(0, items.length - 1)),
    chance: (probability) => fraction() < probability,
    bell: () => (fraction() + fraction() + fraction() + fraction() - 2) * 1.5,
    hex(digits) {
      let text = "";
      while (text.length < digits) text += (generator.next() >>> 0).toString(16).padStart(8, "0");
      return text.slice(0, digits);
    },
  };
}

/** Shares `total` among `parts` by Zipf's law: part k gets a share of 1 / (k + 1)^exponent, at least `least`. */
export function zipfShares(
  total: number,
  parts: number,
  exponent: number,
  least: number,
): number[] {
  const weights = Array.from({ length: parts }, (_, rank) => 1 / (rank + 1) ** exponent);
  const sum = weights.reduce((a, b) => a + b, 0);
  const spare = total - parts * least;
  const shares = weights.map((weight) => least + Math.floor((spare * weight) / sum));
  // Rounding leaves a few over; they go one each to the first parts, so that the total is exact.
  let left = total - shares.reduce((a, b) => a + b, 0);
  for (let part = 0; left > 0; part += 1, left -= 1)
    shares[part % parts] = (shares[part % parts] ?? 0) + 1;
  return shares;
}

/** The item at a place known to exist. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`No item ${index} among ${items.length}.`);
  return item;
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return hash;
}

/** Spreads neighbouring indexes over all 32 bits (the finaliser of MurmurHash3). */
function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
