/** Signs of the garbage collector that say less than a tenth of the time: told, and never in another's place. */
import { describe, expect, test } from "vitest";
import { bottlenecks, type DoctorEvidence } from "../../src/core/diagnosis.ts";
import type { Readings } from "../../src/core/readings.ts";
import { diagnose as diagnoseFor } from "../../src/doctor/diagnose.ts";
import { both, changed, sicknesses } from "./evidence.ts";

const diagnose = (evidence: DoctorEvidence) => diagnoseFor(evidence, {});

describe("the garbage collector", () => {
  const LONG: Readings = { "gc.share": 0.07, "gc.pauseP99Ms": 80 };
  const SURVIVORS: Readings = {
    "gc.share": 0.06,
    "gc.youngPerSecond": 30,
    "gc.majorPerSecond": 1.5,
  };

  test.each([
    ["long pauses", LONG, "pause p99 80.0 ms"],
    ["scavenges with survivors", SURVIVORS, "whole heap/s 1.50"],
  ])("%s are told where nothing else is, as what it is", (_, loaded, told) => {
    const { verdict, headline, findings } = diagnose(changed({ loaded }));
    expect([verdict, headline]).toEqual([
      "gc",
      "Requests wait for the garbage collector now and then.",
    ]);
    expect(findings[0]?.evidence.join()).toContain(told);
  });

  test.each(bottlenecks.filter((name) => name !== "gc"))(
    "and explain nothing: %s is named before them",
    (name) => {
      const sick = changed(both(sicknesses[name], { loaded: LONG }));
      const { findings } = diagnose(sick);
      expect(findings.map(({ bottleneck, symptomOf }) => [bottleneck, symptomOf])).toEqual([
        [name, undefined],
        ["gc", undefined],
      ]);
    },
  );

  test.each<[string, Readings]>([
    ["one long pause", { "gc.pauseP99Ms": 120, "gc.share": 0.03 }],
    ["many scavenges that leave nothing", { "gc.youngPerSecond": 60, "gc.share": 0.06 }],
    ["both that hardly take any time", { ...LONG, ...SURVIVORS, "gc.share": 0.04 }],
    [
      "pauses as long as the wait for a core",
      { ...LONG, "process.mainThreadCores": 0.2, "process.mainThreadWanting": 0.7 },
    ],
  ])("%s: healthy", (_, loaded) => {
    expect(diagnose(changed({ loaded }))).toMatchObject({ verdict: "none", certainty: "high" });
  });
});
