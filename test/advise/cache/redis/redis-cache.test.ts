import { describe, expect, test } from "vitest";
import { redisPolicies, type RedisPolicy } from "../../../../src/core/cache-curve.ts";
import { formulaFootprint } from "../../../../src/advise/cache/redis/footprint.ts";
import type { RedisCacheOptions } from "../../../../src/advise/cache/redis/keyspace.ts";
import { createRedisCache } from "../../../../src/advise/cache/redis/redis-cache.ts";
import {
  COLD,
  EVICTED,
  EXPIRED,
  HIT,
  INVALIDATED,
} from "../../../../src/advise/cache/simulated-cache.ts";

const footprint = { ...formulaFootprint(), startupBytes: 0 };
const BYTES = 1_000;
const ROOM = 100;

/** Room for a hundred entries of 1,000 bytes and their tables. */
function cacheOf(policy: RedisPolicy, changes: Partial<RedisCacheOptions> = {}) {
  return createRedisCache({
    policy,
    maxmemoryBytes: ROOM * BYTES + footprint.tableBytes(128, 128),
    keyCount: 10_000,
    footprint,
    overheadBytes: 0,
    seed: 1,
    ...changes,
  });
}

type Cache = ReturnType<typeof cacheOf>;

function fill(cache: Cache, keys: number, ttlMs = 0, from = 0): void {
  for (let key = from; key < from + keys; key += 1) cache.set(key, BYTES, key, ttlMs);
}

function present(cache: Cache, keys: number, timeMs: number): number {
  return Array.from({ length: keys }, (_, key) => key).filter((key) => cache.has(key, timeMs))
    .length;
}

function survivors(policy: RedisPolicy, seed: number): readonly boolean[] {
  const cache = cacheOf(policy, { seed });
  fill(cache, 2_000, 100_000);
  return Array.from({ length: 2_000 }, (_, key) => cache.has(key, 2_000));
}

/** Twenty thousand keys without eviction, two seconds later. */
function roomy(expiresOf: (key: number) => number): Cache {
  const cache = cacheOf("allkeys-lru", { maxmemoryBytes: 1e9, keyCount: 20_001 });
  for (let key = 0; key < 20_000; key += 1) cache.set(key, BYTES, 0, expiresOf(key));
  for (let timeMs = 100; timeMs <= 2_000; timeMs += 100) cache.get(20_000, timeMs);
  return cache;
}

describe.each(redisPolicies)("%s", (policy) => {
  test("never holds more than its memory and the entry last stored", () => {
    const cache = cacheOf(policy);
    let usedMax = 0;
    for (let key = 0; key < 5_000; key += 1) {
      cache.set(key, 200 + ((key * 37) % 2_000), key, key % 3 === 0 ? 0 : 50_000);
      usedMax = Math.max(usedMax, cache.usedBytes());
    }
    expect(usedMax).toBeLessThanOrEqual(ROOM * BYTES + footprint.tableBytes(128, 128) + 2_200);
    expect(cache.usedBytesMax()).toBeGreaterThan(ROOM * BYTES);
    expect(cache.keys()).toBe(present(cache, 5_000, 5_000));
  });

  test("the same seed evicts the same keys", () => {
    expect(survivors(policy, 7)).toEqual(survivors(policy, 7));
  });
});

describe("what a get finds", () => {
  test("cold, hit, expired, invalidated, evicted", () => {
    const cache = cacheOf("allkeys-lru");
    expect(cache.get(1, 0)).toBe(COLD);
    cache.set(1, BYTES, 0, 1_000);
    expect(cache.get(1, 1_000)).toBe(HIT);
    expect(cache.storedAt(1)).toBe(0);
    expect(cache.get(1, 1_001)).toBe(EXPIRED);
    cache.set(1, BYTES, 1_002, 0);
    cache.delete(1, 1_003);
    expect(cache.get(1, 1_004)).toBe(INVALIDATED);
    expect(cache.storedAt(1)).toBeUndefined();
    cache.set(1, BYTES, 1_005, 0);
    expect(cache.get(1, 1_006)).toBe(HIT);
    for (let key = 2; key < 3_000; key += 1) cache.set(key, BYTES, 100_000 + key, 0);
    expect(cache.get(1, 200_000)).toBe(EVICTED);
  });

  test("what was evicted and would have expired meanwhile, has expired", () => {
    const cache = cacheOf("allkeys-random");
    fill(cache, 2_000, 10_000);
    const gone = Array.from({ length: 2_000 }, (_, key) => key).find(
      (key) => !cache.has(key, 2_000),
    );
    expect(cache.get(gone ?? 0, 2_001)).toBe(EVICTED);
    expect(cache.get(gone ?? 0, 50_000)).toBe(EXPIRED);
  });

  test("a hit does not renew a time to live, a store does, and one without makes it persistent", () => {
    const cache = cacheOf("volatile-ttl");
    cache.set(1, BYTES, 0, 1_000);
    cache.get(1, 900);
    expect(cache.has(1, 1_500)).toBe(false);
    cache.set(1, BYTES, 950, 1_000);
    expect(cache.has(1, 1_500)).toBe(true);
    cache.set(1, BYTES, 960, 0);
    expect(cache.has(1, 1e9)).toBe(true);
  });
});

