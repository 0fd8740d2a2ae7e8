/** A real Redis against what is predicted of it: entries' bytes, and hit rates. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { calibratedFootprint, formulaFootprint } from "../../src/advise/cache/redis/footprint.ts";
import { simulateRedis } from "../../src/advise/cache/redis/simulate.ts";
import { measureFootprint, sampleFootprint } from "../../src/target/redis-footprint.ts";
import { replayTrace, type ReplayOptions } from "../../src/target/redis-replay.ts";
import type { RedisServer } from "../../src/target/redis-server.ts";
import { drawnTrace, traceOf } from "../advise/cache/traces.ts";
import { neverAborted } from "../integration/stores.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";

const MB = 1024 ** 2;
let redis: TestRedis;
let server: RedisServer;
beforeAll(async () => {
  redis = await startTestRedis();
  ({ server } = redis);
});
afterAll(() => redis.stop());

const ample: ReplayOptions = {
  maxmemoryBytes: 256 * MB,
  policy: "allkeys-lru",
  pace: "as fast as possible",
  timeoutMs: 60_000,
  signal: neverAborted,
};

describe("a trace played against a real Redis", () => {
  test("does to each row what the simulation does", async () => {
    const trace = traceOf([
      { at: 0, key: "user:1" },
      { at: 1, key: "user:1" },
      { at: 2, key: "user:1", op: "delete" },
      { at: 3, key: "user:1" },
      { at: 4, key: "user:2", op: "set", bytes: 5_000 },
      { at: 5, key: "user:2", op: "write" },
      { at: 6, key: "user:2" },
    ]);
    const played = await replayTrace(server, trace, ample);
    expect(played).toMatchObject({ gets: 4, hits: 2, keys: 2, evicted: 0, refused: 0 });
    const lengths = await Promise.all(
      (await server.client.keys("*")).map(async (name) => [
        name.length,
        await server.client.strlen(name),
      ]),
    );
    expect(lengths.toSorted((a, b) => (a[1] ?? 0) - (b[1] ?? 0))).toEqual([
      [6, 100],
      [6, 5_000],
    ]);
  });

  test("at the recorded pace keys expire between rows, and faster they do not", async () => {
    const trace = traceOf([
      { at: 0, key: "a", ttl: 100 },
      { at: 400, key: "a", ttl: 100 },
    ]);
    const recorded = await replayTrace(server, trace, { ...ample, pace: "recorded" });
    expect(recorded.hits).toBe(0);
    expect(recorded.durationMs).toBeGreaterThan(390);
    expect(recorded.timeMs[1]).toBeGreaterThanOrEqual(400);
    const longer = { ...ample, pace: "recorded", ttlFactor: 100 } as const;
    expect((await replayTrace(server, trace, longer)).hits).toBe(1);
    expect((await replayTrace(server, trace, { ...ample, ttlOf: () => 0 })).hits).toBe(1);
  });

  test("what does not fit under noeviction is counted, not an error", async () => {
    const trace = drawnTrace({ rows: 6_000, keys: 4_000, zipf: 0.5, getsPerSecond: 1e3, seed: 1 });
    const options = { ...ample, policy: "noeviction", maxmemoryBytes: 2 * MB } as const;
    const played = await replayTrace(server, trace, options);
    expect(played.refused).toBeGreaterThan(100);
    expect(played.evicted).toBe(0);
  });

  test("hit rates are those of the simulation, within a point", async () => {
    const drawn = { rows: 50_000, keys: 20_000, zipf: 0.9, getsPerSecond: 1e3, seed: 2 };
    const persistent = drawnTrace(drawn);
    const expiring = drawnTrace({ ...drawn, ttlMs: 1_000, writes: { share: 0.03, op: "delete" } });
    for (const [trace, policy] of [
      [persistent, "allkeys-lfu"],
      [expiring, "volatile-lru"],
    ] as const) {
      const setting = { policy, maxmemoryBytes: 4 * MB };
      const real = await replayTrace(server, trace, { ...ample, ...setting });
      const simulated = simulateRedis(
        { ...trace, timeMs: real.timeMs },
        formulaFootprint(undefined, real.serverVersion, real.startupBytes),
        { ...setting, overheadBytes: real.overheadBytes },
        1,
      );
      expect(real.evicted).toBeGreaterThan(500);
      expect(Math.abs(simulated.hitRate - real.hitRate)).toBeLessThan(0.01);
    }
  });

  test("is given up after its time, and at once when the run is interrupted", async () => {
    const trace = traceOf([
      { at: 0, key: "a" },
      { at: 60_000, key: "a" },
    ]);
    const paced = { ...ample, pace: "recorded" } as const;
    await expect(replayTrace(server, trace, { ...paced, timeoutMs: 100 })).rejects.toThrow(
      /1 of 2 rows/,
    );
    const controller = new AbortController();
    const playing = replayTrace(server, trace, { ...paced, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(playing).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("what entries take", () => {
  test("is measured on a scratch server, and the formula is within 1 % of it", async () => {
    const measured = await measureFootprint(server, neverAborted);
    expect(measured.shapes.length).toBeGreaterThanOrEqual(12);
    expect(await server.client.dbsize()).toBe(0);
    const calibrated = calibratedFootprint(measured.shapes, measured);
    expect(calibrated.facts.residual).toBeLessThan(0.01);
    expect(calibrated.startupBytes).toBeGreaterThan(500_000);
    const formula = formulaFootprint(measured.allocator);
    for (const { keyBytes, valueBytes, expires, bytesMeasured } of measured.shapes) {
      const bytes = formula.entryBytes(keyBytes, valueBytes, expires);
      expect(Math.abs(bytes / bytesMeasured - 1)).toBeLessThan(0.01);
    }
  });

  test("is read on one in use, without what MEMORY USAGE leaves out missing", async () => {
    const trace = drawnTrace({
      rows: 20_000,
      keys: 8_000,
      zipf: 0.3,
      getsPerSecond: 1e3,
      seed: 1,
      ttlMs: 600_000,
    });
    await replayTrace(server, trace, ample);
    await server.client.set("number", "12345");
    await server.client.lpush("list", "x");
    const everything = { keysMax: 100_000, signal: neverAborted };
    const sampled = await sampleFootprint(server.client, everything);
    expect(sampled).toMatchObject({ otherTypes: 1, keys: await server.client.dbsize() });
    expect(sampled.integerShare).toBeCloseTo(1 / (sampled.keys - 1), 6);
    expect(sampled.shapes.some(({ expires }) => expires)).toBe(true);
    expect(Math.abs(sampled.expectedBytes / sampled.usedBytes - 1)).toBeLessThan(0.05);
    expect(calibratedFootprint(sampled.shapes, sampled).facts.residual).toBeLessThan(0.001);
  });
});
