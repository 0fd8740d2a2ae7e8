/** The index advisor's answer as a document: what to build and what it is worth, measured beside estimated, what else is wrong, and why not more. */
import type { IndexAdvice } from "../../core/advice.ts";
import { formatBytes, formatDuration, formatRatio } from "../../core/units.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import {
  list,
  section,
  shortened,
  type Block,
  type Document,
  type Marked,
} from "../outputs/document.ts";
import { COMMENT_LIMIT, renderDocument } from "../outputs/markdown.ts";
import { findingBlocks, findingSql, findingsInWords } from "./findings.ts";
import { indexBlocks } from "./indexes.ts";
import { rejectedBlocks } from "./rejected.ts";
import { adviceSql } from "./sql.ts";
import { refusedStructures, structureBlocks, structureSql } from "./structures.ts";
import { allStatementsTable, statementBlocks } from "./statements.ts";
import { measuredBlocks } from "./measured.ts";
import { factorChange, formatPercent, measuredChange, sizesFrom } from "./words.ts";

const SOURCE_CHARACTERS = 80;

export function adviceDocument(advice: IndexAdvice): Document {
  const { findings } = advice;
  return {
    kind: "advice",
    name: shortened(advice.workload.source, SOURCE_CHARACTERS),
    title: "perfopt advise indexes",
    word: wordOf(advice),
    headline: headlineOf(advice),
    lead: [list(summaryOf(advice))].filter((each) => each !== undefined),
    sections: [
      ...section("Indexes to build", "open", indexBlocks(advice)),
      ...section("Measured beside estimated", "open", measuredBlocks(advice)),
      ...section("Statements", "open", statementBlocks(advice)),
      ...section("What else is wrong", "open", findingBlocks(findings)),
      ...section("Plans for views and partitions", "open", structureBlocks(advice.structures)),
      ...section("Not taken into account", "open", [list(advice.caveats)]),
      ...section("SQL to build the indexes", "long", [sqlBlock(advice, "up")]),
      ...section("SQL to drop them again", "long", [sqlBlock(advice, "down")]),
      ...section("SQL for what else is wrong", "long", [findingSql(findings)]),
      ...section("SQL of the plans", "long", [structureSql(advice.structures)]),
      ...section("Without a plan", "folded", [refusedStructures(advice.structures)]),
      ...section("Tried and rejected", "folded", rejectedBlocks(advice.rejected)),
      ...section("How this was found", "folded", [list(howFound(advice))]),
      ...section("All statements", "long", [allStatementsTable(advice)]),
    ],
  };
}

/** For a comment on a pull request; undefined when not even its beginning fits, which takes a name of 60,000 characters. */
export function adviceMarkdown(advice: IndexAdvice): string | undefined {
  return renderDocument(adviceDocument(advice), COMMENT_LIMIT);
}

function wordOf({ skipped, selected, verification }: IndexAdvice): Marked {
  if (skipped !== undefined) return { text: "NOT PRICED", tone: "warn" };
  if (selected.length === 0) return { text: "NO INDEX TO BUILD", tone: "plain" };
  return {
    text: countOf(selected.length, "INDEX TO BUILD", "INDEXES TO BUILD"),
    tone: (verification?.total?.low ?? 0) > 1 ? "bad" : "good",
  };
}

function headlineOf(advice: IndexAdvice): string {
  const { skipped, selected, totals, verification } = advice;
  if (skipped !== undefined) return shortened(skipped, 300);
  if (selected.length === 0) return "no index is worth its price for this workload";
  const expected = `cost ${factorChange(totals.relativeCost)} estimated by the planner`;
  return verification?.total === undefined
    ? `${expected}, time not measured`
    : `time ${measuredChange(verification.total)} measured${coverage(verification)}, ${expected}`;
}

function summaryOf(advice: IndexAdvice): readonly string[] {
  const { skipped, selected, totals, statements } = advice;
  const unplanned = statements.filter(({ costBefore }) => costBefore === undefined).length;
  const found = findingsInWords(advice.findings);
  return [
    ...(skipped === undefined && selected.length > 0
      ? [costInWords(advice), builtInWords(advice)]
      : []),
    ...(skipped === undefined ? [provenInWords(advice)] : []),
    ...(skipped === undefined && selected.length > 0
      ? [
          `By the planner ${countOf(totals.better, "statement")} ${totals.better === 1 ? "gets" : "get"} cheaper and ${totals.worse} dearer, of ${statements.length - unplanned} that could be planned.`,
        ]
      : []),
    ...(unplanned === 0
      ? []
      : [
          `${countOf(unplanned, "statement")} could not be read or planned, so nothing is known of what would help: the notes say why.`,
        ]),
    ...(found === undefined ? [] : [`Also: ${found}.`]),
  ].filter((each) => each !== "");
}

function costInWords({ totals }: IndexAdvice): string {
  return `Relative cost of the workload ${totals.relativeCost.toFixed(3)} (1 is now; statements weighed by their share), geometric mean over statements ${totals.geometricMean.toFixed(3)}: estimated by the planner.`;
}

