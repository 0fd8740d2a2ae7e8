import { describe, expect, test } from "vitest";
import { createLruCache } from "../../../../src/advise/cache/tiers/lru-cache.ts";
import { simulateTiers } from "../../../../src/advise/cache/tiers/simulate.ts";
import type { L2Setup, TierSetup } from "../../../../src/advise/cache/tiers/tier-setup.ts";
import { drawnTrace, traceOf } from "../traces.ts";
import { modelTiers, type ModelSetup } from "./model.ts";
import { bytesOf, randomTrace, unboundedCache } from "./random.ts";

const unbounded = (changes: Partial<L2Setup> = {}): L2Setup => ({
  make: unboundedCache,
  ...changes,
});

describe("random traces, as a plain model plays them", () => {
  const setups: readonly (readonly [string, ModelSetup])[] = [
    ["L2 alone", { processes: 3, l2: { bytesMax: 700 } }],
    ["L1 alone", { processes: 3, l1: { bytesMax: 900, ttlMs: 50, entryOverheadBytes: 20 } }],
    [
      "L1 and L2",
      {
        processes: 3,
        l1: { bytesMax: 600, ttlMs: 30, entryOverheadBytes: 10 },
        l2: { bytesMax: 900 },
      },
    ],
    [
      "L1 that is not told",
      {
        processes: 3,
        l1: { bytesMax: 2_000, ttlMs: 90, entryOverheadBytes: 10 },
        l2: { bytesMax: 900, ttlFactor: 2 },
        invalidatesL1: false,
      },
    ],
    [
      "all three",
      {
        processes: 3,
        l1: { bytesMax: 600, ttlMs: 0, entryOverheadBytes: 10 },
        l2: { bytesMax: 700 },
        l3: { ttlMs: 400, prefixes: ["a"] },
      },
    ],
    [
      "one process with single flight",
      { processes: 1, l2: { bytesMax: 700 }, singleFlight: { loadMs: 1 } },
    ],
    ["nothing", { processes: 3 }],
  ];
  test.each(
    setups.flatMap(([name, setup]) => [1, 2, 3, 4].map((seed) => [name, seed, setup] as const)),
  )("%s, seed %i", (_, seed, setup) => {
    const processes = setup.processes === 1 ? {} : { processes: setup.processes };
    const trace = randomTrace(seed, {
      rows: 2_500,
      keys: 50,
      ttls: [0, 40, 300],
      costs: true,
      ...processes,
    });
    const bytes = bytesOf(trace);
    const { l2 } = setup;
    const real: TierSetup = {
      ...setup,
      l2: l2 && {
        ...l2,
        make: (onEvict) => createLruCache({ bytesMax: l2.bytesMax, ttlMs: 0, onEvict }),
      },
    };
    const simulated = simulateTiers(trace, bytes, real);
    const model = modelTiers(trace, bytes, setup);
    expect(simulated).toMatchObject(model);
    const { l1Hits, l2Hits, l3Hits, loads, joined, gets, misses } = simulated;
    expect(l1Hits + l2Hits + l3Hits + loads + joined).toBe(gets);
    expect(misses.compulsory + misses.capacity + misses.expired + misses.invalidated).toBe(loads);
    for (const field of ["gets", "l1Hits", "l2Hits", "loads", "staleReads"] as const) {
      expect(simulated.byPrefix.reduce((sum, each) => sum + each[field], 0)).toBe(simulated[field]);
    }
  });
});

