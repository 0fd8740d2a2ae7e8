/** What a simulated Redis holds: its keys with their sizes, clocks and times to live, and what of the server's memory they take. */
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { RedisPolicy } from "../../../core/cache-curve.ts";
import { overheadBytes, type Footprint } from "./footprint.ts";
import { createKeyTable, insertKey, removeKey, type KeyTable } from "./key-table.ts";

export interface RedisCacheOptions {
  /** Of the whole server, also where only a share of the keys is simulated. */
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  /** Keys are 0 to this - 1. */
  readonly keyCount: number;
  readonly footprint: Footprint;
  readonly seed: number;
  /** maxmemory-samples. */
  readonly samples?: number;
  readonly lfuLogFactor?: number;
  readonly lfuDecayMinutes?: number;
  /** What the server has beside startup, tables and entries: see `overheadBytes`. */
  readonly overheadBytes?: number;
  /** Of the server's keys, that are simulated: chosen by hash, all of their accesses. 1: all. */
  readonly share?: number;
}

/** Never stored, there, or why it no longer is. */
export const NEVER = 0;
export const PRESENT = 1;
export const GONE_EVICTED = 2;
export const GONE_EXPIRED = 3;
export const GONE_DELETED = 4;

export interface Keyspace {
  readonly options: RedisCacheOptions;
  readonly share: number;
  readonly random: RandomGenerator;
  readonly status: Uint8Array;
  readonly entryBytes: Float64Array;
  readonly storedMs: Float64Array;
  /** 0: does not expire. Stays when the key goes: it says whether the value would still be alive. */
  readonly expiresMs: Float64Array;
  readonly touchedMs: Float64Array;
  /** By policy: the LRU clock in seconds, or the minute of the last decrement. */
  readonly clock: Int32Array;
  /** LFU counters. */
  readonly counter: Uint8Array;
  readonly all: KeyTable;
  readonly expiring: KeyTable;
  /** Of the keys here, the tables left out. */
  keyspaceBytes: number;
  /** Of the whole server without keys and tables. */
  readonly fixedBytes: number;
  /** Of the whole server, as of `tableChanges`. */
  tablesBytes: number;
  tableChanges: number;
  readonly grows: (slots: number) => boolean;
}

export function createKeyspace(options: RedisCacheOptions): Keyspace {
  const { keyCount, footprint, share = 1 } = options;
  const random = xoroshiro128plus(options.seed);
  const keyspace: Keyspace = {
    options,
    share,
    random,
    status: new Uint8Array(keyCount),
    entryBytes: new Float64Array(keyCount),
    storedMs: new Float64Array(keyCount),
    expiresMs: new Float64Array(keyCount),
    touchedMs: new Float64Array(keyCount),
    clock: new Int32Array(keyCount),
    counter: new Uint8Array(keyCount),
    all: createKeyTable(keyCount, share, random.next()),
    expiring: createKeyTable(keyCount, share, random.next()),
    keyspaceBytes: 0,
    fixedBytes: footprint.startupBytes + (options.overheadBytes ?? overheadBytes()),
    tablesBytes: 0,
    tableChanges: 0,
    // overMaxmemoryAfterAlloc (evict.c).
    grows: (slots) =>
      serverBytes(keyspace) + footprint.tableBytes(slots, 0) <= options.maxmemoryBytes,
  };
  return keyspace;
}

/** As INFO's used_memory: of the whole server. */
export function serverBytes(keyspace: Keyspace): number {
  const { all, expiring } = keyspace;
  if (keyspace.tableChanges !== all.changes + expiring.changes) {
    const { footprint } = keyspace.options;
    keyspace.tableChanges = all.changes + expiring.changes;
    keyspace.tablesBytes =
      footprint.tableBytes(all.serverSlots, expiring.serverSlots) +
      footprint.tableBytes(all.serverSlotsBefore, expiring.serverSlotsBefore);
  }
  return keyspace.fixedBytes + keyspace.tablesBytes + keyspace.keyspaceBytes / keyspace.share;
}

export function addKey(keyspace: Keyspace, key: number, bytes: number): void {
  insertKey(keyspace.all, key, keyspace.grows);
  keyspace.status[key] = PRESENT;
  keyspace.entryBytes[key] = bytes;
  keyspace.keyspaceBytes += bytes;
}

/** Takes a key that is there out of both tables; `status` says why. */
export function dropKey(keyspace: Keyspace, key: number, status: number): void {
  removeKey(keyspace.all, key);
  if ((keyspace.expiresMs[key] ?? 0) > 0) removeKey(keyspace.expiring, key);
  keyspace.keyspaceBytes -= keyspace.entryBytes[key] ?? 0;
  keyspace.status[key] = status;
}

/** SET makes a key persistent, SET PX gives it its time to live anew. The key must be there. */
export function setExpiry(keyspace: Keyspace, key: number, expiresMs: number): void {
  const before = keyspace.status[key] === PRESENT ? (keyspace.expiresMs[key] ?? 0) : 0;
  if (before > 0 && expiresMs === 0) removeKey(keyspace.expiring, key);
  if (before === 0 && expiresMs > 0) insertKey(keyspace.expiring, key, keyspace.grows);
  keyspace.expiresMs[key] = expiresMs;
}

/** Whether the value's time is over, there or not; Redis counts it as alive in its last millisecond. */
export function isOver(keyspace: Keyspace, key: number, nowMs: number): boolean {
  const expires = keyspace.expiresMs[key] ?? 0;
  return expires > 0 && nowMs > expires;
}
