/** What a metrics page is read to say of jobs and calls in one window. */
import { describe, expect, test } from "vitest";
import type { Histogram } from "../../src/target/histograms.ts";
import { pageReadings } from "../../src/target/doctor-page.ts";
import { NO_HISTOGRAMS } from "../../src/target/histograms.ts";
import type { PageValues, SeriesValues } from "../../src/target/prometheus.ts";

const ELAPSED_MS = 10_000;

interface Look {
  readonly series: SeriesValues;
  /** So many jobs so far, and seconds of waiting and of service. */
  readonly jobs?: { readonly count: number; readonly waited: number; readonly served: number };
}

function histogram(count: number, sum: number): Histogram {
  return { buckets: [{ bound: Infinity, count }], count, sum };
}

function pageOf({ series, jobs }: Look): PageValues {
  const one = jobs && {
    jobWaitSeconds: histogram(jobs.count, jobs.waited),
    jobServiceSeconds: histogram(jobs.count, jobs.served),
  };
  return { series, histograms: { ...NO_HISTOGRAMS, ...(one ? { one } : {}) } };
}

/** The first look is the window's start, the last one its end. */
function readingsOf(looks: readonly Look[], requests = 1_000) {
  const [first, ...others] = looks.map(pageOf);
  const last = others.at(-1);
  if (!first || !last) throw new Error("a window has two ends");
  return pageReadings({
    before: first,
    after: last,
    polls: [first, ...others],
    elapsedMs: ELAPSED_MS,
    requests,
  });
}

/** Looks of a queue into which so many jobs come between two looks and of which so many are done. */
function queue(
  looks: number,
  at: (look: number) => {
    readonly accepted: number;
    readonly active: number;
    readonly waiting: number;
  },
  jobSeconds: number,
): readonly Look[] {
  return Array.from({ length: looks }, (_, look): Look => {
    const { accepted, active, waiting } = at(look);
    const done = accepted - active - waiting;
    return {
      series: {
        jobsAccepted: accepted,
        jobsRejected: 0,
        jobsCompleted: done,
        queueActive: active,
        queueWaiting: waiting,
      },
      jobs: { count: done, waited: done * waiting * 0.01, served: done * jobSeconds },
    };
  });
}

describe("jobs", () => {
  test("that are under way are not excess: long ones in a queue that was empty before", () => {
    // 4 a second of 2.5 s: ten of forty are under way at the end, and nobody waits.
    const long = queue(
      11,
      (look) => ({ accepted: 4 * look, active: Math.min(10, 4 * look), waiting: 0 }),
      2.5,
    );
    expect(readingsOf(long)).toMatchObject({
      "queue.excessShare": 0,
      "queue.depthGrowth": 0,
      "queue.growthShare": 0,
    });
  });

  test("that pile up are, with the waits that grow with them", () => {
    const growing = queue(
      11,
      (look) => ({ accepted: 40 * look, active: 4, waiting: 20 * look }),
      0.2,
    );
    const told = readingsOf(growing);
    expect(told["queue.excessShare"]).toBeCloseTo(0.5, 1);
    expect(told["queue.growthShare"]).toBeGreaterThan(0.4);
    expect(told["queue.waitGrowthMs"]).toBeGreaterThan(0);
  });

  test("one look at a longer line is no growth", () => {
    const once = queue(
      12,
      (look) => ({ accepted: 40 * look, active: 0, waiting: look === 11 ? 8 : 2 }),
      0.1,
    );
    expect(readingsOf(once)["queue.growthShare"]).toBeLessThan(0.02);
  });

  test("whose being under way nobody tells count as many as there are on average", () => {
    const untold = queue(11, (look) => ({ accepted: 40 * look, active: 0, waiting: 0 }), 0.1).map(
      ({ series: { queueActive: _active, ...series }, jobs }): Look => ({
        series,
        ...(jobs && { jobs }),
      }),
    );
    expect(readingsOf(untold)["queue.excessShare"]).toBe(0);
  });
});

function calls(count: number, seconds: number): SeriesValues {
  return { outgoingCount: count, outgoingSecondsSum: seconds };
}

describe("calls", () => {
  test("by the request, beside the time that jobs took", () => {
    const told = readingsOf([
      { series: { ...calls(0, 0), jobsCompleted: 0 }, jobs: { count: 0, waited: 0, served: 0 } },
      {
        series: { ...calls(200, 16), jobsCompleted: 200 },
        jobs: { count: 200, waited: 1, served: 20 },
      },
    ]);
    expect(told["upstream.callsPerRequest"]).toBeCloseTo(0.2);
    expect(told["upstream.msPerRequest"]).toBeCloseTo(16);
    expect(told["upstream.jobsMsPerRequest"]).toBeCloseTo(20);
  });

  test("of a service without jobs are all its requests'", () => {
    const told = readingsOf([{ series: calls(0, 0) }, { series: calls(1_000, 200) }]);
    expect(told["upstream.jobsMsPerRequest"]).toBe(0);
  });

  test("of one whose jobs end without telling how long they took are nobody's for sure", () => {
    const told = readingsOf([
      { series: { ...calls(0, 0), jobsCompleted: 0 } },
      { series: { ...calls(200, 16), jobsCompleted: 200 } },
    ]);
    expect(told["upstream.jobsMsPerRequest"]).toBeUndefined();
  });
});

/** So many scavenges of a millisecond, and so many collections of the whole heap of 80 ms to 100 ms. */
const collected = (young: number, major: number): PageValues => ({
  series: {
    gcSeconds: young * 0.001 + major * 0.09,
    gcCount: young + major,
    gcMajorCount: major,
  },
  histograms: {
    ...NO_HISTOGRAMS,
    one: {
      gcPauseSeconds: {
        buckets: [
          { bound: 0.001, count: young },
          { bound: 0.08, count: young },
          { bound: 0.1, count: young + major },
          { bound: Infinity, count: young + major },
        ],
        count: young + major,
        sum: young * 0.001 + major * 0.09,
      },
    },
  },
});
const between = (before: PageValues, after: PageValues) =>
  pageReadings({ before, after, polls: [], elapsedMs: ELAPSED_MS, requests: 100 });

describe("collections", () => {
  test("by kind, with the pauses of the window and not of before", () => {
    const told = between(collected(1_000, 500), collected(1_300, 520));
    expect(told["gc.youngPerSecond"]).toBeCloseTo(30);
    expect(told["gc.majorPerSecond"]).toBeCloseTo(2);
    expect(told["gc.pauseP99Ms"]).toBeGreaterThan(80);
    expect(between(collected(0, 20), collected(1_000, 21))["gc.pauseP99Ms"]).toBeLessThan(1.1);
  });

  test("none: no pause; and whose kinds nobody tells are of no kind", () => {
    const still = between(collected(5, 1), collected(5, 1));
    expect(still["gc.pauseP99Ms"]).toBe(0);
    const untold = readingsOf([{ series: { gcCount: 0 } }, { series: { gcCount: 40 } }]);
    expect([untold["gc.youngPerSecond"], untold["gc.pauseP99Ms"]]).toEqual([undefined, undefined]);
  });
});
