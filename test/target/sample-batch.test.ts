/** What is made of a window's tasks and polls, computed by hand; and that the polls see a process's memory. */
import { describe, expect, test } from "vitest";
import type { TaskResult } from "../../src/core/sample.ts";
import { requestsCovered } from "../../src/target/differences.ts";
import { pollMemory } from "../../src/target/polls.ts";
import { sampleFrom } from "../../src/target/sample.ts";
import { loadResult } from "./load.ts";
import { counters, measured } from "./measured.ts";

function task(changes: Partial<TaskResult> & Pick<TaskResult, "kind">): TaskResult {
  return { name: "a", durationsMs: [], records: 0, responseBytes: 0, failed: 0, ...changes };
}

function metricsOf(tasks: readonly TaskResult[]) {
  return sampleFrom(measured({ load: loadResult({ tasks }) })).metrics;
}

function busy(cpuMs: number) {
  return { cpuMs, residentBytes: 50e6, contextSwitches: 0 };
}

/** Pauses of at most 1 ms, at most 10 ms, and all: so many each. */
function pauses(...counts: readonly [number, number, number]) {
  const bounds = [0.001, 0.01, Infinity];
  const buckets = bounds.map((bound, index) => ({ bound, count: counts[index] ?? 0 }));
  return { one: { gcPauseSeconds: { buckets, sum: 0, count: counts[2] } }, byWorker: new Map() };
}

describe("bulk work", () => {
  test("records over the time of all imports; questions alike, reports each; bytes over time", () => {
    const metrics = metricsOf([
      task({ kind: "ingest", durationsMs: [1_000, 3_000], records: 20_000 }),
      task({ kind: "ingest", durationsMs: [1_000], records: 5_000 }),
      // Asked three times, it counts as much as the one that was asked once.
      task({ kind: "query", durationsMs: [100, 200, 300] }),
      task({ kind: "query", durationsMs: [1_000] }),
      task({ kind: "report", durationsMs: [2_000, 2_000], responseBytes: 6e6 }),
      task({ kind: "report", durationsMs: [8_000], responseBytes: 6e6 }),
    ]);
    expect(metrics).toMatchObject({
      "batch.recordsPerSecond": 5_000,
      "batch.aggregateQueryMs": 600,
      "batch.reportMs": 4_000,
      "batch.reportBytesPerSecond": 1e6,
    });
  });

  test("of what was not done, or never with success, there is no metric", () => {
    const failed = [
      task({ kind: "ingest", failed: 3, failure: "status 503" }),
      task({ kind: "query", failed: 1 }),
      task({ kind: "report" }),
    ];
    for (const tasks of [failed, []]) {
      const ids = Object.keys(metricsOf(tasks));
      expect(ids.filter((id) => id.startsWith("batch."))).toEqual([]);
    }
    const metrics = metricsOf([...failed, task({ kind: "query", durationsMs: [40] })]);
    expect(metrics["batch.aggregateQueryMs"]).toBe(40);
    expect(metrics["batch.recordsPerSecond"]).toBeUndefined();
  });

  test("requests that went on after the window for a task are among those that the counters saw", () => {
    const load = loadResult({ requests: 1_000, windowMs: 10_000, overtimeMs: 5_000 });
    expect(requestsCovered(measured({ load }))).toBeCloseTo(1_750);
    // At the rate of the window's end: twice the mean; and its warm-up at that of its start, a mean of the first piece.
    const segments = [{ lengthMs: 10_000, from: 0, to: 200 }];
    expect(requestsCovered(measured({ load, segments }))).toBeCloseTo(1_000 + 250 + 1_000);
  });
});

describe("memory", () => {
  test("the peak is of the polls, the heap their mean, collections per minute of the counters' time", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({
          service: busy(0),
          series: { gcCount: 10 },
          histograms: pauses(0, 0, 0),
        }),
        after: counters({
          atMs: 12_000,
          service: busy(5_000),
          series: { gcCount: 16, gcMajorCount: 2 },
          histograms: pauses(0, 50, 100),
        }),
        polls: [
          { heapUsedBytes: 10e6, nonHeapBytes: 4e6 },
          { heapUsedBytes: 30e6, nonHeapBytes: 6e6 },
          {},
        ],
        residentPolls: [60e6, 90e6, 70e6],
      }),
    );
    expect(metrics).toMatchObject({
      "service.memoryPeakBytes": 90e6,
      "service.heapUsedBytes": 20e6,
      "service.nonHeapBytes": 5e6,
      "service.gcPerMinute": 30,
    });
    // Beyond the last bucket with an end only its lower bound is known.
    expect(metrics["service.gcPauseP99Ms"]).toBeCloseTo(10);
    // Not known before, it may be of any time.
    expect(metrics["service.gcMajorPerMinute"]).toBeUndefined();
  });

  test("processes that do not do the work, and windows without a poll, have no peak", () => {
    const idle = measured({ residentPolls: [60e6] });
    const unpolled = measured({
      before: counters({ service: busy(0) }),
      after: counters({ atMs: 12_500, service: busy(5_000) }),
      residentPolls: [],
    });
    for (const each of [idle, unpolled]) {
      expect(sampleFrom(each).metrics["service.memoryPeakBytes"]).toBeUndefined();
    }
  });

  test("polls see what a process holds, until they are told to stop", async () => {
    const stop = new AbortController();
    const service = { kind: "tree", pid: process.pid } as const;
    const polling = pollMemory({ service }, 0, stop.signal);
    const held = Buffer.alloc(64 * 1024 ** 2, 1);
    // Long enough for a few polls on any machine; how many they are is not asked.
    setTimeout(() => stop.abort(), 1_500);
    const polls = await polling;
    expect(polls.length).toBeGreaterThan(0);
    expect(Math.max(...polls)).toBeGreaterThan(held.length);
    const unknown = { kind: "unknown", why: "tests" } as const;
    expect(await pollMemory({ service: unknown }, 0, new AbortController().signal)).toEqual([]);
  });
});
