/** Which windows and pairs a metric may be judged by, and what was wrong with the others. */
import { metricOf, type MetricId } from "../core/metric.ts";
import { spoilsLatencyOnly, type Sample, type ValidityCheck } from "../core/sample.ts";
import type { Pair, Role } from "../core/trial.ts";

/** A pair of the gate. Pairs of one generation were measured with the same two processes. */
export interface GatePair extends Pair {
  readonly generation: number;
}

interface UsablePair {
  readonly pair: GatePair;
  /** Its place among all measured pairs, from 0. */
  readonly index: number;
}

interface UnusableReason {
  /** As its first window says it. */
  readonly example: string;
  readonly pairs: number;
}

export interface UsablePairs {
  readonly usable: readonly UsablePair[];
  /** The commonest first; a pair counts once. */
  readonly reasons: readonly UnusableReason[];
}

/** Tier 1 also uses windows that are good for everything but the times that clients saw. */
export function usablePairs(
  metric: MetricId,
  tier: 1 | 2,
  pairs: readonly GatePair[],
): UsablePairs {
  const usable: UsablePair[] = [];
  const reasons = new Map<string, UnusableReason>();
  for (const [index, pair] of pairs.entries()) {
    const fault = faultOf(metric, tier, pair);
    if (!fault) {
      usable.push({ pair, index });
      continue;
    }
    const known = reasons.get(fault.kind);
    reasons.set(fault.kind, {
      example: known?.example ?? fault.detail,
      pairs: (known?.pairs ?? 0) + 1,
    });
  }
  return {
    usable,
    reasons: [...reasons.values()].toSorted((left, right) => right.pairs - left.pairs),
  };
}

interface Fault {
  readonly kind: string;
  readonly detail: string;
}

const ROLES: readonly Role[] = ["incumbent", "candidate"];

function faultOf(metric: MetricId, tier: 1 | 2, pair: Pair): Fault | undefined {
  const spoils = (check: ValidityCheck) => tier === 2 || !spoilsLatencyOnly(check);
  for (const role of ROLES) {
    const side = role === "incumbent" ? "base" : "head";
    const fault = spoiltBy(pair[role], spoils) ?? valueFault(metric, pair[role], side);
    if (fault) return fault;
  }
  return undefined;
}

/** The first of a window's faults that matters; a window that is invalid without a failed check is never used. */
export function spoiltBy(
  sample: Sample,
  spoils: (check: ValidityCheck) => boolean,
): Fault | undefined {
  if (sample.valid) return undefined;
  const failed = sample.load.checks.filter((check) => !check.ok);
  const spoiling = failed.find(spoils);
  if (spoiling) return { kind: spoiling.id, detail: spoiling.detail };
  if (failed.length > 0) return undefined;
  return { kind: "invalid", detail: sample.invalidBecause.join("; ") || "no reason was given" };
}

function valueFault(metric: MetricId, sample: Sample, side: string): Fault | undefined {
  const { title, compare } = metricOf(metric);
  const value = sample.metrics[metric];
  if (value === undefined) {
    return { kind: "missing", detail: `${title} is missing in the ${side}'s window` };
  }
  if (!Number.isFinite(value)) {
    return { kind: "not-finite", detail: `${title} is ${value} in the ${side}'s window` };
  }
  if (compare === "ratio" && !(value > 0)) {
    const detail = `${title} is ${value} in the ${side}'s window, and a ratio needs values above 0`;
    return { kind: "not-positive", detail };
  }
  return undefined;
}

/** `7 pairs: the generator lagged 12 ms; 2 pairs: ...`. */
export function reasonsInWords(reasons: readonly UnusableReason[]): string {
  return reasons
    .map(({ example, pairs }) => `${pairs} ${pairs === 1 ? "pair" : "pairs"}: ${example}`)
    .join("; ");
}
