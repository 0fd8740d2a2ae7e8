import { expect, test } from "vitest";
import { segmentsOf } from "../../src/core/scenario.ts";
import type { Scenario } from "../../src/core/scenario.ts";
import {
  arrivalsBetween,
  arrivalSchedule,
  overtimeGaps,
  peakRate,
} from "../../src/load/schedule.ts";

const load = { requestsPerSecond: 1_000, warmupMs: 500, windowMs: 10_000, seed: 4 } as const;

test("constant arrivals are equally spaced, and the first measured one opens the window", () => {
  const { dueMs, measuredFrom } = arrivalSchedule({ ...load, arrivals: "constant" });
  expect(dueMs).toHaveLength(10_500);
  expect(dueMs[measuredFrom]).toBe(load.warmupMs);
  expect([...dueMs.keys()].every((index) => Math.abs(dueMs[index]! - index) < 1e-6)).toBe(true);
});

test("Poisson arrivals have exponential gaps, and exactly the number that the rate gives", () => {
  const { dueMs, measuredFrom } = arrivalSchedule({ ...load, arrivals: "poisson" });
  expect(dueMs.length - measuredFrom).toBe(10_000);
  expect(measuredFrom).toBe(500);
  expect(dueMs[measuredFrom]).toBeGreaterThanOrEqual(load.warmupMs);
  expect(dueMs.at(-1)).toBeLessThan(load.warmupMs + load.windowMs);
  const gaps = Array.from(dueMs.subarray(1), (due, index) => due - dueMs[index]!);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
  // An exponential's median is ln 2 of its mean, and its standard deviation equals its mean.
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  expect(mean).toBeCloseTo(1, 1);
  expect(Math.sqrt(variance) / mean).toBeCloseTo(1, 1);
  expect(gaps.toSorted((a, b) => a - b)[gaps.length / 2 - 0.5]).toBeCloseTo(Math.LN2, 1);
});

test("the seed decides Poisson arrivals", () => {
  const first = arrivalSchedule({ ...load, arrivals: "poisson" });
  expect(arrivalSchedule({ ...load, arrivals: "poisson" })).toEqual(first);
  expect(arrivalSchedule({ ...load, arrivals: "poisson", seed: 5 })).not.toEqual(first);
});

test("a window too short for one request at the rate still sends one", () => {
  const { dueMs, measuredFrom } = arrivalSchedule({
    ...load,
    arrivals: "constant",
    requestsPerSecond: 0.01,
    windowMs: 100,
  });
  expect(dueMs.length - measuredFrom).toBe(1);
});

const KINDS = ["constant", "poisson"] as const;

/** Arrivals of the window itself, in milliseconds from its start. */
function windowOf(scenario: Scenario, arrivals: "constant" | "poisson", warmupMs = 500) {
  const segments = segmentsOf(scenario);
  const request = {
    ...load,
    requestsPerSecond: 1,
    windowMs: scenario.lengthMs,
    warmupMs,
    arrivals,
  };
  const { dueMs, measuredFrom } = arrivalSchedule({ ...request, segments });
  return {
    warmup: measuredFrom,
    due: Array.from(dueMs.subarray(measuredFrom), (due) => due - warmupMs),
    request: { ...request, segments },
  };
}

const countBetween = (due: readonly number[], fromMs: number, toMs: number) =>
  due.filter((each) => each >= fromMs && each < toMs).length;

test.each(KINDS)("a ramp has as many %s arrivals in each part as its line says", (kind) => {
  const ramp = { kind: "ramp", from: 0, to: 2_000, lengthMs: 10_000 } as const;
  const { due, request } = windowOf(ramp, kind);
  expect(due).toHaveLength(10_000);
  expect(due.every((each, index) => each >= (due[index - 1] ?? 0) && each < 10_000)).toBe(true);
  for (let fromMs = 0; fromMs < 10_000; fromMs += 1_000) {
    // The area under the line: 100, 300, 500, ... 1,900.
    const expected = 100 + fromMs / 5;
    expect(arrivalsBetween(request, fromMs, fromMs + 1_000)).toBeCloseTo(expected, 6);
    // Four standard deviations of a Poisson count, or the one that falls on an edge.
    const tolerance = kind === "constant" ? 1 : 4 * Math.sqrt(expected);
    expect(Math.abs(countBetween(due, fromMs, fromMs + 1_000) - expected)).toBeLessThanOrEqual(
      tolerance,
    );
  }
  expect(peakRate(request)).toBe(2_000);
});

