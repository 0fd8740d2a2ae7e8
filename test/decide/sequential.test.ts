import { describe, expect, test } from "vitest";
import { looksFor } from "../../src/decide/sequential.ts";
import { spendingBounds } from "../../src/decide/spending.ts";
import { studentQuantile } from "../../src/decide/distribution.ts";
import { randomFrom } from "../noise.ts";

const FRACTIONS = [5, 7, 10, 14, 20, 30].map((pairs) => pairs / 30);

describe("the bounds of a test with several looks", () => {
  test.each([
    // The constants that an independent simulation gave for the same looks and the same spending, to its own error.
    ["efficacy, 1 %", 0.01, [3.07, 3.19, 3.07, 2.93, 2.76, 2.5]],
    ["futility, 5 %", 0.05, [2.56, 2.62, 2.51, 2.35, 2.13, 1.81]],
  ])("are those found by simulation: %s", (_, total, expected) => {
    const bounds = spendingBounds(total, FRACTIONS);
    for (const [index, bound] of bounds.entries()) {
      expect(Math.abs(bound - expected[index]!)).toBeLessThan(0.03);
    }
  });

  test("a single look is the ordinary test", () => {
    expect(spendingBounds(0.025, [1])[0]).toBeCloseTo(1.959964, 5);
  });

  test.each([
    ["all six looks", FRACTIONS],
    ["cut to 10 pairs", [0.5, 0.7, 1]],
    ["a last look right after the one before", [0.3, 0.97, 1]],
  ])("spend exactly the total error over all looks: %s", (_, fractions) => {
    const total = 0.05;
    const paths = 100_000;
    const bounds = spendingBounds(total, fractions);
    const random = randomFrom(7);
    let crossed = 0;
    for (let path = 0; path < paths; path += 1) {
      let score = 0;
      let before = 0;
      for (const [index, fraction] of fractions.entries()) {
        score += Math.sqrt(fraction - before) * random.normal();
        before = fraction;
        if (score / Math.sqrt(fraction) > bounds[index]!) {
          crossed += 1;
          break;
        }
      }
    }
    // Four standard errors of the simulation.
    const error = 4 * Math.sqrt((total * (1 - total)) / paths);
    expect(Math.abs(crossed / paths - total)).toBeLessThan(error);
  });
});

describe("the looks of a trial", () => {
  test.each([
    [2, [2]],
    [4, [4]],
    [5, [5]],
    [6, [5, 6]],
    [10, [5, 7, 10]],
    [12, [5, 7, 10, 12]],
    [30, [5, 7, 10, 14, 20, 30]],
    [40, [5, 7, 10, 14, 20, 30, 40]],
  ])("of at most %d pairs are at %j", (pairsMax, pairs) => {
    expect(looksFor(pairsMax).map((look) => look.pairs)).toEqual(pairs);
  });

  test("of the only look is the t test of its level", () => {
    const [look] = looksFor(5);
    expect(look?.efficacyT).toBeCloseTo(studentQuantile(0.01, 4), 4);
    expect(look?.futilityT).toBeCloseTo(studentQuantile(0.05, 4), 4);
    expect(look?.intervalT).toBeCloseTo(studentQuantile(0.025, 4), 4);
  });

  test("never let a proof be narrower than the printed interval, so a kept change excludes no effect", () => {
    for (const pairsMax of [2, 3, 5, 6, 10, 15, 30, 31, 60]) {
      for (const look of looksFor(pairsMax)) {
        expect(look.efficacyT).toBeGreaterThan(look.intervalT);
        expect(look.intervalT).toBeGreaterThan(look.futilityT);
      }
    }
  });

  test("err in total as often as they say, also with the spread estimated from few pairs", () => {
    const trials = 20_000;
    const looks = looksFor(30);
    const random = randomFrom(11);
    let efficacy = 0;
    let interval = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      let sum = 0;
      let squares = 0;
      let pairs = 0;
      let provenWrongly = false;
      let missed = false;
      for (const look of looks) {
        for (; pairs < look.pairs; pairs += 1) {
          const value = random.normal();
          sum += value;
          squares += value * value;
        }
        const variance = (squares - (sum * sum) / pairs) / (pairs - 1);
        const t = sum / Math.sqrt(pairs * variance);
        provenWrongly ||= t > look.efficacyT;
        missed ||= Math.abs(t) > look.intervalT;
      }
      efficacy += Number(provenWrongly);
      interval += Number(missed);
    }
    // Nominal 1 % and 5 %; turning z into t costs a little (docs/statistics.md says how much).
    expect(efficacy / trials).toBeLessThan(0.015);
    expect(interval / trials).toBeLessThan(0.06);
  });

  test.each([0, 1, 2.5, Number.NaN])("cannot be planned for %d pairs", (pairsMax) => {
    expect(() => looksFor(pairsMax)).toThrow(RangeError);
  });
});
