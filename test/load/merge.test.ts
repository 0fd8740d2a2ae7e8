import * as fc from "../properties.ts";
import { expect, test } from "vitest";
import {
  decodeHistogram,
  encodeHistogram,
  latencyHistogram,
  recordMs,
} from "../../src/load/histogram.ts";
import { mergeHistograms, mergeRecords } from "../../src/load/merge.ts";
import type { WindowRecord } from "../../src/load/request.ts";
import { windowRecorder } from "../../src/load/recorder.ts";
import { seedOfPart, shareOfPart } from "../../src/load/sending.ts";
import { timelinePoints } from "../../src/load/timeline.ts";
import { requestSequence } from "../../src/load/requests.ts";
import { loadOf, template, uniqueId, workloadOf } from "./servers.ts";

const request = {
  ...loadOf({
    baseUrl: "http://127.0.0.1:1",
    workload: workloadOf([template({ name: "a" }), template({ name: "b" })]),
    requestsPerSecond: 10,
    windowMs: 1_000,
    timeoutMs: 400,
    timelineMs: 300,
    overload: { withinMs: 200 },
    trace: true,
  }),
  workers: 1,
  connections: 1,
  outstandingMax: 1,
  lagMsMax: 1,
};
const cpu = (share: number) => ({ share, source: "thread" }) as const;

interface Happened {
  readonly dueAt: number;
  readonly lagMs: number;
  readonly tookMs: number;
  readonly endpoint: number;
  readonly status: number;
}

/** The window starts at 0 of the workers' clock. */
function recordOf(happened: readonly Happened[], share: number) {
  const recorder = windowRecorder(request, 1_000);
  const events = happened.flatMap(({ dueAt, lagMs, tookMs, endpoint, status }) => {
    const sentAt = dueAt + lagMs;
    const at = sentAt + tookMs;
    const trace = recorder.traceEntry(
      { endpoint, method: "GET", path: `/${dueAt}`, headers: {}, body: undefined },
      dueAt,
    );
    const flight = {
      endpoint,
      measured: true,
      dueAt,
      sentAt,
      writtenAt: sentAt,
      status,
      trace,
      responseBytes: 7,
    };
    return [
      { at: sentAt, run: () => recorder.launch(flight) },
      {
        at,
        run: () => recorder.finish(flight, status === 0 ? "broken-off" : "answered", at, "no"),
      },
    ];
  });
  for (const { run } of events.toSorted((a, b) => a.at - b.at)) run();
  return recorder.record(cpu(share));
}

const happenings = fc.array(
  fc.record({
    dueAt: fc.double({ min: 0, max: 999, noNaN: true }),
    lagMs: fc.double({ min: 0, max: 30, noNaN: true }),
    tookMs: fc.double({ min: 0.001, max: 390, noNaN: true }),
    endpoint: fc.constantFrom(0, 1),
    status: fc.constantFrom(200, 503, 0),
  }),
  { minLength: 1, maxLength: 60 },
);

/** Everything that can be read from a histogram. Its text also tells how far it had grown on the way. */
function contents(histogram: string): readonly number[] {
  const decoded = decodeHistogram(histogram);
  const { totalCount, mean, stdDeviation, maxValue, minNonZeroValue } = decoded;
  const percentiles = Array.from({ length: 51 }, (_, index) =>
    decoded.getValueAtPercentile(2 * index),
  );
  return [totalCount, mean, stdDeviation, maxValue, minNonZeroValue, ...percentiles];
}

/** Without what adds up only nearly, or is in another order. */
function withContents(record: WindowRecord) {
  const { response, service, lag, endpoints, timeline } = record;
  const read = <T extends { readonly response: string }>(each: T) => ({
    ...each,
    response: contents(each.response),
  });
  return {
    ...record,
    outstandingMs: 0,
    trace: [],
    response: contents(response),
    service: contents(service),
    lag: contents(lag),
    endpoints: endpoints.map(read),
    timeline: timeline?.map(read),
  };
}

/** Requests due at the very same moment have no order of their own: they are compared as a set. */
function inOrder(trace: WindowRecord["trace"]) {
  return trace?.toSorted((a, b) => a.atMs - b.atMs || a.responseBytes - b.responseBytes);
}

test("merged records of any split are the record of the whole", () => {
  fc.assert(
    fc.property(happenings, fc.integer({ min: 2, max: 5 }), (happened, of) => {
      const parts = Array.from({ length: of }, (_, index) =>
        happened.filter((_each, position) => position % of === index),
      );
      const merged = mergeRecords(parts.map((part, index) => recordOf(part, 0.1 * (index + 1))));
      const whole = recordOf(happened, 0.1 * of);
      const { trace, outstandingMs } = whole;
      expect(withContents(merged)).toEqual(withContents(whole));
      expect(merged.outstandingMs).toBeCloseTo(outstandingMs, 6);
      expect(inOrder(merged.trace)).toEqual(inOrder(trace));
      expect(merged.trace).toEqual(merged.trace?.toSorted((a, b) => a.atMs - b.atMs));
    }),
    { numRuns: 8 },
  );
});

test("merging histograms loses nothing, whatever their ranges", () => {
  const values = [0.001, 0.5, 1.999, 2, 10, 460, 505.3, 60_000];
  const whole = latencyHistogram();
  const parts = values.map((ms) => {
    const part = latencyHistogram();
    recordMs(part, ms);
    recordMs(whole, ms);
    return encodeHistogram(part);
  });
  expect(contents(mergeHistograms(parts))).toEqual(contents(encodeHistogram(whole)));
  expect(decodeHistogram(mergeHistograms([])).totalCount).toBe(0);
});

test("a thread whose CPU time is unknown makes that of all unknown", () => {
  const all = [recordOf([], 0.9), recordOf([], Number.NaN)];
  expect(mergeRecords(all).cpu.share).toBeNaN();
});

test("the timeline has a point for every piece, the last one as long as is left", () => {
  const happened = [0, 100, 299, 300, 950].map((dueAt) => ({
    dueAt,
    lagMs: 0,
    tookMs: 10,
    endpoint: 0,
    status: dueAt === 300 ? 503 : 200,
  }));
  const { timeline = [] } = recordOf(happened, 0.1);
  expect(timelinePoints(request, timeline)).toMatchObject([
    {
      atMs: 0,
      lengthMs: 300,
      target: 10,
      requests: 3,
      errors: 0,
      latencyP99Ms: expect.closeTo(10, 1),
    },
    { atMs: 300, lengthMs: 300, requests: 1, errors: 1 },
    { atMs: 600, lengthMs: 300, requests: 0 },
    { atMs: 900, lengthMs: 100, target: 10, requests: 1 },
  ]);
  expect(timelinePoints(request, timeline)[2]).not.toHaveProperty("latencyP50Ms");
});

test("workers share what is one, and no text of one is another's", () => {
  const parts = [0, 1, 2].map((index) => ({ index, of: 3 }));
  expect(parts.map((part) => shareOfPart(64, part))).toEqual([22, 21, 21]);
  const workload = workloadOf([template({ path: "/${id}" })], [uniqueId]);
  const paths = parts.flatMap((part) => {
    const next = requestSequence(workload, {}, seedOfPart(42, part));
    return Array.from({ length: 1_000 }, () => next().path);
  });
  expect(new Set(paths).size).toBe(3_000);
});
