/** What a fixed block of pairs says: the noise of an A/A block, and the effects of the confirmation. */
import { PerfoptError } from "../core/errors.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Effect, Pair } from "../core/trial.ts";
import { effectOf, fixedMargin } from "./effect.ts";
import { assertValid, directionOf, distanceOfGain, gainsOf, unusableBecause } from "./gain.ts";
import { detectableGain } from "./power.ts";

const CONFIDENCE = 0.95;

interface Noise {
  /** How far apart two windows of the same thing typically are (one standard deviation): 0.04 is 4 %, or a difference. */
  readonly noiseFloor: number;
  /** The least gain that a trial of `pairsMax` pairs proves 4 times in 5, as a ratio distance or a difference. */
  readonly detectable: number;
}

/** The noise that A/A pairs show for one metric. Throws cannot-measure when they do not show it. */
export function noiseOf(pairs: readonly Pair[], metric: MetricId, pairsMax: number): Noise {
  assertValid(pairs);
  const unusable = unusableBecause(metric, pairs);
  if (unusable !== undefined) {
    throw new PerfoptError(
      "cannot-measure",
      `the noise of ${metricOf(metric).title} is unknown: ${unusable}`,
      `check that the target reports it (${metricOf(metric).source})`,
    );
  }
  const gains = gainsOf(metric, pairs);
  // Both arms are the same, so the true mean is zero: the spread is taken around zero, with no degree of freedom lost.
  const spread = Math.sqrt(gains.reduce((sum, gain) => sum + gain * gain, 0) / gains.length);
  return {
    noiseFloor: metricOf(metric).compare === "ratio" ? Math.expm1(spread) : spread,
    detectable: distanceOfGain(metric, detectableGain(spread, pairsMax)),
  };
}

/** Effects of a number of pairs fixed beforehand, with 95 % t intervals; metrics that some window lacks are left out. */
export function fixedEffects(
  pairs: readonly Pair[],
  metrics: readonly MetricId[],
): readonly Effect[] {
  if (pairs.length < 2) return [];
  const margin = fixedMargin(pairs.length, CONFIDENCE);
  return metrics
    .map((metric) => effectOf(metric, pairs, margin))
    .filter((effect) => effect !== undefined);
}

/** Whether an effect's whole interval is on the bad side of no change. */
export function isWorse(effect: Effect): boolean {
  const none = effect.compare === "ratio" ? 1 : 0;
  return directionOf(effect.metric) === 1 ? effect.high < none : effect.low > none;
}

/** Whether it is on the good side. */
export function isBetter(effect: Effect): boolean {
  const none = effect.compare === "ratio" ? 1 : 0;
  return directionOf(effect.metric) === 1 ? effect.low > none : effect.high < none;
}
