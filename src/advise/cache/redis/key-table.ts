/** Redis' hash table of keys (dict.c) as far as it decides who is evicted: which keys lie beside each other, and how full it is. */
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { slotsFor, TABLE_SLOTS_LEAST } from "./footprint.ts";

/** HASHTABLE_MAX_LOAD_FACTOR (server.h): above it a table grows even when that takes the server over its maxmemory. */
const LOAD_FACTOR_MAX = 1.618;
/** HASHTABLE_MIN_FILL (server.h), per cent. */
const FILL_LEAST = 0.1;
/** dictGetSomeKeys: after as many empty slots in a row it looks elsewhere. */
const EMPTY_RUN_MAX = 5;
/** Redis draws for ever; at the least fill that its cron leaves, as many draws hardly ever all fail. */
const DRAWS_MAX = 1_000;
const NONE = -1;
const TWO_32 = 2 ** 32;

/** Keys by number, in chains. `share` of the server's keys are here: its table is 1 / share times as large, as full as this one. */
export interface KeyTable {
  /** First key of each slot. */
  heads: Int32Array;
  /** By key: the one behind it in its chain. */
  readonly next: Int32Array;
  /** In use of `heads`. */
  slots: number;
  keys: number;
  /** Of the server's table: a power of two. */
  serverSlots: number;
  /** Of the table that is being left slot by slot; 0 at rest. */
  serverSlotsBefore: number;
  /** Slots of the table before that are still to be moved. */
  rehashLeft: number;
  /** Counts what changes the memory that the tables take. */
  changes: number;
  readonly share: number;
  readonly salt: number;
}

export function createKeyTable(keyCount: number, share: number, salt: number): KeyTable {
  return {
    heads: new Int32Array(0),
    next: new Int32Array(keyCount).fill(NONE),
    slots: 0,
    keys: 0,
    serverSlots: 0,
    serverSlotsBefore: 0,
    rehashLeft: 0,
    changes: 0,
    share,
    salt,
  };
}

/** `fits` says whether the server may allocate so many slots more; a full table waits while it may not (dictExpandAllowed). */
export function insertKey(table: KeyTable, key: number, fits: (slots: number) => boolean): void {
  growIfFull(table, fits);
  const slot = slotOf(table, key);
  table.next[key] = table.heads[slot] ?? NONE;
  table.heads[slot] = key;
  table.keys += 1;
}

function growIfFull(table: KeyTable, fits: (slots: number) => boolean): void {
  // _dictExpandIfNeeded (dict.c) gives an empty table its first slots before it asks whether it may grow.
  if (table.serverSlots === 0) {
    resize(table, TABLE_SLOTS_LEAST);
    return;
  }
  const serverKeys = table.keys / table.share;
  if (table.rehashLeft > 0 || serverKeys < table.serverSlots) return;
  const slots = Math.max(TABLE_SLOTS_LEAST, slotsFor(Math.floor(serverKeys) + 1));
  if (slots <= table.serverSlots) return;
  if (serverKeys <= LOAD_FACTOR_MAX * table.serverSlots && !fits(slots)) return;
  resize(table, slots);
}

/** What the server's cron does with tables that are nearly empty. */
export function shrinkIfEmpty(table: KeyTable): void {
  const serverKeys = table.keys / table.share;
  if (table.rehashLeft > 0 || table.serverSlots <= TABLE_SLOTS_LEAST) return;
  if (serverKeys >= FILL_LEAST * table.serverSlots) return;
  resize(table, Math.max(TABLE_SLOTS_LEAST, slotsFor(Math.ceil(serverKeys))));
}

/** All keys move at once; the memory of the old table is held for as long as the server would take. */
function resize(table: KeyTable, serverSlots: number): void {
  const { heads, next, slots } = table;
  table.serverSlotsBefore = table.serverSlots;
  table.rehashLeft = table.serverSlots;
  table.serverSlots = serverSlots;
  table.changes += 1;
  table.slots = Math.max(TABLE_SLOTS_LEAST, Math.round(serverSlots * table.share));
  table.heads = new Int32Array(table.slots).fill(NONE);
  for (let slot = 0; slot < slots; slot += 1) {
    let key = heads[slot] ?? NONE;
    while (key !== NONE) {
      const behind = next[key] ?? NONE;
      const to = slotOf(table, key);
      next[key] = table.heads[to] ?? NONE;
      table.heads[to] = key;
      key = behind;
    }
  }
}

