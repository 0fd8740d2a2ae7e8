import { describe, expect, test } from "vitest";
import { histogramGrown, histogramsOf, meanOf, quantileOf } from "../../src/target/histograms.ts";
import type { PageSample } from "../../src/target/metrics-page.ts";

/** Cumulative counts by bound, as a page has them. */
function page(
  name: string,
  counts: readonly (readonly [string, number])[],
  labels: Readonly<Record<string, string>> = {},
): readonly PageSample[] {
  const sample = (suffix: string, value: number, more: Readonly<Record<string, string>> = {}) => ({
    name: `${name}${suffix}`,
    labels: new Map(Object.entries({ ...labels, ...more })),
    value,
  });
  const total = counts.at(-1)?.[1] ?? 0;
  return [
    ...counts.map(([le, count]) => sample("_bucket", count, { le })),
    sample("_sum", total / 10),
    sample("_count", total),
  ];
}

const buckets = [
  ["0.1", 50],
  ["0.2", 90],
  ["+Inf", 100],
] as const;

test("label sets that match are one histogram, and others are left out", () => {
  const samples = [
    ...page("wait", buckets, { class: "high", kind: "a" }),
    ...page("wait", buckets, { class: "high", kind: "b" }),
    ...page("wait", buckets, { class: "low", kind: "a" }),
  ];
  const { one } = histogramsOf(samples, {
    jobWaitSeconds: "wait",
    jobWaitHighSeconds: 'wait{class="high"}',
    jobSeconds: "other",
  });
  expect(one.jobWaitSeconds?.count).toBe(300);
  expect(one.jobWaitHighSeconds).toEqual({
    buckets: [
      { bound: 0.1, count: 100 },
      { bound: 0.2, count: 180 },
      { bound: Infinity, count: 200 },
    ],
    sum: 20,
    count: 200,
  });
  expect(one.jobSeconds).toBeUndefined();
});

test("workers are kept apart by their label", () => {
  const samples = [
    ...page("gateway", buckets, { worker: "1" }),
    ...page("gateway", [["+Inf", 7]], { worker: "2" }),
  ];
  const { byWorker } = histogramsOf(samples, { workerSeconds: "gateway" });
  expect([...byWorker].map(([worker, { count }]) => [worker, count])).toEqual([
    ["1", 100],
    ["2", 7],
  ]);
});

describe("between two readings", () => {
  const [before, after] = [
    page("a", buckets),
    page(
      "a",
      buckets.map(([le, n]) => [le, n * 3]),
    ),
  ].map((samples) => histogramsOf(samples, { jobSeconds: "a" }).one.jobSeconds);

  test("counts are those in between", () => {
    expect(histogramGrown(before, after)?.count).toBe(200);
    expect(histogramGrown(undefined, after)).toEqual(after);
  });

  test("a process that began anew gives nothing rather than something negative", () => {
    expect(histogramGrown(after, before)).toBeUndefined();
  });
});

test("quantiles are interpolated within a bucket; beyond the last bound nothing is known but the bound", () => {
  const histogram = histogramsOf(page("a", buckets), { jobSeconds: "a" }).one.jobSeconds;
  expect(quantileOf(histogram, 0.5)).toBeCloseTo(0.1);
  expect(quantileOf(histogram, 0.7)).toBeCloseTo(0.15);
  expect(quantileOf(histogram, 0.99)).toBe(0.2);
  expect(quantileOf({ buckets: [], sum: 0, count: 0 }, 0.5)).toBeUndefined();
  expect(meanOf(histogram)).toBeCloseTo(0.1);
});
