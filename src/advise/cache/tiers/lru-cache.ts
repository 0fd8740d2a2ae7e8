/**
 * A simulated cache in a process, as lru-cache (npm) behaves: least recently used goes first, a hit does not renew the time
 * to live, what has expired keeps its room until it is read or evicted (its default, without ttlAutopurge).
 */
import {
  COLD,
  EVICTED,
  EXPIRED,
  HIT,
  INVALIDATED,
  type GetOutcome,
  type SimulatedCache,
} from "../simulated-cache.ts";

export interface LruOptions {
  /** Undefined: as large as need be. */
  readonly bytesMax: number | undefined;
  /** Of every entry; 0: each has its own, as it is stored. */
  readonly ttlMs: number;
  /** What is larger is not stored, and what was there goes. As large as the cache itself unless it is given. */
  readonly maxEntryBytes?: number;
  readonly onEvict?: EvictionListener;
}

/** Told of an eviction for room: how long the entry had not been read or stored. */
export type EvictionListener = (key: number, idleMs: number) => void;

export function createLruCache(options: LruOptions): SimulatedCache {
  const bytesMax = options.bytesMax ?? Infinity;
  const entryBytesMax = Math.min(bytesMax, options.maxEntryBytes ?? Infinity);
  const entries = createEntries();
  const past = createPast();
  let evictions = 0;

  function evictOldest(timeMs: number): void {
    const slot = entries.oldest();
    const key = entries.keyAt(slot);
    past.note(key, EVICTED, entries.aliveUntil(slot));
    options.onEvict?.(key, timeMs - entries.usedAt(slot));
    entries.remove(slot);
    evictions += 1;
  }

  return {
    get(key, timeMs) {
      const slot = entries.slotOf(key);
      if (slot === 0) return past.outcome(key, timeMs);
      if (timeMs > entries.aliveUntil(slot)) {
        entries.remove(slot);
        past.note(key, EXPIRED, 0);
        return EXPIRED;
      }
      entries.use(slot, timeMs);
      return HIT;
    },
    set(key, bytes, timeMs, ttlMs) {
      const lifeMs = options.ttlMs > 0 ? options.ttlMs : ttlMs > 0 ? ttlMs : Infinity;
      const slot = entries.slotOf(key);
      if (bytes > entryBytesMax) {
        if (slot !== 0) entries.remove(slot);
        past.note(key, EVICTED, timeMs + lifeMs);
        return;
      }
      // lru-cache takes a replaced entry's old size off first, and never evicts the entry that is being stored.
      const replaced = slot === 0 ? 0 : entries.bytesAt(slot);
      if (slot !== 0) entries.use(slot, timeMs);
      const others = slot === 0 ? 0 : 1;
      while (entries.bytes() - replaced + bytes > bytesMax && entries.count() > others) {
        evictOldest(timeMs);
      }
      entries.put(slot, key, bytes, timeMs, timeMs + lifeMs);
    },
    delete(key) {
      const slot = entries.slotOf(key);
      if (slot !== 0) entries.remove(slot);
      if (slot !== 0 || past.stored(key)) past.note(key, INVALIDATED, 0);
    },
    has(key, timeMs) {
      const slot = entries.slotOf(key);
      return slot !== 0 && timeMs <= entries.aliveUntil(slot);
    },
    storedAt(key) {
      const slot = entries.slotOf(key);
      return slot === 0 ? undefined : entries.storedAt(slot);
    },
    usedBytes: entries.bytes,
    keys: entries.count,
    evictions: () => evictions,
  };
}

const FIRST_CAPACITY = 1_024;

