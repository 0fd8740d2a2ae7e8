/** A gated metric's pairs as the series that is tested, and a standing of it as an effect. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { GatedMetric, GateRule } from "../core/gate.ts";
import type { Effect } from "../core/trial.ts";
import { effectFrom, type Margin } from "./effect.ts";
import { gainOfDistance, gainsOf } from "./gain.ts";
import { GATE_CONFIDENCE } from "./gate-bounds.ts";
import type { Series, Standing } from "./gate-test.ts";
import { PROCESS_SD } from "./generations.ts";
import { usablePairs, type GatePair, type UsablePairs } from "./usable.ts";

/** The gate's rule, and what is known about processes. */
export interface GateTest extends GateRule {
  /**
   * How much two starts of one build differ, as a standard deviation of the logarithm; 0.015 when absent. It matters only where
   * pairs share processes.
   */
  readonly processSd?: number;
}

export interface GatedSeries {
  readonly gated: GatedMetric;
  readonly usable: UsablePairs;
  readonly series: Series;
  readonly measured: number;
}

/** Throws RangeError for distances that make no sense, or that the metric cannot show. */
export function seriesOf(
  gated: GatedMetric,
  pairs: readonly GatePair[],
  rule: GateTest,
): GatedSeries {
  const { metric, tier } = gated;
  assertDistances(gated);
  const usable = usablePairs(metric, tier, pairs);
  const gains = gainsOf(
    metric,
    usable.usable.map(({ pair }) => pair),
  );
  const observed = usable.usable.map(({ pair, index }, at) => ({
    pair: index,
    generation: pair.generation,
    loss: -(gains[at] ?? Number.NaN),
  }));
  const isRatio = metricOf(metric).compare === "ratio";
  return {
    gated,
    usable,
    measured: pairs.length,
    series: {
      observed,
      leastLoss: lossOfDistance(metric, gated.minEffect),
      marginLoss: lossOfDistance(metric, gated.margin),
      // A deviation of logarithms says nothing about differences; there only what the generations show counts.
      processSd: isRatio ? (rule.processSd ?? PROCESS_SD) : 0,
    },
  };
}

/** The loss of a regression given as people say it: 0.05 is 5 % more or less for a ratio, and 0.05 of the unit for a difference. */
function lossOfDistance(metric: MetricId, distance: number): number {
  return -gainOfDistance(metric, -distance);
}

/** The effect as of the standing's look; undefined before the first. */
export function effectAt(
  { gated, usable }: GatedSeries,
  { moments, intervalErrors }: Standing,
): Effect | undefined {
  if (!moments) return undefined;
  const pairs = usable.usable.slice(0, moments.count).map(({ pair }) => pair);
  const margin: Margin = { confidence: GATE_CONFIDENCE, standardErrors: intervalErrors };
  return effectFrom(gated.metric, pairs, margin, { ...moments, mean: -moments.mean });
}

function assertDistances({ metric, margin, minEffect }: GatedMetric): void {
  if (minEffect >= 0 && margin > 0 && minEffect <= margin) {
    if (Number.isFinite(lossOfDistance(metric, margin))) return;
  }
  throw new RangeError(
    `${metricOf(metric).title} cannot be gated by a margin of ${margin} and a minimum effect of ${minEffect}`,
  );
}
