/** When the trial looks at its pairs, and how far the t statistic must be from zero at each look. */
import { normalTail, studentQuantile } from "./distribution.ts";
import { spendingBounds } from "./spending.ts";

/** The pairs at which a trial may stop, chosen in simulation (5 is the least at which a t test can decide; then about a third more each). */
const LOOK_PAIRS = [5, 7, 10, 14, 20, 30, 42, 60];

/** Chance that a change without effect is ever called better; the same, apart, for worse. One-sided, over all looks. */
const EFFICACY_TOTAL = 0.01;
/** Chance that a change of exactly the minimum effect is ever called no gain. One-sided, over all looks. */
const FUTILITY_TOTAL = 0.05;
/** Coverage of the repeated confidence interval: all looks together (Jennison and Turnbull, JRSS B 51, 1989). */
export const INTERVAL_CONFIDENCE = 0.95;

export interface Look {
  readonly pairs: number;
  /** Bounds as standard errors, Student's t with pairs - 1 degrees of freedom. */
  readonly efficacyT: number;
  readonly futilityT: number;
  readonly intervalT: number;
}

/**
 * The looks of a trial of at most `pairsMax` pairs. The error is spent by the share of *these* pairs that has been seen,
 * so a small budget has lower bounds at the same pair count than a large one, and the same total error.
 * Throws RangeError for a `pairsMax` that is not a whole number of at least 2.
 */
export function looksFor(pairsMax: number): readonly Look[] {
  const known = lookTables.get(pairsMax);
  if (known) return known;
  if (!Number.isInteger(pairsMax) || pairsMax < 2) {
    throw new RangeError(`a trial needs a whole number of at least 2 pairs, not ${pairsMax}`);
  }
  const pairs = lookPairs(pairsMax);
  const fractions = pairs.map((each) => each / pairsMax);
  const efficacy = spendingBounds(EFFICACY_TOTAL, fractions);
  const futility = spendingBounds(FUTILITY_TOTAL, fractions);
  const interval = spendingBounds((1 - INTERVAL_CONFIDENCE) / 2, fractions);
  const looks = pairs.map((each, index) => ({
    pairs: each,
    efficacyT: asStudent(efficacy[index] ?? Infinity, each),
    futilityT: asStudent(futility[index] ?? Infinity, each),
    intervalT: asStudent(interval[index] ?? Infinity, each),
  }));
  lookTables.set(pairsMax, looks);
  return looks;
}

/** The pairs after which a trial of at most `pairsMax` is looked at; the last look is always at `pairsMax`. */
export function lookPairs(pairsMax: number): readonly number[] {
  return [...LOOK_PAIRS.filter((each) => each < pairsMax), pairsMax];
}

/** The tables are the same in every run; they take milliseconds to compute and are asked for at every pair. */
const lookTables = new Map<number, readonly Look[]>();

/**
 * The t with the tail area of z: the significance-level approach for an unknown variance (Pocock 1977;
 * Jennison and Turnbull, Group Sequential Methods, 2000, section 4.4). Approximate; test/decide measures what it costs.
 */
export function asStudent(z: number, pairs: number): number {
  return studentQuantile(normalTail(z), pairs - 1);
}
