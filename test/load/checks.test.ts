import { expect, test } from "vitest";
import { validityChecks } from "../../src/load/checks.ts";
import type { WindowRecord } from "../../src/load/request.ts";
import type { HostUse, ValidityCheck } from "../../src/core/sample.ts";
import { loadOf } from "./servers.ts";

const request = {
  ...loadOf({ baseUrl: "http://127.0.0.1:1", errorRateMax: 0.01 }),
  workers: 1,
  connections: 64,
  outstandingMax: 500,
  lagMsMax: 1,
};
const good: WindowRecord = {
  scheduled: 1_000,
  dropped: 0,
  answered: 1_000,
  answeredInTime: 1_000,
  goodInTime: 0,
  timeouts: 0,
  brokenOff: 0,
  brokenOffBecause: undefined,
  errors: 0,
  statuses: { "200": 1_000 },
  response: "",
  service: "",
  lag: "",
  endpoints: [],
  // 1,000 requests of 12 ms each.
  outstandingMs: 12_000,
  cpu: { share: 0.2, source: "thread" },
  trace: undefined,
  timeline: undefined,
};
const measured = {
  requestsPerSecondTarget: 200,
  requestsPerSecondReached: 200,
  latencyP50Ms: 10,
  latencyMeanMs: 12,
  lagP99Ms: 0.3,
  host: {} as HostUse,
};

function failed(record: Partial<WindowRecord>, also: Partial<typeof measured> = {}): string[] {
  return validityChecks(request, { ...good, ...record }, { ...measured, ...also })
    .filter((check: ValidityCheck) => !check.ok)
    .map((check) => check.id);
}

function idsOf(...[request_, record, also]: Parameters<typeof validityChecks>): string[] {
  return validityChecks(request_, record, also).map((check) => check.id);
}

test("a clean window passes every check", () => {
  expect(failed({})).toEqual([]);
  const ids = [
    "rate-reached",
    "generator-lag",
    "generator-cpu",
    "no-drops",
    "errors",
    "all-answered",
    "littles-law",
  ];
  expect(idsOf(request, good, measured)).toEqual(ids);
  const host = { pressureShare: 0, foreignShare: 0, stealShare: 0 };
  expect(idsOf(request, good, { ...measured, host })).toEqual([
    ...ids,
    "host-pressure",
    "host-steal",
  ]);
});

test("users are held to no rate: they have no schedule", () => {
  const users = { count: 3, think: { kind: "fixed", ms: 0 } } as const;
  const checks = validityChecks({ ...request, users }, { ...good, answeredInTime: 0 }, measured);
  expect(checks.every((check) => check.ok)).toBe(true);
  expect(checks.map((check) => check.id)).not.toContain("rate-reached");
});

/** A window of 500 ms. */
const overloaded = { ...request, overload: { withinMs: 100 } };

test("an overload is not judged by what it measures, but by all the rest", () => {
  const usual = idsOf(request, good, measured);
  const ids = idsOf(overloaded, good, measured);
  const left = usual.filter((id) => !ids.includes(id));
  expect(left).toEqual(["rate-reached", "no-drops", "errors"]);
  const bad = { ...good, dropped: 1, answered: 0, cpu: { share: 0.9, source: "thread" } as const };
  const failedOf = validityChecks(overloaded, bad, { ...measured, latencyMeanMs: 50 });
  expect(failedOf.filter(({ ok }) => !ok).map(({ id }) => id)).toEqual([
    "generator-cpu",
    "all-answered",
    "littles-law",
  ]);
});

test.each([
  [9.9, 10, true],
  [10.1, 10, false],
  // A twentieth of the median response is more.
  [24, 500, true],
])("an overload's requests may leave late by 2 %% of the window: %s ms", (lagP99Ms, p50, ok) => {
  const checks = validityChecks(overloaded, good, { ...measured, lagP99Ms, latencyP50Ms: p50 });
  expect(checks.find(({ id }) => id === "generator-lag")?.ok).toBe(ok);
});

