/** Change points: the statistic by hand, known changes found where they are, noise left alone, and the same answer every time. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { run } from "../../bench/history.ts";
import { splitStatistics } from "../../src/decide/change-points-energy.ts";
import { neighbourCorrelation, shuffler } from "../../src/decide/change-points-null.ts";
import { changePoints, valuesNeeded } from "../../src/decide/change-points.ts";

const ratio = { compare: "ratio" } as const;

/** Between -1 and 1, evenly. */
function uniform(seed: number, length: number): readonly number[] {
  const random = xoroshiro128plus(Math.imul(seed + 1, 0x85ebca6b));
  for (let skipped = 0; skipped < 20; skipped += 1) random.next();
  return Array.from({ length }, () => 2 * uniformFloat64(random) - 1);
}

/** Levels with so many values each, and noise of some per cent. */
function levels(parts: readonly (readonly [level: number, length: number])[], seed = 1) {
  const noise = uniform(
    seed,
    parts.reduce((sum, [, length]) => sum + length, 0),
  );
  return parts
    .flatMap(([level, length]) => Array.from({ length }, () => level))
    .map((level, index) => level * (1 + 0.04 * (noise[index] ?? 0)));
}

describe("the statistic", () => {
  test("is the energy distance of both sides, weighted by their sizes", () => {
    // By hand: 1 1 | 3 has distances 2, 2 across and 0 within.
    const q = splitStatistics(Float64Array.of(1, 1, 3), 1);
    expect(q[2]).toBeCloseTo(((2 * 1) / 3) * 4, 12);
    // 1 | 1 3: 0, 2 across; 2 within the right.
    expect(q[1]).toBeCloseTo(((1 * 2) / 3) * (2 - 2), 12);
  });

  test("equals the double sum of its definition, with ties and in any order", () => {
    for (const values of [uniform(3, 41), [2, 2, 5, 1, 5, 5, 2, 8, 8, 1, 2], [4, 4, 4, 4]]) {
      const q = splitStatistics(Float64Array.from(values), 2);
      for (let split = 2; split <= values.length - 2; split += 1) {
        expect(q[split]).toBeCloseTo(byDefinition(values, split), 9);
      }
    }
  });

  test("leaves out sides that are too short", () => {
    const q = splitStatistics(Float64Array.of(1, 1, 1, 9, 9, 9), 3);
    expect([...q].map((value) => value > 0)).toEqual([false, false, false, true, false, false]);
  });
});

function byDefinition(values: readonly number[], split: number): number {
  const [left, right] = [values.slice(0, split), values.slice(split)];
  const within = (side: readonly number[]) =>
    distances(side, side) / (side.length * (side.length - 1));
  const [m, n] = [left.length, right.length];
  const across = distances(left, right) / (m * n);
  return ((m * n) / (m + n)) * (2 * across - within(left) - within(right));
}

function distances(a: readonly number[], b: readonly number[]): number {
  return a.flatMap((x) => b.map((y) => Math.abs(x - y))).reduce((sum, each) => sum + each, 0);
}

