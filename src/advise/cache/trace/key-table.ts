/** Keys by number: 64-bit hashes of their names, and a table that numbers them in order of appearance. */

export interface HashTarget {
  hashHigh: number;
  hashLow: number;
}

/**
 * Two 32-bit halves over bytes, written into `target`. FNV-1a in the one, multiply and rotate in the other, both through the
 * finaliser of MurmurHash3 and into each other: among 2^32 keys about two share a hash by chance.
 */
export function hashBytes(
  target: HashTarget,
  bytes: Uint8Array,
  from: number,
  to: number,
  seed = 0,
): void {
  let a = 0x811c9dc5 ^ seed;
  let b = 0x9747b28c ^ seed;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ byte, 0xcc9e2d51);
  }
  a = finalised(a ^ (to - from));
  b = finalised(b + a);
  target.hashHigh = b >>> 0;
  target.hashLow = (a + b) >>> 0;
}

/** fmix32 of MurmurHash3. */
function finalised(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

const encoder = new TextEncoder();
let scratch = new Uint8Array(1024);

/** The same hash for a text as for its UTF-8 bytes. */
export function hashText(target: HashTarget, text: string, seed = 0): void {
  if (scratch.length < text.length * 3) scratch = new Uint8Array(text.length * 3);
  hashBytes(target, scratch, 0, encoder.encodeInto(text, scratch).written, seed);
}

export interface KeyTable {
  /** The number of the key, a new one when it was not seen before. */
  idOf(hashHigh: number, hashLow: number): number;
  /** -1 when it was not seen before. */
  find(hashHigh: number, hashLow: number): number;
  size(): number;
}

/** Full at this share it doubles: longer runs of linear probing cost more than the memory. */
const LOAD_MAX = 0.6;

/** Open addressing over typed arrays: 4 bytes a slot and 8 a key, both grown by doubling, one at a time. */
export function createKeyTable(): KeyTable {
  let mask = 4095;
  let slots = new Uint32Array(mask + 1);
  let hashes = new Uint32Array(4096);
  let count = 0;

  const slotOf = (high: number, low: number): number => {
    let slot = low & mask;
    for (;;) {
      const taken = slots[slot] ?? 0;
      if (taken === 0) return slot;
      const at = (taken - 1) * 2;
      if (hashes[at] === low && hashes[at + 1] === high) return slot;
      slot = (slot + 1) & mask;
    }
  };
  const growSlots = (): void => {
    mask = mask * 2 + 1;
    slots = new Uint32Array(mask + 1);
    for (let id = 0; id < count; id += 1) {
      let slot = (hashes[id * 2] ?? 0) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
  };
  return {
    idOf: (high, low) => {
      const slot = slotOf(high, low);
      const taken = slots[slot] ?? 0;
      if (taken !== 0) return taken - 1;
      if (count * 2 === hashes.length) hashes = grown(hashes);
      hashes[count * 2] = low;
      hashes[count * 2 + 1] = high;
      count += 1;
      slots[slot] = count;
      if (count > (mask + 1) * LOAD_MAX) growSlots();
      return count - 1;
    },
    find: (high, low) => (slots[slotOf(high, low)] ?? 0) - 1,
    size: () => count,
  };
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(array.length * 2);
  longer.set(array);
  return longer;
}
