/** The pool advisor's first line, and the words that its reasons share with it: the size and what decides it, or why there is none. */
import type {
  PoolBound,
  PoolFormula,
  PoolLeftOut,
  PoolPoint,
  PoolSubject,
  UslFit,
} from "../../../core/pool-advice.ts";
import { formatRatio, significant } from "../../../core/units.ts";
import type { PoolQuestion } from "./advise.ts";
import { rangeOf, type Bounds, type Choice } from "./choose.ts";

export interface Facts {
  readonly question: PoolQuestion;
  readonly points: readonly PoolPoint[];
  readonly fit: UslFit;
  readonly choice: Choice;
  readonly bounds: Bounds;
  readonly leftOut: readonly PoolLeftOut[];
  readonly formulas: readonly PoolFormula[];
  /** Why nothing may be recommended, as far as the measurements are the cause. */
  readonly doubts: readonly string[];
}

/** Of all measurements: so many left out belong into the headline. */
const LEFT_OUT_SHARE = 1 / 3;
const NAMED_MOST = 4;
export const UNIT: Readonly<Record<PoolSubject, string>> = {
  pool: "connections",
  connections: "connections",
  users: "requests at a time",
};

const BOUND: Readonly<Record<PoolBound["by"], string>> = {
  "server-limit": "the server limit",
  "deadlock-floor": "the deadlock floor",
  setting: "what may be set, a bound",
};

export function headlineOf(facts: Facts): string {
  const { question, fit, choice, points } = facts;
  const { recommended, bound, best } = choice;
  const left = leftOutInWords(facts);
  if (choice.verdict === "unclear" || !recommended) {
    return [`no size can be recommended: ${whyUnclear(facts).join("; ")}`, ...left].join("; ");
  }
  const each = eachOf(facts, recommended.size);
  const chosen = each ?? recommended.size;
  const all =
    each === undefined ? "" : ` in all = ${each} for each of ${question.processes} processes`;
  const what = `${recommended.size} ${UNIT[question.subject]}${all}`;
  const change =
    question.subject === "users" || question.present === undefined
      ? ""
      : question.present === chosen
        ? ", as it is now"
        : ` (now ${question.present}${each === undefined ? "" : " for each"})`;
  const how = bound
    ? `${boundInWords(facts, bound)} decides, and not throughput; ${perSecond(recommended.throughput)}, ${costInWords(bound)} the best measured (${perSecond(best.throughput)} at ${best.size})`
    : `${perSecond(recommended.throughput)}, the smallest within 2 % of the best of ${points.length} sizes measured`;
  return [`${what}${change}: ${how}`, lawInWords(fit), ...left].join("; ");
}

/** Of a size that counts the connections of all processes, what the pool of each gets; undefined where sizes are of one pool. */
export function eachOf(
  { question: { processes }, bounds: { limit, floor } }: Pick<Facts, "question" | "bounds">,
  size: number,
): number | undefined {
  if (processes === undefined) return undefined;
  return Math.max(
    1,
    floor?.size ?? 1,
    Math.min(Math.ceil(size / processes), limit?.size ?? Infinity),
  );
}

export function whyUnclear({ choice, bounds, doubts }: Facts): readonly string[] {
  const { least, most } = rangeOf(bounds);
  if (choice.recommended) return doubts;
  const why =
    least > most
      ? `no size is safe: ${least} is the least without deadlocks, and ${most} the most that the server leaves`
      : `no size from ${least} to ${Number.isFinite(most) ? most : "more"} was measured, and none outside may be set`;
  return [why, ...doubts];
}

export function boundInWords({ bounds: { pools } }: Facts, { by, size }: PoolBound): string {
  const whole =
    pools === undefined
      ? `${size}`
      : `${size} in all (${Math.floor(size / pools)} for each process)`;
  return `${BOUND[by]} of ${whole}`;
}

function costInWords({ costShare }: PoolBound): string {
  return costShare > 0 ? `${formatRatio(costShare)} less than` : "as much as";
}

function leftOutInWords({ leftOut, points }: Facts): readonly string[] {
  const used = points.reduce((sum, { measurements }) => sum + measurements, 0);
  const all = used + leftOut.length;
  if (leftOut.length === 0 || leftOut.length < LEFT_OUT_SHARE * all) return [];
  const named = leftOut.slice(0, NAMED_MOST).map(({ from, size }) => `${from} (${size})`);
  const more = leftOut.length - named.length;
  return [
    `${leftOut.length} of ${all} measurements are left out: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
  ];
}

/** `N* 9.8 (8.1 to 11.9)`, or why there is none. */
export function lawInWords(fit: UslFit): string {
  if (fit.kind === "too-few-points") return fit.because;
  if (!fit.trusted) return "the scalability law does not fit";
  if (fit.peak === undefined) return "the fitted curve never turns down";
  const { low, high } = fit.peakInterval;
  const range = `${low === undefined ? "?" : significant(low)} to ${high === undefined ? "no end" : significant(high)}`;
  return `N* ${significant(fit.peak)} (${range})${fit.extrapolated ? ", extrapolated" : ""}`;
}

export function perSecond(throughput: number): string {
  return `${significant(throughput)}/s`;
}
