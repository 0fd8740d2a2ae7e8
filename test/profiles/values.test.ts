/** The small readers behind the schemas: quantities in a metric's unit, and suggestions. */
import { describe, expect, test } from "vitest";
import { parseQuantity } from "../../src/profiles/fields.ts";
import { nearest } from "../../src/profiles/suggest.ts";

describe("quantities", () => {
  test.each([
    ["ms", "250ms", 250],
    ["ms", "1.5m", 90_000],
    ["ms", 0, 0],
    ["ratio", "98%", 0.98],
    ["ratio", "0.02 %", 0.0002],
    ["ratio", "7%", 0.07],
    ["ratio", "40%", 0.4],
    ["ratio", 0.98, 0.98],
    ["bytes", "128MB", 128 * 1024 ** 2],
    ["bytes", "1 gb", 1024 ** 3],
    ["bytes", 512, 512],
    ["per-second", "1500/s", 1500],
    ["per-second", 1500, 1500],
    ["count", 3, 3],
  ] as const)("%s: %j is %d", (unit, written, value) => {
    expect(parseQuantity(unit, written)).toBe(value);
  });

  test.each([
    ["ms", 200],
    ["ms", "-5s"],
    ["ms", "5 s m"],
    ["ratio", 98],
    ["ratio", -0.1],
    ["ratio", Number.NaN],
    ["bytes", 0.5],
    ["bytes", "12 apples"],
    ["per-second", "5/m"],
    ["count", "3"],
    ["count", Number.POSITIVE_INFINITY],
  ] as const)("%s: %j is none", (unit, written) => {
    expect(parseQuantity(unit, written)).toBeUndefined();
  });
});

describe("the nearest known word", () => {
  test.each([
    ["priorty", "priority"],
    ["titel", "title"],
    ["TITLE", "title"],
    ["budgets", "budget"],
  ])("%s is %s", (word, meant) => {
    expect(nearest(word, ["title", "priority", "budget"])).toBe(meant);
  });

  test("is none for a word that is far from all", () => {
    expect(nearest("colour", ["title", "priority"])).toBeUndefined();
    expect(nearest("x", [])).toBeUndefined();
  });
});
