/** A diagnosis as a document: the verdict first, its evidence, what was exonerated, what to run next, then the whole table. */
import type {
  Diagnosis,
  DiagnosisRow,
  DoctorResult,
  EnvironmentCheck,
  EnvironmentResult,
  Finding,
  RowStatus,
} from "../../core/diagnosis.ts";
import { formatQuantity } from "../../core/metric.ts";
import {
  list,
  section,
  table,
  type Block,
  type Cell,
  type Document,
  type Marked,
  type Tone,
} from "../outputs/document.ts";

export function doctorDocument(result: DoctorResult): Document {
  const { diagnosis, atSaturation, checks } = result;
  return {
    kind: "doctor",
    name: `${result.target}/${result.workload}`,
    title: "perfopt doctor",
    word: verdictMark(diagnosis),
    headline: `${diagnosis.headline} (${result.load})`,
    lead: [list(leadOf(diagnosis))].filter((block) => block !== undefined),
    sections: [
      ...section("Run next", "open", [list(diagnosis.next)]),
      ...section("Also found", "open", [list(diagnosis.findings.slice(1).map(otherInWords))]),
      ...section(
        "Given all that it can take",
        "open",
        atSaturation ? saturationBlocks(atSaturation) : [],
      ),
      ...section("Resource by resource", "open", [rowTable(diagnosis.rows)]),
      ...section("Not told apart", "open", [list(unmeasuredInWords(diagnosis))]),
      ...section("The machine", "open", [
        checkTable(checks.filter(({ status }) => status !== "ok")),
      ]),
      ...section("Not measured, and why", "folded", [list(result.unmeasured)]),
    ],
  };
}

export function environmentDocument({ checks }: EnvironmentResult): Document {
  const wrong = checks.filter(({ status }) => status !== "ok");
  const bad = wrong.some(({ status }) => status === "bad");
  return {
    kind: "doctor",
    name: "environment",
    title: "perfopt doctor --environment",
    word: bad
      ? { text: "NOT READY", tone: "bad" }
      : wrong.length > 0
        ? { text: "READY, WITH REMARKS", tone: "warn" }
        : { text: "READY", tone: "good" },
    headline:
      wrong.length === 0
        ? "This machine has what perfopt needs."
        : wrong.map(({ title, value }) => `${title}: ${value}`).join("; "),
    lead: [],
    sections: section("Checks", "open", [checkTable(checks)]),
  };
}

function verdictMark({ verdict, certainty, remarks }: Diagnosis): Marked {
  const unsure = certainty === "low";
  if (verdict === "none") {
    const why = remarks ? "on a busy machine" : "not everything was measured";
    return { text: unsure ? `NONE (${why})` : "NONE", tone: "good" };
  }
  if (verdict === "host") return { text: "HOST TOO NOISY", tone: "warn" };
  if (verdict === "unknown") return { text: "UNKNOWN", tone: "warn" };
  return { text: `${verdict.toUpperCase()}${unsure ? " (likely)" : ""}`, tone: "bad" };
}

function leadOf(diagnosis: Diagnosis): readonly string[] {
  const [first] = diagnosis.findings;
  return [
    ...diagnosis.because,
    ...(first?.evidence ?? []),
    ...(first && first.missing.length > 0
      ? [`not measured, which would make it sure: ${first.missing.join("; ")}`]
      : []),
    ...(diagnosis.remarks ?? []),
    ...(diagnosis.exonerated.length > 0 && diagnosis.verdict !== "host"
      ? [`exonerated: ${diagnosis.exonerated.join(", ")}`]
      : []),
  ];
}

function otherInWords({ bottleneck, sentence, symptomOf, evidence }: Finding): string {
  const what = symptomOf === undefined ? "on its own account" : `explained by ${symptomOf}`;
  return `${bottleneck}, ${what}: ${sentence} ${evidence.join("; ")}`;
}

function saturationBlocks(diagnosis: Diagnosis): readonly (Block | undefined)[] {
  const { verdict, headline, because, findings } = diagnosis;
  const [first] = findings;
  const facts = first ? first.evidence : because;
  return [list([`${verdict}: ${headline}`, ...facts])];
}

const STATUS: Readonly<Record<RowStatus, { readonly text: string; readonly tone: Tone }>> = {
  pass: { text: "PASS", tone: "good" },
  fail: { text: "FAIL", tone: "bad" },
  exonerated: { text: "EXONERATED", tone: "plain" },
  "not-measured": { text: "NOT MEASURED", tone: "warn" },
};

const NOTE_WIDTH = 40;

function rowTable(rows: readonly DiagnosisRow[]): Block | undefined {
  return table(
    ["resource", "metric", "value", "trouble when", "status", "why"],
    rows.map((row): readonly Cell[] => [
      row.resource,
      row.title,
      row.value === undefined ? "" : formatQuantity(row.unit, row.value),
      row.threshold,
      row.threshold === "" ? "" : STATUS[row.status],
      row.note ?? "",
    ]),
    [null, NOTE_WIDTH, null, null, null, NOTE_WIDTH],
  );
}

function unmeasuredInWords({ unmeasured }: Diagnosis): readonly string[] {
  return unmeasured.map(
    ({ bottleneck, missing }) =>
      `${bottleneck} could not be looked for without ${missing.join("; ")}`,
  );
}

function checkTable(checks: readonly EnvironmentCheck[]): Block | undefined {
  const tones = { ok: "good", warning: "warn", bad: "bad" } as const;
  return table(
    ["check", "value", "status", "what to do"],
    checks.map(({ title, value, status, advice }): readonly Cell[] => [
      title,
      value,
      { text: status.toUpperCase(), tone: tones[status] },
      advice ?? "",
    ]),
    [null, NOTE_WIDTH, null, NOTE_WIDTH],
  );
}
