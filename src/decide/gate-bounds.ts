/** The error levels of the gate, and how many standard errors they ask for at each look. */
import { asStudent, lookPairs } from "./sequential.ts";
import { spendingBounds } from "./spending.ts";

/** Chance that unchanged code ever looks proven worse in any gated metric: one-sided, over all metrics and all looks. */
export const FAIL_TOTAL = 0.01;
/**
 * Chance that a regression of exactly the margin is ever called excluded: one-sided, of one metric, over all looks. Promised are
 * 5 %; the spread is estimated, which costs up to half a point (docs/statistics.md), and is taken off here.
 */
export const PASS_TOTAL = 0.045;
/** As the first, of one metric in the fresh block that has to confirm a failure. */
export const CONFIRM_TOTAL = 0.05;
/** Each end of a printed interval errs as often as PASS does, so that a metric passes exactly when its interval ends below the margin. */
export const GATE_CONFIDENCE = 0.9;
/** With fewer pairs the spread is hardly known; no verdict is based on them unless the user asked for no more. */
export const PAIRS_LEAST = 5;

export interface Bound {
  readonly pairs: number;
  /** Standard errors: Student's t with pairs - 1 degrees of freedom. */
  readonly errors: number;
}

/**
 * The bounds of a one-sided test of this total error at the looks of a trial of at most `pairsMax` pairs. A trial that cannot
 * reach them (its time is over, its windows were spoilt) closes at fewer, and spends at that look all that is left; what
 * closes it must not be the effect.
 */
export function boundsFor(total: number, pairsMax: number, closesAt = pairsMax): readonly Bound[] {
  const key = `${total}/${pairsMax}/${closesAt}`;
  const known = tables.get(key);
  if (known) return known;
  if (!Number.isInteger(pairsMax) || pairsMax < 2 || !(closesAt >= 2 && closesAt <= pairsMax)) {
    throw new RangeError(`a gate needs a whole number of at least 2 pairs, not ${pairsMax}`);
  }
  const pairs = lookPairs(closesAt);
  const bounds = spendingBounds(
    total,
    pairs.map((each) => each / pairsMax),
  );
  const table = pairs.map((each, index) => ({
    pairs: each,
    errors: asStudent(bounds[index] ?? Infinity, each),
  }));
  tables.set(key, table);
  return table;
}

/** The last bound of a trial that goes on to the end of its plan. */
export function lastBound(total: number, pairsMax: number): Bound {
  const last = boundsFor(total, pairsMax).at(-1);
  if (!last) throw new Error("a gate has at least one look");
  return last;
}

/** The same in every run; a table takes a millisecond to compute. */
const tables = new Map<string, readonly Bound[]>();
