/** What A/A pairs say about the gate on this machine: its noise, and what it can see. */
import { PerfoptError } from "../core/errors.ts";
import type { GatedMetric, MetricNoise } from "../core/gate.ts";
import { metricOf } from "../core/metric.ts";
import { effectFrom, fixedMargin } from "./effect.ts";
import { distanceOfGain } from "./gain.ts";
import { GATE_CONFIDENCE, PAIRS_LEAST } from "./gate-bounds.ts";
import { detectableLoss, pairsToSee } from "./gate-power.ts";
import { seriesOf, type GatedSeries, type GateTest } from "./gate-series.ts";
import { clusteredMoments } from "./generations.ts";
import { reasonsInWords, type GatePair } from "./usable.ts";

/**
 * The noise of one gated metric, from pairs of one build on both sides. `msPerPair` is what a pair took, restarts included.
 * Throws cannot-measure when too few pairs can be used.
 */
export function noiseForGate(
  pairs: readonly GatePair[],
  gated: GatedMetric,
  rule: GateTest,
  msPerPair: number,
): MetricNoise {
  const found = seriesOf(gated, pairs, rule);
  const { observed, processSd, leastLoss, marginLoss } = found.series;
  assertEnough(found);
  const { metric, tier, margin } = gated;
  const moments = clusteredMoments(observed, processSd);
  const noise = {
    spread: spreadAround(observed, moments.standardError),
    metrics: rule.metrics.length,
  };
  const asDistance = (loss: number) => -distanceOfGain(metric, -loss);
  const pairsForMargin = pairsToSee(noise, marginLoss, leastLoss);
  return {
    metric,
    tier,
    pairs: observed.length,
    noise: asDistance(noise.spread),
    effect: effectFrom(
      metric,
      found.usable.usable.map(({ pair }) => pair),
      fixedMargin(observed.length, GATE_CONFIDENCE),
      { mean: -moments.mean, standardError: moments.standardError },
    ),
    detectable: asDistance(detectableLoss(noise, rule.pairsMax, leastLoss)),
    margin,
    pairsForMargin: pairsForMargin ?? null,
    msForMargin: pairsForMargin === undefined ? null : pairsForMargin * msPerPair,
    ok: pairsForMargin !== undefined && pairsForMargin <= rule.pairsMax,
  };
}

/**
 * Of one pair, as the gate will count it: around zero, since both sides are the same, and no less than the error that
 * processes shared by several pairs leave.
 */
function spreadAround(
  observed: readonly { readonly loss: number }[],
  standardError: number,
): number {
  const squares = observed.reduce((sum, { loss }) => sum + loss ** 2, 0);
  return Math.max(Math.sqrt(squares / observed.length), standardError * Math.sqrt(observed.length));
}

function assertEnough({ gated, series, usable, measured }: GatedSeries): void {
  if (series.observed.length >= PAIRS_LEAST) return;
  const { title, source } = metricOf(gated.metric);
  const why = usable.reasons.length === 0 ? "" : `: ${reasonsInWords(usable.reasons)}`;
  throw new PerfoptError(
    "cannot-measure",
    `the noise of ${title} is unknown, since ${series.observed.length} of ${measured} pairs can be used and ${PAIRS_LEAST} are needed${why}`,
    `close other programs, lower the rate, or leave the metric out (it comes from ${source})`,
  );
}
