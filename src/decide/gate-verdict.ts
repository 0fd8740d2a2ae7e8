/** A metric's standing at the end of the gate's trial, as a verdict with its reason in words. */
import type { MetricVerdict } from "../core/gate.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Effect } from "../core/trial.ts";
import { HOPE_LEAST } from "./curtail.ts";
import { distanceOfGain } from "./gain.ts";
import { PAIRS_LEAST } from "./gate-bounds.ts";
import { detectableLoss } from "./gate-power.ts";
import { effectAt, type GatedSeries, type GateTest } from "./gate-series.ts";
import type { Standing } from "./gate-test.ts";
import type { Moments } from "./moments.ts";
import { isBetter } from "./noise.ts";
import { POWER } from "./power.ts";
import { reasonsInWords } from "./usable.ts";
import { distanceInWords, effectInWords } from "./words.ts";

/** How the trial ended. */
export interface TrialEnd {
  readonly rule: GateTest;
  readonly failed: readonly MetricId[];
  /** Pairs, usable or not. */
  readonly measured: number;
}

export function verdictOf(gated: GatedSeries, standing: Standing, end: TrialEnd): MetricVerdict {
  const { metric, tier, margin, minEffect } = gated.gated;
  const base = { metric, tier, margin, minEffect };
  const effect = effectAt(gated, standing);
  if (!effect || !standing.moments) return { ...base, ...unseen(gated, standing, end) };
  const found = { ...base, effect, pairs: effect.pairs };
  const words = effectInWords(effect);
  if (standing.kind === "fail") {
    const detail = `A regression is proven, and by no less than the ${distanceInWords(metric, minEffect)} that counts: ${words}.`;
    return { ...found, verdict: "fail", detail };
  }
  if (standing.kind === "pass") {
    const better = isBetter(effect) ? " It got better." : "";
    const detail = `A regression of ${distanceInWords(metric, margin)} is excluded: ${words}.${better}`;
    return { ...found, verdict: "pass", detail };
  }
  const sees = detectableIn(gated, standing.moments, end.rule);
  const detectable = sees(effect.pairs);
  const detail = `${undecided(gated, standing, effect)} ${whatItSees(metric, effect.pairs, end.rule, sees)}`;
  return { ...found, verdict: "inconclusive", detectable, detail };
}

/** A metric that was never looked at. */
function unseen(
  { gated, usable, series }: GatedSeries,
  { kind }: Standing,
  { failed, measured, rule }: TrialEnd,
): Pick<MetricVerdict, "verdict" | "pairs" | "detail"> {
  const { title } = metricOf(gated.metric);
  const pairs = series.observed.length;
  if (kind !== "unusable" && failed.length > 0) {
    const failures = failed.map((metric) => metricOf(metric).title).join(" and ");
    const detail = `The trial ended with the failure of ${failures}, after ${pairs} pairs of ${title}, too few to judge it.`;
    return { verdict: "inconclusive", pairs, detail };
  }
  const why = usable.reasons.length === 0 ? "" : ` (${reasonsInWords(usable.reasons)})`;
  const least = Math.min(PAIRS_LEAST, rule.pairsMax);
  const detail = `${title} cannot be judged: ${pairs} of ${measured} measured pairs can be used, and at least ${least} are needed${why}.`;
  return { verdict: "invalid", pairs, detail };
}

function undecided({ gated }: GatedSeries, standing: Standing, effect: Effect): string {
  const { metric, margin, minEffect } = gated;
  const words = effectInWords(effect);
  if (standing.provenAmong !== undefined) {
    return `Worse, but not shown to be so by the ${distanceInWords(metric, minEffect)} that counts: ${words}.`;
  }
  const hope = standing.hopeless
    ? ` Further pairs had less than ${HOPE_LEAST * 100} chances in 100 to tell.`
    : "";
  return `Neither a regression nor the absence of one of ${distanceInWords(metric, margin)} is proven: ${words}.${hope}`;
}

/** The regression that a number of pairs finds 4 times in 5 with this noise, as a distance. */
function detectableIn({ gated, series }: GatedSeries, moments: Moments, rule: GateTest) {
  const spread = moments.standardError * Math.sqrt(moments.count);
  const noise = { spread, metrics: rule.metrics.length };
  return (pairs: number) =>
    -distanceOfGain(gated.metric, -detectableLoss(noise, pairs, series.leastLoss));
}

function whatItSees(
  metric: MetricId,
  pairs: number,
  { pairsMax }: GateTest,
  sees: (pairs: number) => number,
): string {
  const more =
    pairs < pairsMax
      ? `, and ${pairsMax} pairs one of ${distanceInWords(metric, sees(pairsMax))}`
      : "";
  return `With this noise ${pairs} pairs find a regression of ${distanceInWords(metric, sees(pairs))}${more} in ${POWER * 100} of 100 trials.`;
}
