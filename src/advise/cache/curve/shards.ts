/** Hits of an LRU cache, counted in a sample of so many keys: SHARDS (Waldspurger et al., FAST 2015), in bytes. */
import { DELETE, GET, SET } from "../../../core/cache-trace.ts";
import type { Accesses } from "./accesses.ts";
import { createHitCounter, type HitCounts } from "./hit-counts.ts";
import { createKeySample } from "./key-sample.ts";
import { createStackDistances } from "./stack-distance.ts";

export interface ShardsOptions {
  readonly keysMax: number;
  /** Samples of different salts are independent. */
  readonly salt: number;
}

/** A get in the sample stands for 1 / rate of them, and the bytes of others since for 1 / rate of these; its own bytes are what they are. */
export function countInSample(
  { key, keyCount, bytes, operation, sampledShare = 1 }: Accesses,
  sizes: readonly number[],
  { keysMax, salt }: ShardsOptions,
): HitCounts {
  const distances = createStackDistances();
  const sample = createKeySample(keyCount, keysMax, salt, (slot) => distances.remove(slot));
  const counter = createHitCounter(sizes);
  for (let row = 0; row < key.length; row += 1) {
    const kind = operation === undefined ? GET : operation[row];
    if (kind !== GET && kind !== SET && kind !== DELETE) continue;
    const slot = sample.slotOf(key[row] ?? 0);
    if (slot < 0) continue;
    if (kind === DELETE) {
      distances.remove(slot);
      continue;
    }
    const own = bytes[row] ?? 0;
    const others = distances.access(slot, own);
    if (kind === SET) continue;
    const rate = sample.rate();
    const needed = others < 0 ? -1 : others / (rate * sampledShare) + own;
    counter.add(own, needed, 1 / rate);
  }
  return counter.counts();
}
