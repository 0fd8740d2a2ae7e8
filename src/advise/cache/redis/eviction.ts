/** Whom Redis evicts (evict.c of 7.0): the best of a pool that each eviction feeds with a few sampled keys. */
import type { RedisPolicy } from "../../../core/cache-curve.ts";
import { addAge, type Ages } from "./ages.ts";
import { randomKey, rehashSteps, someKeys, type KeyTable } from "./key-table.ts";
import { dropKey, GONE_EVICTED, isOver, PRESENT, serverBytes, type Keyspace } from "./keyspace.ts";

/** EVPOOL_SIZE (evict.c). */
const POOL_SIZE = 16;
/** maxmemory-samples' default. */
const SAMPLES = 5;
/** LFU_INIT_VAL (server.h), and the defaults of lfu-log-factor and lfu-decay-time. */
const LFU_INITIAL = 5;
const LFU_MAX = 255;
const LFU_LOG_FACTOR = 10;
const LFU_DECAY_MINUTES = 1;
const TWO_32 = 2 ** 32;
/** The pool is asked again when all in it are gone; a volatile policy whose keys are all gone ends at once. */
const POOL_ROUNDS_MAX = 1_000;

type Score = "lru" | "lfu" | "ttl" | "random" | "none";

export interface Eviction {
  readonly score: Score;
  /** Only keys with a time to live. */
  readonly volatile: boolean;
  readonly idle: Float64Array;
  readonly pooled: Int32Array;
  pooledCount: number;
  readonly found: Int32Array;
  readonly logFactor: number;
  readonly decayMinutes: number;
  /** The server's clock, as its cron last set it. */
  clockSeconds: number;
  clockMinutes: number;
  evictions: number;
  readonly ages: Ages;
}

export function createEviction(
  options: {
    readonly policy: RedisPolicy;
    readonly samples?: number;
    readonly lfuLogFactor?: number;
    readonly lfuDecayMinutes?: number;
  },
  ages: Ages,
): Eviction {
  return {
    score: scoreOf(options.policy),
    volatile: options.policy.startsWith("volatile"),
    idle: new Float64Array(POOL_SIZE),
    pooled: new Int32Array(POOL_SIZE),
    pooledCount: 0,
    found: new Int32Array(options.samples ?? SAMPLES),
    logFactor: options.lfuLogFactor ?? LFU_LOG_FACTOR,
    decayMinutes: options.lfuDecayMinutes ?? LFU_DECAY_MINUTES,
    clockSeconds: 0,
    clockMinutes: 0,
    evictions: 0,
    ages,
  };
}

function scoreOf(policy: RedisPolicy): Score {
  if (policy === "noeviction") return "none";
  if (policy.endsWith("lru")) return "lru";
  if (policy.endsWith("lfu")) return "lfu";
  return policy.endsWith("ttl") ? "ttl" : "random";
}

/** performEvictions, before every command: false when the server is over its maxmemory and nothing may go. */
export function evictWhileOver(keyspace: Keyspace, eviction: Eviction, nowMs: number): boolean {
  const { maxmemoryBytes } = keyspace.options;
  while (serverBytes(keyspace) > maxmemoryBytes) {
    const key = victimOf(keyspace, eviction);
    if (key < 0) return false;
    if (!isOver(keyspace, key, nowMs))
      addAge(eviction.ages, nowMs - (keyspace.touchedMs[key] ?? 0));
    dropKey(keyspace, key, GONE_EVICTED);
    rehashSteps(keyspace.all, 1);
    eviction.evictions += 1;
  }
  return true;
}

function victimOf(keyspace: Keyspace, eviction: Eviction): number {
  const table = eviction.volatile ? keyspace.expiring : keyspace.all;
  if (eviction.score === "none") return -1;
  if (eviction.score === "random") return randomKey(table, keyspace.random);
  for (let round = 0; round < POOL_ROUNDS_MAX && table.keys > 0; round += 1) {
    populate(keyspace, eviction, table);
    while (eviction.pooledCount > 0) {
      eviction.pooledCount -= 1;
      const key = eviction.pooled[eviction.pooledCount] ?? 0;
      // Names stay in the pool when their keys go, and count again when they are back.
      if (keyspace.status[key] !== PRESENT) continue;
      if (!eviction.volatile || (keyspace.expiresMs[key] ?? 0) > 0) return key;
    }
  }
  return randomKey(table, keyspace.random);
}

/** evictionPoolPopulate: a key's idleness is that of the moment it was sampled, however old the pool gets. */
function populate(keyspace: Keyspace, eviction: Eviction, table: KeyTable): void {
  const { idle, pooled, found } = eviction;
  rehashSteps(table, found.length);
  const count = someKeys(table, keyspace.random, found);
  for (let index = 0; index < count; index += 1) {
    const key = found[index] ?? 0;
    const score = idleness(keyspace, eviction, key);
    let place: number;
    if (eviction.pooledCount === POOL_SIZE) {
      // The least idle leaves; who is not more idle than that one does not come in.
      if (score <= (idle[0] ?? 0)) continue;
      for (place = 0; place + 1 < POOL_SIZE && (idle[place + 1] ?? 0) < score; place += 1) {
        idle[place] = idle[place + 1] ?? 0;
        pooled[place] = pooled[place + 1] ?? 0;
      }
    } else {
      for (place = eviction.pooledCount; place > 0 && (idle[place - 1] ?? 0) >= score; place -= 1) {
        idle[place] = idle[place - 1] ?? 0;
        pooled[place] = pooled[place - 1] ?? 0;
      }
      eviction.pooledCount += 1;
    }
    idle[place] = score;
    pooled[place] = key;
  }
}

/** Larger goes sooner. */
function idleness(keyspace: Keyspace, eviction: Eviction, key: number): number {
  if (eviction.score === "lru") return eviction.clockSeconds - (keyspace.clock[key] ?? 0);
  if (eviction.score === "lfu") return LFU_MAX - decayed(keyspace, eviction, key);
  return -(keyspace.expiresMs[key] ?? 0);
}

/** LFUDecrAndReturn: one less for every decay time since the counter was last written. */
function decayed(keyspace: Keyspace, eviction: Eviction, key: number): number {
  const counter = keyspace.counter[key] ?? 0;
  if (eviction.decayMinutes === 0) return counter;
  const minutes = eviction.clockMinutes - (keyspace.clock[key] ?? 0);
  return Math.max(0, counter - Math.floor(minutes / eviction.decayMinutes));
}

/** A key that is read, or written over: lookupKey (db.c), updateLFU. */
export function touchKey(keyspace: Keyspace, eviction: Eviction, key: number, nowMs: number): void {
  keyspace.touchedMs[key] = nowMs;
  if (eviction.score !== "lfu") {
    keyspace.clock[key] = eviction.clockSeconds;
    return;
  }
  const counter = decayed(keyspace, eviction, key);
  const rarity = Math.max(0, counter - LFU_INITIAL) * eviction.logFactor + 1;
  // LFULogIncr: the more there are, the less likely is one more.
  const grows = counter < LFU_MAX && (keyspace.random.next() >>> 0) / TWO_32 < 1 / rarity;
  keyspace.counter[key] = grows ? counter + 1 : counter;
  keyspace.clock[key] = eviction.clockMinutes;
}

export function touchNewKey(
  keyspace: Keyspace,
  eviction: Eviction,
  key: number,
  nowMs: number,
): void {
  keyspace.touchedMs[key] = nowMs;
  keyspace.counter[key] = LFU_INITIAL;
  keyspace.clock[key] = eviction.score === "lfu" ? eviction.clockMinutes : eviction.clockSeconds;
}
