/** A sample of keys by hash that holds at most so many of them: the threshold falls as keys come. */
import { mixed } from "./mixed.ts";

export interface KeySample {
  /** Where the key is in the sample, 0 to `keysMax` - 1; -1 when it is not, and then it never will be again. */
  slotOf(key: number): number;
  /** Share of all keys below the threshold, as it is now. */
  rate(): number;
}

/** 2^32 divided by the golden ratio: salts lie far from each other. */
const GOLDEN = 0x9e3779b9;
const OUT = -1;
const HASHES = 2 ** 32;

/** Keys are dense from 0. `leaves` hears of slots whose keys leave; other keys get them later. */
export function createKeySample(
  keyCount: number,
  keysMax: number,
  salt: number,
  leaves: (slot: number) => void,
): KeySample {
  const slots = Math.min(keyCount, keysMax);
  // A slot is kept as one more: 0 is of a key that has not come yet, and -1 of one that is out for good.
  const slotOfKey = new Int32Array(keyCount);
  const keyOf = new Uint32Array(slots);
  const heap: Heap = { hash: new Uint32Array(slots), slot: new Int32Array(slots), size: 0 };
  const salted = Math.imul(salt, GOLDEN);
  let threshold = HASHES;
  const isIn = (hash: number): boolean => {
    if (hash >= threshold) return false;
    if (heap.size < slots) return true;
    threshold = Math.max(hash, heap.hash[0] ?? 0);
    return hash < threshold;
  };
  const makeRoom = (): number => {
    const slot = takeLargest(heap);
    slotOfKey[keyOf[slot] ?? 0] = OUT;
    leaves(slot);
    return slot;
  };
  return {
    slotOf(key) {
      const known = slotOfKey[key] ?? OUT;
      if (known !== 0) return known === OUT ? OUT : known - 1;
      // Hashed twice: a salt that meets the key itself makes samples that depend on each other where keys are dense.
      const hash = mixed((mixed(key) + salted) | 0);
      if (!isIn(hash)) {
        slotOfKey[key] = OUT;
        return OUT;
      }
      const slot = heap.size === slots ? makeRoom() : heap.size;
      keyOf[slot] = key;
      slotOfKey[key] = slot + 1;
      put(heap, hash, slot);
      return slot;
    },
    rate: () => threshold / HASHES,
  };
}

/** Slots by hash, the largest first. */
interface Heap {
  readonly hash: Uint32Array;
  readonly slot: Int32Array;
  size: number;
}

function put(heap: Heap, hash: number, slot: number): void {
  let at = heap.size;
  heap.size += 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap.hash[parent] ?? 0;
    if (above >= hash) break;
    heap.hash[at] = above;
    heap.slot[at] = heap.slot[parent] ?? 0;
    at = parent;
  }
  heap.hash[at] = hash;
  heap.slot[at] = slot;
}

/** The slot of the largest hash, taken out. */
function takeLargest(heap: Heap): number {
  const largest = heap.slot[0] ?? 0;
  heap.size -= 1;
  const hash = heap.hash[heap.size] ?? 0;
  const slot = heap.slot[heap.size] ?? 0;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.size) break;
    if (child + 1 < heap.size && (heap.hash[child + 1] ?? 0) > (heap.hash[child] ?? 0)) child += 1;
    if ((heap.hash[child] ?? 0) <= hash) break;
    heap.hash[at] = heap.hash[child] ?? 0;
    heap.slot[at] = heap.slot[child] ?? 0;
    at = child;
  }
  heap.hash[at] = hash;
  heap.slot[at] = slot;
  return largest;
}
