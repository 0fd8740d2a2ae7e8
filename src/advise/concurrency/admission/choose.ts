/** Windows of overload by the limit that they had: what counts as a gain among them, and which limit to prove. */
import type { MetricValues } from "../../../core/sample.ts";

export interface LimitWindow {
  readonly limit: number;
  /** Empty when the window was invalid. */
  readonly metrics: MetricValues;
}

export interface MeasuredLimit {
  readonly limit: number;
  /**
   * Good answers in time, of all requests: the least of the limit's windows, since one at the edge of what can be answered in time is good
   * in one window and bad in the next, and what is wanted is one that holds; undefined when none of them shows it.
   */
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
    return {
      limit,
      goodRatio: ratios.length === 0 ? undefined : Math.min(...ratios),
      windows: ratios.length,
    };
  });
}

/**
 * A difference of the good ratio up to this is none: the A/A noise where it is known, or what one pause takes from a window, whichever is
 * more. What looks like a gain and is none costs a trial; pairs decide.
 */
export function leastGain(noiseFloor: number, { factor, windowMs }: Overloaded): number {
  // A service that does all it can answers one over the factor of the requests.
  const onePause = Math.min(1, PAUSE_MS / windowMs) / factor;
  return Math.max(noiseFloor, onePause);
}

/**
 * Of the limits that are better than `goodRatioMost` and as good as the best, up to the tolerance, the one nearest to Little's hypothesis. A smaller one would turn requests away in the bursts
 * and pauses of every day, for shorter waits that nobody counts who is answered in time anyway; a larger one leaves less
 * time for a slow day, so that it has to be measured better.
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
