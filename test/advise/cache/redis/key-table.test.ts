import { describe, expect, test } from "vitest";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { formulaFootprint } from "../../../../src/advise/cache/redis/footprint.ts";
import {
  below,
  createKeyTable,
  insertKey,
  randomKey,
  rehashSteps,
  removeKey,
} from "../../../../src/advise/cache/redis/key-table.ts";
import { simulateRedis } from "../../../../src/advise/cache/redis/simulate.ts";
import { redisPolicies } from "../../../../src/core/cache-curve.ts";
import { traceOf, type TraceRow } from "../traces.ts";

const footprint = formulaFootprint();
const MB = 1024 ** 2;
const never = () => false;

/** Each misses once and is there from then on, or not for lack of memory; either way it ends. */
function simulate(rows: readonly TraceRow[], maxmemoryBytes: number) {
  const setting = { maxmemoryBytes, policy: "allkeys-lru" } as const;
  return simulateRedis(traceOf(rows), footprint, setting, 1);
}

describe("a table that may not grow", () => {
  test("has its first four slots all the same, and finds what is in it", () => {
    const table = createKeyTable(10, 1, 7);
    for (let key = 0; key < 6; key += 1) insertKey(table, key, never);
    expect(table).toMatchObject({ serverSlots: 4, slots: 4, keys: 6 });
    removeKey(table, 3);
    removeKey(table, 0);
    const random = xoroshiro128plus(1);
    const drawn = new Set(Array.from({ length: 200 }, () => randomKey(table, random)));
    expect([...drawn].toSorted((a, b) => a - b)).toEqual([1, 2, 4, 5]);
  });

  test("grows when its chains are too long", () => {
    const table = createKeyTable(21, 1, 7);
    for (let key = 0; key < 20; key += 1) insertKey(table, key, never);
    expect(table.serverSlots).toBe(8);
    for (let step = 0; step < 8; step += 1) rehashSteps(table, 1);
    insertKey(table, 20, never);
    expect(table.serverSlots).toBe(32);
  });

  test("of a share of the keys begins likewise", () => {
    const table = createKeyTable(10, 0.01, 7);
    insertKey(table, 0, never);
    expect(table.slots).toBe(4);
    expect(randomKey(table, xoroshiro128plus(1))).toBe(0);
  });
});

describe("a key that is not there", () => {
  test("is an error to take out, not a search without an end", () => {
    const table = createKeyTable(10, 1, 7);
    expect(() => removeKey(table, 1)).toThrow("does not have the key 1");
    for (let key = 0; key < 4; key += 1) insertKey(table, key, never);
    expect(() => removeKey(table, 5)).toThrow("does not have the key 5");
  });

  test("is none to draw from an empty table", () => {
    expect(randomKey(createKeyTable(10, 1, 7), xoroshiro128plus(1))).toBe(-1);
  });

  test("is found by a walk in a table nearly empty", () => {
    const table = createKeyTable(1, 1, 7);
    insertKey(table, 0, never);
    const slot = table.heads.indexOf(0);
    const heads = new Int32Array(4_000_000).fill(-1);
    heads[slot] = 0;
    expect(randomKey({ ...table, heads, slots: heads.length }, xoroshiro128plus(1))).toBe(0);
    const lost = { ...table, heads: heads.fill(-1), slots: heads.length };
    expect(() => randomKey(lost, xoroshiro128plus(1))).toThrow("has none");
  });
});

describe("a simulation ends, however little fits", () => {
  /** From less than an empty server takes to a little more than that. */
  const sizes = Array.from({ length: 24 }, (_, step) => Math.round((0.9 + step * 0.02) * MB));

  test("one key, many gets", () => {
    const rows = Array.from({ length: 300 }, (_, index) => ({ at: index * 50, key: "a" }));
    for (const bytes of [...sizes, 2 * MB]) {
      const { counts } = simulate(rows, bytes);
      expect(counts.hits + counts.compulsory + counts.capacity).toBe(300);
    }
    expect(simulate(rows, 2 * MB).counts.hits).toBe(299);
  });

  test("one key with a time to live, and fifty", () => {
    for (const keys of [1, 50]) {
      const rows = Array.from({ length: 300 }, (_, index) => ({
        at: index * 400,
        key: `k${index % keys}`,
        ttl: 10_000,
      }));
      for (const bytes of [...sizes, 2 * MB]) {
        const { counts } = simulate(rows, bytes);
        expect(counts.gets).toBe(300);
      }
    }
  });

  test("a full cache without times to live, then keys that have one", () => {
    const persistent = Array.from({ length: 10_000 }, (_, index) => ({
      at: index,
      key: `p${index}`,
      bytes: 600,
    }));
    const expiring = Array.from({ length: 20_000 }, (_, index) => ({
      at: 10_000 + index,
      key: `t${index % 8_000}`,
      bytes: 600,
      ttl: 60_000,
    }));
    const outcome = simulate([...persistent, ...expiring], 4 * MB);
    expect(outcome.evictions).toBeGreaterThan(5_000);
    expect(outcome.refused).toBe(0);
    expect(outcome.keysAtEnd).toBeGreaterThan(2_000);
  });

  test.each(redisPolicies)("traces by chance, %s", (policy) => {
    const operations = ["get", "get", "get", "set", "delete", "write"] as const;
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = xoroshiro128plus(seed);
      const keys = 1 + below(random, 60);
      let at = 0;
      const rows = Array.from({ length: 200 }, () => {
        at += below(random, 800);
        const op = operations[below(random, operations.length)] ?? "get";
        const ttl = below(random, 2) * below(random, 20_000);
        return { at, key: `k${below(random, keys)}`, op, ttl, bytes: below(random, 3_000) };
      });
      const trace = traceOf(rows, { sampledShare: [1, 0.3, 0.01][seed % 3] ?? 1 });
      for (const slack of [-1_000, 0, 40, 200, 4_000, 40_000]) {
        const maxmemoryBytes = footprint.startupBytes + slack;
        const setting = { policy, maxmemoryBytes, overheadBytes: 0 };
        const { counts } = simulateRedis(trace, footprint, setting, seed);
        const { hits, compulsory, capacity, expired, invalidated } = counts;
        expect(hits + compulsory + capacity + expired + invalidated).toBe(counts.gets);
      }
    }
  });
});
