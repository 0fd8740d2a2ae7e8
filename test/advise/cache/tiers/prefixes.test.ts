import { expect, test } from "vitest";
import { prefixFacts } from "../../../../src/advise/cache/tiers/prefixes.ts";
import { simulateTiers } from "../../../../src/advise/cache/tiers/simulate.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { traceOf } from "../traces.ts";
import { unboundedCache } from "./random.ts";

function factsOf(trace: CacheTrace) {
  const bytes = Float64Array.from(trace.valueBytes);
  const outcome = simulateTiers(trace, bytes, { processes: 1, l2: { make: unboundedCache } });
  return prefixFacts(trace, bytes, outcome.byPrefix);
}

test("by hand", () => {
  const hour = 3_600_000;
  const facts = factsOf(
    traceOf([
      { at: 0, key: "a:1", bytes: 10, ttl: 60_000, cost: 5 },
      { at: 1, key: "a:1", bytes: 10, ttl: 60_000 },
      { at: 2, key: "a:2", bytes: 20, ttl: 60_000, cost: 7 },
      { at: 3, key: "a:3", bytes: 30, ttl: 300_000, cost: 90 },
      { at: 4, key: "a:1", op: "write", bytes: 0 },
      { at: 5, key: "a:1", bytes: 10, ttl: 60_000 },
      { at: 6, key: "b:1", bytes: 10 },
      { at: 2 * hour, key: "b:1", op: "delete", bytes: 0 },
    ]),
  );
  expect(facts).toEqual([
    {
      prefix: "a",
      gets: 5,
      keys: 3,
      bytes: 60,
      hitRate: 2 / 5,
      ceiling: 2 / 5,
      misses: { compulsory: 3 / 5, capacity: 0, expired: 0, invalidated: 0 },
      staleShare: 1 / 5,
      ttlMs: 60_000,
      writesPerKeyHour: 1 / 3 / 2,
      costMs: 7,
    },
    {
      prefix: "b",
      gets: 1,
      keys: 1,
      bytes: 10,
      hitRate: 0,
      ceiling: 0,
      misses: { compulsory: 1, capacity: 0, expired: 0, invalidated: 0 },
      staleShare: 0,
      writesPerKeyHour: 1 / 2,
    },
  ]);
});

test("the busiest thirty, and all others as one; sums are kept", () => {
  const rows = Array.from({ length: 40 }, (_, prefix) =>
    Array.from({ length: 42 - prefix }, (_, at) => ({
      at: 0,
      key: `p${prefix}:${at % 2}`,
      bytes: 1,
    })),
  ).flat();
  const facts = factsOf(traceOf(rows));
  expect(facts).toHaveLength(31);
  expect(facts.slice(0, 2).map(({ prefix }) => prefix)).toEqual(["p0", "p1"]);
  expect(facts.at(-1)).toMatchObject({ prefix: "others", keys: 20 });
  expect(facts.reduce((sum, { gets }) => sum + gets, 0)).toBe(rows.length);
  expect(facts.at(-1)!.misses.compulsory).toBeCloseTo(20 / facts.at(-1)!.gets, 12);
  expect(facts.at(-1)!.hitRate).toBeCloseTo(1 - 20 / facts.at(-1)!.gets, 12);
  expect(facts[0]).not.toHaveProperty("writesPerKeyHour");
  expect(facts[0]).not.toHaveProperty("staleShare");
});

test("keys and bytes of a sample are of the whole", () => {
  const trace = { ...traceOf([{ at: 0, key: "a:1", bytes: 100 }]), sampledShare: 0.1 };
  expect(factsOf(trace)[0]).toMatchObject({ keys: 10, bytes: 1_000 });
});
