/** Which statements would gain much by an index that is missing: what `--fail-on-missing` fails on. */
import type { IndexAdvice, StatementAdvice } from "../../core/advice.ts";
import { describeIndex } from "../../core/index-definition.ts";

export interface MissingGain {
  readonly id: string;
  readonly sql: string;
  /** Share of its cost or time that it would save: 0.9 is ten times cheaper. */
  readonly gain: number;
  /** Timed in a copy, or expected by the planner. */
  readonly by: "measured" | "estimated";
  /** `table (columns)` of the indexes that do it. */
  readonly indexes: readonly string[];
}

export interface MissingGains {
  readonly missing: readonly MissingGain[];
  /** Ids of statements of which nothing is known: not to be taken for a pass. */
  readonly unpriced: readonly string[];
}

/** Statements that would save more than the share `bound`, the most first. */
export function missingGains(advice: IndexAdvice, bound: number): MissingGains {
  if (advice.skipped !== undefined)
    return { missing: [], unpriced: advice.statements.map(({ id }) => id) };
  const missing = advice.statements.flatMap((statement) => {
    const { id, sql } = statement;
    const saved = savedShare(advice, statement);
    const indexes = indexesFor(advice, statement);
    if (!saved || indexes.length === 0 || !(saved.gain > bound)) return [];
    return [{ id, sql, ...saved, indexes }];
  });
  return {
    missing: missing.toSorted((a, b) => b.gain - a.gain),
    unpriced: advice.statements
      .filter(({ costBefore, costAfter }) => !isPriced(costBefore) || !isPriced(costAfter))
      .map(({ id }) => id),
  };
}

/** A measured time overrules the planner, where one was shown to differ or shown not to. */
function savedShare(
  { verification }: IndexAdvice,
  { id, costBefore, costAfter }: StatementAdvice,
): Pick<MissingGain, "gain" | "by"> | undefined {
  const verified = verification?.statements.find((each) => each.id === id);
  if (verified?.measured) {
    const shown = verified.verdict === "faster" ? 1 - verified.measured.factor : 0;
    return { gain: shown, by: "measured" };
  }
  if (!isPriced(costBefore) || !isPriced(costAfter) || costBefore <= 0) return undefined;
  return { gain: 1 - costAfter / costBefore, by: "estimated" };
}

function indexesFor({ selected }: IndexAdvice, { id, uses }: StatementAdvice): readonly string[] {
  return selected
    .filter(
      ({ index, gaining }) => uses.includes(index.name) || gaining.some((each) => each.id === id),
    )
    .map(({ index }) => describeIndex(index));
}

function isPriced(cost: number | undefined): cost is number {
  return cost !== undefined && Number.isFinite(cost);
}