describe("who is evicted", () => {
  test("noeviction: nobody; stores fail, and their keys miss for lack of memory", () => {
    const cache = cacheOf("noeviction");
    fill(cache, 500);
    expect(cache.evictions()).toBe(0);
    expect(cache.refused()).toBeGreaterThan(390);
    expect(cache.has(0, 500)).toBe(true);
    expect(cache.get(499, 501)).toBe(EVICTED);
  });

  test.each(["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] as const)(
    "%s: only keys with a time to live, and nobody without any",
    (policy) => {
      const cache = cacheOf(policy);
      fill(cache, 50);
      fill(cache, 1_000, 1e6, 50);
      expect(present(cache, 50, 2_000)).toBe(50);
      expect(cache.evictions()).toBeGreaterThan(900);
      const without = cacheOf(policy);
      fill(without, 500);
      expect(without.evictions()).toBe(0);
      expect(without.refused()).toBeGreaterThan(0);
    },
  );

  test("lru: whom nobody asked for the longest, by a clock of whole seconds", () => {
    const cache = cacheOf("allkeys-lru", { samples: 10 });
    fill(cache, 90);
    for (let second = 1; second <= 20; second += 1)
      for (let key = 0; key < 45; key += 1) cache.get(key, second * 1_000 + key);
    for (let key = 1_000; key < 1_045; key += 1) cache.set(key, BYTES, 30_000 + key, 0);
    expect(present(cache, 45, 40_000)).toBeGreaterThan(42);
    expect(present(cache, 90, 40_000) - present(cache, 45, 40_000)).toBeLessThan(20);
    // Within one second all are alike.
    const quick = cacheOf("allkeys-lru", { samples: 10 });
    for (let key = 0; key < 90; key += 1) quick.set(key, BYTES, key / 1_000, 0);
    for (let key = 1_000; key < 1_045; key += 1) quick.set(key, BYTES, 0.5, 0);
    expect(present(quick, 45, 1)).toBeLessThan(40);
  });

  test("lfu: the rarely asked for, even when asked last", () => {
    const cache = cacheOf("allkeys-lfu", { samples: 10 });
    fill(cache, 90);
    for (let round = 0; round < 100; round += 1)
      for (let key = 0; key < 40; key += 1) cache.get(key, 100 + round);
    for (let key = 1_000; key < 3_000; key += 1) cache.set(key, BYTES, 1_000 + key / 10, 0);
    expect(present(cache, 40, 2_000)).toBeGreaterThan(37);
  });

  test("lfu: counters decay by the minute, and what was popular goes", () => {
    const cache = cacheOf("allkeys-lfu", { samples: 10 });
    fill(cache, 90);
    for (let round = 0; round < 50; round += 1)
      for (let key = 0; key < 40; key += 1) cache.get(key, 100 + round);
    const hour = 3_600_000;
    for (let key = 1_000; key < 2_000; key += 1) cache.set(key, BYTES, hour + key, 0);
    expect(present(cache, 40, hour + 3_000)).toBeLessThan(5);
  });

  test("volatile-ttl: who has the least time left", () => {
    const cache = cacheOf("volatile-ttl", { samples: 10 });
    for (let key = 0; key < 90; key += 1) cache.set(key, BYTES, key, key < 45 ? 1e6 : 1e9);
    for (let key = 1_000; key < 1_045; key += 1) cache.set(key, BYTES, key, 1e9);
    const soon = present(cache, 45, 2_000);
    expect(soon).toBeLessThan(20);
    expect(present(cache, 90, 2_000) - soon).toBeGreaterThan(42);
  });

  test("ages at eviction are times since the last use", () => {
    const cache = cacheOf("allkeys-random");
    expect(cache.evictionAgeMs()).toBeUndefined();
    fill(cache, 5_000);
    expect(cache.evictionAgeMs()).toBeGreaterThan(20);
    expect(cache.evictionAgeMs()).toBeLessThan(200);
  });
});

describe("memory of what has expired", () => {
  test("is held until the key is asked for", () => {
    const cache = cacheOf("allkeys-lru");
    cache.set(1, BYTES, 0, 10);
    expect(cache.has(1, 50)).toBe(false);
    expect(cache.keys()).toBe(1);
    expect(cache.get(1, 50)).toBe(EXPIRED);
    expect(cache.keys()).toBe(0);
    expect(cache.expired()).toBe(1);
  });

  test("is freed by the cron at once when many have expired", () => {
    expect(roomy((key) => (key % 2 === 0 ? 1_000 : 1e7)).keys()).toBe(10_000);
  });

  test("is freed slowly when few have, by some twenty looks a tenth of a second, and wholly in a long gap", () => {
    const cache = roomy((key) => (key % 25 === 0 ? 1_000 : 1e7));
    expect(cache.keys()).toBeLessThan(20_000);
    expect(cache.keys()).toBeGreaterThan(19_900);
    cache.get(20_000, 7_200_000);
    expect(cache.keys()).toBe(19_200);
  });
});

test("tables are memory: a table that would not fit waits until chains are long", () => {
  const tight = createRedisCache({
    policy: "noeviction",
    maxmemoryBytes: 1_100 * 64,
    keyCount: 5_000,
    footprint,
    overheadBytes: 0,
    seed: 1,
  });
  let timeMs = 0;
  for (let key = 0; key < 5_000; key += 1) tight.set(key, 64, (timeMs += 10), 0);
  // With the table of 1,024 slots that 513 keys ask for, and that one's neighbour, it is full.
  expect(tight.usedBytes()).toBe(tight.keys() * 64 + footprint.tableBytes(1024, 0));
  expect(tight.keys()).toBeGreaterThan(950);
});

test("a share of the keys sees its share of the memory", () => {
  const whole = cacheOf("allkeys-lru", { maxmemoryBytes: 1_100_000 });
  const tenth = cacheOf("allkeys-lru", { maxmemoryBytes: 1_100_000, share: 0.1 });
  fill(whole, 5_000);
  fill(tenth, 500);
  expect(tenth.keys() / whole.keys()).toBeGreaterThan(0.095);
  expect(tenth.keys() / whole.keys()).toBeLessThan(0.105);
  expect(tenth.usedBytes() / whole.usedBytes()).toBeCloseTo(1, 1);
});
