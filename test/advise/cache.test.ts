/** Repetition, the LRU replay and the predictions, on traces whose hits can be counted by hand. */
import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import { ENTRY_OVERHEAD_BYTES, replayLru } from "../../src/advise/cache/lru.ts";
import { predictByRates, predictByReplay } from "../../src/advise/cache/predict.ts";
import {
  cacheableEntries,
  popularityOf,
  repetitionByEndpoint,
} from "../../src/advise/cache/repetition.ts";
import { skewedKeys, traceOf } from "../tuners/views.ts";

const hits = (keys: readonly number[], ttlMs: number, sizeBytes?: number) => {
  const trace = traceOf(keys);
  const shape = sizeBytes === undefined ? { ttlMs } : { ttlMs, sizeBytes };
  return Math.round(replayLru(trace, shape, 0).hitShare * trace.length);
};

function obviousHits(keys: readonly number[], ttlMs: number, capacity: number): number {
  let held: { key: number; storedAt: number; usedAt: number }[] = [];
  let found = 0;
  for (const [index, key] of keys.entries()) {
    const now = index * 10;
    held = held.filter((each) => each.storedAt + ttlMs > now);
    const entryOfKey = held.find((each) => each.key === key);
    if (entryOfKey) {
      entryOfKey.usedAt = now;
      found += 1;
      continue;
    }
    held.push({ key, storedAt: now, usedAt: now });
    if (held.length > capacity) held = held.toSorted((a, b) => a.usedAt - b.usedAt).slice(1);
  }
  return found;
}

describe("the replay", () => {
  const entry = 700 + ENTRY_OVERHEAD_BYTES;

  test.each<[what: string, keys: number[], ttlMs: number, size: number | undefined, hits: number]>([
    ["all different", [1, 2, 3, 4], 1_000, undefined, 0],
    ["all the same", [1, 1, 1, 1], 1_000, undefined, 3],
    // One request every 10 ms: an entry of 25 ms serves two more.
    ["expired, and not renewed by hits", [1, 1, 1, 1, 1, 1], 25, undefined, 4],
    ["gone at the very moment it expires", [1, 2, 1], 20, undefined, 0],
    ["room for one only", [1, 2, 1, 2], 1_000, entry, 0],
    ["room for two", [1, 2, 1, 2], 1_000, 2 * entry, 2],
    ["the least recently used goes first", [1, 2, 1, 3, 1, 2], 1_000, 2 * entry, 2],
    ["too large to be held at all", [1, 1], 1_000, entry - 1, 0],
    ["no time to live", [1, 1, 1], 0, undefined, 0],
  ])("%s", (_, keys, ttlMs, size, expected) => {
    expect(hits(keys, ttlMs, size)).toBe(expected);
  });

  test("counts evictions and the most that was held", () => {
    const replay = replayLru(traceOf([1, 2, 3, 1]), { ttlMs: 1_000, sizeBytes: 2 * entry }, 0);
    expect(replay).toMatchObject({ evictions: 2, liveBytesMax: 2 * entry });
  });

  test("agrees with a cache written the obvious way", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 8 }),
        (keys, ttlMs, entries) => {
          expect(hits(keys, ttlMs, entries * entry)).toBe(obviousHits(keys, ttlMs, entries));
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("the prediction", () => {
  test("by rates is rT / (1 + rT) of each key's other requests", () => {
    const popularity = [
      { requestsPerKey: 11, keys: 1, bytes: 700 },
      { requestsPerKey: 1, keys: 9, bytes: 6_300 },
    ];
    // r = 10 others in 10 s, T = 5 s: 5 / 6 of 11 requests of 20; keys seen once promise nothing.
    expect(predictByRates(popularity, 10_000, 5_000).hitShare).toBeCloseTo((11 * (5 / 6)) / 20);
    expect(predictByRates(popularity, 10_000, 0)).toMatchObject({
      hitShare: 0,
      workingSetBytes: 0,
    });
  });

  test("by replay needs a window of twice the time to live", () => {
    const trace = traceOf(skewedKeys(1_000, 100));
    expect(predictByReplay(trace, 10_000, 5_000)?.method).toBe("replay");
    expect(predictByReplay(trace, 10_000, 5_001)).toBeUndefined();
  });

  test("both agree on a long trace of a steady popularity, and on its future", () => {
    const trace = traceOf(skewedKeys(20_000, 800));
    const windowMs = 200_000;
    const first = trace.filter((each) => each.atMs < windowMs / 2);
    for (const ttlMs of [1_000, 5_000, 20_000]) {
      const replayed = predictByReplay(trace, windowMs, ttlMs)!.hitShare;
      expect(predictByRates(popularityOf(trace), windowMs, ttlMs).hitShare).toBeCloseTo(
        replayed,
        1,
      );
      expect(predictByRates(popularityOf(first), windowMs / 2, ttlMs).hitShare).toBeCloseTo(
        replayed,
        1,
      );
    }
  });

  test("a window too short to show a key twice predicts low, never high", () => {
    const long = traceOf(skewedKeys(20_000, 800));
    const short = long.slice(0, 500);
    const truth = predictByReplay(long, 200_000, 30_000)!.hitShare;
    const predicted = predictByRates(popularityOf(short), 5_000, 30_000).hitShare;
    expect(predicted).toBeLessThan(truth + 0.02);
    expect(predicted).toBeGreaterThan(truth / 2);
  });
});

describe("repetition", () => {
  const trace = [
    ...traceOf([1, 1, 2], { endpoint: "get" }),
    ...traceOf([5, 5, 5, 6], { endpoint: "search", method: "POST" }),
    ...traceOf([7, 8, 9, 10], { endpoint: "create", method: "POST" }),
    ...traceOf([11, 11, 11], { endpoint: "touch", method: "PATCH" }),
  ];

  test("GET, and POST that repeats, may be cached; other writes never", () => {
    const endpoints = repetitionByEndpoint(trace);
    const cacheable = endpoints.filter((each) => each.cacheable).map((each) => each.name);
    expect(cacheable.toSorted()).toEqual(["get", "search"]);
    expect(cacheableEntries(trace, endpoints)).toHaveLength(7);
    expect(endpoints.find((each) => each.name === "search")).toMatchObject({
      requests: 4,
      keys: 2,
      repeatedShare: 0.5,
    });
  });

  test("keys asked for equally often are counted together", () => {
    expect(popularityOf(traceOf([1, 1, 2, 3]))).toEqual([
      { requestsPerKey: 2, keys: 1, bytes: 700 },
      { requestsPerKey: 1, keys: 2, bytes: 1_400 },
    ]);
  });
});