test("constant arrivals of steps and of a spike are equally spaced within each piece", () => {
  const { due } = windowOf({ kind: "steps", rates: [100, 0, 400], lengthMs: 3_000 }, "constant");
  const hundred = Array.from({ length: 100 }, (_, index) => index * 10);
  const fourHundred = Array.from({ length: 400 }, (_, index) => 2_000 + index * 2.5);
  expect(due).toHaveLength(500);
  for (const [index, each] of [...hundred, ...fourHundred].entries()) {
    expect(due[index]).toBeCloseTo(each, 6);
  }
  const spike = windowOf({ kind: "spike", rate: 50, peak: 500, lengthMs: 6_000 }, "constant");
  expect(countBetween(spike.due, 0, 2_000)).toBe(100);
  expect(countBetween(spike.due, 2_000, 4_000)).toBe(1_000);
  expect(countBetween(spike.due, 4_000, 6_000)).toBe(100);
});

const warmupOf = (scenario: Scenario) => windowOf(scenario, "constant").warmup;

test("the warm-up runs at the rate that the window starts with", () => {
  expect(warmupOf({ kind: "spike", rate: 50, peak: 500, lengthMs: 6_000 })).toBe(25);
  expect(warmupOf({ kind: "ramp", from: 200, to: 0, lengthMs: 6_000 })).toBe(100);
  // From nothing there is no rate to start with: the mean of the first piece that sends.
  expect(warmupOf({ kind: "ramp", from: 0, to: 200, lengthMs: 6_000 })).toBe(50);
  expect(warmupOf({ kind: "steps", rates: [0, 80], lengthMs: 6_000 })).toBe(40);
});

test.each(KINDS)("the parts of %s arrivals together are the whole schedule", (kind) => {
  const request = { ...load, windowMs: 1_003, arrivals: kind };
  const whole = arrivalSchedule(request);
  for (const of of [1, 2, 3, 7]) {
    const parts = Array.from({ length: of }, (_, index) => arrivalSchedule(request, { index, of }));
    const all = parts.flatMap(({ dueMs }) => [...dueMs]).toSorted((a, b) => a - b);
    expect(all).toEqual([...whole.dueMs]);
    const measured = parts.flatMap(({ dueMs, measuredFrom }) => [...dueMs.subarray(measuredFrom)]);
    expect(Math.min(...measured)).toBe(whole.dueMs[whole.measuredFrom]);
    expect(measured).toHaveLength(whole.dueMs.length - whole.measuredFrom);
    // Every part has its arrivals spread over the whole time.
    const sizes = parts.map(({ dueMs }) => dueMs.length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  }
});

test.each(KINDS)("%s arrivals after the window have the rate that it ended with", (kind) => {
  const segments = [{ lengthMs: 10_000, from: 0, to: 400 }];
  const request = { ...load, requestsPerSecond: 200, segments, arrivals: kind };
  for (const of of [1, 3]) {
    const dueMs = Array.from({ length: of }, (_, index) => {
      const gapMs = overtimeGaps(request, { index, of });
      let atMs = 0;
      return Array.from({ length: 6_000 / of }, () => (atMs += gapMs()));
    });
    const all = dueMs.flat().toSorted((a, b) => a - b);
    const perSecond = (all.length * 1_000) / (all.at(-1) ?? 0);
    expect(perSecond / 400).toBeGreaterThan(kind === "constant" ? 0.999 : 0.95);
    expect(perSecond / 400).toBeLessThan(kind === "constant" ? 1.001 : 1.05);
    if (kind === "constant") {
      // The parts take turns.
      expect(all.every((atMs, index) => Math.abs(atMs - (index + 1) * 2.5) < 1e-6)).toBe(true);
    }
  }
  const silent = overtimeGaps({ ...request, segments: [{ lengthMs: 10_000, from: 9, to: 0 }] });
  expect(silent()).toBe(Infinity);
});
