import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import type { MetricId } from "../../src/core/metric.ts";
import type { Pair } from "../../src/core/trial.ts";
import { effectOf, fixedMargin } from "../../src/decide/effect.ts";
import { unusableBecause } from "../../src/decide/gain.ts";
import { signFlipP } from "../../src/decide/permutation.ts";
import { makePairs, makeSample } from "../samples.ts";

const LATENCY = "api.latencyP95Ms";
const HIT_RATE = "cache.hitRate";

const positive = fc.double({ min: 0.01, max: 10_000, noNaN: true });
const pairValues = fc.array(fc.tuple(positive, positive), { minLength: 2, maxLength: 12 });

function fixed(metric: MetricId, pairs: readonly Pair[]) {
  return effectOf(metric, pairs, fixedMargin(pairs.length, 0.95));
}

function close(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
}

describe("an effect", () => {
  test("is the mean log ratio with its t interval, by hand", () => {
    // Log ratios -0.1, -0.2, -0.3: mean -0.2, standard error 0.1 / sqrt 3, t(2) 4.302653.
    const values = [0.1, 0.2, 0.3].map((log) => [100, 100 * Math.exp(-log)] as const);
    const effect = fixed(LATENCY, makePairs(LATENCY, values));
    const half = (4.302652729911275 * 0.1) / Math.sqrt(3);
    expect(effect).toMatchObject({ metric: LATENCY, compare: "ratio", pairs: 3, confidence: 0.95 });
    close(effect!.estimate, Math.exp(-0.2));
    close(effect!.low, Math.exp(-0.2 - half));
    close(effect!.high, Math.exp(-0.2 + half));
    close(effect!.candidateMedian, 100 * Math.exp(-0.2));
    expect(effect!.incumbentMedian).toBe(100);
    expect(effect!.permutationP).toBe(0.25);
  });

  test("of a share is the mean difference, and a share may be 0", () => {
    const effect = fixed(
      HIT_RATE,
      makePairs(HIT_RATE, [
        [0, 0.5],
        [0, 0.6],
        [0, 0.7],
      ]),
    );
    expect(effect).toMatchObject({
      compare: "difference",
      incumbentMedian: 0,
      candidateMedian: 0.6,
    });
    close(effect!.estimate, 0.6);
    expect(effect!.low).toBeGreaterThan(0.3);
  });

  test("of a counter that never varies has an interval of no width", () => {
    const counter = "db.statementsPerRequest";
    const effect = fixed(
      counter,
      makePairs(counter, [
        [8, 2],
        [8, 2],
        [8, 2],
      ]),
    );
    expect([effect?.low, effect?.estimate, effect?.high]).toEqual([0.25, 0.25, 0.25]);
  });

  test("inverts when the arms are swapped", () => {
    fc.assert(
      fc.property(pairValues, (values) => {
        const there = fixed(LATENCY, makePairs(LATENCY, values))!;
        const swapped = values.map(([incumbent, candidate]) => [candidate, incumbent] as const);
        const back = fixed(LATENCY, makePairs(LATENCY, swapped))!;
        close(back.estimate, 1 / there.estimate);
        close(back.low, 1 / there.high);
        close(back.high, 1 / there.low);
        expect(back.permutationP).toBe(there.permutationP);
      }),
    );
  });

  test("does not know the unit: scaling every value of both arms changes nothing", () => {
    fc.assert(
      fc.property(
        pairValues,
        fc.double({ min: 0.001, max: 1_000, noNaN: true }),
        (values, scale) => {
          const effect = fixed(LATENCY, makePairs(LATENCY, values))!;
          const scaledValues = values.map(
            ([left, right]) => [left * scale, right * scale] as const,
          );
          const scaled = fixed(LATENCY, makePairs(LATENCY, scaledValues))!;
          expect(scaled.estimate / effect.estimate).toBeCloseTo(1, 6);
          expect(scaled.permutationP).toBe(effect.permutationP);
        },
      ),
    );
  });

  test("gets a narrower interval from more of the same pairs", () => {
    fc.assert(
      fc.property(pairValues, (values) => {
        const once = fixed(LATENCY, makePairs(LATENCY, values))!;
        const twice = fixed(LATENCY, makePairs(LATENCY, [...values, ...values]))!;
        expect(Math.log(twice.high / twice.low)).toBeLessThanOrEqual(
          Math.log(once.high / once.low) + 1e-12,
        );
      }),
    );
  });

  test.each([
    ["missing", undefined, "API p95 is missing in the candidate's window of pair 2"],
    ["not a number", Number.NaN, "API p95 is NaN in the candidate's window of pair 2"],
    ["infinite", Infinity, "API p95 is Infinity in the candidate's window of pair 2"],
    [
      "zero, for a ratio",
      0,
      "API p95 is 0 in the candidate's window of pair 2, and a ratio needs values above 0",
    ],
    [
      "negative, for a ratio",
      -1,
      "API p95 is -1 in the candidate's window of pair 2, and a ratio needs values above 0",
    ],
  ])("is not computed when one value is %s, and the reason is told", (_, value, reason) => {
    const pairs = makePairs(LATENCY, [
      [100, 90],
      [100, value],
      [100, 90],
    ]);
    expect(fixed(LATENCY, pairs)).toBeUndefined();
    expect(unusableBecause(LATENCY, pairs)).toBe(reason);
  });

  test("needs two pairs", () => {
    const pairs = makePairs(LATENCY, [[100, 90]]);
    expect(effectOf(LATENCY, pairs, { confidence: 0.95, standardErrors: 2 })).toBeUndefined();
    expect(unusableBecause(LATENCY, pairs)).toMatch(/at least 2/);
  });

  test("is never computed over an invalid window", () => {
    const [pair, ...others] = makePairs(LATENCY, [
      [100, 90],
      [100, 90],
    ]);
    const candidate = makeSample({ [LATENCY]: 90 }, { invalidBecause: "the generator lagged" });
    const pairs = [{ ...pair!, candidate }, ...others];
    expect(() => fixed(LATENCY, pairs)).toThrow(/pair 1 is invalid.*the generator lagged/);
  });
});