export function rehashSteps(table: KeyTable, steps: number): void {
  if (table.rehashLeft === 0) return;
  table.rehashLeft = Math.max(0, table.rehashLeft - steps);
  if (table.rehashLeft > 0) return;
  table.serverSlotsBefore = 0;
  table.changes += 1;
}

/** The key must be there. */
export function removeKey(table: KeyTable, key: number): void {
  const { heads, next } = table;
  const slot = slotOf(table, key);
  const behind = next[key] ?? NONE;
  const head = heads[slot] ?? NONE;
  if (head === key) heads[slot] = behind;
  else next[keyBefore(table, key, head)] = behind;
  next[key] = NONE;
  table.keys -= 1;
}

/** In the chain that begins with `head`. A chain has all keys at the most, so the search ends whatever happened to it. */
function keyBefore({ next, keys }: KeyTable, key: number, head: number): number {
  let each = head;
  for (let left = keys; each !== NONE && left > 0; left -= 1) {
    const behind = next[each] ?? NONE;
    if (behind === key) return each;
    each = behind;
  }
  throw new Error(`the simulated table of ${keys} keys does not have the key ${key}`);
}

/** dictGetSomeKeys: a run of neighbouring keys from a random slot on. Writes into `found`; returns how many. */
export function someKeys(table: KeyTable, random: RandomGenerator, found: Int32Array): number {
  const { heads, next, slots } = table;
  const count = Math.min(found.length, table.keys);
  let slot = below(random, slots);
  let stored = 0;
  let emptyRun = 0;
  for (let steps = count * 10; steps > 0; steps -= 1) {
    let key = heads[slot] ?? NONE;
    if (key === NONE) {
      emptyRun += 1;
      if (emptyRun >= EMPTY_RUN_MAX && emptyRun > count) {
        slot = below(random, slots);
        emptyRun = 0;
      }
    } else {
      emptyRun = 0;
      while (key !== NONE) {
        found[stored] = key;
        stored += 1;
        if (stored === count) return stored;
        key = next[key] ?? NONE;
      }
    }
    slot = slot + 1 === slots ? 0 : slot + 1;
  }
  return stored;
}

/** dictGetRandomKey: a random slot that is not empty, then any key of its chain. -1 when there is none. */
export function randomKey(table: KeyTable, random: RandomGenerator): number {
  if (table.keys === 0) return NONE;
  const { heads, next, keys } = table;
  const head = heads[usedSlot(table, random)] ?? NONE;
  let length = 0;
  for (let key = head; key !== NONE && length < keys; key = next[key] ?? NONE) length += 1;
  let key = head;
  for (let left = length === 1 ? 0 : below(random, length); left > 0; left -= 1)
    key = next[key] ?? NONE;
  return key;
}

/** Drawn as long as Redis draws; in a table that is nearly empty, the next one from a random slot on. */
function usedSlot({ heads, slots, keys }: KeyTable, random: RandomGenerator): number {
  for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
    const slot = below(random, slots);
    if ((heads[slot] ?? NONE) !== NONE) return slot;
  }
  const from = below(random, slots);
  for (let step = 0; step < slots; step += 1) {
    const slot = from + step < slots ? from + step : from + step - slots;
    if ((heads[slot] ?? NONE) !== NONE) return slot;
  }
  throw new Error(`the simulated table of ${keys} keys has none in its ${slots} slots`);
}

/** 0 to `limit` - 1. */
export function below(random: RandomGenerator, limit: number): number {
  return Math.floor(((random.next() >>> 0) / TWO_32) * limit);
}

/** By a mix of MurmurHash3's kind (fmix32): keys' numbers lie beside each other, their slots must not. */
function slotOf(table: KeyTable, key: number): number {
  let hash = key ^ table.salt;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash ^= hash >>> 16;
  return Math.floor(((hash >>> 0) / TWO_32) * table.slots);
}
