/** Limits of requests under way: what Little's law says, what counts as a gain among windows of overload, which limit is proven. */
import { describe, expect, test } from "vitest";
import {
  byLimit,
  chooseLimit,
  largerLimit,
  leastGain,
} from "../../../src/advise/concurrency/admission/choose.ts";
import type { LimitWindow } from "../../../src/advise/concurrency/admission/choose.ts";
import { limitRange, rangeInWords } from "../../../src/advise/concurrency/admission/little.ts";
import { limitInWords, limitsInWords } from "../../../src/advise/concurrency/admission/words.ts";
import * as fc from "../../properties.ts";

const demand = {
  saturationPerSecond: 800,
  withinMs: 500,
  processes: 1,
  cores: 2,
  domain: { min: 1, max: 10_000 },
};

const windowsOf = (...ratios: readonly (readonly [number, number | undefined])[]): LimitWindow[] =>
  ratios.map(([limit, ratio]) => ({
    limit,
    metrics: ratio === undefined ? {} : { "api.goodRatio": ratio },
  }));

const chosenOf = (
  windows: readonly LimitWindow[],
  hypothesis: number,
  { tolerance = 0.025, goodRatioMost = 0.05 } = {},
) => chooseLimit(byLimit(windows), { hypothesis, goodRatioMost, tolerance })?.limit;

describe("the range of a search", () => {
  test("a quarter of what could be answered in time is the hypothesis, all of it the most", () => {
    expect(limitRange(demand)).toEqual({ hypothesis: 100, least: 2, most: 400 });
    expect(limitRange({ ...demand, processes: 4 })).toEqual({
      hypothesis: 25,
      least: 2,
      most: 100,
    });
  });

  test("a slow service is not limited below its cores, and no limit leaves the knob's domain", () => {
    expect(limitRange({ ...demand, saturationPerSecond: 2 })).toEqual({
      hypothesis: 2,
      least: 2,
      most: 2,
    });
    expect(limitRange({ ...demand, domain: { min: 10, max: 80 } })).toEqual({
      hypothesis: 80,
      least: 10,
      most: 80,
    });
  });

  test("is in order and whole whatever the service is", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.double({ min: 1, max: 60_000, noNaN: true }),
        fc.integer({ min: 0, max: 16 }),
        fc.integer({ min: 1, max: 128 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 10_000 }),
        (saturationPerSecond, withinMs, processes, cores, min, more) => {
          const domain = { min, max: min + more };
          const range = limitRange({ saturationPerSecond, withinMs, processes, cores, domain });
          const { least, hypothesis, most } = range;
          expect([least, hypothesis, most].every(Number.isInteger)).toBe(true);
          expect([domain.min, least, hypothesis, most, domain.max]).toEqual(
            [domain.min, least, hypothesis, most, domain.max].toSorted((a, b) => a - b),
          );
        },
      ),
    );
  });

  test("has its numbers in words", () => {
    expect(rangeInWords(demand, limitRange(demand))).toMatch(
      /800 requests\/s .* a quarter of the 500 ms .* are 100 requests under way; no more than 400 .* fewer than 2, on 2 cores/,
    );
  });
});

describe("what counts as a gain", () => {
  const overload = { factor: 2, windowMs: 4_000 };

  test("where no noise is known, one pause of 200 ms in one window and not in the other is none", () => {
    expect(leastGain(0, overload)).toBeCloseTo(0.025, 10);
    expect(leastGain(0, { factor: 4, windowMs: 100 })).toBe(0.25);
  });

  test("where it is known and more, the A/A noise", () => {
    expect(leastGain(0.3, overload)).toBe(0.3);
  });
});

describe("the limit to prove", () => {
  test("is the one nearest to Little's hypothesis of those as good as the best", () => {
    const windows = windowsOf([80, 0.43], [200, 0.42], [400, 0.41], [120, 0.44]);
    expect(chosenOf(windows, 200)).toBe(200);
    expect(chosenOf(windows, 400, { tolerance: 0.035 })).toBe(400);
  });

  test("is another one where that was measured worse, or no better than the present one", () => {
    expect(chosenOf(windowsOf([80, 0.43], [200, 0.3]), 200)).toBe(80);
    expect(chosenOf(windowsOf([80, 0.2], [200, 0.3], [400, 0.4]), 200)).toBe(400);
    const little = windowsOf([8, 0.065], [19, 0.017], [38, 0.041]);
    expect(chosenOf(little, 19, { goodRatioMost: 0.048 })).toBe(8);
    expect(chosenOf(little, 19, { goodRatioMost: 0.07 })).toBeUndefined();
  });

  test("is judged by the worst of its windows, without those that show nothing", () => {
    const windows = windowsOf([200, 0.5], [80, 0.42], [200, 0.3], [200, undefined]);
    expect(byLimit(windows)).toEqual([
      { limit: 80, goodRatio: 0.42, windows: 1 },
      { limit: 200, goodRatio: 0.3, windows: 2 },
    ]);
    expect(chosenOf(windowsOf([200, undefined]), 200)).toBeUndefined();
    expect(chosenOf([], 200)).toBeUndefined();
  });

  test("after one that cost too much, the largest that was better than the present", () => {
    const limits = byLimit(windowsOf([80, 0.4], [200, 0.4], [300, 0.3], [400, 0.1]));
    expect(largerLimit(limits, 80, 0.15)?.limit).toBe(300);
    expect(largerLimit(limits, 300, 0.15)).toBeUndefined();
  });
});

test("limits in words say only what was measured", () => {
  const windows: LimitWindow[] = [
    { limit: 10_000, metrics: { "api.goodRatio": 0.05, "api.latencyP95Ms": 4_000 } },
    {
      limit: 200,
      metrics: {
        "api.goodRatio": 0.43,
        "api.rejectRatio": 0.5,
        "queue.jobsPerSecond": 40,
        "queue.waitP95Ms": 120,
      },
    },
    { limit: 200, metrics: {} },
  ];
  expect(limitsInWords(byLimit(windows))).toMatch(/by limit: 200: 43\.0 %, 10000: 5\.0 %$/);
  expect(limitInWords(10_000, windows)).toBe(
    "with 10000 under overload: p95 4.00 s of all answers, refusals included",
  );
  expect(limitInWords(200, windows)).toBe(
    "with 200 under overload: 50.0 % of the requests refused, 40.0 jobs/s done, job wait p95 120 ms",
  );
  expect(limitInWords(80, windows)).toBeUndefined();
});
