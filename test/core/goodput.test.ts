/** Goodput of a window beyond the capacity: late answers are none, and the generator is doubted only for what matters. */
import { expect, test } from "vitest";
import { generatorDoubts, goodputOf } from "../../src/core/goodput.ts";
import { makeSample } from "../samples.ts";

const { load } = makeSample({}, { windowMs: 10_000, requestsPerSecond: 200 });

test("a backlog that is answered after the window is no goodput of it", () => {
  const late = { ...load, requestsPerSecondReached: 80, statuses: { "200": 2_000 } };
  expect(goodputOf(late)).toBe(80);
  const failing = { ...late, statuses: { "200": 1_500, "503": 300, timeout: 200 } };
  expect(goodputOf(failing)).toBe(50);
  const shed = { ...load, requestsPerSecondReached: 200, statuses: { "200": 800, "503": 1_200 } };
  expect(goodputOf(shed)).toBe(80);
});

test("answers that were counted one by one are the goodput, whenever the others came", () => {
  const counted = { ...load, requestsPerSecondReached: 80, statuses: { "200": 2_000, "503": 10 } };
  expect(goodputOf({ ...counted, goodInTime: 1_500 })).toBe(150);
  expect(goodputOf({ ...counted, goodInTime: 0 })).toBe(0);
});

/** The window with its generator this late. */
const at = (value: number) => ({
  ...load,
  checks: [{ id: "generator-lag" as const, ok: false, value, limit: 1, detail: "late" }],
});

test("requests a moment late are no reason for doubt, those of another load are", () => {
  expect(generatorDoubts(at(50))).toEqual([]);
  expect(generatorDoubts(at(500))).toEqual(["late"]);
});