describe("staleness across processes", () => {
  const l1 = { bytesMax: 1e6, ttlMs: 100 };
  const rows = [
    { at: 0, key: "k", process: 0 }, // loaded by 0
    { at: 1, key: "k", process: 1 }, // 1 copies it from L2
    { at: 2, key: "k", op: "delete" as const, process: 0 },
    { at: 3, key: "k", process: 1 }, // stale unless 1 was told
    { at: 4, key: "k", process: 0 },
    { at: 101, key: "k", process: 1 }, // the last moment of the copy
    { at: 102, key: "k", process: 1 }, // it is over: L2 has the new one
  ];
  test("a delete reaches the other processes' L1", () => {
    const trace = traceOf(rows);
    const told = simulateTiers(trace, bytesOf(trace), { processes: 2, l1, l2: unbounded() });
    expect(told).toMatchObject({ loads: 2, l1Hits: 2, l2Hits: 2, staleReads: 0, staleShare: 0 });
    expect(told.misses).toMatchObject({ compulsory: 1, invalidated: 1 });
  });
  test("without invalidation it is stale until its own time is over, and no longer", () => {
    const trace = traceOf(rows);
    const untold = simulateTiers(trace, bytesOf(trace), {
      processes: 2,
      l1,
      l2: unbounded(),
      invalidatesL1: false,
    });
    expect(untold).toMatchObject({ loads: 2, l1Hits: 2, l2Hits: 2, staleReads: 2 });
    expect(untold.staleShare).toBeCloseTo(2 / 6, 12);
  });
  test("a copy is as old as the value that it was copied from, though its time begins anew", () => {
    const trace = traceOf([
      { at: 0, key: "k", process: 0 },
      { at: 10, key: "k", op: "write", process: 0 },
      { at: 90, key: "k", process: 1 }, // copied from L2 after the write: stale from the start
      { at: 180, key: "k", process: 1 },
      { at: 185, key: "k", op: "set", process: 0 },
      { at: 188, key: "k", process: 1 }, // the set reached it: current, from L2
    ]);
    const outcome = simulateTiers(trace, bytesOf(trace), { processes: 2, l1, l2: unbounded() });
    expect(outcome).toMatchObject({ loads: 1, l2Hits: 2, l1Hits: 1, staleReads: 2 });
    expect(outcome.hitAgeMs?.p90).toBeGreaterThan(177);
  });
});

describe("single flight", () => {
  const rows = [0, 1, 2, 3, 49, 50].map((at) => ({ at, key: "k", cost: 50, process: at % 2 }));
  const singleFlight = { loadMs: 1 };
  test("within a process gets join; the other process loads once too", () => {
    const trace = traceOf(rows);
    const outcome = simulateTiers(trace, bytesOf(trace), {
      processes: 2,
      l2: unbounded(),
      singleFlight,
    });
    expect(outcome).toMatchObject({ loads: 2, joined: 3, l2Hits: 1, costMs: 100 });
    expect(outcome.misses.compulsory).toBe(2);
  });
  test("nothing joins a load that a delete has made old", () => {
    const trace = traceOf([
      { at: 0, key: "k", cost: 50 },
      { at: 1, key: "k", op: "delete" },
      { at: 2, key: "k", cost: 50 },
      { at: 3, key: "k", op: "write" },
      { at: 4, key: "k", cost: 50 },
    ]);
    const outcome = simulateTiers(trace, bytesOf(trace), {
      processes: 1,
      l2: unbounded(),
      singleFlight,
    });
    expect(outcome).toMatchObject({ loads: 2, joined: 1, staleReads: 1 });
    expect(outcome.misses).toMatchObject({ compulsory: 1, invalidated: 1 });
  });
});

test("L1 takes the hottest gets away, so that L2 hits less often than alone", () => {
  const trace = drawnTrace({ rows: 30_000, keys: 3_000, zipf: 1, getsPerSecond: 1_000, seed: 7 });
  const bytes = bytesOf(trace);
  const l2 = unbounded({ make: () => createLruCache({ bytesMax: 200_000, ttlMs: 0 }) });
  const alone = simulateTiers(trace, bytes, { processes: 2, l2 });
  const both = simulateTiers(trace, bytes, {
    processes: 2,
    l1: { bytesMax: 300_000, ttlMs: 5_000 },
    l2,
  });
  expect(both.l2Hits / (both.gets - both.l1Hits)).toBeLessThan(alone.l2Hits / alone.gets - 0.1);
  expect(both.l1Hits).toBeGreaterThan(0.2 * both.gets);
});

