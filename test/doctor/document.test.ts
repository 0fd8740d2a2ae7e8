import { expect, test } from "vitest";
import type { DoctorEvidence, DoctorResult } from "../../src/core/diagnosis.ts";
import { diagnose } from "../../src/doctor/diagnose.ts";
import { doctorDocument } from "../../src/report/doctor/document.ts";
import { renderDocument, summaryLimit } from "../../src/report/outputs/markdown.ts";
import { terminalText } from "../../src/report/outputs/terminal.ts";
import { DOCTOR, parseResult } from "../../src/results/document.ts";
import { changed, healthy, sicknesses } from "./evidence.ts";

function resultOf(evidence: DoctorEvidence): DoctorResult {
  return {
    schema: "perfopt-doctor/v1",
    startedAt: "2026-11-23T09:00:00.000Z",
    tookMs: 20_000,
    target: "shop",
    workload: "browse",
    seed: 42,
    environment: {
      perfopt: "0.1.0",
      node: "20.20.2",
      platform: "Linux",
      cpu: "cpu",
      cores: 4,
      memoryBytes: 8e9,
      postgres: "18.4",
      redis: "8.0",
      gitCommit: undefined,
    },
    checks: [],
    load: "100 requests/s, as asked for",
    diagnosis: diagnose(evidence, {}),
    atSaturation: diagnose(changed(sicknesses.cpu), {}),
    windows: [{ name: "usual", load: "100 requests/s", readings: evidence.loaded }],
    unmeasured: [],
  };
}

const plain = (text: string) => text;
const paint = { good: plain, bad: plain, warn: plain, dim: plain, strong: plain };

function text(evidence: DoctorEvidence): string {
  return terminalText(doctorDocument(resultOf(evidence)), paint);
}

test("the verdict is the first word, its evidence and the next command follow before the table", () => {
  const said = text(changed(sicknesses["pool-starved"]));
  expect(said).toMatch(/^POOL-STARVED shop\/browse: Requests wait for a connection/);
  const places = [
    "looks at which somebody waited 80.0 % (>= 20.0 %)",
    "perfopt advise pool",
    "Resource by resource",
  ].map((part) => said.indexOf(part));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((left, right) => left - right));
});

test("none, the host and what is likely are told apart", () => {
  expect(text(healthy)).toMatch(/^NONE shop/);
  expect(text(changed({ quiet: { "machine.cpuPressure": 0.5 } }))).toMatch(/^HOST TOO NOISY/);
  expect(text(healthy)).toContain("cpu: JavaScript takes all that one core has.");
});

test("it goes into a comment, and its JSON is what the schema says", () => {
  for (const evidence of [healthy, ...Object.values(sicknesses).map((each) => changed(each))]) {
    const result = resultOf(evidence);
    expect(renderDocument(doctorDocument(result), summaryLimit(0))).toContain("perfopt doctor");
    const json = JSON.stringify(result);
    expect(parseResult(json, "doctor.json", DOCTOR)).toEqual(JSON.parse(json));
  }
});
