import { expect, test } from "vitest";
import { logSizes } from "../../../../src/advise/cache/curve/log-sizes.ts";

test("each size is larger by the same factor, both ends are there", () => {
  expect(logSizes(1000, 16_000, 5)).toEqual([1000, 2000, 4000, 8000, 16_000]);
  expect(logSizes(1, 1e12, 50)).toHaveLength(50);
  expect(logSizes(1, 1e12, 50).at(-1)).toBe(1e12);
});

test("sizes ascend, and none is there twice", () => {
  const sizes = logSizes(1, 10, 100);
  expect(sizes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test.each([
  [0, 10, 5],
  [-1, 10, 5],
  [10, 1, 5],
  [1, 10, 0],
  [Number.NaN, 10, 5],
  [1, Number.POSITIVE_INFINITY, 5],
])("from %s to %s, %s of them: none", (from, to, count) => {
  expect(logSizes(from, to, count)).toEqual([]);
});

test("one size is the largest", () => {
  expect(logSizes(5, 10, 1)).toEqual([10]);
  expect(logSizes(7, 7, 3)).toEqual([7]);
});
