/** What was predicted of a candidate beside what its trial measured, and what of the journal explains a difference. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Sample } from "../core/sample.ts";
import type { Prediction } from "../core/trial.ts";
import { formatRatio } from "../core/units.ts";
import { readEffect, usableEffect } from "./effects.ts";
import { cite, countOf, formatMetric, formatPoints, NOT_MEASURED } from "./format.ts";
import type { TrialSummary } from "./phases.ts";
import { metricValue, readOneArm, readingOf, type Reading } from "./windows.ts";

export interface PredictionCheck {
  readonly prediction: Prediction;
  /** Median of the candidate's windows. */
  readonly measured: number | undefined;
  readonly windows: Reading | undefined;
  readonly agreement: "within" | "off" | "not measured";
  /** What the journal shows of why it is off; one sentence each. */
  readonly explanations: readonly string[];
}

type CheckedTrial = Pick<TrialSummary, "candidate" | "block" | "effects" | "observed">;

export function checkPredictions(trial: CheckedTrial): readonly PredictionCheck[] {
  return (trial.candidate.predicted ?? []).map((prediction) => check(trial, prediction));
}

/** What was predicted for a trial of so many windows, straight between the lengths that were simulated. */
function forWindows(prediction: Prediction, windows: number | undefined): Prediction {
  const { byWindows = [] } = prediction;
  const above = byWindows.find((each) => each.windows >= (windows ?? Infinity));
  if (windows === undefined || !above) return prediction;
  const below = byWindows.findLast((each) => each.windows <= windows) ?? above;
  const width = above.windows - below.windows;
  const share = width > 0 ? (windows - below.windows) / width : 0;
  const between = (name: "value" | "low" | "high"): number =>
    below[name] + (above[name] - below[name]) * share;
  return { ...prediction, value: between("value"), low: between("low"), high: between("high") };
}

/** Shares are to be met within a point; whatever has no such scale, within the bounds that were predicted. */
const POINT = 0.01;

function check(trial: CheckedTrial, predicted: Prediction): PredictionCheck {
  const { metric } = predicted;
  const windows = readOneArm(trial.block, "candidate", metric);
  const prediction = forWindows(predicted, windows?.values.length);
  const measured = usableEffect(trial.effects, metric)?.candidateMedian ?? windows?.median;
  const parts = { prediction, windows };
  if (measured === undefined || ![measured, prediction.value].every(Number.isFinite))
    return { ...parts, measured: undefined, agreement: "not measured", explanations: [] };
  const within = isShare(metric)
    ? Math.abs(measured - prediction.value) <= POINT
    : isInside(measured, prediction);
  if (within) return { ...parts, measured, agreement: "within", explanations: [] };
  return {
    ...parts,
    measured,
    agreement: "off",
    explanations: explain(trial, prediction, measured, windows),
  };
}

/** `cache hit 43.1 % (42.0 % to 44.2 %) predicted, 42.6 % measured ...: within 1 point`; then the explanations. */
export function describePrediction(checked: PredictionCheck): string {
  const { prediction, explanations, agreement } = checked;
  const reason =
    agreement === "off" && explanations.length === 0
      ? ["Nothing in the journal explains it: the prediction was wrong by so much."]
      : explanations;
  return [
    `${metricOf(prediction.metric).title} ${formatPredicted(prediction)} predicted (${prediction.method}), ${measuredInWords(checked)}: ${agreementInWords(checked)}.`,
    ...reason,
  ].join(" ");
}

export function formatPredicted({ metric, value, low, high }: Prediction): string {
  return `${formatMetric(metric, value)} (${formatMetric(metric, low)} to ${formatMetric(metric, high)})`;
}

function measuredInWords({ prediction: { metric }, measured, windows }: PredictionCheck): string {
  if (measured === undefined) return NOT_MEASURED;
  const range =
    windows === undefined
      ? ""
      : ` (median of ${countOf(windows.values.length, "window")}, ${formatMetric(metric, windows.least)} to ${formatMetric(metric, windows.greatest)}; ${cite(windows.seqs)})`;
  return `${formatMetric(metric, measured)} measured${range}`;
}

export function agreementInWords({ prediction, measured, agreement }: PredictionCheck): string {
  const { metric, value } = prediction;
  if (agreement === "not measured" || measured === undefined) return "nothing to compare";
  if (isShare(metric))
    return agreement === "within"
      ? "within 1 point"
      : `off by ${formatPoints(Math.abs(measured - value))}`;
  if (agreement === "within") return "within the predicted bounds";
  return value > 0
    ? `off by ${formatRatio(Math.abs(measured / value - 1))}`
    : `off by ${formatMetric(metric, Math.abs(measured - value))}`;
}

function explain(
  trial: CheckedTrial,
  prediction: Prediction,
  measured: number,
  windows: Reading | undefined,
): readonly string[] {
  return [
    isInside(measured, prediction) ? "It lies inside the bounds that were predicted." : undefined,
    noiseInWords(prediction, windows),
    trendInWords(prediction, measured, windows),
    pairsInWords(windows),
    driftInWords(trial, prediction.metric),
    mixInWords(trial),
    firstTierInWords(trial, prediction.metric),
    evictionsInWords(trial, prediction, measured),
  ].filter((words) => words !== undefined);
}

