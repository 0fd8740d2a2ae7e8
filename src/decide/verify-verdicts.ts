/** What the measured pairs say of each statement, and of the weighted workload. */
import type { MeasuredFactor, VerifiedStatement } from "../core/advice.ts";
import { formatDuration } from "../core/units.ts";
import type { VerifyPlan, VerifyStatement } from "../core/verification.ts";
import { studentQuantile } from "./distribution.ts";
import { momentsOf } from "./moments.ts";
import type { Outcome } from "./verify-pairs.ts";

/** Proven to be slower than by the factor: the whole interval, or out of time with the indexes alone. */
export function isRegression(outcome: Outcome, factor: number): boolean {
  if (outcome.kind === "timeout") return outcome.who === "candidate";
  return outcome.kind === "measured" && outcome.factor.low > factor;
}

/** Proven, or at least so by the estimate: worth another look. */
export function looksSlower(outcome: Outcome, factor: number): boolean {
  return (
    isRegression(outcome, factor) || (outcome.kind === "measured" && outcome.factor.factor > factor)
  );
}

/** `4.70 times as long (4.55 to 4.86)`. */
export function factorInWords({ factor, low, high }: MeasuredFactor): string {
  return `${factor.toFixed(2)} times as long (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

export interface Evidence {
  readonly before: VerifyPlan | undefined;
  readonly after: VerifyPlan | undefined;
  readonly outcome: Outcome | undefined;
  readonly regressionMax: number;
  readonly measuredAgain: boolean;
}

export function verifiedStatement(
  statement: VerifyStatement,
  evidence: Evidence,
): VerifiedStatement {
  const { verdict, note, measured } = verdictOf(statement, evidence);
  const { id, estimated } = statement;
  return { id, estimated, measured, verdict, ...(note === undefined ? {} : { note }) };
}

interface Judged {
  readonly verdict: VerifiedStatement["verdict"];
  readonly measured: MeasuredFactor | undefined;
  readonly note: string | undefined;
}

function verdictOf(statement: VerifyStatement, evidence: Evidence): Judged {
  const { before, after, outcome } = evidence;
  for (const plan of [before, after]) {
    if (plan?.kind === "failed") return unmeasured("not run", `not planned: ${plan.because}`);
  }
  if (outcome) return verdictOfOutcome(outcome, evidence);
  if (statement.valuesFrom === "generic") {
    const reads = after?.kind === "plan" && after.reads.length > 0;
    return unmeasured(
      "not run",
      `it has parameters without values, so it was only planned; its plan reads ${reads ? after.reads.join(", ") : "none of the indexes"}`,
    );
  }
  return unmeasured("no difference shown", "its plan is the same with and without the indexes");
}

function unmeasured(verdict: Judged["verdict"], note: string): Judged {
  return { verdict, measured: undefined, note };
}

function verdictOfOutcome(outcome: Outcome, { regressionMax, measuredAgain }: Evidence): Judged {
  switch (outcome.kind) {
    case "failed":
      return unmeasured("not run", outcome.because);
    case "both timed out":
      return unmeasured(
        "timeout",
        `it takes more than ${formatDuration(outcome.limitMs)}, with the indexes and without`,
      );
    case "timeout":
      return outcome.who === "candidate"
        ? unmeasured(
            "timeout",
            `with the indexes it takes more than ${formatDuration(outcome.limitMs)}, without ${formatDuration(outcome.otherMs)}`,
          )
        : unmeasured(
            "faster",
            `without the indexes it takes more than ${formatDuration(outcome.limitMs)}, with them ${formatDuration(outcome.otherMs)}`,
          );
    case "measured":
      return {
        ...verdictOfFactor(outcome.factor, regressionMax, measuredAgain),
        measured: outcome.factor,
      };
  }
}

function verdictOfFactor(
  { low, high }: MeasuredFactor,
  regressionMax: number,
  measuredAgain: boolean,
): Omit<Judged, "measured"> {
  if (high < 1) return { verdict: "faster", note: undefined };
  if (low > 1) {
    const tolerated = `slower, but not proven to be so by more than the ${((regressionMax - 1) * 100).toFixed(0)} % that are tolerated`;
    return { verdict: "slower", note: low > regressionMax ? undefined : tolerated };
  }
  const note = "it looked slower at first, and measured again and longer it is not proven to be";
  return { verdict: "no difference shown", note: measuredAgain ? note : undefined };
}

export interface VerifiedWithOutcome {
  readonly statement: VerifyStatement;
  readonly outcome: Outcome | undefined;
  readonly verified: VerifiedStatement;
}

/**
 * Weights times factors, over what was measured and what kept its plan. The interval is that of a weighted sum of
 * independent means on the log scale, to first order; its degrees of freedom are those of the fewest pairs.
 */
export function totalOf(
  all: readonly VerifiedWithOutcome[],
  confidence: number,
): MeasuredFactor | undefined {
  let [weights, weighted, variance, withoutMs, withMs] = [0, 0, 0, 0, 0];
  let pairs = Infinity;
  for (const { statement, outcome, verified } of all) {
    if (outcome?.kind === "measured") {
      const { factor } = outcome.factor;
      const { standardError } = momentsOf(outcome.logs);
      weights += statement.weight;
      weighted += statement.weight * factor;
      variance += (statement.weight * factor * standardError) ** 2;
      withoutMs += outcome.factor.withoutMs;
      withMs += outcome.factor.withMs;
      pairs = Math.min(pairs, outcome.logs.length);
    } else if (verified.verdict === "no difference shown") {
      weights += statement.weight;
      weighted += statement.weight;
    }
  }
  if (weights === 0 || pairs === Infinity) return undefined;
  const factor = weighted / weights;
  const half = studentQuantile((1 - confidence) / 2, pairs - 1) * (Math.sqrt(variance) / weighted);
  return {
    factor,
    low: factor * Math.exp(-half),
    high: factor * Math.exp(half),
    withoutMs,
    withMs,
  };
}

/** The part of the workload's weight that the total is about. */
export function coveredShare(all: readonly VerifiedWithOutcome[]): number {
  const weightOf = (some: readonly VerifiedWithOutcome[]): number =>
    some.reduce((sum, { statement }) => sum + statement.weight, 0);
  const known = all.filter(
    ({ outcome, verified }) =>
      outcome?.kind === "measured" || verified.verdict === "no difference shown",
  );
  const whole = weightOf(all);
  return whole > 0 ? weightOf(known) / whole : 0;
}