describe("the sign-flip p", () => {
  test.each([
    ["all of one sign: 2 of 2^5 patterns", [1, 2, 3, 4, 5], 2 / 32],
    ["one small value of the other sign", [5, 4, 3, 2, -1], 4 / 32],
    ["nothing at all", [0, 0, 0], 1],
    ["a mean of zero", [1, -1], 1],
    ["one value", [3], 1],
  ])("is exact: %s", (_, values, p) => {
    expect(signFlipP(values)).toBe(p);
  });

  test("is what counting every pattern gives", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 1, maxLength: 10 }),
        (values) => {
          expect(signFlipP(values)).toBeCloseTo(countedP(values), 12);
        },
      ),
    );
  });

  test("for many pairs runs into its normal limit without a jump", () => {
    expect(signFlipP(waves(32))).toBeGreaterThan(0.01);
    expect(Math.abs(signFlipP(waves(33)) - signFlipP(waves(32)))).toBeLessThan(0.03);
  });
});

function waves(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => Math.sin(index * 7) + 0.25);
}

function countedP(values: readonly number[]): number {
  const size = values.reduce((sum, value) => sum + Math.abs(value), 0);
  const observed = Math.abs(values.reduce((sum, value) => sum + value, 0));
  let reached = 0;
  for (let pattern = 0; pattern < 2 ** values.length; pattern += 1) {
    const total = values.reduce(
      (sum, value, bit) => sum + ((pattern >> bit) & 1 ? value : -value),
      0,
    );
    if (Math.abs(total) >= observed - 1e-9 * size) reached += 1;
  }
  return reached / 2 ** values.length;
}
