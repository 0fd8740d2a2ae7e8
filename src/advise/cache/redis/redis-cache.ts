/** A cache that evicts and expires as Redis does: by samples and a pool, a clock of seconds, counters, and a cron. */
import {
  COLD,
  EVICTED,
  EXPIRED,
  HIT,
  INVALIDATED,
  type GetOutcome,
  type SimulatedCache,
} from "../simulated-cache.ts";
import {
  createActiveExpiry,
  expireAll,
  expireFast,
  expireSlowly,
  type ActiveExpiry,
} from "./active-expiry.ts";
import { createAges, medianAge } from "./ages.ts";
import {
  createEviction,
  evictWhileOver,
  touchKey,
  touchNewKey,
  type Eviction,
} from "./eviction.ts";
import { below, rehashSteps, shrinkIfEmpty } from "./key-table.ts";
import {
  addKey,
  createKeyspace,
  dropKey,
  GONE_DELETED,
  GONE_EVICTED,
  GONE_EXPIRED,
  isOver,
  NEVER,
  PRESENT,
  serverBytes,
  setExpiry,
  type Keyspace,
  type RedisCacheOptions,
} from "./keyspace.ts";

/** `hz 10`: the server's cron, which also sets its clock. */
const TICK_MS = 100;
/** An hour: in a longer gap the cron has found everything that expired. */
const TICKS_MAX = 36_000;
/** activerehashing takes a millisecond of each cron; about so many slots. */
const REHASH_SLOTS_PER_TICK = 10_000;
const MINUTE_S = 60;

export interface RedisCache extends SimulatedCache {
  readonly expired: () => number;
  /** Stores that failed: over maxmemory, and nothing may be evicted. */
  readonly refused: () => number;
  readonly usedBytesMax: () => number;
  /** Median of the time that evicted keys had not been touched for; undefined when none was. */
  readonly evictionAgeMs: () => number | undefined;
}

interface State {
  readonly keyspace: Keyspace;
  readonly eviction: Eviction;
  readonly expiry: ActiveExpiry;
  /** Of the server's clock when the simulation's is 0: where in a minute a trace begins is chance. */
  readonly phaseMs: number;
  nextTickMs: number;
  refused: number;
  usedBytesMax: number;
}

export function createRedisCache(options: RedisCacheOptions): RedisCache {
  const keyspace = createKeyspace(options);
  const state: State = {
    keyspace,
    eviction: createEviction(options, createAges()),
    expiry: createActiveExpiry(),
    phaseMs: below(keyspace.random, MINUTE_S * 1_000),
    nextTickMs: -Infinity,
    refused: 0,
    usedBytesMax: 0,
  };
  return {
    get: (key, timeMs) => get(state, key, timeMs),
    set: (key, bytes, timeMs, ttlMs) => set(state, key, bytes, timeMs, ttlMs),
    delete: (key, timeMs) => remove(state, key, timeMs),
    has: (key, timeMs) => keyspace.status[key] === PRESENT && !isOver(keyspace, key, timeMs),
    storedAt: (key) => (keyspace.status[key] === PRESENT ? keyspace.storedMs[key] : undefined),
    usedBytes: () => serverBytes(keyspace),
    keys: () => keyspace.all.keys,
    evictions: () => state.eviction.evictions,
    expired: () => state.expiry.expired,
    refused: () => state.refused,
    usedBytesMax: () => state.usedBytesMax,
    evictionAgeMs: () => medianAge(state.eviction.ages),
  };
}

function get(state: State, key: number, nowMs: number): GetOutcome {
  const { keyspace, eviction } = state;
  beforeCommand(state, nowMs);
  if (keyspace.status[key] === PRESENT) {
    if (!isOver(keyspace, key, nowMs)) {
      touchKey(keyspace, eviction, key, nowMs);
      return HIT;
    }
    expireNow(state, key);
  }
  const status = keyspace.status[key];
  if (status === NEVER) return COLD;
  if (status === GONE_EVICTED) return isOver(keyspace, key, nowMs) ? EXPIRED : EVICTED;
  return status === GONE_EXPIRED ? EXPIRED : INVALIDATED;
}

function set(state: State, key: number, bytes: number, nowMs: number, ttlMs: number): void {
  const { keyspace, eviction } = state;
  if (!beforeCommand(state, nowMs)) {
    state.refused += 1;
    if (keyspace.status[key] === PRESENT) return;
    // What keeps it out from now on is the memory.
    keyspace.status[key] = GONE_EVICTED;
    keyspace.expiresMs[key] = 0;
    return;
  }
  if (keyspace.status[key] === PRESENT && isOver(keyspace, key, nowMs)) expireNow(state, key);
  if (keyspace.status[key] === PRESENT) {
    // setKey looks the old value up first, and dbOverwrite hands its counter on.
    touchKey(keyspace, eviction, key, nowMs);
    keyspace.keyspaceBytes += bytes - (keyspace.entryBytes[key] ?? 0);
    keyspace.entryBytes[key] = bytes;
  } else {
    keyspace.expiresMs[key] = 0;
    addKey(keyspace, key, bytes);
    touchNewKey(keyspace, eviction, key, nowMs);
  }
  keyspace.storedMs[key] = nowMs;
  setExpiry(keyspace, key, ttlMs > 0 ? nowMs + ttlMs : 0);
  state.usedBytesMax = Math.max(state.usedBytesMax, serverBytes(keyspace));
}

function remove(state: State, key: number, nowMs: number): void {
  const { keyspace } = state;
  beforeCommand(state, nowMs);
  if (keyspace.status[key] === PRESENT) dropKey(keyspace, key, GONE_DELETED);
  else if (keyspace.status[key] !== NEVER) keyspace.status[key] = GONE_DELETED;
}

function expireNow(state: State, key: number): void {
  dropKey(state.keyspace, key, GONE_EXPIRED);
  state.expiry.expired += 1;
}

/** False when the server has no memory for what a write would store. */
function beforeCommand(state: State, nowMs: number): boolean {
  const { keyspace, eviction, expiry } = state;
  if (nowMs >= state.nextTickMs) tickUntil(state, nowMs);
  if (keyspace.expiring.keys > 0) expireFast(keyspace, expiry, nowMs);
  rehashSteps(keyspace.all, 1);
  rehashSteps(keyspace.expiring, 1);
  return evictWhileOver(keyspace, eviction, nowMs);
}

function tickUntil(state: State, nowMs: number): void {
  const { keyspace, expiry } = state;
  if (state.nextTickMs === -Infinity) state.nextTickMs = nowMs;
  const behind = Math.floor((nowMs - state.nextTickMs) / TICK_MS);
  if (behind > TICKS_MAX) expireAll(keyspace, expiry, nowMs);
  if (behind > TICKS_MAX || keyspace.expiring.keys === 0) state.nextTickMs += behind * TICK_MS;
  for (; state.nextTickMs <= nowMs; state.nextTickMs += TICK_MS) tick(state, state.nextTickMs);
}

function tick(state: State, nowMs: number): void {
  const { keyspace, eviction, expiry } = state;
  const seconds = Math.floor((nowMs + state.phaseMs) / 1_000);
  eviction.clockSeconds = seconds;
  eviction.clockMinutes = Math.floor(seconds / MINUTE_S);
  if (keyspace.expiring.keys > 0) expireSlowly(keyspace, expiry, nowMs);
  shrinkIfEmpty(keyspace.all);
  shrinkIfEmpty(keyspace.expiring);
  rehashSteps(keyspace.all, REHASH_SLOTS_PER_TICK);
  rehashSteps(keyspace.expiring, REHASH_SLOTS_PER_TICK);
}
