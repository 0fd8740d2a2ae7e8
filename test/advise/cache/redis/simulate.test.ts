import { describe, expect, test } from "vitest";
import { formulaFootprint } from "../../../../src/advise/cache/redis/footprint.ts";
import { policyCurves } from "../../../../src/advise/cache/redis/grid.ts";
import { prepareMiniature } from "../../../../src/advise/cache/redis/miniature.ts";
import { wholeTrace } from "../../../../src/advise/cache/redis/whole-trace.ts";
import { sampleTrace } from "../../../../src/advise/cache/redis/sample-trace.ts";
import { simulateRedis } from "../../../../src/advise/cache/redis/simulate.ts";
import { unboundedMisses } from "../../../../src/advise/cache/redis/unbounded.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { drawnTrace, traceOf } from "../traces.ts";

const footprint = formulaFootprint();
const MB = 1024 ** 2;
const ample = { maxmemoryBytes: 1024 * MB, policy: "allkeys-lru" } as const;
const trace = drawnTrace({ rows: 24_000, keys: 12_000, zipf: 0.9, getsPerSecond: 1_000, seed: 5 });
const tight = { maxmemoryBytes: 2.5 * MB, policy: "allkeys-lru" } as const;

function keysAtEnd(trace: CacheTrace, changes: object): number {
  return simulateRedis(trace, footprint, { ...tight, ...changes }, 1).keysAtEnd;
}

describe("a trace against a simulated Redis", () => {
  test("a miss is stored at once, a delete makes the next get miss, a write changes nothing", () => {
    const rows = traceOf([
      { at: 0, key: "a" },
      { at: 1, key: "a" },
      { at: 2, key: "a", op: "write" },
      { at: 3, key: "a" },
      { at: 4, key: "a", op: "delete" },
      { at: 5, key: "a" },
      { at: 6, key: "b", op: "set" },
      { at: 7, key: "b" },
    ]);
    expect(simulateRedis(rows, footprint, ample, 1).counts).toEqual({
      gets: 5,
      hits: 3,
      compulsory: 1,
      capacity: 0,
      expired: 0,
      invalidated: 1,
    });
  });

  test("every get is counted once, and memory is kept to", () => {
    const { counts, hitRate, usedBytesMax, evictions } = simulateRedis(trace, footprint, tight, 1);
    const misses = counts.compulsory + counts.capacity + counts.expired + counts.invalidated;
    expect(counts.hits + misses).toBe(counts.gets);
    expect(hitRate).toBeCloseTo(counts.hits / counts.gets, 12);
    expect(evictions).toBeGreaterThan(1_000);
    expect(counts.capacity).toBeGreaterThan(1_000);
    expect(usedBytesMax).toBeLessThan(tight.maxmemoryBytes + 10_000);
  });

  test("the seed decides, and nothing else", () => {
    const first = simulateRedis(trace, footprint, tight, 1);
    expect(simulateRedis(trace, footprint, tight, 1)).toEqual(first);
    expect(simulateRedis(trace, footprint, tight, 2).evictions).not.toBe(first.evictions);
  });

  test("times to live: the trace's, a factor of them, or one by key", () => {
    const rows = traceOf([
      { at: 0, key: "a", ttl: 100 },
      { at: 150, key: "a", ttl: 100 },
      { at: 0 + 151, key: "b", ttl: 0 },
      { at: 900, key: "b", ttl: 0 },
    ]);
    const expired = (changes: object) =>
      simulateRedis(rows, footprint, { ...ample, ...changes }, 1).counts.expired;
    expect(expired({})).toBe(1);
    expect(expired({ ttlFactor: 2 })).toBe(0);
    expect(expired({ ttlOf: (key: number) => (key === 1 ? 700 : 0) })).toBe(1);
    expect(expired({ speed: 2 })).toBe(0);
  });

  test("a time to live takes memory, whoever gave it", () => {
    const given = { ...trace, ttlMs: new Uint32Array(trace.rows).fill(1e8) };
    expect(keysAtEnd(given, {})).toBeLessThan(keysAtEnd(trace, {}) * 0.97);
    expect(keysAtEnd(trace, { ttlOf: () => 1e8 })).toBe(keysAtEnd(given, {}));
    expect(keysAtEnd(given, { ttlOf: () => 0 })).toBe(keysAtEnd(trace, {}));
  });

  test("played a hundred times as fast, LRU with its clock of seconds loses to its slow self", () => {
    const slow = { ...trace, timeMs: trace.timeMs.map((time) => time * 20) };
    const rates = (speed: number) =>
      [1, 2, 3].map((seed) => simulateRedis(slow, footprint, { ...tight, speed }, seed).hitRate);
    expect(Math.min(...rates(1))).toBeGreaterThan(Math.max(...rates(1_000)) + 0.01);
  });

  test("ages are there when there is something to have one", () => {
    const few = simulateRedis(traceOf([{ at: 0, key: "a" }]), footprint, ample, 1);
    expect(few).not.toHaveProperty("evictionAgeMs");
    expect(few).not.toHaveProperty("hitAgeMs");
    const outcome = simulateRedis(trace, footprint, tight, 1);
    expect(outcome.evictionAgeMs).toBeGreaterThan(100);
    expect(outcome.hitAgeMs).toBeLessThan(30_000);
  });
});