test("the more processes, the less each L1 has to answer; the same seed gives the same", () => {
  const trace = drawnTrace({ rows: 20_000, keys: 2_000, zipf: 0.9, getsPerSecond: 1_000, seed: 3 });
  const play = (processes: number, seed: number) =>
    simulateTiers(trace, bytesOf(trace), { processes, l1: { bytesMax: 1e9, ttlMs: 2_000 }, seed });
  const hits = [1, 2, 4, 8].map((processes) => play(processes, 1).l1Hits);
  expect(hits).toEqual(hits.toSorted((a, b) => b - a));
  expect(play(4, 1)).toEqual(play(4, 1));
  expect(play(4, 2).l1Hits).not.toBe(play(4, 1).l1Hits);
});

test("only counted rows are counted, and the others fill the cache", () => {
  const trace = traceOf([0, 1, 2, 3].map((at) => ({ at, key: "k" })));
  const counted = Uint8Array.of(0, 0, 1, 1);
  const outcome = simulateTiers(trace, bytesOf(trace), { processes: 1, l2: unbounded(), counted });
  expect(outcome).toMatchObject({ gets: 2, l2Hits: 2, loads: 0, hitRate: 1 });
});

test("times to live of L2 by key, in place of the trace's", () => {
  const trace = traceOf([
    { at: 0, key: "a", ttl: 5 },
    { at: 0, key: "b", ttl: 5 },
    { at: 9, key: "a", ttl: 5 },
    { at: 9, key: "b", ttl: 5 },
  ]);
  const play = (l2: L2Setup) => simulateTiers(trace, bytesOf(trace), { processes: 1, l2 }).l2Hits;
  expect(play(unbounded())).toBe(0);
  expect(play(unbounded({ ttlFactor: 2 }))).toBe(2);
  expect(play(unbounded({ ttlOf: (key) => (key === 0 ? 10 : 5) }))).toBe(1);
});

test("what was stored first is no change: nothing is said about staleness", () => {
  const trace = traceOf([
    { at: 0, key: "k", op: "set" },
    { at: 1, key: "k" },
  ]);
  const outcome = simulateTiers(trace, bytesOf(trace), { processes: 1, l2: unbounded() });
  expect(outcome).not.toHaveProperty("staleShare");
  expect(outcome).not.toHaveProperty("costMs");
});

test("loads whose cost the trace does not have cost what their key, or keys like it, cost elsewhere", () => {
  const trace = traceOf([
    { at: 0, key: "a:1", cost: 10, ttl: 1 },
    { at: 9, key: "a:1", ttl: 1 },
    { at: 10, key: "a:2", ttl: 1 },
    { at: 11, key: "b:1", ttl: 1 },
    { at: 12, key: "b:2", cost: 40, ttl: 1 },
  ]);
  const outcome = simulateTiers(trace, bytesOf(trace), { processes: 1, l2: unbounded() });
  expect(outcome.byPrefix.map(({ costMs }) => costMs)).toEqual([30, 80]);
});

test("evictions of both tiers tell how long entries were not read", () => {
  const rows = Array.from({ length: 200 }, (_, index) => ({
    at: index * 10,
    key: `k${index % 50}`,
  }));
  const trace = traceOf(rows);
  const outcome = simulateTiers(trace, new Float64Array(200).fill(1), {
    processes: 1,
    l1: { bytesMax: 1_000, ttlMs: 0, entryOverheadBytes: 97 },
    l2: { make: (onEvict) => createLruCache({ bytesMax: 20, ttlMs: 0, onEvict }) },
  });
  expect(outcome.l1EvictionAgeMs?.p50).toBeGreaterThan(39);
  expect(outcome.l1EvictionAgeMs?.p50).toBeLessThan(61);
  expect(outcome.l2EvictionAgeMs?.p50).toBeGreaterThan(198);
  expect(outcome.l2EvictionAgeMs?.p50).toBeLessThan(202);
});
