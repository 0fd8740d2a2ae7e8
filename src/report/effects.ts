/** How an effect is read: usable at all, and better, worse or neither, by its whole interval. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Effect } from "../core/trial.ts";

export type EffectReading = "better" | "worse" | "no change shown";

/** An effect may be printed only with a finite estimate, a finite interval and the pairs it comes from. */
export function isUsable(effect: Effect | undefined): effect is Effect {
  return (
    effect !== undefined &&
    effect.pairs > 0 &&
    [effect.estimate, effect.low, effect.high, effect.confidence].every((each) =>
      Number.isFinite(each),
    )
  );
}

export function usableEffect(effects: readonly Effect[], metric: MetricId): Effect | undefined {
  return effects.find((effect) => effect.metric === metric && isUsable(effect));
}

/** Better or worse only when the whole interval lies on that side of no change. */
export function readEffect(
  effect: Pick<Effect, "metric" | "compare" | "low" | "high">,
): EffectReading {
  const none = effect.compare === "ratio" ? 1 : 0;
  const lowerIsBetter = metricOf(effect.metric).better === "lower";
  if (effect.high < none) return lowerIsBetter ? "better" : "worse";
  if (effect.low > none) return lowerIsBetter ? "worse" : "better";
  return "no change shown";
}

/** The point estimate is on the bad side of no change. */
export function leansWorse(effect: Effect): boolean {
  const none = effect.compare === "ratio" ? 1 : 0;
  return metricOf(effect.metric).better === "lower"
    ? effect.estimate > none
    : effect.estimate < none;
}
