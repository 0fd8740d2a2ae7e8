import { describe, expect, test } from "vitest";
import { summarise } from "../../src/decide/summary.ts";
import { randomFrom } from "../noise.ts";

describe("a summary", () => {
  test("is the median, with an interval from 3 windows on", () => {
    expect(summarise([3])).toEqual({ value: 3, windows: 1 });
    expect(summarise([3, 5])).toEqual({ value: 4, windows: 2 });
    const { value, low, high, windows } = summarise([90, 100, 110]);
    expect([value, windows]).toEqual([100, 3]);
    expect(low!).toBeGreaterThan(0);
    expect(low! * high!).toBeCloseTo(value ** 2, 6);
  });

  test("of equal values is exact, and stays where values can be", () => {
    expect(summarise([7, 7, 7])).toMatchObject({ low: 7, high: 7 });
    const share = summarise([0.9, 0.99, 1, 1], "cache.hitRate");
    expect(share.high).toBe(1);
    expect(summarise([0, 0.001, 0.002], "api.errorRate").low).toBe(0);
  });

  test.each([[[]], [[1, Number.NaN]], [[Infinity]]])("of %j is refused", (values) => {
    expect(() => summarise(values)).toThrow(RangeError);
  });

  test.each([3, 5, 10, 20])("of %d windows covers the true median 19 times in 20", (windows) => {
    const random = randomFrom(windows);
    const runs = 4_000;
    let covered = 0;
    for (let run = 0; run < runs; run += 1) {
      const { low, high } = summarise(
        Array.from({ length: windows }, () => 100 * Math.exp(0.1 * random.normal())),
      );
      covered += Number(low! <= 100 && 100 <= high!);
    }
    expect(covered / runs).toBeGreaterThan(0.94);
    expect(covered / runs).toBeLessThan(0.985);
  });
});
