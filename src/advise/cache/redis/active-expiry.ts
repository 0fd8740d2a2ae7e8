/** How Redis finds keys whose time is over though nobody asks for them (activeExpireCycle of expire.c, 7.0), in simulated time. */
import { dropKey, GONE_EXPIRED, isOver, type Keyspace } from "./keyspace.ts";
import { TABLE_SLOTS_LEAST } from "./footprint.ts";

/** ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP, at the default active-expire-effort of 1. */
const KEYS_PER_LOOP = 20;
const SLOTS_PER_KEY_MAX = 20;
/** ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE. */
const STALE_SHARE_MAX = 0.1;
/** ACTIVE_EXPIRE_CYCLE_SLOW_TIME_PERC of a tenth of a second, and ACTIVE_EXPIRE_CYCLE_FAST_DURATION. */
const SLOW_BUDGET_US = 25_000;
const FAST_BUDGET_US = 1_000;
const FAST_EVERY_MS = 2;
/** The server looks at the time once in as many loops. */
const LOOPS_PER_LOOK = 16;
/** Time that the server takes to delete a key and to look at a slot: assumed, and of no weight but where a cycle runs out of time. */
const DELETE_US = 1;
const SLOT_US = 0.02;
/** Weight of the last cycle in stat_expired_stale_perc. */
const STALE_WEIGHT = 0.05;
const LOOPS_MAX = 100_000;

export interface ActiveExpiry {
  /** Slot that the next loop begins with. */
  cursor: number;
  outOfTime: boolean;
  staleShare: number;
  lastFastMs: number;
  /** Keys that slow cycles are still to look at, where a share of the keys is simulated: a share of the server's twenty. */
  keysDue: number;
  /** Of the last twenty or so keys that were looked at, how many had expired. */
  staleLately: number;
  expired: number;
}

export function createActiveExpiry(): ActiveExpiry {
  return {
    cursor: 0,
    outOfTime: false,
    staleShare: 0,
    lastFastMs: -Infinity,
    keysDue: 0,
    staleLately: 0,
    expired: 0,
  };
}

/** From the server's cron, ten times a second. */
export function expireSlowly(keyspace: Keyspace, expiry: ActiveExpiry, nowMs: number): void {
  // In a tenth of the keys a tenth as many are looked at, so that going round takes as long; what they say adds up to a whole look.
  expiry.keysDue += KEYS_PER_LOOP * keyspace.share;
  const keys = Math.floor(expiry.keysDue);
  expiry.keysDue -= keys;
  if (keys > 0) expireCycle(keyspace, expiry, { nowMs, keys, budgetUs: SLOW_BUDGET_US });
}

/** Before the server sleeps, when the slow cycle did not get through. */
export function expireFast(keyspace: Keyspace, expiry: ActiveExpiry, nowMs: number): void {
  if (!expiry.outOfTime && expiry.staleShare < STALE_SHARE_MAX) return;
  if (nowMs < expiry.lastFastMs + FAST_EVERY_MS) return;
  expiry.lastFastMs = nowMs;
  expireCycle(keyspace, expiry, { nowMs, keys: KEYS_PER_LOOP, budgetUs: FAST_BUDGET_US });
}

interface Cycle {
  readonly nowMs: number;
  /** To look at in the first loop. */
  readonly keys: number;
  readonly budgetUs: number;
}

function expireCycle(keyspace: Keyspace, expiry: ActiveExpiry, cycle: Cycle): void {
  const table = keyspace.expiring;
  const budgetUs = cycle.budgetUs * keyspace.share;
  let [sampled, expired, slots] = [0, 0, 0];
  expiry.outOfTime = false;
  for (let loop = 1; loop <= LOOPS_MAX; loop += 1) {
    if (table.keys === 0) break;
    // Below one slot in a hundred the server waits for the table to shrink.
    if (table.slots > TABLE_SLOTS_LEAST && table.keys * 100 < table.slots) break;
    const keys = loop === 1 ? cycle.keys : KEYS_PER_LOOP;
    const seen = expireLoop(keyspace, expiry, cycle.nowMs, keys);
    sampled += seen.sampled;
    expired += seen.expired;
    slots += seen.slots;
    if (loop % LOOPS_PER_LOOK === 0 && expired * DELETE_US + slots * SLOT_US > budgetUs) {
      expiry.outOfTime = true;
      break;
    }
    if (seen.sampled === 0) continue;
    const weight = Math.min(1, keys / KEYS_PER_LOOP);
    expiry.staleLately += weight * (seen.expired / seen.sampled - expiry.staleLately);
    if (expiry.staleLately <= STALE_SHARE_MAX) break;
  }
  expiry.expired += expired;
  const stale = sampled === 0 ? 0 : expired / sampled;
  expiry.staleShare = stale * STALE_WEIGHT + expiry.staleShare * (1 - STALE_WEIGHT);
}

interface Seen {
  readonly sampled: number;
  readonly expired: number;
  readonly slots: number;
}

/** Goes on from slot to slot until it has seen enough keys. */
function expireLoop(keyspace: Keyspace, expiry: ActiveExpiry, nowMs: number, keys: number): Seen {
  const table = keyspace.expiring;
  const enough = Math.min(table.keys, keys);
  const slotsMax = enough * SLOTS_PER_KEY_MAX;
  let [sampled, expired, slots] = [0, 0, 0];
  for (; sampled < enough && slots < slotsMax; slots += 1) {
    const slot = expiry.cursor < table.slots ? expiry.cursor : 0;
    expiry.cursor = slot + 1;
    let key = table.heads[slot] ?? -1;
    while (key >= 0) {
      const behind = table.next[key] ?? -1;
      sampled += 1;
      if (isOver(keyspace, key, nowMs)) {
        dropKey(keyspace, key, GONE_EXPIRED);
        expired += 1;
      }
      key = behind;
    }
  }
  return { sampled, expired, slots };
}

/** Everything whose time is over: where the trace has a gap so long that the server has found all of it. */
export function expireAll(keyspace: Keyspace, expiry: ActiveExpiry, nowMs: number): void {
  const { heads, next, slots } = keyspace.expiring;
  for (let slot = 0; slot < slots; slot += 1) {
    let key = heads[slot] ?? -1;
    while (key >= 0) {
      const behind = next[key] ?? -1;
      if (isOver(keyspace, key, nowMs)) {
        dropKey(keyspace, key, GONE_EXPIRED);
        expiry.expired += 1;
      }
      key = behind;
    }
  }
}
