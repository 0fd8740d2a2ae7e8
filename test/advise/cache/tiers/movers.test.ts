import { describe, expect, test } from "vitest";
import { ceilingOf } from "../../../../src/advise/cache/tiers/ceiling.ts";
import { createLruCache } from "../../../../src/advise/cache/tiers/lru-cache.ts";
import { moversOf } from "../../../../src/advise/cache/tiers/movers.ts";
import { simulateTiers } from "../../../../src/advise/cache/tiers/simulate.ts";
import { ttlPoints } from "../../../../src/advise/cache/tiers/ttl.ts";
import { warmUpPoints } from "../../../../src/advise/cache/tiers/warm-up.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { drawnTrace, traceOf, type TraceRow } from "../traces.ts";

interface Changes {
  readonly bytesMax?: number;
  readonly goal?: number;
  readonly staleShareMax?: number;
  readonly loadMs?: number;
}

function movers(trace: CacheTrace, changes: Changes = {}) {
  const bytes = Float64Array.from(trace.valueBytes);
  const { bytesMax, goal, staleShareMax, loadMs } = changes;
  const make = () => createLruCache({ bytesMax, ttlMs: 0 });
  return moversOf(trace, {
    ceiling: ceilingOf(trace),
    goal,
    staleShareMax,
    ttl: ttlPoints(trace, bytes, [1_000, 10_000, 60_000, 600_000]),
    warmUp: warmUpPoints(trace, bytes),
    outcome: simulateTiers(trace, bytes, { processes: 1, l2: { make } }),
    flights:
      loadMs === undefined
        ? undefined
        : simulateTiers(trace, bytes, { processes: 1, l2: { make }, singleFlight: { loadMs } }),
  });
}

/** Every key of a prefix, asked for every `every` ms. */
function asked(prefix: string, every: number, row: Partial<TraceRow> = {}): readonly TraceRow[] {
  return Array.from({ length: 400 }, (_, index) => ({
    at: Math.floor(index / 4) * every,
    key: `${prefix}:${index % 4}`,
    ...row,
  }));
}
const inOrder = (...parts: readonly (readonly TraceRow[])[]) =>
  traceOf(parts.flat().toSorted((a, b) => a.at - b.at));

describe("longer times to live", () => {
  const still = asked("still", 2_000, { ttl: 1_000 });
  const changing = asked("changing", 2_000, { ttl: 1_000 });
  const writes = asked("changing", 2_000, { op: "write" }).map((row) => ({
    ...row,
    at: row.at + 1,
  }));

  test("on what never changes, the shortest that gets nearly all; not on what does", () => {
    const found = movers(inOrder(still, changing, writes)).filter(
      ({ kind }) => kind === "longer-ttl",
    );
    expect(found).toHaveLength(1);
    expect(found[0]?.detail).toMatch(/^still: a time to live of 1 min adds 4\d\.\d points/);
    expect(found[0]?.gain).toBeGreaterThan(0.45);
    expect(found[0]?.gain).toBeLessThan(0.5);
  });
  test("on what changes too, as far as stale reads are allowed", () => {
    const found = movers(inOrder(still, changing, writes), { staleShareMax: 1 });
    const details = found.filter(({ kind }) => kind === "longer-ttl").map(({ detail }) => detail);
    expect(details).toHaveLength(2);
    expect(details.find((each) => each.startsWith("changing"))).toContain("answered stale");
  });
  test("a trace without writes does not show that anything never changes", () => {
    const [first] = movers(inOrder(still)).filter(({ kind }) => kind === "longer-ttl");
    expect(first?.detail).toContain("shows no writes");
  });
  test("not where nothing expires", () => {
    const found = movers(inOrder(asked("still", 2_000), changing, writes));
    expect(
      found.filter(({ kind, detail }) => kind === "longer-ttl" && detail.startsWith("still")),
    ).toEqual([]);
  });
});

test("memory: what capacity misses cost, and whether it would reach the goal", () => {
  const trace = drawnTrace({ rows: 10_000, keys: 500, zipf: 0.8, getsPerSecond: 100, seed: 1 });
  const find = (changes: Changes) => movers(trace, changes).find(({ kind }) => kind === "memory");
  const small = find({ bytesMax: 20_000, goal: 0.9 });
  expect(small?.gain).toBeGreaterThan(0.1);
  expect(small?.detail).toContain("reaches the goal");
  expect(find({ bytesMax: 20_000, goal: 0.99 })?.detail).not.toContain("reaches the goal");
  expect(find({})).toBeUndefined();
});

test("warm-up: first gets of a key that a restarted cache would have had", () => {
  const trace = drawnTrace({ rows: 2_000, keys: 200, zipf: 0.5, getsPerSecond: 100, seed: 1 });
  const warm = movers(trace).find(({ kind }) => kind === "warm-up");
  expect(warm?.gain).toBeGreaterThan(0.1);
  expect(warm?.gain).toBeLessThan(0.2);
});

function negative(trace: CacheTrace) {
  return movers(trace).find(({ kind }) => kind === "negative-caching");
}

describe("negative caching", () => {
  const there = asked("there", 100, { bytes: 50, outcome: "miss" });
  const missing = Array.from({ length: 20 }, (_, at) => ({
    at,
    key: `missing:${at % 2}`,
    bytes: 0,
    outcome: "miss" as const,
  }));

  test("keys that miss again and again and never have a value", () => {
    const found = negative(inOrder(there, missing));
    expect(found?.loadsSaved).toBeCloseTo(18 / 420, 12);
    expect(found).not.toHaveProperty("gain");
  });
  test("not where the trace cannot show it: no outcomes, no sizes, or a value at times", () => {
    const unknown = inOrder(there, missing);
    const { outcome: _, ...without } = unknown;
    expect(negative(without)).toBeUndefined();
    expect(negative({ ...unknown, valueBytes: new Uint32Array(unknown.rows) })).toBeUndefined();
    const values = [0, 1].map((key) => ({
      at: 50,
      key: `missing:${key}`,
      bytes: 9,
      outcome: "hit" as const,
    }));
    expect(negative(inOrder(there, missing, values))).toBeUndefined();
  });
});

test("single flight: loads joined, of all that there would be", () => {
  const trace = traceOf([0, 1, 2, 3].map((at) => ({ at, key: "k" })));
  const find = (changes: Changes) =>
    movers(trace, changes).find(({ kind }) => kind === "single-flight");
  expect(find({ loadMs: 3 })?.loadsSaved).toBeCloseTo(2 / 3, 12);
  expect(find({})).toBeUndefined();
});

test("what gains most comes first", () => {
  const found = movers(
    drawnTrace({ rows: 5_000, keys: 400, zipf: 0.6, getsPerSecond: 50, seed: 3, ttlMs: 2_000 }),
    {
      bytesMax: 30_000,
    },
  );
  const worth = found.map(({ gain, loadsSaved }) => gain ?? loadsSaved ?? 0);
  expect(worth.length).toBeGreaterThan(2);
  expect(worth).toEqual(worth.toSorted((a, b) => b - a));
});
