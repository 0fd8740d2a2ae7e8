/** Pairs as gains: one number a pair on the metric's own scale, positive when the candidate is better. */
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Pair, Role } from "../core/trial.ts";

const ROLES: readonly Role[] = ["incumbent", "candidate"];

/** Why a metric cannot be judged by these pairs, as a sentence; undefined when it can. A missing value is never a pass. */
export function unusableBecause(metric: MetricId, pairs: readonly Pair[]): string | undefined {
  const { title, compare } = metricOf(metric);
  const missing = missingBecause(metric, pairs);
  if (missing !== undefined) return missing;
  if (pairs.length < 2)
    return `${title} has ${pairs.length} pair(s), and an effect needs at least 2`;
  if (compare === "difference") return undefined;
  for (const [index, pair] of pairs.entries()) {
    for (const role of ROLES) {
      const value = valueOf(metric, pair, role);
      if (!(value > 0)) {
        return `${title} is ${value} in the ${role}'s window of pair ${index + 1}, and a ratio needs values above 0`;
      }
    }
  }
  return undefined;
}

/** The first window that did not report the metric as a finite number, as a sentence. */
export function missingBecause(metric: MetricId, pairs: readonly Pair[]): string | undefined {
  const { title } = metricOf(metric);
  if (pairs.length === 0) return `${title} has no pairs`;
  for (const [index, pair] of pairs.entries()) {
    for (const role of ROLES) {
      const value = pair[role].metrics[metric];
      if (value === undefined) {
        return `${title} is missing in the ${role}'s window of pair ${index + 1}`;
      }
      if (!Number.isFinite(value)) {
        return `${title} is ${value} in the ${role}'s window of pair ${index + 1}`;
      }
    }
  }
  return undefined;
}

/** Only valid windows may be judged; the caller measures an invalid one again. Throws, since it is a mistake in the program. */
export function assertValid(pairs: readonly Pair[]): void {
  for (const [index, pair] of pairs.entries()) {
    for (const role of ROLES) {
      if (!pair[role].valid) {
        throw new Error(
          `the ${role}'s window of pair ${index + 1} is invalid and must not be judged: ${pair[role].invalidBecause.join("; ")}`,
        );
      }
    }
  }
}

/** Gain of each pair: of log ratios, or of differences. The metric must be usable. */
export function gainsOf(metric: MetricId, pairs: readonly Pair[]): readonly number[] {
  const { compare } = metricOf(metric);
  const direction = directionOf(metric);
  return pairs.map((pair) => {
    const incumbent = valueOf(metric, pair, "incumbent");
    const candidate = valueOf(metric, pair, "candidate");
    const change = compare === "ratio" ? Math.log(candidate / incumbent) : candidate - incumbent;
    return direction * change;
  });
}

/** 1 when higher is better, -1 when lower is: a change times it is a gain, and the other way round. */
export function directionOf(metric: MetricId): 1 | -1 {
  return metricOf(metric).better === "higher" ? 1 : -1;
}

/**
 * The gain of an effect given as people say it: 0.03 is 3 % lower or higher for a ratio, and 0.03 of the unit for a difference.
 * Infinite for a fall of 100 % and more, which no ratio can show.
 */
export function gainOfDistance(metric: MetricId, distance: number): number {
  if (metricOf(metric).compare === "difference") return distance;
  const direction = directionOf(metric);
  const ratio = 1 + direction * distance;
  return direction * (ratio > 0 ? Math.log(ratio) : -Infinity);
}

/** The inverse of `gainOfDistance`. */
export function distanceOfGain(metric: MetricId, gain: number): number {
  if (metricOf(metric).compare === "difference") return gain;
  const direction = directionOf(metric);
  return direction * Math.expm1(direction * gain);
}

export function valuesOf(metric: MetricId, pairs: readonly Pair[], role: Role): readonly number[] {
  return pairs.map((pair) => valueOf(metric, pair, role));
}

function valueOf(metric: MetricId, pair: Pair, role: Role): number {
  return pair[role].metrics[metric] ?? Number.NaN;
}
