import { expect, test } from "vitest";
import { ceilingByPrefix, ceilingOf } from "../../../../src/advise/cache/tiers/ceiling.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { drawnTrace, traceOf } from "../traces.ts";
import { randomTrace } from "./random.ts";

test("by hand: each reason of a miss", () => {
  const trace = traceOf([
    { at: 0, key: "a:1", ttl: 10 }, // compulsory
    { at: 10, key: "a:1", ttl: 10 }, // still alive
    { at: 11, key: "a:1", ttl: 10 }, // expired
    { at: 12, key: "a:1", op: "delete" },
    { at: 13, key: "a:1", ttl: 10 }, // invalidated
    { at: 14, key: "b:1", op: "set", ttl: 0 },
    { at: 99, key: "b:1" }, // hit: stored without a get
    { at: 99, key: "b:1", op: "write" },
    { at: 99, key: "b:1" }, // a stale hit is a hit
    { at: 99, key: "b:2", op: "delete" },
    { at: 99, key: "b:2" }, // never stored, so compulsory
  ]);
  expect(ceilingOf(trace)).toEqual({
    hitRate: 3 / 7,
    hitRateWithoutExpiry: 4 / 7,
    hitRateOfAnyCache: 5 / 7,
    misses: { compulsory: 2 / 7, capacity: 0, expired: 1 / 7, invalidated: 1 / 7 },
  });
  expect(ceilingByPrefix(trace).map(({ hitRate }) => hitRate)).toEqual([1 / 4, 2 / 3]);
});

test.each([1, 2, 3, 4, 5, 6])("random traces, seed %i: as a plain model counts", (seed) => {
  const trace = randomTrace(seed, { rows: 2_000, keys: 40, ttls: [0, 30, 200] });
  const { hitRate, hitRateWithoutExpiry, hitRateOfAnyCache, misses } = ceilingOf(trace);
  expect(hitRate).toBeCloseTo(modelHitRate(trace, { expires: true, deletes: true }), 12);
  expect(hitRateWithoutExpiry).toBeCloseTo(
    modelHitRate(trace, { expires: false, deletes: true }),
    12,
  );
  expect(hitRateOfAnyCache).toBeCloseTo(
    modelHitRate(trace, { expires: false, deletes: false }),
    12,
  );
  expect(hitRate + misses.compulsory + misses.expired + misses.invalidated).toBeCloseTo(1, 12);
});

function modelHitRate(trace: CacheTrace, with_: { expires: boolean; deletes: boolean }): number {
  const held = new Map<number, number>();
  let gets = 0;
  let hits = 0;
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row]!;
    const now = trace.timeMs[row]!;
    const operation = ["get", "set", "delete", "write"][trace.operation[row]!];
    const ttl = with_.expires ? trace.ttlMs?.[row] || Infinity : Infinity;
    const alive = (held.get(key) ?? -1) >= now;
    if (operation === "get") gets += 1;
    if (operation === "get" && alive) hits += 1;
    else if (operation === "get" || operation === "set") held.set(key, now + ttl);
    else if (operation === "delete" && with_.deletes) held.delete(key);
  }
  return hits / gets;
}

test("a sample is corrected by the gets that there were", () => {
  const trace = drawnTrace({ rows: 1_000, keys: 100, zipf: 1, getsPerSecond: 100, seed: 1 });
  const missing = trace.rows - Math.round(trace.rows * ceilingOf(trace).hitRateOfAnyCache);
  const sampled = { ...trace, sampledShare: 0.1, getsOfAll: 20_000 };
  expect(ceilingOf(sampled).hitRateOfAnyCache).toBeCloseTo(1 - missing / 2_000, 12);
});

test("a trace without gets has no hits", () => {
  expect(ceilingOf(traceOf([{ at: 0, key: "a", op: "set" }])).hitRate).toBe(0);
});
