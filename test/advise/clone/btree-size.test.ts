import { describe, expect, it } from "vitest";
import {
  btreeHeight,
  btreeSize,
  tupleSizes,
  type KeyColumn,
} from "../../../src/advise/indexes/clone/btree-size.ts";

const bigint = (distinct: number, common: readonly number[] = [], nullShare = 0): KeyColumn => ({
  sizes: [[8, 1]],
  alignment: 8,
  variable: false,
  nullShare,
  distinct,
  common,
});

const text = (bytes: number, distinct: number, common: readonly number[] = []): KeyColumn => ({
  ...bigint(distinct, common),
  sizes: [[bytes, 1]],
  alignment: 4,
  variable: true,
});

function size(rows: number, keys: readonly KeyColumn[], deduplicates = true) {
  return btreeSize({ rows, keys, included: [], deduplicates });
}

describe("tuple sizes", () => {
  it("pads to the alignment of the next column and of the entry, but for short values", () => {
    expect(tupleSizes([text(9, 4), bigint(9)])).toEqual([[32, 1]]);
    expect(tupleSizes([text(7, 4), bigint(9)])).toEqual([[24, 1]]);
    expect(tupleSizes([text(3, 4), text(5, 4)])).toEqual([[16, 1]]);
  });

  it("adds the bitmap where a column is null", () => {
    expect(new Map(tupleSizes([bigint(9, [], 0.25)]))).toEqual(new Map([[16, 1]]));
    expect(new Map(tupleSizes([bigint(9), bigint(9, [], 0.25)]))).toEqual(new Map([[24, 1]]));
    expect(new Map(tupleSizes([bigint(9), bigint(9), bigint(9, [], 0.25)]))).toEqual(
      new Map([[32, 1]]),
    );
  });
});

describe("the size of a B-tree", () => {
  it("is one page without rows, and two with one", () => {
    expect(size(0, [bigint(0)])).toEqual({ pages: 1, height: 0 });
    expect(size(1, [bigint(1)])).toEqual({ pages: 2, height: 0 });
  });

  /** Pages and levels of indexes that PostgreSQL 18.4 built over values that were made so. */
  it.each([
    ["unique bigint", 100_000, [bigint(100_000)], 276, 1],
    ["unique bigint, two levels", 1_000_000, [bigint(1_000_000)], 2_745, 2],
    [
      "ten values of a bigint, evenly",
      100_000,
      [
        bigint(
          10,
          Array.from({ length: 10 }, () => 0.1),
        ),
      ],
      87,
      1,
    ],
    ["a text of 32 characters, unique", 60_000, [text(33, 60_000)], 435, 2],
    ["bigint, unique, with text before it", 20_000, [text(9, 1, [1]), bigint(20_000)], 101, 1],
  ] as const)("%s", (_, rows, keys, pages, height) => {
    const found = size(rows, keys);
    expect(found.height).toBe(height);
    expect(found.pages / pages).toBeGreaterThan(0.98);
    expect(found.pages / pages).toBeLessThan(1.02);
  });

  it("grows without deduplication, with carried columns and with a lower fill factor", () => {
    const keys = [bigint(50, [], 0)];
    const smallest = size(100_000, keys).pages;
    expect(size(100_000, keys, false).pages).toBeGreaterThan(smallest * 2);
    const included = [text(21, 1_000)];
    const input = { rows: 100_000, keys, included: [], deduplicates: false };
    expect(btreeSize({ ...input, included }).pages).toBeGreaterThan(btreeSize(input).pages * 1.5);
    expect(btreeSize({ ...input, fillFactor: 45 }).pages).toBeGreaterThan(
      btreeSize(input).pages * 1.8,
    );
  });

  it("believes what is known of combinations, in both directions", () => {
    const keys = [bigint(1_000), bigint(1_000)];
    const independent = size(200_000, keys).pages;
    const input = { rows: 200_000, keys, included: [], deduplicates: true };
    expect(btreeSize({ ...input, distinct: 1_000 }).pages).toBeLessThan(independent * 0.5);
    const correlated = [bigint(400), bigint(400)];
    const few = btreeSize({ ...input, keys: correlated }).pages;
    expect(btreeSize({ ...input, keys: correlated, distinct: 200_000 }).pages).toBeGreaterThan(
      few * 1.2,
    );
  });

  it("is never smaller than the most distinct column alone makes it", () => {
    const alone = size(100_000, [bigint(100_000)]).pages;
    expect(size(100_000, [bigint(3), bigint(100_000)]).pages).toBeGreaterThan(alone);
  });

  it("finds the height again from the pages", () => {
    for (const rows of [10, 1_000, 100_000, 10_000_000, 500_000_000]) {
      const { pages, height } = size(rows, [bigint(rows)]);
      expect(btreeHeight(pages, 8)).toBe(height);
    }
  });
});
