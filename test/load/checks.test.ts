import { expect, test } from "vitest";
import { validityChecks } from "../../src/load/checks.ts";
import type { WindowRecord } from "../../src/load/request.ts";
import type { ValidityCheck } from "../../src/core/sample.ts";
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
  timeouts: 0,
  brokenOff: 0,
  errors: 0,
  statuses: { "200": 1_000 },
  response: "",
  service: "",
  lag: "",
  endpoints: [],
  cpu: { share: 0.2, source: "thread" },
  trace: undefined,
};
const measured = { requestsPerSecondReached: 200, latencyP50Ms: 10, lagP99Ms: 0.3 };

function failed(record: Partial<WindowRecord>, also: Partial<typeof measured> = {}): string[] {
  return validityChecks(request, { ...good, ...record }, { ...measured, ...also })
    .filter((check: ValidityCheck) => !check.ok)
    .map((check) => check.id);
}

test("a clean window passes all six checks", () => {
  expect(failed({})).toEqual([]);
  expect(validityChecks(request, good, measured).map((check) => check.id)).toEqual([
    "rate-reached",
    "generator-lag",
    "generator-cpu",
    "no-drops",
    "errors",
    "all-answered",
  ]);
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
  expect(failed({ scheduled: 0, answered: 0, answeredInTime: 0 })).toEqual([
    "rate-reached",
    "errors",
  ]);
});

test("a CPU share that is not the thread's own is said to be so", () => {
  const checks = validityChecks(
    request,
    { ...good, cpu: { share: 0.2, source: "loop" } },
    measured,
  );
  expect(checks.find((check) => check.id === "generator-cpu")?.detail).toMatch(/event loop/);
});
