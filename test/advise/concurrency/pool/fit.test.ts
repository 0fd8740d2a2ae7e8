/** The scalability law: found again in sweeps whose truth is known, with honest intervals, and doubted where it is wrong. */
import { describe, expect, test } from "vitest";
import { fitSweep } from "../../../../src/advise/concurrency/pool/fit.ts";
import {
  fitUsl,
  leveragesOf,
  uslPeak,
  uslThroughput,
} from "../../../../src/advise/concurrency/pool/usl.ts";
import type { UslFit } from "../../../../src/core/pool-advice.ts";
import * as fc from "../../../properties.ts";
import { drawSweep, readOnly, simpleUpdate } from "./sweeps.ts";

const SIZES = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64];

function fitted(fit: UslFit): Extract<UslFit, { kind: "fitted" }> {
  if (fit.kind !== "fitted") throw new Error(fit.because);
  return fit;
}

test("a law without noise is found again, whatever it is", () => {
  fc.assert(
    fc.property(
      fc.record({
        lambda: fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        sigma: fc.double({ min: 0, max: 0.9, noNaN: true }),
        kappa: fc.double({ min: 1e-5, max: 0.05, noNaN: true }),
      }),
      (truth) => {
        const found = fitUsl(drawSweep(truth, SIZES, 0, 1));
        expect(found).toBeDefined();
        for (const size of SIZES) {
          expect(found && uslThroughput(found, size) / uslThroughput(truth, size)).toBeCloseTo(
            1,
            3,
          );
        }
      },
    ),
  );
});

test("at 5 % noise N* and its height lie in their intervals in 90 % of 200 seeds and more", () => {
  const truth = { lambda: 1_000, sigma: 0.05, kappa: 0.002 };
  const peak = uslPeak(truth) ?? 0;
  const height = uslThroughput(truth, peak);
  const holds = { peak: 0, height: 0, near: 0 };
  for (let seed = 1; seed <= 200; seed += 1) {
    const fit = fitted(fitSweep(drawSweep(truth, SIZES, 0.05, seed), 42));
    const { low = Infinity, high = Infinity } = fit.peakInterval;
    if (low <= peak && peak <= high) holds.peak += 1;
    const across = fit.peakThroughputInterval;
    if ((across.low ?? Infinity) <= height && height <= (across.high ?? Infinity))
      holds.height += 1;
    if (fit.peak !== undefined && Math.abs(fit.peak / peak - 1) < 0.25) holds.near += 1;
  }
  expect(holds.peak).toBeGreaterThanOrEqual(180);
  expect(holds.height).toBeGreaterThanOrEqual(180);
  expect(holds.near).toBeGreaterThanOrEqual(180);
}, 60_000);

test("the two sweeps of the research have their tops near 9.8 and 37", () => {
  const read = fitted(fitSweep(readOnly, 42));
  expect(read.peak).toBeCloseTo(9.8, 0);
  expect(read.rSquared).toBeGreaterThan(0.95);
  expect(read.peakInterval.low).toBeGreaterThan(7);
  expect(read.peakInterval.high).toBeLessThan(13);
  const update = fitted(fitSweep(simpleUpdate, 42));
  expect(update.peak).toBeGreaterThan(36);
  expect(update.peak).toBeLessThan(39);
  for (const fit of [read, update])
    expect(fit).toMatchObject({ trusted: true, extrapolated: false });
});

test("the same points and seed give the same intervals; another seed gives nearly the same", () => {
  const fit = fitted(fitSweep(readOnly, 7));
  expect(fitSweep(readOnly, 7)).toEqual(fit);
  const other = fitted(fitSweep(readOnly, 8));
  expect(other.peak).toBe(fit.peak);
  expect(other.peakInterval.low).toBeCloseTo(fit.peakInterval.low ?? 0, 0);
});

describe("few points", () => {
  test.each<[what: string, sizes: readonly number[], words: RegExp]>([
    [
      "five points",
      [1, 2, 4, 8, 16],
      /too few points for the law: 5 points at 5 sizes; needs 6 points at 4 sizes/,
    ],
    ["of three sizes", [1, 1, 2, 2, 4, 4], /too few points for the law: 6 points at 3 sizes/],
    ["none", [], /too few points for the law: 0/],
  ])("%s are too few", (_, sizes, words) => {
    const fit = fitSweep(drawSweep({ lambda: 1, sigma: 0.1, kappa: 0.01 }, sizes, 0.01, 1), 42);
    expect(fit).toMatchObject({ kind: "too-few-points" });
    expect(JSON.stringify(fit)).toMatch(words);
  });
});

function of(throughput: (size: number) => number): Extract<UslFit, { kind: "fitted" }> {
  const points = SIZES.map((size) => ({ size, throughput: throughput(size) }));
  return fitted(fitSweep(points, 42));
}

describe("doubts", () => {
  test("a top beyond the data is an extrapolation, and its interval may have no end", () => {
    const fit = of((size) => uslThroughput({ lambda: 100, sigma: 0.01, kappa: 0.00001 }, size));
    expect(fit).toMatchObject({ extrapolated: true, trusted: true });
    expect(fit.problems.join()).toMatch(/beyond the largest size measured \(64\).*extrapolation/);
  });

  test("a curve that never turns down has no N*", () => {
    const fit = of((size) => 100 * size);
    expect(fit.peak).toBeUndefined();
    expect(fit.peakInterval.high).toBeUndefined();
    expect(fit.problems.join()).toMatch(/never turns down/);
  });

  test("a cliff is not this law: the fit says so and is not trusted", () => {
    const fit = of((size) => (size <= 24 ? 100 * size : 300));
    expect(fit.trusted).toBe(false);
    expect(fit.problems.join()).toMatch(/explains only|runs test/);
  });

  test("two humps leave the curve in stretches", () => {
    const fit = of((size) => 1_000 * (1 + 0.3 * Math.sin(2 * Math.log2(size))));
    expect(fit.trusted).toBe(false);
  });

  test("sizes that hardly differ are not called a misfit, but uncertain", () => {
    const fit = fitted(
      fitSweep(
        drawSweep(
          { lambda: 1_000, sigma: 0.95, kappa: 0.00001 },
          [2, 3, 4, 8, 16, 24, 32],
          0.03,
          3,
        ),
        42,
      ),
    );
    expect(fit.trusted).toBe(true);
    expect(fit.problems.join()).toMatch(/little more than it scatters/);
  });
});

test("leverages are shares that sum to the number of unknowns", () => {
  const usl = { lambda: 1_000, sigma: 0.05, kappa: 0.002 };
  const leverages = leveragesOf(drawSweep(usl, SIZES, 0, 1), usl);
  expect(leverages.reduce((sum, each) => sum + each, 0)).toBeCloseTo(3, 6);
  for (const each of leverages) expect(each).toBeGreaterThan(0);
});