/** Entries in slots of typed arrays; slot 0 is none. */
function createEntries() {
  const ring = createRing();
  let slots: Int32Array = new Int32Array(FIRST_CAPACITY);
  let key: Int32Array = new Int32Array(FIRST_CAPACITY);
  let size: Float64Array = new Float64Array(FIRST_CAPACITY);
  let stored: Float64Array = new Float64Array(FIRST_CAPACITY);
  let until: Float64Array = new Float64Array(FIRST_CAPACITY);
  let used: Float64Array = new Float64Array(FIRST_CAPACITY);
  let bytes = 0;
  let count = 0;

  function slotForNew(newKey: number): number {
    const slot = ring.take();
    if (slot >= key.length) {
      key = grownInts(key, slot + 1);
      size = grownFloats(size, slot + 1);
      stored = grownFloats(stored, slot + 1);
      until = grownFloats(until, slot + 1);
      used = grownFloats(used, slot + 1);
    }
    if (newKey >= slots.length) slots = grownInts(slots, newKey + 1);
    slots[newKey] = slot;
    key[slot] = newKey;
    count += 1;
    return slot;
  }

  return {
    slotOf: (wanted: number): number => (wanted < slots.length ? (slots[wanted] ?? 0) : 0),
    keyAt: (slot: number): number => key[slot] ?? 0,
    bytesAt: (slot: number): number => size[slot] ?? 0,
    storedAt: (slot: number): number => stored[slot] ?? 0,
    aliveUntil: (slot: number): number => until[slot] ?? 0,
    usedAt: (slot: number): number => used[slot] ?? 0,
    oldest: ring.oldest,
    use(slot: number, timeMs: number): void {
      used[slot] = timeMs;
      ring.touch(slot);
    },
    remove(slot: number): void {
      ring.release(slot);
      slots[key[slot] ?? 0] = 0;
      bytes -= size[slot] ?? 0;
      count -= 1;
    },
    /** Stores in the slot, or in a new one when that is 0. */
    put(into: number, newKey: number, newBytes: number, timeMs: number, untilMs: number): void {
      const slot = into === 0 ? slotForNew(newKey) : into;
      bytes += newBytes - (into === 0 ? 0 : (size[slot] ?? 0));
      size[slot] = newBytes;
      stored[slot] = timeMs;
      until[slot] = untilMs;
      used[slot] = timeMs;
    },
    bytes: (): number => bytes,
    count: (): number => count,
  };
}

/** Slots linked in order of use; slot 0 is the anchor between the newest and the oldest. */
function createRing() {
  let older: Int32Array = new Int32Array(FIRST_CAPACITY);
  let newer: Int32Array = new Int32Array(FIRST_CAPACITY);
  let slotsUsed = 1;
  let free = 0;

  function link(slot: number): void {
    const newest = older[0] ?? 0;
    newer[newest] = slot;
    older[slot] = newest;
    newer[slot] = 0;
    older[0] = slot;
  }
  function unlink(slot: number): void {
    const before = older[slot] ?? 0;
    const after = newer[slot] ?? 0;
    newer[before] = after;
    older[after] = before;
  }
  return {
    oldest: (): number => newer[0] ?? 0,
    take(): number {
      let slot = free;
      if (slot !== 0) {
        free = newer[slot] ?? 0;
      } else {
        slot = slotsUsed;
        slotsUsed += 1;
        if (slot >= older.length) {
          older = grownInts(older, slot + 1);
          newer = grownInts(newer, slot + 1);
        }
      }
      link(slot);
      return slot;
    },
    touch(slot: number): void {
      if (older[0] === slot) return;
      unlink(slot);
      link(slot);
    },
    release(slot: number): void {
      unlink(slot);
      newer[slot] = free;
      free = slot;
    },
  };
}

/** Why keys that were there are not there any more. */
function createPast() {
  let why: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  let until: Float64Array = new Float64Array(FIRST_CAPACITY);
  return {
    note(key: number, outcome: GetOutcome, aliveUntilMs: number): void {
      if (key >= why.length) {
        const grown = new Uint8Array(Math.max(key + 1, why.length * 2));
        grown.set(why);
        why = grown;
        until = grownFloats(until, why.length);
      }
      why[key] = outcome;
      until[key] = aliveUntilMs;
    },
    stored: (key: number): boolean => key < why.length && why[key] !== 0,
    outcome(key: number, timeMs: number): GetOutcome {
      const outcome = key < why.length ? why[key] : 0;
      if (outcome === EVICTED) return timeMs > (until[key] ?? 0) ? EXPIRED : EVICTED;
      if (outcome === EXPIRED) return EXPIRED;
      return outcome === INVALIDATED ? INVALIDATED : COLD;
    },
  };
}

function grownInts(from: Int32Array, lengthMin: number): Int32Array {
  const grown = new Int32Array(Math.max(lengthMin, from.length * 2));
  grown.set(from);
  return grown;
}

function grownFloats(from: Float64Array, lengthMin: number): Float64Array {
  const grown = new Float64Array(Math.max(lengthMin, from.length * 2));
  grown.set(from);
  return grown;
}
