/** Which arm of a pair is measured first: by chance, and balanced. */
import type { Pair } from "../core/trial.ts";

/** AB or BA by chance for every even pair, and the other way round for the odd one after it: random, and balanced. */
export function orderOf(seed: number, block: string, index: number): Pair["order"] {
  let hash = seed | 0;
  for (const character of block) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
  const coin = mixed(hash ^ Math.imul((index >> 1) + 1, 0x9e3779b1)) & 1;
  return (coin === 0) === (index % 2 === 0) ? "incumbent-first" : "candidate-first";
}

/** The finalizer of MurmurHash3: neighbouring inputs share about half of their bits afterwards. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
