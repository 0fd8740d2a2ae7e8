import { describe, expect, test } from "vitest";
import { formulaFootprint } from "../../../../src/advise/cache/redis/footprint.ts";
import {
  prepareMiniature,
  type MiniatureOutcome,
} from "../../../../src/advise/cache/redis/miniature.ts";
import { simulateRedis } from "../../../../src/advise/cache/redis/simulate.ts";
import { sharesFor, wholeTrace } from "../../../../src/advise/cache/redis/whole-trace.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { drawnTrace } from "../traces.ts";

const footprint = formulaFootprint();
const MB = 1024 ** 2;
const tight = { maxmemoryBytes: 2 * MB, policy: "allkeys-lru" } as const;
const drawn = {
  rows: 40_000,
  keys: 6_000,
  zipf: 0.8,
  getsPerSecond: 1_000,
  seed: 3,
  ttlMs: 8_000,
  writes: { share: 0.05, op: "delete" },
} as const;
const trace = drawnTrace(drawn);

function sized(keyCount: number, rows: number): CacheTrace {
  return { ...trace, keyCount, rows };
}

function sumOf({ hitRate, misses }: MiniatureOutcome): number {
  const { compulsory, capacity, expired, invalidated } = misses;
  return hitRate + compulsory + capacity + expired + invalidated;
}

describe("how much is played", () => {
  test("all, fewer keys, and where these would be too few fewer rows", () => {
    expect(sharesFor(sized(8_000, 500_000), 1e6)).toEqual({ keys: 1, rows: 1 });
    expect(sharesFor(sized(1_000_000, 2_000_000), 1e6)).toEqual({ keys: 0.5, rows: 1 });
    expect(sharesFor(sized(8_000, 4_000_000), 1e6)).toEqual({ keys: 1, rows: 0.25 });
    const { keys, rows } = sharesFor(sized(100_000, 50_000_000), 1e6);
    expect(keys * 100_000).toBe(16_384);
    expect(keys * rows * 50_000_000).toBeCloseTo(1e6, 3);
  });

  test("nothing in a trace without keys and rows", () => {
    const { keys, rows } = sharesFor(sized(0, 0), 1e6);
    expect([keys, rows]).toEqual([1, 1]);
  });
});

describe("hits and misses of the whole trace add up to 1", () => {
  test.each([
    { share: 1, rows: 1 },
    { share: 0.3, rows: 1 },
    { share: 1, rows: 0.3 },
    { share: 0.3, rows: 0.5 },
  ])("by $share of the keys and $rows of the rows", ({ share, rows }) => {
    const whole = wholeTrace(trace, footprint, rows);
    for (const maxmemoryBytes of [1, 1.5, 2, 64].map((megabytes) => megabytes * MB)) {
      const miniature = prepareMiniature(whole, { share, seed: 1 });
      for (const ttlFactor of [0.5, 1, 10]) {
        const outcome = miniature({ ...tight, maxmemoryBytes, ttlFactor });
        expect(sumOf(outcome)).toBeCloseTo(1, 12);
        expect(outcome.misses.capacity).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test("played whole, the hit rate is the simulation's own", () => {
    const { hitRate } = prepareMiniature(wholeTrace(trace, footprint), { share: 1, seed: 1 })(
      tight,
    );
    expect(hitRate).toBeCloseTo(simulateRedis(trace, footprint, tight, 1).hitRate, 12);
  });

  test("times to live are those asked for, one miniature for all", () => {
    const whole = wholeTrace(trace, footprint);
    const miniature = prepareMiniature(whole, { share: 0.3, seed: 1 });
    const ample = { ...tight, maxmemoryBytes: 64 * MB };
    for (const ttlFactor of [1, 0.5, 100]) {
      const real = simulateRedis(trace, footprint, { ...ample, ttlFactor }, 1);
      expect(miniature({ ...ample, ttlFactor }).hitRate).toBeCloseTo(real.hitRate, 12);
    }
  });
});

test("the first third of the rows tells what a full cache goes on to do, not how it filled", () => {
  const steady = drawnTrace({ ...drawn, rows: 120_000, ttlMs: 0 });
  const real = simulateRedis(steady, footprint, tight, 1).hitRate;
  const cut = prepareMiniature(wholeTrace(steady, footprint, 1 / 3), { share: 1, seed: 1 });
  expect(Math.abs(cut(tight).hitRate - real)).toBeLessThan(0.01);
});

describe("stores that fail for lack of memory", () => {
  const miniature = prepareMiniature(wholeTrace(trace, footprint), { share: 1, seed: 1 });
  const persistent = drawnTrace({ ...drawn, ttlMs: 0 });

  test("are told where nothing may be evicted", () => {
    const { refusedShare } = miniature({ ...tight, policy: "noeviction" });
    expect(refusedShare).toBeGreaterThan(0.05);
    expect(refusedShare).toBeLessThan(1);
    const without = prepareMiniature(wholeTrace(persistent, footprint), { share: 1, seed: 1 });
    expect(without({ ...tight, policy: "volatile-lru" }).refusedShare).toBeGreaterThan(0.05);
  });

  test("are none where everything may be", () => {
    expect(miniature(tight).refusedShare).toBe(0);
  });
});
