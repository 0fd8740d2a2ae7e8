import { expect, test } from "vitest";
import { warmUpPoints } from "../../../../src/advise/cache/tiers/warm-up.ts";
import { drawnTrace, traceOf } from "../traces.ts";
import { bytesOf } from "./random.ts";

const keys = (text: string) => text.split("").map((key, at) => ({ at, key, bytes: 10 }));

test("by hand: learnt from the first half, judged on the second", () => {
  // First half: a 3, b 2, c 1. Second half: a 2, c 1, x 2, b 1.
  const trace = traceOf(keys("aabbcaaxcaxb"));
  const points = warmUpPoints(trace, new Float64Array(12).fill(10));
  expect(points).toEqual([
    { keys: 1, bytes: 10, covered: 2 / 6, spared: 1 / 6 },
    { keys: 2, bytes: 20, covered: 3 / 6, spared: 2 / 6 },
    { keys: 3, bytes: 30, covered: 4 / 6, spared: 3 / 6 },
  ]);
});

test("only gets are counted, and what a get of the second half says of a size is not known in the first", () => {
  const trace = traceOf([
    { at: 0, key: "a", bytes: 10 },
    { at: 1, key: "b", op: "set", bytes: 10 },
    { at: 2, key: "b", op: "set", bytes: 10 },
    { at: 3, key: "a", bytes: 99 },
  ]);
  const points = warmUpPoints(trace, Float64Array.from(trace.valueBytes));
  expect(points).toEqual([{ keys: 1, bytes: 10, covered: 1, spared: 1 }]);
});

test("more keys cover more; a sample is scaled up", () => {
  const trace = drawnTrace({ rows: 20_000, keys: 3_000, zipf: 1, getsPerSecond: 100, seed: 1 });
  const points = warmUpPoints(trace, bytesOf(trace));
  const covered = points.map((point) => point.covered);
  expect(covered).toEqual(covered.toSorted((a, b) => a - b));
  expect(points.slice(0, 5).map((point) => point.keys)).toEqual([1, 2, 5, 10, 20]);
  expect(covered.at(-1)).toBeGreaterThan(0.9);
  const sampled = warmUpPoints({ ...trace, sampledShare: 0.1 }, bytesOf(trace));
  expect(sampled.map((point) => point.keys)).toEqual(points.map((point) => point.keys * 10));
});

test("nothing to say of a trace without gets", () => {
  expect(warmUpPoints(traceOf([{ at: 0, key: "a", op: "set" }]), new Float64Array(1))).toEqual([]);
});
