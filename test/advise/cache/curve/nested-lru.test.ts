import { assert, boolean, integer, property, record, uniqueArray } from "../../../properties.ts";
import { describe, expect, test } from "vitest";
import { DELETE, GET, SET } from "../../../../src/core/cache-trace.ts";
import { createNestedLru } from "../../../../src/advise/cache/curve/nested-lru.ts";
import { bruteForce, drawnAccesses, type Drawn } from "./brute-force.ts";

const groupOf = (key: number): number => key % 2;

function compare(drawn: Drawn, sizes: readonly number[], places: number): void {
  const accesses = drawnAccesses(drawn);
  const lru = createNestedLru(sizes, { places, groups: 2 });
  for (const [row, id] of accesses.key.entries()) {
    const kind = accesses.operation?.[row];
    const bytes = accesses.bytes[row] ?? 0;
    if (kind === GET) lru.get(id, bytes, groupOf(id));
    if (kind === SET) lru.set(id, bytes);
    if (kind === DELETE) lru.remove(id);
  }
  for (const [at, size] of sizes.entries()) {
    for (const [group, brute] of bruteForce(accesses, size, groupOf).entries()) {
      const { gets, bytes, hits, hitBytes } = lru.counts(group);
      expect({ gets, bytes, hits: hits[at], hitBytes: hitBytes[at] }, `${size} bytes`).toEqual(
        brute ?? { gets: 0, bytes: 0, hits: 0, hitBytes: 0 },
      );
    }
  }
}

const sizes = [1, 3, 10, 20, 33, 50, 77, 120, 300, 1000, 5000];

describe("as an LRU cache of each size", () => {
  test("whatever is asked, stored, resized and removed", () => {
    assert(
      property(
        record({
          seed: integer(),
          rows: integer({ min: 1, max: 400 }),
          keys: integer({ min: 1, max: 60 }),
          bytesMax: integer({ min: 1, max: 40 }),
          resized: boolean(),
          otherOf10: integer({ min: 0, max: 8 }),
        }),
        uniqueArray(integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 12 }),
        integer({ min: 1, max: 50 }),
        (drawn, drawnSizes, places) => {
          compare(
            drawn,
            drawnSizes.toSorted((a, b) => a - b),
            places,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("of thousands of keys, over many renumberings", () => {
    const drawn = { seed: 3, rows: 30_000, keys: 2000, bytesMax: 300 };
    const large = [200, 1000, 5000, 20_000, 100_000, 200_000, 1_000_000];
    compare(drawn, large, 16);
    compare({ ...drawn, resized: true, otherOf10: 2 }, large, 4096);
  });

  test.each([1, 2, 3, 4, 5, 8, 9, 16, 17])("with %s places to begin with", (places) => {
    for (let keys = 1; keys <= 9; keys += 1) {
      compare({ seed: keys, rows: 200, keys, bytesMax: 20, otherOf10: 3 }, sizes, places);
    }
  });

  test("entries that are larger than a cache leave its other entries alone", () => {
    const lru = createNestedLru([10, 100]);
    lru.get(0, 5, 0);
    lru.get(1, 50, 0);
    lru.get(0, 5, 0);
    lru.get(1, 50, 0);
    expect([...lru.counts(0).hits]).toEqual([1, 2]);
  });

  test("a removed entry makes room, and gives back nothing that was evicted", () => {
    const lru = createNestedLru([20]);
    for (const id of [0, 1, 2]) lru.get(id, 10, 0);
    lru.remove(2);
    lru.get(0, 10, 0);
    expect([...lru.counts(0).hits]).toEqual([0]);
    lru.get(1, 10, 0);
    expect([...lru.counts(0).hits]).toEqual([1]);
  });
});

test("a sample's caches have its share of the size, but an entry's own bytes count as they are", () => {
  const lru = createNestedLru([59, 60], { share: 0.1 });
  for (const [id, bytes] of [
    [0, 50],
    [1, 1],
    [0, 50],
  ] as const) {
    lru.get(id, bytes, 0);
  }
  // One byte of others stands for ten.
  expect([...lru.counts(0).hits]).toEqual([0, 1]);
});
