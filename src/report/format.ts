/** Measured values, effects, goals and journal citations as a reader sees them; what is missing is called so. */
import { describeIndex } from "../core/index-definition.ts";
import { describeStatistics } from "../core/statistics-definition.ts";
import type { Change, Knob, KnobValue } from "../core/knob.ts";
import {
  formatQuantity,
  goalMetricOf,
  metricOf,
  type CapacityMetricId,
  type MetricId,
} from "../core/metric.ts";
import type { JudgedObjective } from "../core/persona.ts";
import type { Effect } from "../core/trial.ts";
import {
  formatBytes,
  formatChange,
  formatDuration,
  formatRatio,
  significant,
} from "../core/units.ts";
import type { Reading } from "./windows.ts";

/** What says how an effect's numbers are to be read. */
type Kind = "metric" | "compare";

export const NOT_MEASURED = "not measured";

export function formatMetric(id: MetricId | CapacityMetricId, value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NOT_MEASURED;
  return formatQuantity(goalMetricOf(id).unit, value);
}

export function formatReading(
  id: MetricId | CapacityMetricId,
  reading: Reading | undefined,
): string {
  return reading?.words ?? formatMetric(id, reading?.median);
}

/** `-36.8 %`, or for metrics compared by difference `+6.2 points` or `-3.10 ms`. */
export function formatEffectChange(effect: Pick<Effect, Kind | "estimate">): string {
  return formatDistance(effect, effect.estimate);
}

/** `-41.0 % to -32.2 %`, `+4.3 to +4.8 points`. */
export function formatInterval(effect: Pick<Effect, Kind | "low" | "high">): string {
  const low = formatDistance(effect, effect.low);
  const high = formatDistance(effect, effect.high);
  return `${high.endsWith(" points") ? low.replace(/ points$/, "") : low} to ${high}`;
}

/** The only way an effect enters a sentence: with interval, coverage, pairs and cross-check. */
export function describeEffect(effect: Effect): string {
  const coverage = neat(formatRatio(effect.confidence));
  return `${formatEffectChange(effect)} (${coverage} interval ${formatInterval(effect)}; ${effect.pairs} pairs; permutation ${describeP(effect.permutationP)})`;
}

export function formatP(p: number): string {
  if (!Number.isFinite(p)) return NOT_MEASURED;
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

/** How far an effect has to be from no change: a ratio distance as per cent, a difference in points or units. */
export function formatDetectable(metric: MetricId, distance: number): string {
  const { compare, unit } = metricOf(metric);
  if (!Number.isFinite(distance)) return NOT_MEASURED;
  if (compare === "ratio") return `${(distance * 100).toFixed(1)} %`;
  return unit === "ratio" ? formatPoints(distance) : formatMetric(metric, distance);
}

export function formatGoal(objective: JudgedObjective, goal: number | undefined): string {
  if (goal === undefined) return "none";
  const word = goalMetricOf(objective.metric).better === "lower" ? "at most" : "at least";
  return `${word} ${neat(formatMetric(objective.metric, goal))}`;
}

export function formatKnobValue(knob: Knob | undefined, value: KnobValue): string {
  if (typeof value !== "number") return String(value);
  if (knob?.domain.kind === "bytes") return neat(formatBytes(value));
  if (knob?.domain.kind === "duration") return formatSetDuration(value);
  return String(value);
}

/** `poolMax 15 -> 30`, `index models.name_idx (name, created_at descending) created`. */
export function describeChange(change: Change, knobs: readonly Knob[]): string {
  switch (change.kind) {
    case "set-knob": {
      const knob = knobs.find((each) => each.id === change.knob);
      return `${change.knob} ${formatKnobValue(knob, change.from)} -> ${formatKnobValue(knob, change.to)}`;
    }
    case "create-index":
      return `index ${change.index.name} on ${change.index.schema}.${describeIndex(change.index)}`;
    case "create-statistics":
      return `statistics ${change.statistics.name} on ${change.statistics.schema}.${describeStatistics(change.statistics)}`;
  }
}

/** Journal lines as ranges of their `seq`: `journal 41-62, 70`. */
export function cite(seqs: readonly number[]): string {
  const sorted = [...new Set(seqs)].toSorted((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const seq of sorted) {
    const last = ranges.at(-1);
    if (last && seq === last[1] + 1) last[1] = seq;
    else ranges.push([seq, seq]);
  }
  if (ranges.length === 0) return "";
  return `journal ${ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ")}`;
}

/** A duration that somebody chose, unlike a measured one: 5 s, not 5.00 s. */
export function formatSetDuration(ms: number): string {
  return ms === 0 ? "0 s" : neat(formatDuration(ms));
}

/** Without trailing zeros, which would feign precision in a number that was set: 98.0 % is 98 %. */
export function neat(text: string): string {
  return text.replace(/\.(\d*?)0+(?=\D|$)/, (_, digits: string) =>
    digits === "" ? "" : `.${digits}`,
  );
}

export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Three digits and a letter for thousands: 12,345.6 is `12.3k`. */
export function abbreviated(value: number): string {
  const steps = ["", "k", "M", "G", "T"];
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= 999.5 && step < steps.length - 1) {
    rest /= 1_000;
    step += 1;
  }
  return `${Math.abs(rest) < 100 || step === 0 ? significant(rest) : rest.toFixed(0)}${steps[step]}`;
}

function formatDistance(effect: Pick<Effect, Kind>, value: number): string {
  if (effect.compare === "ratio") return formatChange(value).replace(/^[+-](0\.0 %)$/, "$1");
  if (value === 0) return "0";
  const sign = value > 0 ? "+" : "-";
  const { unit } = metricOf(effect.metric);
  return (
    sign +
    (unit === "ratio"
      ? formatPoints(Math.abs(value))
      : formatMetric(effect.metric, Math.abs(value)))
  );
}

/** Points of a share: 0.062 is `6.2 points`; small ones get more digits, for error rates live there. */
export function formatPoints(value: number): string {
  const points = value * 100;
  const digits = points < 0.1 ? 3 : points < 2 ? 2 : 1;
  return `${points.toFixed(digits)} points`;
}

function describeP(p: number): string {
  return Number.isFinite(p) ? `p ${p < 0.001 ? "" : "= "}${formatP(p)}` : `p ${NOT_MEASURED}`;
}
