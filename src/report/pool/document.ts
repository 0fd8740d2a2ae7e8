/** The pool advisor's answer as a document: the size and why, what was measured, the fitted law, limits, idle connections, and what is not known. */
import type { PoolAdvice, PoolPoint } from "../../core/pool-advice.ts";
import { formatDuration, formatRatio, significant } from "../../core/units.ts";
import { sentence } from "../markdown-text.ts";
import {
  list,
  section,
  shortened,
  table,
  type Block,
  type Document,
  type Marked,
} from "../outputs/document.ts";
import { COMMENT_LIMIT, renderDocument } from "../outputs/markdown.ts";
import { intervalInWords, peakInWords, presentSize } from "./words.ts";

const SOURCE_CHARACTERS = 80;
const HEADLINE_CHARACTERS = 900;

export function poolAdviceDocument(advice: PoolAdvice): Document {
  const { source, headline, reasons, caveats, idle } = advice;
  return {
    kind: "pool-advice",
    name: shortened(source, SOURCE_CHARACTERS),
    title: "perfopt advise pool",
    word: wordOf(advice),
    headline: shortened(headline, HEADLINE_CHARACTERS),
    lead: [],
    sections: [
      ...section("Measured", "open", [pointsTable(advice)]),
      ...section("Why", "open", [list(reasons.map(sentenceOf))]),
      ...section("Scalability law", "open", [lawTable(advice)]),
      ...section("Formulas, for comparison", "open", [formulaTable(advice)]),
      ...section("Idle connections", "open", [idle && list(idle.words.map(sentenceOf))]),
      ...section("Left out", "open", [leftOutTable(advice)]),
      ...section("What this cannot say", "open", [list(caveats.map(sentenceOf))]),
    ],
  };
}

/** For a comment on a pull request. */
export function poolAdviceMarkdown(advice: PoolAdvice): string {
  // The beginning always fits: name and headline are shortened.
  return renderDocument(poolAdviceDocument(advice), COMMENT_LIMIT) ?? "";
}

function wordOf({ verdict, recommended, recommendedEach, present, subject }: PoolAdvice): Marked {
  if (verdict === "unclear") return { text: "UNCLEAR", tone: "warn" };
  if (verdict === "bounded") return { text: "BOUNDED", tone: "warn" };
  if (verdict === "edge") return { text: "SIZED AT THE EDGE", tone: "warn" };
  if (subject === "users") return { text: "MEASURED", tone: "good" };
  if (present === undefined || recommended === undefined) return { text: "SIZED", tone: "good" };
  const chosen = recommendedEach ?? recommended;
  if (chosen === present) return { text: "AS IT SHOULD BE", tone: "good" };
  return { text: chosen < present ? "SMALLER" : "LARGER", tone: "good" };
}

/** Names of the law keep their small letters. */
function sentenceOf(text: string): string {
  const whole = sentence(text);
  return /^(?:sigma|kappa|max_connections)\b/.test(text) ? text.charAt(0) + whole.slice(1) : whole;
}

interface Column {
  readonly title: string;
  readonly cell: (point: PoolPoint) => string | undefined;
}

const COLUMNS: readonly Column[] = [
  { title: "per second", cell: ({ throughput }) => significant(throughput) },
  {
    title: "least to most",
    cell: ({ measurements, throughputLow, throughputHigh }) =>
      measurements > 1
        ? `${significant(throughputLow)} to ${significant(throughputHigh)}`
        : undefined,
  },
  { title: "of best", cell: ({ shareOfBest }) => formatRatio(shareOfBest) },
  { title: "fitted", cell: ({ fitted }) => count(fitted) },
  { title: "mean", cell: ({ responseMs }) => duration(responseMs) },
  { title: "p95", cell: ({ latencyP95Ms }) => duration(latencyP95Ms) },
  { title: "p99", cell: ({ latencyP99Ms }) => duration(latencyP99Ms) },
  { title: "pool wait", cell: ({ inside }) => duration(inside.waitMs) },
  { title: "in use", cell: ({ inside }) => count(inside.inUse) },
  { title: "executing", cell: ({ inside }) => count(inside.executing) },
  { title: "DB cores", cell: ({ inside }) => count(inside.dbCores) },
  { title: "service cores", cell: ({ inside }) => count(inside.serviceCores) },
];

/** Columns that nothing was measured for are left out. */
function pointsTable(advice: PoolAdvice): Block | undefined {
  const { points, recommended, subject, processes } = advice;
  const present = presentSize(advice);
  const shown = COLUMNS.filter(({ cell }) => points.some((point) => cell(point) !== undefined));
  return table(
    [
      subject === "users" ? "at a time" : processes === undefined ? "connections" : "in all",
      ...shown.map(({ title }) => title),
    ],
    points.map((point) => [
      {
        text: `${point.size}${point.size === recommended ? " chosen" : ""}${subject !== "users" && point.size === present ? " now" : ""}`,
        ...(point.size === recommended ? { tone: "good" as const } : {}),
      },
      ...shown.map(({ cell }) => cell(point) ?? ""),
    ]),
  );
}

function lawTable({ fit }: PoolAdvice): Block | undefined {
  if (fit.kind === "too-few-points") return { kind: "text", text: sentence(fit.because) };
  // Numbers of a law that does not fit mean nothing.
  if (!fit.trusted)
    return list(["the scalability law does not fit", ...fit.problems].map(sentenceOf));
  const { lambda, sigma, kappa, rSquared, scatter, points, peakThroughput, confidence } = fit;
  const level = formatRatio(confidence).replace(".0 %", " %");
  return table(
    ["", "value", "what it is"],
    [
      ["lambda", `${significant(lambda)}/s`, "throughput of one alone"],
      ["sigma", significant(sigma), "contention: share of the work that is done one at a time"],
      ["kappa", significant(kappa), "coherency: what each costs each other"],
      [
        "N*",
        peakInWords(fit).replace(/^N\* /, ""),
        `where throughput has its top, with its ${level} interval`,
      ],
      [
        "X(N*)",
        peakThroughput === undefined
          ? "none"
          : `${significant(peakThroughput)}/s (${intervalInWords(fit.peakThroughputInterval)})`,
        "throughput there",
      ],
      ["R²", rSquared.toFixed(3), `of ${points} measurements`],
      ["scatter", formatRatio(scatter), "typical distance of a measurement from the curve"],
    ],
  );
}

function formulaTable({ formulas }: PoolAdvice): Block | undefined {
  return table(
    ["formula", "says", "worth here"],
    formulas.map(({ name, text, size, share }) => [
      `${name}: ${text}`,
      String(size),
      share === undefined
        ? "not measured"
        : `${formatRatio(share.value)} of the best, ${share.how}`,
    ]),
  );
}

function leftOutTable({ leftOut }: PoolAdvice): Block | undefined {
  const most = 20;
  const rows = leftOut
    .slice(0, most)
    .map(({ from, size, throughput, why }) => [
      from,
      String(size),
      Number.isFinite(throughput) ? significant(throughput) : "none",
      shortened(why, 500),
    ]);
  return table(["where", "size", "per second", "why"], rows, [null, null, null, 70]);
}

function duration(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatDuration(ms);
}

function count(value: number | undefined): string | undefined {
  return value === undefined ? undefined : significant(value);
}