function noiseInWords(
  { metric, value, low, high }: Prediction,
  windows: Reading | undefined,
): string | undefined {
  if (!windows || windows.values.length < 2) return undefined;
  const { least, greatest } = windows;
  const range = `Single windows lie between ${formatMetric(metric, least)} and ${formatMetric(metric, greatest)}`;
  if (value >= least && value <= greatest) return `${range}, with the prediction among them.`;
  return low <= greatest && high >= least
    ? `${range}, which reaches into the predicted bounds.`
    : undefined;
}

/** With fewer windows halves say nothing. */
const WINDOWS_FOR_TREND = 4;

/** A cache that is not yet full moves towards what was predicted for a full one. */
function trendInWords(
  { metric, value }: Prediction,
  measured: number,
  windows: Reading | undefined,
): string | undefined {
  if (!windows || windows.values.length < WINDOWS_FOR_TREND) return undefined;
  const half = Math.floor(windows.values.length / 2);
  const first = readingOf(windows.values.slice(0, half), [])?.median;
  const last = readingOf(windows.values.slice(-half), [])?.median;
  if (first === undefined || last === undefined) return undefined;
  // Half of the gap, or it is as likely to be noise.
  const towards = (last - first) * Math.sign(value - measured);
  if (towards < Math.abs(value - measured) / 2) return undefined;
  const warming = value > measured ? ": the cache was still warming" : "";
  return `It moved towards the prediction during the trial, from ${formatMetric(metric, first)} in the first half of its windows to ${formatMetric(metric, last)} in the last${warming}.`;
}

const PAIRS_FEW = 5;

function pairsInWords(windows: Reading | undefined): string | undefined {
  if (!windows) return undefined;
  const count = windows.values.length;
  return count >= PAIRS_FEW
    ? undefined
    : `The trial has ${countOf(count, "pair")} only: in few windows caches that were not yet full weigh more.`;
}

/** The prediction is made from what was observed: where that changed meanwhile, it was made of other requests. */
function driftInWords({ observed, block }: CheckedTrial, metric: MetricId): string | undefined {
  const sample = validSample(observed);
  const before = sample && metricValue(sample, metric);
  const after = readOneArm(block, "incumbent", metric);
  if (before === undefined || after === undefined || !isShare(metric)) return undefined;
  if (Math.abs(after.median - before) <= POINT) return undefined;
  return `Without the change it was ${formatMetric(metric, before)} when the prediction was made (${cite([observed?.seq ?? 0])}) and ${formatMetric(metric, after.median)} in the trial: the service was asked for other things, or its caches were fuller.`;
}

/** How far the share of an endpoint may move before it is worth a word. */
const MIX_MOVED_LEAST = 0.03;

function mixInWords({ observed, block }: CheckedTrial): string | undefined {
  const sample = validSample(observed);
  if (!sample) return undefined;
  const before = sharesOf([sample]);
  const after = sharesOf(block.pairs.map(({ candidate }) => candidate.sample));
  const moved = [...new Set([...before.keys(), ...after.keys()])]
    .map((name) => ({ name, from: before.get(name) ?? 0, to: after.get(name) ?? 0 }))
    .toSorted((a, b) => Math.abs(b.to - b.from) - Math.abs(a.to - a.from))[0];
  if (after.size === 0 || !moved || Math.abs(moved.to - moved.from) < MIX_MOVED_LEAST)
    return undefined;
  return `The requests were others: ${moved.name} had ${formatRatio(moved.from)} of them when the prediction was made, ${formatRatio(moved.to)} in the trial.`;
}

function sharesOf(samples: readonly Sample[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  let all = 0;
  for (const { load } of samples)
    for (const { name, requests } of load.endpoints) {
      counts.set(name, (counts.get(name) ?? 0) + requests);
      all += requests;
    }
  return new Map([...counts].map(([name, count]) => [name, all > 0 ? count / all : 0]));
}

/** What a tier does not answer is all that the next one sees. */
function firstTierInWords({ effects }: CheckedTrial, metric: MetricId): string | undefined {
  if (metric !== "cache.l2HitRate" && metric !== "cache.l3HitRate") return undefined;
  const effect = usableEffect(effects, "cache.l1HitRate");
  if (!effect || readEffect(effect) === "no change shown") return undefined;
  const { incumbentMedian, candidateMedian } = effect;
  return `L1 answered ${formatMetric("cache.l1HitRate", candidateMedian)} of its look-ups, ${formatMetric("cache.l1HitRate", incumbentMedian)} without the change: the tiers behind it saw other requests than before.`;
}

function evictionsInWords(
  { block }: CheckedTrial,
  { metric, value }: Prediction,
  measured: number,
): string | undefined {
  if (metricOf(metric).group !== "cache" || !isShare(metric) || measured >= value) return undefined;
  const evictions = readOneArm(block, "candidate", "redis.evictionsPerSecond")?.median ?? 0;
  return evictions > 0
    ? `Redis evicted ${formatMetric("redis.evictionsPerSecond", evictions)} meanwhile: memory was short.`
    : undefined;
}

function validSample(observed: CheckedTrial["observed"]): Sample | undefined {
  return observed?.event.sample.valid === true ? observed.event.sample : undefined;
}

function isShare(metric: MetricId): boolean {
  return metricOf(metric).unit === "ratio";
}

function isInside(value: number, { low, high }: Prediction): boolean {
  return value >= low && value <= high;
}
