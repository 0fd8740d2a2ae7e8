/** The effect of a candidate on one metric: paired estimate, interval, permutation p and medians. */
import { median } from "simple-statistics";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Effect, Pair } from "../core/trial.ts";
import { studentQuantile } from "./distribution.ts";
import { assertValid, directionOf, gainsOf, unusableBecause, valuesOf } from "./gain.ts";
import { momentsOf, type Moments } from "./moments.ts";
import { signFlipP } from "./permutation.ts";

/** How wide an interval is: so many standard errors to each side, for this coverage. */
export interface Margin {
  readonly confidence: number;
  readonly standardErrors: number;
}

/**
 * Paired log ratios (or differences, by the metric) with a t interval around their mean. Undefined when any window lacks the
 * metric or it cannot be compared; `unusableBecause` says why. Throws on an invalid sample.
 */
export function effectOf(
  metric: MetricId,
  pairs: readonly Pair[],
  margin: Margin,
): Effect | undefined {
  assertValid(pairs);
  if (unusableBecause(metric, pairs) !== undefined) return undefined;
  return effectFrom(metric, pairs, margin, momentsOf(gainsOf(metric, pairs)));
}

/** The same from moments of the gains that the caller has; every window must report the metric. */
export function effectFrom(
  metric: MetricId,
  pairs: readonly Pair[],
  margin: Margin,
  { mean, standardError }: Pick<Moments, "mean" | "standardError">,
): Effect {
  const { compare } = metricOf(metric);
  const change = directionOf(metric) * mean;
  const half = margin.standardErrors * standardError;
  const asEffect = compare === "ratio" ? Math.exp : (value: number) => value;
  return {
    metric,
    compare,
    estimate: asEffect(change),
    low: asEffect(change - half),
    high: asEffect(change + half),
    confidence: margin.confidence,
    pairs: pairs.length,
    permutationP: signFlipP(gainsOf(metric, pairs)),
    incumbentMedian: median([...valuesOf(metric, pairs, "incumbent")]),
    candidateMedian: median([...valuesOf(metric, pairs, "candidate")]),
  };
}

/** The margin of a number of pairs that was fixed beforehand: the plain t interval. */
export function fixedMargin(pairs: number, confidence: number): Margin {
  return { confidence, standardErrors: studentQuantile((1 - confidence) / 2, pairs - 1) };
}
