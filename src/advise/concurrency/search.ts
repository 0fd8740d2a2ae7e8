/**
 * Searches one or several numeric knobs by single measurements on a log scale (research/tuning.md sections 1.3 to 1.5).
 * Pure ask and tell: the same measurements give the same next step.
 */
import { fenceOf, leastScore } from "./fence.ts";
import type { Boundary, Fence } from "./fence.ts";
import { nextProbe } from "./probes.ts";
import { completeValues, keyOf, placeOf, startOf } from "./space.ts";
import type { Point, SearchKnob, Values } from "./space.ts";
import { nextProposal, recommend } from "./surface.ts";

export type { SearchKnob, Values } from "./space.ts";
export type { Boundary } from "./fence.ts";

export interface SearchSettings {
  /** The most promising first, as a diagnosis orders them. */
  readonly knobs: readonly SearchKnob[];
  readonly better: "lower" | "higher";
  /** `ratio`: metrics above zero are compared on a log scale; `difference`: as they are. */
  readonly compare: "ratio" | "difference";
  /** Relative for `ratio`, absolute for `difference`. */
  readonly noiseFloor: number;
  /** Measurements beside the start's first. */
  readonly probesMax: number;
  /** `scout`: looks at places all over the range first, for surfaces with several tops. */
  readonly mode?: "local" | "scout";
}

export interface SearchMeasurement {
  readonly values: Values;
  /** Undefined: the setting could not be measured, or its sample was invalid. */
  readonly metric: number | undefined;
}

export type SearchStep =
  | { readonly kind: "probe"; readonly values: Values; readonly why: string }
  | {
      readonly kind: "best";
      readonly values: Values;
      /** Of the recommended setting over the start as both were measured: a logarithm for `ratio`, so 0.1 is about 10 %; above zero is better. */
      readonly gain: number;
      readonly because: string;
      /** Values from which on a knob falls off a cliff: two measurements there were bad. */
      readonly boundary?: readonly Boundary[];
    }
  | { readonly kind: "unmeasurable"; readonly because: string };

const REPEATS = 2;

/** What to measure next, or which setting is best; `measured` in the order of measurement, with the start's own among them. */
export function nextSearchStep(
  settings: SearchSettings,
  measured: readonly SearchMeasurement[],
): SearchStep {
  const { knobs } = settings;
  const points = pointsOf(settings, measured);
  const startKey = keyOf(knobs, startOf(knobs));
  const start = points.find((point) => keyOf(knobs, point.values) === startKey);
  if (!start || start.score === Number.NEGATIVE_INFINITY) {
    return {
      kind: "unmeasurable",
      because: "the present setting has no valid measurement to compare with",
    };
  }
  const left = settings.probesMax - (measured.length - 1);
  const fence = fenceOf(settings, points, start);
  if (left > 0) {
    const step = nextMeasurement(settings, points, start, fence);
    if (step) return { kind: "probe", ...step };
  }
  const best = recommend(settings, start, fence);
  return {
    kind: "best",
    values: best.values,
    gain: best.score - start.score,
    because:
      left > 0
        ? "around the best nothing is left that would be new"
        : `${settings.probesMax} settings were measured`,
    ...(fence.boundaries.length > 0 ? { boundary: fence.boundaries } : {}),
  };
}

function nextMeasurement(
  settings: SearchSettings,
  points: readonly Point[],
  start: Point,
  fence: Fence,
): { readonly values: Values; readonly why: string } | undefined {
  // It costs nothing, and all that lies behind it is closed until then.
  if (fence.suspects.some((cliff) => cliff.point === start)) {
    return {
      values: start.values,
      why: "the present setting was far worse than its neighbour: measured once more",
    };
  }
  return (
    nextProbe(settings, start, fence) ??
    nextProposal(settings, points, start, fence) ??
    repeatBest(settings, start, fence)
  );
}

/** The best of several single measurements flatters itself: it is measured again before it is believed. */
function repeatBest(
  settings: SearchSettings,
  start: Point,
  fence: Fence,
): { readonly values: Values; readonly why: string } | undefined {
  const best = recommend(settings, start, fence);
  if (best === start || best.measurements >= REPEATS) return undefined;
  return { values: best.values, why: "the best so far: measured again before it is believed" };
}

/** In the order of their first measurement. */
function pointsOf(
  settings: SearchSettings,
  measured: readonly SearchMeasurement[],
): readonly Point[] {
  const { knobs } = settings;
  const byKey = new Map<string, { readonly values: Values; readonly scores: number[] }>();
  for (const { values, metric } of measured) {
    const key = keyOf(knobs, values);
    const group = byKey.get(key) ?? { values: completeValues(knobs, values), scores: [] };
    group.scores.push(scoreOf(settings, metric));
    byKey.set(key, group);
  }
  return [...byKey.values()].map(({ values, scores }) => ({
    values,
    place: placeOf(knobs, values),
    score: mergeScores(settings, scores),
    measurements: scores.length,
  }));
}

/**
 * The mean; but a measurement that is off by more than a cliff from the best of the same setting did not repeat, so it was an outlier and
 * does not count, as one that failed where others did not.
 */
function mergeScores(settings: SearchSettings, scores: readonly number[]): number {
  const best = Math.max(...scores);
  if (best === Number.NEGATIVE_INFINITY) return best;
  const near = scores.filter((score) => score >= leastScore(settings, best));
  return near.reduce((sum, score) => sum + score, 0) / near.length;
}

function scoreOf(settings: SearchSettings, metric: number | undefined): number {
  const sign = settings.better === "higher" ? 1 : -1;
  if (metric === undefined || !Number.isFinite(metric)) return Number.NEGATIVE_INFINITY;
  if (settings.compare === "difference") return sign * metric;
  return metric > 0 ? sign * Math.log(metric) : Number.NEGATIVE_INFINITY;
}
