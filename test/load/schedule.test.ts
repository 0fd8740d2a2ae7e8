import { expect, test } from "vitest";
import { arrivalSchedule } from "../../src/load/schedule.ts";

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
