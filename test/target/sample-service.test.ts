import { expect, test } from "vitest";
import { sampleFrom } from "../../src/target/sample.ts";
import { loadResult } from "./load.ts";
import { counters, measured } from "./measured.ts";

const histogram = (count: number, low: number) => ({
  buckets: [
    { bound: 0.1, count: low },
    { bound: 1, count },
    { bound: Infinity, count },
  ],
  sum: count / 10,
  count,
});

const balance = (...counts: readonly number[]) =>
  sampleFrom(
    measured({
      after: counters({
        atMs: 10_000,
        histograms: {
          one: {},
          byWorker: new Map(counts.map((count, index) => [String(index), histogram(count, count)])),
        },
      }),
    }),
  ).metrics;

test("jobs are read from what was added in the window", () => {
  const { metrics } = sampleFrom(
    measured({
      before: counters({ series: { jobsAccepted: 10, jobsRejected: 5, jobsCompleted: 100 } }),
      after: counters({
        atMs: 10_000,
        series: { jobsAccepted: 100, jobsRejected: 15, jobsCompleted: 200, jobsDead: 1 },
        histograms: { one: { jobWaitSeconds: histogram(100, 95) }, byWorker: new Map() },
      }),
      polls: [{ queueWaiting: 3 }, { queueWaiting: 9 }],
    }),
  );
  expect(metrics["queue.jobsPerSecond"]).toBe(10);
  expect(metrics["queue.rejectRatio"]).toBe(0.1);
  expect(metrics["queue.waitP95Ms"]).toBeCloseTo(100);
  expect(metrics["queue.depthMean"]).toBe(6);
  expect(metrics["queue.depthMax"]).toBe(9);
  // The counter was not there before: a service that restarted would look like this too.
  expect(metrics["queue.deadLetters"]).toBeUndefined();
  expect(metrics["queue.latencyP95Ms"]).toBeUndefined();
});

test("threads: busy over alive, and context switches by the counters' own clock", () => {
  const { metrics } = sampleFrom(
    measured({
      before: counters({ series: { threadBusySeconds: 1, threadAliveSeconds: 10 } }),
      after: counters({
        atMs: 10_000,
        service: { cpuMs: 3_000, residentBytes: 1, contextSwitches: 5_000 },
        series: { threadBusySeconds: 4, threadAliveSeconds: 16 },
      }),
    }),
  );
  expect(metrics["threads.efficiency"]).toBe(0.5);
  expect(metrics["service.contextSwitchesPerSecond"]).toBe(500);
});

test("workers: Jain's index is 1 when all have the same, and one worker has none", () => {
  expect(balance(500, 500, 500)["balance.jainIndex"]).toBeCloseTo(1);
  expect(balance(900, 0, 0)["balance.jainIndex"]).toBeCloseTo(1 / 3);
  expect(balance(500, 500)["balance.p99Spread"]).toBeCloseTo(1);
  expect(balance(500, 99)["balance.p99Spread"]).toBeUndefined();
  expect(balance(500)["balance.jainIndex"]).toBeUndefined();
});

test("goodput counts answers of status 2xx and 3xx alone", () => {
  const load = loadResult({
    windowMs: 10_000,
    statuses: { "200": 50, "304": 10, "429": 20, "503": 5, timeout: 3 },
  });
  expect(sampleFrom(measured({ load })).metrics["api.goodputPerSecond"]).toBe(6);
});