describe("known changes", () => {
  test("steps up and down are found where they are, with the levels around them", () => {
    const found = changePoints(
      levels([
        [20, 25],
        [24, 20],
        [18, 30],
      ]),
      ratio,
    );
    expect(found.map(({ index }) => index)).toEqual([25, 45]);
    expect(found[0]?.before).toBeCloseTo(20, 0);
    expect(found[0]?.after).toBeCloseTo(24, 0);
    expect(found[1]?.after).toBeCloseTo(18, 0);
    expect(found.every(({ p }) => p <= 0.01)).toBe(true);
  });

  test("a regression that was soon mended is found in a long series", () => {
    const found = changePoints(
      levels([
        [20, 150],
        [23, 8],
        [20, 150],
      ]),
      ratio,
    );
    expect(found.map(({ index }) => index)).toEqual([150, 158]);
  });

  test.each([
    [3, 4],
    [0.1, 0.3],
    [7 / 3, 10 / 3],
    [1e6 + 0.1, 1e6 + 0.2],
  ])("exact counters: %d and then %d a request", (before, after) => {
    const values = [...Array<number>(12).fill(before), ...Array<number>(8).fill(after)];
    expect(changePoints(values, ratio)).toMatchObject([{ index: 12, before, after }]);
  });

  test("one slow run is no change, however slow", () => {
    const values = levels([[20, 40]]).map((value, index) => (index === 22 ? 400 : value));
    expect(changePoints(values, ratio)).toEqual([]);
  });

  test("the size of the values does not matter", () => {
    const values = levels([
      [1, 20],
      [1.2, 20],
    ]);
    for (const scale of [1e-9, 1, 1e12]) {
      const found = changePoints(
        values.map((value) => value * scale),
        ratio,
      );
      expect(found.map(({ index }) => index)).toEqual([20]);
    }
    // A small difference on a large number, which sums of plain values would lose.
    const large = values.map((value) => 1e9 + value);
    expect(changePoints(large, { compare: "difference" })).toMatchObject([{ index: 20 }]);
  });

  test("values of zero and below are compared by difference, whatever the metric", () => {
    const values = levels([
      [0.1, 20],
      [0.5, 20],
    ]).map((value) => value - 0.3);
    expect(changePoints(values, ratio)).toMatchObject([{ index: 20 }]);
    expect(
      changePoints([...Array<number>(20).fill(0), ...Array<number>(20).fill(2)], ratio),
    ).toMatchObject([{ index: 20, before: 0, after: 2 }]);
  });

  test("changes below the least that is asked for are left out, and the levels around them joined", () => {
    const values = levels([
      [20, 40],
      [20.8, 40],
      [30, 40],
    ]);
    const all = changePoints(values, ratio);
    expect(all.map(({ index }) => index)).toHaveLength(2);
    const large = changePoints(values, { ...ratio, magnitudeMin: 0.1 });
    expect(large.map(({ index }) => index)).toEqual([80]);
    expect(large[0]?.before).toBeCloseTo(20.4, 0);
  });
});

describe("what shows nothing", () => {
  test("equal values, and too few", () => {
    expect(changePoints([], ratio)).toEqual([]);
    expect(changePoints([5], ratio)).toEqual([]);
    expect(changePoints(Array<number>(50).fill(7.3), ratio)).toEqual([]);
    expect(valuesNeeded()).toBe(12);
    expect(changePoints([1, 1, 1, 1, 2, 2, 2, 2], ratio)).toEqual([]);
    expect(changePoints([1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2], ratio)).toHaveLength(1);
  });

  test("a value that is no number is refused", () => {
    expect(() => changePoints([1, Number.NaN, 2], ratio)).toThrow(RangeError);
    expect(() => changePoints([1, Infinity, 2], ratio)).toThrow(RangeError);
  });

  test("the same series always gives the same answer", () => {
    const values = levels(
      [
        [20, 30],
        [20.9, 30],
      ],
      5,
    );
    expect(changePoints(values, ratio)).toEqual(changePoints(values, ratio));
  });
});

describe("series without a change", () => {
  test("drawn anew have the values of the old one when neighbours do not depend on each other", () => {
    const values = Float64Array.from(uniform(4, 30));
    const drawn = shuffler(values, 0, xoroshiro128plus(9))();
    expect([...drawn].map((value) => value + mean(values)).toSorted((a, b) => a - b)).toEqual(
      [...values].toSorted((a, b) => a - b).map((value) => expect.closeTo(value, 9)),
    );
  });

  test("drawn anew keep the correlation of neighbours", () => {
    let last = 0;
    const values = Float64Array.from(uniform(6, 4_000), (fresh) => (last = 0.6 * last + fresh));
    expect(neighbourCorrelation(values, [])).toBeCloseTo(0.6, 1);
    const drawn = shuffler(values, 0.6, xoroshiro128plus(9))();
    expect(neighbourCorrelation(Float64Array.from(drawn), [])).toBeCloseTo(0.6, 1);
  });

  test("the correlation is that around the levels, not of the levels", () => {
    const values = Float64Array.from(
      levels([
        [20, 200],
        [30, 200],
      ]),
    );
    expect(neighbourCorrelation(values, [])).toBeGreaterThan(0.8);
    expect(neighbourCorrelation(values, [200])).toBeLessThan(0.15);
    expect(neighbourCorrelation(Float64Array.of(1, 1, 1), [])).toBe(0);
  });
});

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

test("false alarms and power are as promised, on few series", { timeout: 120_000 }, async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: "/nowhere" });
  expect(rows.flat().join(" ")).toContain("no data");
  expect(acceptance.length).toBeGreaterThan(10);
  expect(acceptance.filter(({ ok }) => !ok)).toEqual([]);
});
