import { describe, expect, test } from "vitest";
import { bottlenecks, type DoctorEvidence } from "../../src/core/diagnosis.ts";
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
    { 500: 48 },
  );
  expect(verdict).toBe("cpu");
  expect(headline).toMatch(/^Under this load 100 % of the requests failed \(500: 48\)\. /);
  expect(diagnosed({ light, loaded: ERRORS }, { error: 48 })).toMatchObject({
    verdict: "unknown",
    headline:
      "The service fails under this load: 100 % of the requests failed (connection refused or broken: 48).",
  });
});

const turnedAway = (share: number): Readings => ({
  "load.errorRate": share,
  "load.refusedShare": share,
});

describe("requests that are turned away", () => {
  const light = turnedAway(0);

  test.each([0.02, 0.6, 1])("%d of them, and nothing else at its limit: the bound is", (share) => {
    const { verdict, headline, findings, next } = diagnosed(
      { light, loaded: turnedAway(share) },
      { 200: 10, 503: 40, 429: 2 },
    );
    expect([verdict, findings.length]).toEqual(["request-limit", 1]);
    expect(headline).toMatch(/^The service turns requests away, and nothing/);
    expect(next.join(" ")).toContain("--phases backpressure");
  });

  test("with a bottleneck that explains it, that is named first, and what clients see before it", () => {
    for (const name of bottlenecks.filter((each) => each !== "request-limit")) {
      const { statement, loaded, light: slow } = { ...sicknesses[name] };
      const { verdict, headline, findings } = diagnosed(
        {
          light: { ...slow, ...light },
          loaded: { ...loaded, ...turnedAway(0.8) },
          ...(statement ? { statement } : {}),
        },
        { 200: 10, 503: 40 },
      );
      expect(verdict).toBe(name);
      expect(headline).toMatch(
        /^Under this load 80.0 % of the requests are turned away \(503: 40\)\. /,
      );
      expect(findings.at(-1)).toMatchObject({ bottleneck: "request-limit", symptomOf: name });
    }
  });

  test("by a service that does not get the CPU that it wants: the machine may be why", () => {
    const starved = { "process.mainThreadWanting": 0.8, "process.mainThreadCores": 0.2 };
    const { verdict, headline, because } = diagnosed(
      { light, loaded: { ...turnedAway(0.4), ...starved } },
      { 200: 60, 503: 40 },
    );
    expect([verdict, headline]).toEqual([
      "unknown",
      expect.stringContaining("did not get the CPU"),
    ]);
    expect(because[0]).toBe("40.0 % of the requests were turned away");
  });

  test("one at a time too: the service fails", () => {
    const { verdict, headline } = diagnosed(
      { light: turnedAway(1), loaded: turnedAway(1) },
      { 503: 48 },
    );
    expect(verdict).toBe("unknown");
    expect(headline).toMatch(/^The service fails: 100 % of the requests failed \(503: 48\)/);
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
