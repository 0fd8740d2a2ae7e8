/** Whether a counter differs between two sides by more than either may differ from itself. */

/** What may differ: the greatest of the three. */
export interface Tolerance {
  /** Share of the base. */
  readonly relative: number;
  readonly perRequest: number;
  /** Over all requests of a replay. */
  readonly total: number;
}

/** Per request, one value a replay. */
export interface CounterValues {
  readonly base: readonly number[];
  readonly head: readonly number[];
  /** Requests of one replay. */
  readonly requests: number;
}

export type Difference = "none" | "regression" | "improvement" | "noise";

/**
 * So many times the replays' own spread is a difference. With 3 replays of a counter that is nothing but noise, the differences
 * of all three lie on one side and this close together once in 700 times; with 2 replays, once in 34, which is too often, so
 * that two have to agree exactly (simulated for normal and Poisson counts).
 */
const SPREADS = 5;
const REPLAYS_FOR_SPREAD = 3;
/** Beyond this ratio in every replay, growth needs no look at the spread. */
const MANIFOLD = 2;
/** Rounding of values per request. */
const ROUNDING = 1e-9;

/** Replays of one place had the same requests: they are compared with each other, and with the others of their side for noise. */
export function differenceOf(values: CounterValues, tolerance: Tolerance): Difference {
  const { base, head } = values;
  const distances = base.map((each, index) => (head[index] ?? Number.NaN) - each);
  const beyond = base.map((each, index) => {
    const allowed = Math.max(
      tolerance.relative * each,
      tolerance.perRequest,
      tolerance.total / values.requests,
    );
    return Math.abs(distances[index] ?? 0) > allowed + ROUNDING;
  });
  if (!beyond.includes(true)) return "none";
  if (beyond.includes(false)) return "noise";
  if (distances.every((each) => each > 0)) return isProven(base, head) ? "regression" : "noise";
  if (distances.every((each) => each < 0)) return isProven(head, base) ? "improvement" : "noise";
  return "noise";
}

/** Every value of `more` is above its fellow in `less`. */
function isProven(less: readonly number[], more: readonly number[]): boolean {
  const distances = less.map((each, index) => (more[index] ?? Number.NaN) - each);
  const agree = rangeOf(distances);
  const gap = Math.min(...more) - Math.max(...less);
  const samePlace =
    less.length < REPLAYS_FOR_SPREAD
      ? agree <= ROUNDING
      : Math.min(...distances) > SPREADS * agree - ROUNDING;
  const apart = gap > SPREADS * Math.max(rangeOf(less), rangeOf(more));
  const manifold = Math.min(...more) >= MANIFOLD * Math.max(...less);
  return samePlace || apart || manifold;
}

function rangeOf(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}
