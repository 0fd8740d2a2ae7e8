// What has become of an import's records so far: counts of all, and the first of its errors.

import type { LineError, Outcome } from "./batch.ts";

export type Tally = {
  readonly line: () => void;
  readonly reject: (error: LineError) => void;
  readonly add: (outcome: Pick<Outcome, "written" | "unchanged" | "errors">) => void;
  /** Takes over what another says of records that it rejected. */
  readonly join: (other: Tally) => void;
  readonly rejected: () => number;
  readonly answer: () => ImportAnswer;
};

export type ImportAnswer = {
  /** Records, however many lines each had. */
  readonly lines: number;
  readonly written: number;
  readonly unchanged: number;
  readonly rejected: number;
  /** In the order of the file. */
  readonly errors: readonly LineError[];
};

const ERRORS_LISTED = 100;

export function createTally(): Tally {
  let lines = 0;
  let written = 0;
  let unchanged = 0;
  let rejected = 0;
  let errors: LineError[] = [];
  const reject = (error: LineError): void => {
    rejected += 1;
    errors.push(error);
    // Batches end in any order; those of the lowest lines are kept.
    if (errors.length >= 2 * ERRORS_LISTED) errors = firstOf(errors);
  };
  return {
    line() {
      lines += 1;
    },
    reject,
    add(outcome) {
      written += outcome.written;
      unchanged += outcome.unchanged;
      outcome.errors.forEach(reject);
    },
    join(other) {
      const { rejected: more, errors: first } = other.answer();
      first.forEach(reject);
      rejected += more - first.length;
    },
    rejected: () => rejected,
    answer: () => ({ lines, written, unchanged, rejected, errors: firstOf(errors) }),
  };
}

function firstOf(errors: readonly LineError[]): LineError[] {
  return errors.toSorted((a, b) => a.line - b.line).slice(0, ERRORS_LISTED);
}
