import { LRUCache } from "lru-cache";
import { describe, expect, test } from "vitest";
import { createLruCache } from "../../../../src/advise/cache/tiers/lru-cache.ts";
import {
  COLD,
  EVICTED,
  EXPIRED,
  HIT,
  INVALIDATED,
} from "../../../../src/advise/cache/simulated-cache.ts";
import { dice } from "./random.ts";

describe("against lru-cache itself", () => {
  test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
    "random steps, seed %i",
    (seed) => {
      const roll = dice(seed);
      const bytesMax = 60 + roll(300);
      const ttlMs = roll(2) * (20 + roll(100));
      const maxEntryBytes = roll(2) === 0 ? undefined : 30 + roll(30);
      let now = 1;
      const real = new LRUCache<number, { readonly bytes: number }>({
        maxSize: bytesMax,
        ...(maxEntryBytes === undefined ? {} : { maxEntrySize: maxEntryBytes }),
        sizeCalculation: ({ bytes }) => bytes,
        ttl: ttlMs,
        ttlResolution: 0,
        perf: { now: () => now },
      });
      const cache = createLruCache({
        bytesMax,
        ttlMs,
        ...(maxEntryBytes === undefined ? {} : { maxEntryBytes }),
      });
      const expected: unknown[] = [];
      const simulated: unknown[] = [];
      for (let step = 0; step < 3_000; step += 1) {
        now += roll(5) * roll(4);
        const key = Math.min(roll(60), roll(60));
        const what = roll(10);
        if (what < 6) {
          simulated.push(cache.get(key, now) === HIT);
          expected.push(real.get(key) !== undefined);
        } else if (what < 9) {
          const bytes = 1 + roll(50);
          const own = ttlMs > 0 ? 0 : roll(3) * 40;
          real.set(key, { bytes }, ttlMs > 0 ? {} : { ttl: own });
          cache.set(key, bytes, now, own);
        } else {
          real.delete(key);
          cache.delete(key, now);
        }
        const other = roll(60);
        simulated.push([cache.has(other, now), cache.usedBytes(), cache.keys()]);
        expected.push([real.has(other), real.calculatedSize, real.size]);
      }
      expect(simulated).toEqual(expected);
    },
  );
});

test("says why a key is not there", () => {
  const cache = createLruCache({ bytesMax: 100, ttlMs: 0 });
  expect(cache.get(1, 0)).toBe(COLD);
  cache.delete(1, 0);
  expect(cache.get(1, 0)).toBe(COLD);
  cache.set(1, 60, 0, 50);
  expect(cache.get(1, 50)).toBe(HIT);
  expect(cache.get(1, 51)).toBe(EXPIRED);
  expect(cache.get(1, 52)).toBe(EXPIRED);
  cache.set(1, 60, 60, 50);
  cache.set(2, 60, 60, 0);
  expect(cache.get(1, 61)).toBe(EVICTED);
  // It would have expired meanwhile, evicted or not.
  expect(cache.get(1, 111)).toBe(EXPIRED);
  cache.delete(1, 112);
  expect(cache.get(1, 112)).toBe(INVALIDATED);
  expect(cache.evictions()).toBe(1);
});

test("what is larger than the cache is not stored, and what was there is gone", () => {
  const cache = createLruCache({ bytesMax: 100, ttlMs: 0 });
  cache.set(1, 50, 0, 0);
  cache.set(1, 101, 1, 0);
  expect([cache.keys(), cache.usedBytes(), cache.get(1, 2)]).toEqual([0, 0, EVICTED]);
});

test("unbounded, thousands of keys, each with the time it was stored", () => {
  const cache = createLruCache({ bytesMax: undefined, ttlMs: 10 });
  for (let key = 0; key < 5_000; key += 1) cache.set(key, 1, key, 0);
  expect([cache.keys(), cache.usedBytes(), cache.evictions()]).toEqual([5_000, 5_000, 0]);
  expect([cache.storedAt(4_321), cache.storedAt(5_001)]).toEqual([4_321, undefined]);
  expect([cache.has(4_990, 5_000), cache.has(4_989, 5_000)]).toEqual([true, false]);
});

test("tells how long what it evicts was not used", () => {
  const idle: [number, number][] = [];
  const cache = createLruCache({
    bytesMax: 2,
    ttlMs: 0,
    onEvict: (key, idleMs) => idle.push([key, idleMs]),
  });
  cache.set(1, 1, 0, 0);
  cache.set(2, 1, 5, 0);
  cache.get(1, 8);
  cache.set(3, 2, 20, 0);
  expect(idle).toEqual([
    [2, 15],
    [1, 12],
  ]);
});
