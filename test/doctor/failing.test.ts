import { expect, test } from "vitest";
import type { DoctorEvidence } from "../../src/core/diagnosis.ts";
import type { Readings } from "../../src/core/readings.ts";
import { diagnose } from "../../src/doctor/diagnose.ts";
import { failuresOf } from "../../src/doctor/failing.ts";
import { changed, sicknesses, type Changes } from "./evidence.ts";

const ERRORS: Readings = { "load.errorRate": 1, "load.completedShare": 1 };
const diagnosed = (changes: Changes, statuses: NonNullable<DoctorEvidence["statuses"]>) =>
  diagnose({ ...changed(changes), statuses }, {});

test("a service that always answers 500 fails: no bottleneck and no neighbour is blamed", () => {
  for (const sickness of [{}, sicknesses.cpu, { quiet: { "machine.cpuPressure": 0.9 } }]) {
    const { verdict, headline, findings, exonerated, next } = diagnosed(
      {
        ...sickness,
        light: { "load.errorRate": 1 },
        loaded: { ...("loaded" in sickness ? sickness.loaded : {}), ...ERRORS },
      },
      { 500: 48 },
    );
    expect([verdict, findings, exonerated]).toEqual(["unknown", [], []]);
    expect(headline).toMatch(/^The service fails: 100 % of the requests failed \(500: 48\)/);
    expect(headline).not.toContain("keep up");
    expect(next).toHaveLength(1);
  }
});

test("errors that come only under load are said first, beside the bottleneck that is there", () => {
  const light = { "load.errorRate": 0 };
  const { verdict, headline } = diagnosed(
    { light, loaded: { ...sicknesses.cpu.loaded, ...ERRORS } },
    { 503: 48 },
  );
  expect(verdict).toBe("cpu");
  expect(headline).toMatch(/^Under this load 100 % of the requests failed \(503: 48\)\. /);
  expect(diagnosed({ light, loaded: ERRORS }, { error: 48 })).toMatchObject({
    verdict: "unknown",
    headline:
      "The service fails under this load: 100 % of the requests failed (connection refused or broken: 48).",
  });
});

test("timeouts are slowness, and a few errors no failing", () => {
  const slow = { "load.errorRate": 0.9, "load.completedShare": 0.1 };
  expect(
    diagnosed({ loaded: { ...sicknesses.cpu.loaded, ...slow } }, { 200: 5, timeout: 45 }).headline,
  ).not.toContain("failed");
  expect(
    diagnosed({ loaded: { "load.errorRate": 0.1 } }, { 200: 45, 500: 5 }).headline,
  ).not.toContain("fails");
});

test("a window's failures name every status, the most frequent first", () => {
  expect(failuresOf({ requests: 10, errors: 8, statuses: { 200: 2, 404: 3, 500: 5 } })).toBe(
    "80.0 % of the requests failed (500: 5, 404: 3, 200: 2)",
  );
  expect(failuresOf({ requests: 0, errors: 0, statuses: {} })).toBeUndefined();
});
