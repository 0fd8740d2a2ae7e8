/** Whether a candidate holds a persona's constraints: limits, and metrics that must not get worse. */
import { median } from "simple-statistics";
import { metricOf } from "../core/metric.ts";
import type { Constraint } from "../core/persona.ts";
import type { ConstraintResult, Pair } from "../core/trial.ts";
import { effectOf, fixedMargin, type Margin } from "./effect.ts";
import {
  directionOf,
  gainOfDistance,
  gainsOf,
  missingBecause,
  unusableBecause,
  valuesOf,
} from "./gain.ts";
import { momentsOf } from "./moments.ts";
import { isWorse } from "./noise.ts";
import { distanceInWords, effectInWords, valueInWords } from "./words.ts";

const FIXED_CONFIDENCE = 0.95;

/** Of a number of pairs fixed beforehand, with 95 % t intervals: for constraints that are judged under another load than the objective. */
export function judgeConstraints(
  constraints: readonly Constraint[],
  pairs: readonly Pair[],
): readonly ConstraintResult[] {
  const margin = fixedMargin(pairs.length, FIXED_CONFIDENCE);
  return constraints.map((each) => judgeConstraint(each, pairs, margin).result);
}

interface ConstraintJudgement {
  readonly result: ConstraintResult;
  /** The breach is beyond doubt, so that the trial may end before its objective is decided. */
  readonly certain: boolean;
}

/** A metric that cannot be measured fails its constraint: what was not seen to hold does not hold. */
export function judgeConstraint(
  constraint: Constraint,
  pairs: readonly Pair[],
  margin: Margin,
): ConstraintJudgement {
  return constraint.kind === "limit"
    ? judgeLimit(constraint, pairs, margin)
    : judgeRegression(constraint, pairs, margin);
}

/**
 * Breached when the candidate's median is beyond the limit and the incumbent's is not, or when both are and the candidate is
 * proven worse: a baseline that already breaks an SLO must not turn every improvement of something else into a discard.
 */
function judgeLimit(
  { metric, limit }: Extract<Constraint, { kind: "limit" }>,
  pairs: readonly Pair[],
  margin: Margin,
): ConstraintJudgement {
  const missing = missingBecause(metric, pairs);
  if (missing !== undefined) return unmeasured(metric, missing);
  const { title } = metricOf(metric);
  const isBeyond = (value: number) => directionOf(metric) * (value - limit) < 0;
  const candidate = valuesOf(metric, pairs, "candidate");
  const candidateMedian = median([...candidate]);
  const incumbentMedian = median([...valuesOf(metric, pairs, "incumbent")]);
  const measured = `${title}: median ${valueInWords(metric, candidateMedian)} in the candidate`;
  const against = `the limit of ${valueInWords(metric, limit)}`;
  if (!isBeyond(candidateMedian)) return held(metric, `${measured}, within ${against}`);
  if (!isBeyond(incumbentMedian)) {
    return {
      result: {
        metric,
        ok: false,
        detail: `${measured}, beyond ${against}, which the incumbent holds with ${valueInWords(metric, incumbentMedian)}`,
      },
      certain: candidate.every(isBeyond),
    };
  }
  const both = `${measured}, beyond ${against}, which the incumbent breaks too with ${valueInWords(metric, incumbentMedian)}`;
  const effect = effectOf(metric, pairs, margin);
  const worse = effect
    ? isWorse(effect)
    : directionOf(metric) * (candidateMedian - incumbentMedian) < 0;
  if (!worse) return held(metric, `${both}; the candidate is not proven worse`);
  return {
    result: { metric, ok: false, detail: `${both}; the candidate is worse` },
    certain: true,
  };
}

/** Breached when the estimate is beyond the tolerance and the interval excludes that nothing got worse. */
function judgeRegression(
  { metric, tolerance }: Extract<Constraint, { kind: "no-regression" }>,
  pairs: readonly Pair[],
  margin: Margin,
): ConstraintJudgement {
  const unusable = unusableBecause(metric, pairs);
  const effect = effectOf(metric, pairs, margin);
  if (!effect) return unmeasured(metric, unusable ?? "it has no effect");
  const loss = -momentsOf(gainsOf(metric, pairs)).mean;
  const beyond = loss > -gainOfDistance(metric, -tolerance);
  const words = effectInWords(effect);
  const allowed = `at most ${distanceInWords(metric, tolerance)} worse is allowed`;
  if (!beyond) return held(metric, `${words}; ${allowed}`);
  if (!isWorse(effect)) {
    return held(metric, `${words}; ${allowed}, and the interval does not exclude no change`);
  }
  return { result: { metric, ok: false, detail: `${words}; ${allowed}` }, certain: true };
}

function held(metric: ConstraintResult["metric"], detail: string): ConstraintJudgement {
  return { result: { metric, ok: true, detail }, certain: false };
}

function unmeasured(metric: ConstraintResult["metric"], why: string): ConstraintJudgement {
  return {
    result: { metric, ok: false, detail: `the constraint cannot be checked: ${why}` },
    certain: true,
  };
}
