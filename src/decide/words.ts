/** Effects and values as the sentences of a decision say them. */
import { formatQuantity, metricOf, type MetricId } from "../core/metric.ts";
import type { Effect } from "../core/trial.ts";
import { formatChange, significant } from "../core/units.ts";

/** `API p95 -9.1 % (95 % interval -12.3 % to -5.8 %, 7 pairs)`. */
export function effectInWords(effect: Effect): string {
  const { title } = metricOf(effect.metric);
  const [estimate, low, high] = [effect.estimate, effect.low, effect.high].map((value) =>
    effect.compare === "ratio" ? formatChange(value) : differenceInWords(effect.metric, value),
  );
  const confidence = `${significant(effect.confidence * 100).replace(/\.0$/, "")} %`;
  return `${title} ${estimate} (${confidence} interval ${low} to ${high}, ${effect.pairs} pairs)`;
}

/** A gain or loss without its sign: `3.0 %` for a ratio, `1.0 points` or `2 ms` for a difference. */
export function distanceInWords(metric: MetricId, distance: number): string {
  const { compare, unit } = metricOf(metric);
  if (compare === "ratio") return `${(distance * 100).toFixed(1)} %`;
  return unit === "ratio"
    ? `${(distance * 100).toFixed(1)} points`
    : valueInWords(metric, distance);
}

export function valueInWords(metric: MetricId, value: number): string {
  return formatQuantity(metricOf(metric).unit, value);
}

function differenceInWords(metric: MetricId, difference: number): string {
  return `${difference < 0 ? "-" : "+"}${distanceInWords(metric, Math.abs(difference))}`;
}