function builtInWords(advice: IndexAdvice): string {
  const { selected, totals } = advice;
  const times = selected.map(({ build }) => build.ms);
  const known = times.filter((each) => each !== undefined);
  const total = known.reduce((sum, each) => sum + each, 0);
  const missing = times.length - known.length;
  const time =
    known.length === 0
      ? "how long the builds take is not known"
      : `about ${formatDuration(total)} to build one after another${missing === 0 ? "" : `, ${missing} of them unknown`}`;
  const percent = selected.reduce((sum, { writes }) => sum + writes.percent, 0);
  return `Price: ${formatBytes(totals.bytes)} (${sizesFrom(advice)}), ${time}, and ${formatPercent(percent)} of the workload's cost to keep them up (both estimated).`;
}

function provenInWords({ verification, selected }: IndexAdvice): string {
  if (verification?.total !== undefined) {
    const { removed, total } = verification;
    const out =
      removed.length === 0
        ? ""
        : ` ${countOf(removed.length, "index was", "indexes were")} taken out again, because of what was measured.`;
    const slower = verification.statements.filter(({ verdict }) => verdict === "slower").length;
    const warning =
      slower === 0
        ? ""
        : ` ${countOf(slower, "statement")} measured slower: look at ${slower === 1 ? "it" : "them"} first.`;
    return `Measured in a copy: the workload's time ${measuredChange(total)}${coverage(verification)}.${out}${warning}`;
  }
  if (selected.length === 0) return "";
  return verification === undefined
    ? "Not proven: these are the planner's costs, and a lower cost is not always a shorter time. `--verify` builds the set in a copy and times the statements."
    : "Not proven: the set was built in a copy, but no statement could be timed with it and without.";
}

/** What could not be timed is in no measured total, and that is said. */
function coverage({ covered }: NonNullable<IndexAdvice["verification"]>): string {
  return covered > 0.995 ? "" : ` for ${formatRatio(covered)} of it (the rest could not be timed)`;
}

function sqlBlock(advice: IndexAdvice, way: "up" | "down"): Block | undefined {
  if (advice.selected.length === 0) return undefined;
  return { kind: "code", language: "sql", lines: adviceSql(advice)[way].split("\n") };
}

function howFound({ engine, limits, workload, statements }: IndexAdvice): readonly string[] {
  const { kind, sourceVersion, engineVersion, explains, hypotheticals, elapsedMs } = engine;
  const by =
    kind === "planner-clone"
      ? `a clone of the database's planner (PostgreSQL ${engineVersion}, without its rows; the database has ${sourceVersion})`
      : `HypoPG ${engineVersion} in PostgreSQL ${sourceVersion}`;
  const ended =
    engine.endedBy === undefined
      ? "the search came to its end"
      : `the search was ended by its limit of ${engine.endedBy === "time" ? "time" : "EXPLAINs"}, more may be found with more`;
  const values = (["generic", "statistics"] as const).flatMap((from) => {
    const count = statements.filter(
      ({ valuesFrom, costBefore }) => valuesFrom === from && costBefore !== undefined,
    ).length;
    return count === 0 ? [] : [`${countOf(count, "statement")} ${VALUES[from]}`];
  });
  return [
    `Priced by ${by}: ${countOf(explains, "EXPLAIN")}, ${countOf(hypotheticals, "hypothetical index", "hypothetical indexes")}, ${formatDuration(elapsedMs)}; ${ended}.`,
    `Workload: ${countOf(workload.statements, "statement")} of ${workload.source}, weighed ${WEIGHTS[workload.weights]}.`,
    ...(values.length === 0 ? [] : [sentence(values.join(", "))]),
    `Limits: ${limitsInWords(limits)}.`,
    "`--format sql` prints migration files, `--json` everything, every rejected index and its reason too.",
  ];
}

const VALUES = {
  generic: "planned for typical values, since the constants are not known",
  statistics: "planned with values drawn from the statistics",
} as const;

const WEIGHTS: Readonly<Record<IndexAdvice["workload"]["weights"], string>> = {
  time: "by the time that they took",
  calls: "by their calls",
  equal: "alike, since neither times nor calls are known",
};

function limitsInWords(limits: IndexAdvice["limits"]): string {
  const { bytesMax, indexesMax, buildMsMax, writeOverheadPercentMax } = limits;
  return [
    bytesMax === undefined ? "no limit of size" : `${formatBytes(bytesMax)} of disk`,
    ...(indexesMax === undefined ? [] : [countOf(indexesMax, "index", "indexes")]),
    ...(buildMsMax === undefined ? [] : [`${formatDuration(buildMsMax)} to build`]),
    ...(writeOverheadPercentMax === undefined
      ? []
      : [`${writeOverheadPercentMax} % more for writes`]),
    `${countOf(limits.widthMax, "key")} an index`,
    `a gain of at least ${(limits.gainLeast * 100).toFixed(1)} % of the workload each`,
    `no statement dearer by more than ${((limits.regressionMax - 1) * 100).toFixed(0)} %`,
    `${limits.explainsMax} EXPLAINs`,
    formatDuration(limits.timeMsMax),
  ].join(", ");
}
