/** Windows of overload by the limit that they had: what counts as a gain among them, and which limit to prove. */
import type { MetricValues } from "../../../core/sample.ts";

export interface LimitWindow {
  readonly limit: number;
  /** Empty when the window was invalid. */
  readonly metrics: MetricValues;
}

export interface MeasuredLimit {
  readonly limit: number;
  /** Good answers in time, of all requests: the mean of the limit's windows; undefined when none of them shows it. */
  readonly goodRatio: number | undefined;
  /** That show it. */
  readonly windows: number;
}

export type UsableLimit = MeasuredLimit & { readonly goodRatio: number };

/**
 * One pause of the service (a collection of garbage, a flush to disk) in one window of two, and none in the other: while it lasts
 * nobody is answered. What it takes from a window is no setting's doing.
 */
const PAUSE_MS = 200;

export interface Overloaded {
  /** Of the saturation rate. */
  readonly factor: number;
  readonly windowMs: number;
}

/** Smallest limit first. */
export function byLimit(windows: readonly LimitWindow[]): readonly MeasuredLimit[] {
  const limits = [...new Set(windows.map(({ limit }) => limit))].toSorted((a, b) => a - b);
  return limits.map((limit) => {
    const ratios = ratiosOf(windows, limit);
    return { limit, goodRatio: meanOf(ratios), windows: ratios.length };
  });
}

/**
 * A difference of the good ratio up to this is none: the A/A noise where it is known, what windows of one limit differ by, as that
 * one standard deviation, or what one pause takes from a window, whichever is most. What looks like a gain and is none costs a trial;
 * pairs decide.
 */
export function leastGain(
  windows: readonly LimitWindow[],
  noiseFloor: number,
  { factor, windowMs }: Overloaded,
): number {
  // A service that does all it can answers one over the factor of the requests.
  const onePause = Math.min(1, PAUSE_MS / windowMs) / factor;
  return Math.max(noiseFloor, onePause, spreadOf(windows) ?? 0);
}

/** Of the difference between two windows of the same limit, one standard deviation; undefined when no limit was measured twice. */
function spreadOf(windows: readonly LimitWindow[]): number | undefined {
  const repeated = [...new Set(windows.map(({ limit }) => limit))]
    .map((limit) => ratiosOf(windows, limit))
    .filter((ratios) => ratios.length > 1);
  const freedom = repeated.reduce((sum, ratios) => sum + ratios.length - 1, 0);
  if (freedom === 0) return undefined;
  const squares = repeated.map((ratios) => {
    const mean = meanOf(ratios) ?? 0;
    return ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0);
  });
  return Math.sqrt((2 * squares.reduce((sum, each) => sum + each, 0)) / freedom);
}

/**
 * Of the limits that are better than `goodRatioMost` and as good as the best, up to the tolerance, the one nearest to Little's hypothesis. A smaller one would turn requests away in the bursts
 * and pauses of every day, for shorter waits that nobody counts who is answered in time anyway; a larger one leaves less than half of
 * the time for a slow day, so that it has to be measured better.
 */
export function chooseLimit(
  limits: readonly MeasuredLimit[],
  {
    hypothesis,
    goodRatioMost,
    tolerance,
  }: {
    readonly hypothesis: number;
    readonly goodRatioMost: number;
    readonly tolerance: number;
  },
): UsableLimit | undefined {
  const usable = limits.filter(isUsable).filter(({ goodRatio }) => goodRatio > goodRatioMost);
  const best = Math.max(...usable.map(({ goodRatio }) => goodRatio));
  const away = ({ limit }: MeasuredLimit) => Math.abs(Math.log(limit / hypothesis));
  return usable
    .filter(({ goodRatio }) => goodRatio >= best - tolerance)
    .toSorted((a, b) => away(a) - away(b))[0];
}

/** The largest that was measured better than the present one, for a limit that cost too much at the usual load: refusals there are what a larger one makes fewer. */
export function largerLimit(
  limits: readonly MeasuredLimit[],
  above: number,
  goodRatioMost: number,
): UsableLimit | undefined {
  return limits
    .filter(isUsable)
    .findLast(({ limit, goodRatio }) => limit > above && goodRatio > goodRatioMost);
}

export function isUsable(limit: MeasuredLimit): limit is UsableLimit {
  return limit.goodRatio !== undefined;
}

function ratiosOf(windows: readonly LimitWindow[], of: number): readonly number[] {
  return windows.flatMap(({ limit, metrics: { "api.goodRatio": ratio } }) =>
    limit === of && ratio !== undefined ? [ratio] : [],
  );
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0
    ? undefined
    : values.reduce((sum, value) => sum + value, 0) / values.length;
}
