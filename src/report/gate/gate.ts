/** A gate's result as a document: the verdict and why first, then what grew, what was compared, what to do. */
import type { CounterFinding, CounterVerdict, GateResult, GateVerdict } from "../../core/gate.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import {
  list,
  section,
  shortened,
  verdictWord,
  type Block,
  type Document,
  type Section,
} from "../outputs/document.ts";
import { nextSteps } from "./next.ts";
import {
  findingsTable,
  FINDINGS_SHOWN,
  metricDetails,
  metricsTable,
  sloDetails,
  slosTable,
  SUBJECT_CHARACTERS_SHOWN,
  watchedTable,
  windowsTable,
} from "./tables.ts";
import {
  environmentFacts,
  formatCount,
  invalidWindows,
  nameOf,
  runFacts,
  sideInWords,
  windowsInWords,
} from "./words.ts";

const HEADLINE_CHARACTERS_MOST = 400;
const STATEMENT_CHARACTERS_MOST = 4_000;

/** For a result that gives no reason. */
const USUAL_REASON: Readonly<Record<GateVerdict, string>> = {
  pass: "a regression of the margin is excluded for every gated metric",
  fail: "a regression is proven",
  inconclusive: "these pairs can tell neither that it got worse nor that it did not",
  invalid: "too little could be measured",
};

export function gateDocument(result: GateResult): Document {
  const [reason = USUAL_REASON[result.verdict], ...reasons] = result.reasons;
  const sides: Block = {
    kind: "text",
    text: `Base ${sideInWords(result.base)}, head ${sideInWords(result.head)}.`,
  };
  const rest = list(reasons);
  return {
    kind: "gate",
    name: nameOf(result),
    title: "perfopt gate",
    word: verdictWord(result.verdict),
    headline: shortened(reason, HEADLINE_CHARACTERS_MOST),
    lead: rest ? [sides, rest] : [sides],
    sections: [
      ...counterSections(result.counters),
      ...section("CPU time and latency", "open", [
        metricsTable(result.metrics),
        list(metricDetails(result.metrics)),
      ]),
      ...section("Limits", "open", [slosTable(result.slos), list(sloDetails(result.slos))]),
      ...section("What to do", "open", [list(nextSteps(result))]),
      ...section("Warnings", "open", [list(result.warnings)]),
      ...section("Watched, not gated", "folded", [watchedTable(result.watched)]),
      ...otherFindings(result.counters),
      ...section("How it was compared", "folded", [list(howCompared(result))]),
      ...section("Statements in full", "long", statementBlocks(result.counters)),
      ...section("Windows", "long", [windowsTable(result.windows, result.metrics)]),
    ],
  };
}

function counterSections(counters: CounterVerdict | undefined): readonly Section[] {
  if (!counters) return [];
  const grown = counters.findings.filter(({ kind }) => kind === "regression");
  const more = grown.length - FINDINGS_SHOWN;
  return section("Counters: exact, per request", "open", [
    { kind: "text", text: sentence(counters.detail) },
    findingsTable(grown),
    more > 0
      ? { kind: "text", text: `And ${countOf(more, "more finding")} in the result file.` }
      : undefined,
    counters.unmeasured.length > 0
      ? { kind: "text", text: `Not counted: ${counters.unmeasured.join("; ")}.` }
      : undefined,
  ]);
}

function otherFindings(counters: CounterVerdict | undefined): readonly Section[] {
  const findings = counters?.findings ?? [];
  const details = (wanted: CounterFinding["kind"]) =>
    findings.flatMap(({ kind, detail }) => (kind === wanted ? [detail] : []));
  return [
    ...section("Counters that got better", "folded", [list(details("improvement"))]),
    ...section("Counters that differ as much from themselves", "long", [list(details("noise"))]),
  ];
}

/** Those that a table's cell had to cut. */
function statementBlocks(counters: CounterVerdict | undefined): readonly Block[] {
  const subjects = (counters?.findings ?? [])
    .filter(({ kind }) => kind === "regression")
    .flatMap(({ subject }) => subject ?? [])
    .filter((subject) => subject.length > SUBJECT_CHARACTERS_SHOWN);
  return [...new Set(subjects)].slice(0, FINDINGS_SHOWN).map((subject) => ({
    kind: "code",
    language: "sql",
    lines: [shortened(subject, STATEMENT_CHARACTERS_MOST)],
  }));
}

function howCompared(result: GateResult): readonly string[] {
  const { design, rate, counters, windows, pairsMax } = result;
  const facts = [`Design: ${design}`];
  if (rate) {
    const most =
      rate.saturationRequestsPerSecond === undefined
        ? ""
        : `; saturation at ${formatCount(Math.round(rate.saturationRequestsPerSecond))}/s`;
    facts.push(
      `Load: ${formatCount(rate.requestsPerSecond)} requests/s on both sides (${rate.how}${most})`,
    );
  }
  if (counters) {
    facts.push(
      `Counters: ${formatCount(counters.requests)} requests replayed over ${countOf(counters.endpoints, "endpoint")}`,
    );
  }
  facts.push(
    windows.length === 0
      ? windowsInWords(windows, result)
      : `${windowsInWords(windows, result)}, at most ${countOf(pairsMax, "pair")}`,
    ...invalidWindows(windows).map((each) => `Not used: ${each}`),
    ...environmentFacts(result.environment),
    runFacts(result),
  );
  return facts;
}
