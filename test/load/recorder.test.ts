import { expect, test } from "vitest";
import { decodeHistogram } from "../../src/load/histogram.ts";
import { windowRecorder } from "../../src/load/recorder.ts";
import type { Flight } from "../../src/load/recorder.ts";
import { loadOf, template, workloadOf } from "./servers.ts";

const request = {
  ...loadOf({
    baseUrl: "http://127.0.0.1:1",
    workload: workloadOf([template({ name: "a" }), template({ name: "b" })]),
    windowMs: 1_000,
    timeoutMs: 400,
  }),
  workers: 1,
  connections: 1,
  outstandingMax: 1,
  lagMsMax: 1,
};
const cpu = { share: 0.1, source: "thread" } as const;

function flightOf(overrides: Partial<Flight> = {}): Flight {
  return {
    endpoint: 0,
    measured: true,
    dueAt: 100,
    sentAt: 103,
    writtenAt: 108,
    status: 200,
    responseBytes: 10,
    trace: undefined,
    ...overrides,
  };
}

function microseconds(histogram: string): number {
  const decoded = decodeHistogram(histogram);
  expect(decoded.totalCount).toBe(1);
  return decoded.getValueAtPercentile(50);
}

test("response counts from the due time, service from the connection, lag up to the send", () => {
  const recorder = windowRecorder(request, 1_000);
  const flight = flightOf();
  recorder.launch(flight);
  recorder.finish(flight, "answered", 109);
  const record = recorder.record(cpu);
  // To three digits, as the histogram keeps them.
  expect(microseconds(record.response) / 9_000).toBeCloseTo(1, 2);
  expect(microseconds(record.service) / 1_000).toBeCloseTo(1, 2);
  expect(microseconds(record.lag) / 3_000).toBeCloseTo(1, 2);
  expect(record.endpoints[0]?.response).toBe(record.response);
  expect(record.endpoints[1]?.requests).toBe(0);
});

test.each(["timeout", "broken-off"] as const)(
  "%s counts as the time limit after the send",
  (ending) => {
    const recorder = windowRecorder(request, 1_000);
    const flight = flightOf();
    recorder.launch(flight);
    recorder.finish(flight, ending, 104);
    const record = recorder.record(cpu);
    expect(microseconds(record.response) / 403_000).toBeCloseTo(1, 2);
    expect(microseconds(record.service) / 400_000).toBeCloseTo(1, 2);
    expect(record).toMatchObject({ answered: 0, answeredInTime: 0, errors: 1 });
  },
);

test("an answer is in time up to a tenth of the window after its end", () => {
  const recorder = windowRecorder(request, 1_000);
  for (const at of [999, 1_100, 1_101]) recorder.finish(flightOf(), "answered", at);
  expect(recorder.record(cpu)).toMatchObject({ answered: 3, answeredInTime: 2 });
});

test("a good answer is in time when it is complete within the overload's limit of its due time", () => {
  const recorder = windowRecorder({ ...request, overload: { withinMs: 50 } }, 1_000);
  const ends = (at: number, flight: Partial<Flight> = {}) =>
    recorder.finish(flightOf(flight), "answered", at);
  ends(150);
  ends(150, { status: 304 });
  // Late: it counts from when it was due, 100, not from when it was sent or written.
  ends(150.1);
  // In time, and not good.
  ends(120, { status: 503 });
  ends(120, { status: 404 });
  ends(120, { refusedAs: "no-capture" });
  ends(120, { measured: false });
  recorder.finish(flightOf(), "timeout", 120);
  expect(recorder.record(cpu).goodInTime).toBe(2);
  const usual = windowRecorder(request, 1_000);
  usual.finish(flightOf(), "answered", 120);
  expect(usual.record(cpu).goodInTime).toBe(0);
});

test("requests of the warm-up leave no trace in the record", () => {
  const recorder = windowRecorder(request, 1_000);
  const flight = flightOf({ measured: false });
  recorder.launch(flight);
  recorder.finish(flight, "timeout", 900);
  expect(recorder.record(cpu)).toMatchObject({
    scheduled: 0,
    timeouts: 0,
    errors: 0,
    statuses: {},
  });
});