test("Little's law: a histogram that disagrees with the count by more than 5 % is not believed", () => {
  expect(failed({}, { latencyMeanMs: 12.59 })).toEqual([]);
  expect(failed({}, { latencyMeanMs: 12.7 })).toEqual(["littles-law"]);
  expect(failed({}, { latencyMeanMs: 11.3 })).toEqual(["littles-law"]);
  // autocannon's rate mode: an answer of 10 ms is recorded as 10, 9, 8 ... 1 ms, which makes the mean about half.
  expect(failed({}, { latencyMeanMs: 5.5 })).toEqual(["littles-law"]);
});

const under = (host: HostUse) => failed({}, { host });

test("others' work counts against a window where programs had to wait for a CPU", () => {
  expect(under({ pressureShare: 0.9, foreignShare: 0.1 })).toEqual([]);
  expect(under({ pressureShare: 0.21, foreignShare: 0.11 })).toEqual(["host-pressure"]);
  // Without pressure there was room for both.
  expect(under({ pressureShare: 0.2, foreignShare: 0.6 })).toEqual([]);
  expect(under({ pressureShare: 0.3, foreignShare: Number.NaN })).toEqual(["host-pressure"]);
  // Without pressure stall information the strict limit holds; pressure alone is never judged.
  expect(under({ foreignShare: 0.11 })).toEqual(["host-pressure"]);
  expect(under({ foreignShare: 0.1 })).toEqual([]);
  expect(under({ pressureShare: 0.9 })).toEqual([]);
  expect(under({ stealShare: 0.03 })).toEqual(["host-steal"]);
  expect(under({ stealShare: 0.02 })).toEqual([]);
});

test("the errors' check says why connections broke", () => {
  const record = {
    ...good,
    answered: 0,
    brokenOff: 1_000,
    errors: 1_000,
    brokenOffBecause: "no",
  };
  const check = validityChecks(request, record, measured).find(({ id }) => id === "errors");
  expect(check?.detail).toContain("1000 broken off: no");
});

test("each check fails on its own", () => {
  expect(failed({ answeredInTime: 989 })).toEqual(["rate-reached"]);
  expect(failed({ answeredInTime: 990 })).toEqual([]);
  expect(failed({ cpu: { share: 0.71, source: "thread" } })).toEqual(["generator-cpu"]);
  expect(failed({ dropped: 1, answered: 999 })).toEqual(["no-drops"]);
  expect(failed({ errors: 11 })).toEqual(["errors"]);
  expect(failed({ errors: 10, timeouts: 10, answered: 990 })).toEqual([]);
  expect(failed({ answered: 999 })).toEqual(["all-answered"]);
});

const lenient = (lagP99Ms: number) =>
  validityChecks({ ...request, lagMsMax: 10 }, good, { ...measured, lagP99Ms }).every(
    (check) => check.ok,
  );

test("lag may be what is asked for, or 5 % of the median response where that is more", () => {
  expect(lenient(9)).toBe(true);
  expect(lenient(11)).toBe(false);
  expect(failed({}, { lagP99Ms: 1 })).toEqual([]);
  expect(failed({}, { lagP99Ms: 1.1 })).toEqual(["generator-lag"]);
  expect(failed({}, { lagP99Ms: 1.1, latencyP50Ms: 22 })).toEqual([]);
});

test("what is not a number never passes", () => {
  expect(failed({ cpu: { share: Number.NaN, source: "loop" } })).toEqual(["generator-cpu"]);
  expect(failed({}, { lagP99Ms: Number.NaN })).toEqual(["generator-lag"]);
  expect(failed({ scheduled: 0, answered: 0, answeredInTime: 0, outstandingMs: 0 })).toEqual([
    "rate-reached",
    "errors",
    "littles-law",
  ]);
  expect(failed({}, { latencyMeanMs: Number.NaN })).toEqual(["littles-law"]);
});

test("a CPU share that is not the thread's own is said to be so", () => {
  const checks = validityChecks(
    request,
    { ...good, cpu: { share: 0.2, source: "loop" } },
    measured,
  );
  expect(checks.find((check) => check.id === "generator-cpu")?.detail).toMatch(/event loop/);
});
