/** Hits of an LRU cache, every key simulated: by stack distances where these are exact, otherwise size by size. */
import { DELETE, GET, SET } from "../../../core/cache-trace.ts";
import type { Accesses } from "./accesses.ts";
import { createHitCounter, type HitCounts } from "./hit-counts.ts";
import { createNestedLru } from "./nested-lru.ts";
import { createStackDistances } from "./stack-distance.ts";

/** Keys counted apart. */
export interface Groups {
  /** By key, 0 to `count` - 1. */
  readonly of: Uint16Array;
  readonly count: number;
}

/** Of each group, or of all in one; sizes ascend. */
export function countExactly(
  accesses: Accesses,
  sizes: readonly number[],
  groups: Groups = { of: new Uint16Array(0), count: 1 },
): readonly HitCounts[] {
  return isPlain(accesses, sizes[0] ?? 0)
    ? countByDistance(accesses, sizes, groups)
    : countBySize(accesses, sizes, groups);
}

/** Whether stack distances say what LRU caches do: each key has one size, fits all caches, and is never removed. */
function isPlain({ key, bytes, keyCount, operation }: Accesses, smallest: number): boolean {
  const bytesOf = new Float64Array(keyCount).fill(-1);
  for (let row = 0; row < key.length; row += 1) {
    const id = key[row] ?? 0;
    const now = bytes[row] ?? 0;
    const kind = operation === undefined ? GET : operation[row];
    if (kind !== GET && kind !== SET) {
      if (kind === DELETE) return false;
      continue;
    }
    const before = bytesOf[id] ?? -1;
    if (now > smallest || (before >= 0 && before !== now)) return false;
    bytesOf[id] = now;
  }
  return true;
}

function countByDistance(
  { key, bytes, operation, sampledShare = 1 }: Accesses,
  sizes: readonly number[],
  groups: Groups,
): readonly HitCounts[] {
  const distances = createStackDistances();
  const counters = Array.from({ length: groups.count }, () => createHitCounter(sizes));
  for (let row = 0; row < key.length; row += 1) {
    const id = key[row] ?? 0;
    const kind = operation === undefined ? GET : operation[row];
    if (kind !== GET && kind !== SET) continue;
    const own = bytes[row] ?? 0;
    const others = distances.access(id, own);
    if (kind === SET) continue;
    const needed = others < 0 ? -1 : others / sampledShare + own;
    counters[groups.of[id] ?? 0]?.add(own, needed, 1);
  }
  return counters.map((counter) => counter.counts());
}

function countBySize(
  { key, bytes, operation, sampledShare = 1 }: Accesses,
  sizes: readonly number[],
  groups: Groups,
): readonly HitCounts[] {
  const lru = createNestedLru(sizes, { share: sampledShare, groups: groups.count });
  for (let row = 0; row < key.length; row += 1) {
    const id = key[row] ?? 0;
    const kind = operation === undefined ? GET : operation[row];
    if (kind === GET) lru.get(id, bytes[row] ?? 0, groups.of[id] ?? 0);
    else if (kind === SET) lru.set(id, bytes[row] ?? 0);
    else if (kind === DELETE) lru.remove(id);
  }
  return Array.from({ length: groups.count }, (_, group) => lru.counts(group));
}