describe("a share of the keys", () => {
  test("has all rows of its keys, of another salt others, and nothing else changed", () => {
    const tenth = sampleTrace(trace, 0.1, 1);
    expect(tenth.keyCount).toBeGreaterThan(1_050);
    expect(tenth.keyCount).toBeLessThan(1_350);
    expect(tenth.sampledShare).toBe(0.1);
    expect(tenth.getsOfAll).toBe(24_000);
    expect(tenth.timeMs).toEqual(tenth.timeMs.toSorted());
    expect(Math.max(...tenth.key)).toBeLessThan(tenth.keyCount);
    expect(sampleTrace(trace, 0.1, 2).keyCount).not.toBe(tenth.keyCount);
    expect(sampleTrace(tenth, 0.5, 3)).toMatchObject({ sampledShare: 0.05, getsOfAll: 24_000 });
  });

  test("without a limit of memory the whole trace's rate is exact, whichever keys there are", () => {
    const deletes = drawnTrace({
      rows: 20_000,
      keys: 10_000,
      zipf: 1,
      getsPerSecond: 2_000,
      seed: 5,
      ttlMs: 5_000,
      writes: { share: 0.05, op: "delete" },
    });
    const unbounded = unboundedMisses(deletes);
    const whole = simulateRedis(deletes, footprint, ample, 1);
    expect(whole.counts.gets - whole.counts.hits).toBe(unbounded.misses);
    expect(whole.counts).toMatchObject({
      compulsory: unbounded.compulsory,
      expired: unbounded.expired,
      invalidated: unbounded.invalidated,
    });
    const prepared = wholeTrace(deletes, footprint);
    for (const seed of [1, 2]) {
      const { hitRate } = prepareMiniature(prepared, { share: 0.1, seed })(ample);
      expect(hitRate).toBeCloseTo(whole.hitRate, 12);
    }
  });
});

describe("curves by policy", () => {
  const sizes = [2, 2.5, 4].map((megabytes) => megabytes * MB);
  const policies = ["allkeys-lru", "allkeys-lfu", "noeviction"] as const;

  test("a small trace is simulated whole; more memory hits more; errors are the model's at least", async () => {
    const curves = await policyCurves(trace, footprint, { policies, sizes, seeds: [1, 2, 3] });
    expect(curves.map(({ policy }) => policy)).toEqual(policies);
    for (const { hitRate, error, simulatedShare } of curves) {
      expect(simulatedShare).toBe(1);
      expect(hitRate).toEqual(hitRate.toSorted((a, b) => a - b));
      expect(Math.min(...error)).toBeGreaterThanOrEqual(0.003);
      expect(Math.max(...error)).toBeLessThan(0.02);
    }
    const [lru, lfu] = curves;
    // Independent draws favour counting.
    expect(lfu?.hitRate[0]).toBeGreaterThan(lru?.hitRate[0] ?? 1);
  });

  test("a sample says the same within its error and a little", async () => {
    const options = { policies, sizes, seeds: [1, 2, 3] };
    const whole = await policyCurves(trace, footprint, options);
    const sampled = await policyCurves(trace, footprint, { ...options, keysSimulatedMax: 3_000 });
    sampled.forEach((curve, index) => {
      expect(curve.simulatedShare).toBeLessThan(1);
      curve.hitRate.forEach((rate, size) => {
        const distance = Math.abs(rate - (whole[index]?.hitRate[size] ?? 0));
        expect(distance).toBeLessThan((curve.error[size] ?? 0) + 0.01);
      });
    });
  });

  test("no more rows are played than allowed: the first ones, where too few keys are too many", async () => {
    let simulations = 0;
    const options = { policies, sizes, seeds: [1, 2, 3] };
    const often = { keys: 6_000, zipf: 0.9, getsPerSecond: 1_000, seed: 5 };
    const long = drawnTrace({ ...often, rows: 60_000 });
    const whole = await policyCurves(long, footprint, options);
    const cut = await policyCurves(long, footprint, {
      ...options,
      accessesMax: (long.rows * 27) / 2,
      pause: () => {
        simulations += 1;
        return Promise.resolve();
      },
    });
    expect(simulations).toBe(27);
    cut.forEach((curve, index) => {
      expect(curve.simulatedShare).toBe(1);
      expect(curve.rowsShare).toBeCloseTo(0.5, 2);
      expect(whole[index]).not.toHaveProperty("rowsShare");
      curve.hitRate.forEach((rate, size) =>
        expect(Math.abs(rate - (whole[index]?.hitRate[size] ?? 0))).toBeLessThan(0.02),
      );
    });
  });

  test("what a pause throws ends it", async () => {
    const options = { policies, sizes, seeds: [1] };
    const curves = policyCurves(trace, footprint, {
      ...options,
      pause: () => Promise.reject(new Error("interrupted")),
    });
    await expect(curves).rejects.toThrow("interrupted");
  });
});
