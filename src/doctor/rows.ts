/** The table: every reading held against its threshold, resource by resource, as Gregg's USE method goes through them. */
import type { DiagnosisRow, DoctorEvidence, Finding } from "../core/diagnosis.ts";
import { readingOf, resources, type ReadingId } from "../core/readings.ts";
import { generatorSigns, hostSigns } from "./refusals.ts";
import type { Judged } from "./rules.ts";
import { lineForCpu, sign, thresholdInWords, type Sign } from "./signs.ts";
import { THRESHOLDS } from "./thresholds.ts";

/** Shown without a threshold: they make the others readable. */
const INFORMATION: readonly ReadingId[] = [
  "load.requestsPerSecond",
  "load.latencyMeanMs",
  "load.latencyP95Ms",
  "load.inFlight",
  "machine.cpuPressure",
  "process.mainThreadCores",
  "process.cpuCores",
  "process.switchesPerSecond",
  "loop.longestTickMs",
  "gc.perSecond",
  "pool.max",
  "db.sessions",
  "db.idleInTransactionMean",
  "queue.offeredPerSecond",
  "queue.completedPerSecond",
];

export function rowsOf(
  evidence: DoctorEvidence,
  judged: readonly Judged[],
  findings: readonly Finding[],
): readonly DiagnosisRow[] {
  const { loaded } = evidence;
  const service = [
    sign(loaded, "load.completedShare", "<", THRESHOLDS.completedShare),
    sign(loaded, "load.errorRate", ">", THRESHOLDS.errorRate),
  ];
  const rows = [
    ...INFORMATION.flatMap((id) => informationRow(evidence, id)),
    ...[
      ...service,
      ...generatorSigns(evidence),
      ...hostSigns(evidence),
      lineForCpu(evidence, ">="),
    ].map(plainRow),
    // What a rule that fired says of a number goes before what others make of it.
    ...judged
      .toSorted((left, right) => Number(right.fired) - Number(left.fired))
      .flatMap((each) => ruleRows(each, findings)),
  ];
  return resources
    .flatMap((resource) => rows.filter((row) => row.resource === resource))
    .filter(isFirst);
}

/** The same number may be a sign of several rules: it is shown once, where it weighs most. */
function isFirst(row: DiagnosisRow, _: number, all: readonly DiagnosisRow[]): boolean {
  const same = all.filter((each) => keyOf(each) === keyOf(row));
  const heaviest =
    same.find(({ status }) => status === "fail") ??
    same.find(({ status }) => status === "exonerated") ??
    same[0];
  return heaviest === row;
}

function keyOf({ resource, title, threshold }: DiagnosisRow): string {
  return `${resource} ${title} ${threshold}`;
}

function informationRow({ loaded }: DoctorEvidence, id: ReadingId): readonly DiagnosisRow[] {
  const value = loaded[id];
  const { resource, title, unit } = readingOf(id);
  return value === undefined
    ? []
    : [{ resource, title, unit, value, threshold: "", status: "pass" }];
}

function plainRow(one: Sign): DiagnosisRow {
  return row(one, one.shown === undefined ? "not-measured" : one.shown ? "fail" : "pass");
}

function ruleRows(
  { rule, fired, missing }: Judged,
  findings: readonly Finding[],
): readonly DiagnosisRow[] {
  const finding = findings.find(({ bottleneck }) => bottleneck === rule.bottleneck);
  const signs = [...rule.ways, ...(rule.asides ?? [])].flat().filter((one) => !one.condition);
  return signs.flatMap((one) => {
    // Where the others refute the rule, nobody missed it.
    if (one.shown === undefined) return missing.length > 0 ? [row(one, "not-measured")] : [];
    if (!one.shown) return [row(one, "pass")];
    if (!fired) return [row(one, "exonerated", `alone it does not make ${rule.bottleneck}`)];
    const cause = finding?.symptomOf;
    return cause === undefined
      ? [row(one, "fail")]
      : [row(one, "exonerated", `${rule.bottleneck} is explained by ${cause}`)];
  });
}

function row(one: Sign, status: DiagnosisRow["status"], note?: string): DiagnosisRow {
  const { resource, title, unit, value } = one;
  return {
    resource,
    title,
    unit,
    ...(value === undefined ? {} : { value }),
    threshold: thresholdInWords(one),
    status,
    ...(note === undefined ? {} : { note }),
  };
}
