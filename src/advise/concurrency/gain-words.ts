/** What a search came to, in words: values and the least gain in the objective's own unit, and that nothing was better. */
import { formatQuantity, metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";
import { formatRatio } from "../../core/units.ts";

/** `99.2 ms`, `2.2 %`. */
export function valueInWords(objective: MetricId, value: number): string {
  return formatQuantity(metricOf(objective).unit, value);
}

/** A gain of the objective as searches count it: `3.0 %` of ratios, `2.0 points` or `0.5 ms` of differences. */
export function gainInWords(objective: MetricId, gain: number): string {
  const { compare, unit } = metricOf(objective);
  if (compare === "ratio") return formatRatio(gain);
  if (unit === "ratio") return `${formatRatio(gain).replace(/ %$/, "")} points`;
  return formatQuantity(unit, gain);
}

interface Searched {
  /** `number of workers`. */
  readonly what: string;
  readonly present: number;
  /** Every value that was measured, the present one among them; a metric that could not be used is absent. */
  readonly measured: readonly { readonly value: number; readonly metric: number | undefined }[];
  readonly objective: MetricId;
  readonly noiseFloor: number;
}

/** That the present value stays: because no other was tried, could be measured or was better. */
export function noBetterInWords(searched: Searched): string {
  const { what, present, measured, objective, noiseFloor } = searched;
  const others = measured.filter(({ value }) => value !== present);
  if (others.length === 0) return `no ${what} but the present ${present} was tried`;
  if (others.every(({ metric }) => metric === undefined)) {
    return `no ${what} but the present ${present} could be measured`;
  }
  const floor = gainInWords(objective, noiseFloor);
  return `no ${what} was better than ${present} by more than the least gain that counts (${floor})`;
}

/** `1 job`, `17 jobs`, `1.50 jobs`: the word in the singular and, where an s does not make it, in the plural. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  const words = wholeOf(count);
  return `${words} ${words === "1" ? one : many}`;
}

/** Counts as people write them; those that are means or estimates are whole from ten on, since their digits say nothing. */
export function wholeOf(count: number): string {
  return Number.isInteger(count) || Math.abs(count) >= 10
    ? String(Math.round(count))
    : count.toFixed(1);
}
