/** An LRU cache of one size as anybody would write it, to hold the fast ones against; and small random accesses. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { DELETE, GET, SET } from "../../../../src/core/cache-trace.ts";
import type { Accesses } from "../../../../src/advise/cache/curve/accesses.ts";

export interface BruteCounts {
  gets: number;
  hits: number;
  bytes: number;
  hitBytes: number;
}

/** Counted by group of the key; an entry has the bytes of its latest row, and is not stored where it is larger than the cache. */
export function bruteForce(
  { key, bytes, operation }: Accesses,
  size: number,
  groupOf: (key: number) => number = () => 0,
): BruteCounts[] {
  const entries = new Map<number, number>();
  const counts: BruteCounts[] = [];
  let used = 0;
  const drop = (id: number): void => {
    used -= entries.get(id) ?? 0;
    entries.delete(id);
  };
  for (const [row, id] of key.entries()) {
    const kind = operation?.[row] ?? GET;
    const own = bytes[row] ?? 0;
    if (kind === GET) {
      const of = (counts[groupOf(id)] ??= { gets: 0, hits: 0, bytes: 0, hitBytes: 0 });
      of.gets += 1;
      of.bytes += own;
      if (entries.has(id)) {
        of.hits += 1;
        of.hitBytes += own;
      }
    }
    if (kind === DELETE) drop(id);
    if (kind !== GET && kind !== SET) continue;
    drop(id);
    if (own > size) continue;
    for (const oldest of entries.keys()) {
      if (used + own <= size) break;
      drop(oldest);
    }
    entries.set(id, own);
    used += own;
  }
  return counts;
}

export interface Drawn {
  readonly seed: number;
  readonly rows: number;
  readonly keys: number;
  readonly bytesMax: number;
  /** Whether a key's entry has other bytes at each row. */
  readonly resized?: boolean;
  /** Of 10 rows, those that are not gets. */
  readonly otherOf10?: number;
}

/** Keys of small numbers are more frequent. */
export function drawnAccesses(drawn: Drawn): Accesses {
  const random = xoroshiro128plus(drawn.seed);
  const next = (most: number): number => uniformInt(random, 0, most);
  const bytesOf = Array.from({ length: drawn.keys }, () => next(drawn.bytesMax));
  const key = Uint32Array.from({ length: drawn.rows }, () => next(next(drawn.keys - 1)));
  return {
    key,
    keyCount: drawn.keys,
    bytes: Float64Array.from(key, (id) =>
      drawn.resized === true ? next(drawn.bytesMax) : (bytesOf[id] ?? 0),
    ),
    operation: Uint8Array.from(key, () => (next(9) < (drawn.otherOf10 ?? 0) ? 1 + next(2) : GET)),
  };
}
