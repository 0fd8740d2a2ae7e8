/** What a measured setting must not cost: the persona's constraints, and the machine's memory. For searches; trials are judged by the loop. */
import { formatQuantity, metricOf } from "../../core/metric.ts";
import type { MetricId } from "../../core/metric.ts";
import type { Ask } from "../../core/observation.ts";
import type { Constraint } from "../../core/persona.ts";
import type { MetricValues, Sample } from "../../core/sample.ts";
import { formatBytes, formatChange, formatRatio } from "../../core/units.ts";

export interface Guard {
  readonly constraints: readonly Constraint[];
  /** What the search is about is left to the search. */
  readonly objective: MetricId;
  /** Of the present setting. */
  readonly observed: MetricValues;
  readonly machineMemoryBytes: number;
}

/** What a phase may not cost, by what its observed window measured. */
export function guardOf({
  observation: { metrics, memoryBytes },
  strategy,
  constraints = [],
}: Pick<
  Ask<{ readonly metrics: MetricValues; readonly memoryBytes: number }>,
  "observation" | "strategy" | "constraints"
>): Guard {
  return {
    constraints,
    objective: strategy.objective,
    observed: metrics,
    machineMemoryBytes: memoryBytes,
  };
}

/** A service beyond this share of the machine's memory leaves too little to PostgreSQL, Redis and the page cache: all of them are on it. */
const MACHINE_SHARE_MOST = 0.5;

/**
 * A single window's p95 of a few hundred requests beside bulk work differs severalfold between equal ones (docs/bulk.md): a search that took
 * the constraint by its word would refuse at random. Pairs judge it afterwards.
 */
const SINGLE_WINDOW_TOLERANCE = 1;

/** Why a sample may not be chosen, as part of a sentence; undefined when it may. */
export function refusalOf(guard: Guard, sample: Sample): string | undefined {
  if (!sample.valid) return sample.invalidBecause[0] ?? "the window was not valid";
  return costOf(guard, sample.metrics);
}

/** The same for what a valid window measured. */
export function costOf(guard: Guard, metrics: MetricValues): string | undefined {
  for (const constraint of guard.constraints) {
    const because = breachOf(guard, constraint, metrics);
    if (because !== undefined) return because;
  }
  return machineBreach(guard, metrics);
}

function breachOf(guard: Guard, constraint: Constraint, metrics: MetricValues): string | undefined {
  const { metric } = constraint;
  if (constraint.kind === "limit") {
    for (const each of alsoLimited(metric)) {
      const because = limitBreach(guard, each, constraint.limit, metrics);
      if (because !== undefined) return because;
    }
    return undefined;
  }
  if (metric === guard.objective) return undefined;
  return regression(guard, metric, constraint.tolerance, metrics);
}

/** A limit of memory holds for its peak, too: what does not fit for a moment does not fit. */
function alsoLimited(metric: MetricId): readonly MetricId[] {
  return metric === "service.memoryBytes" ? [metric, "service.memoryPeakBytes"] : [metric];
}

/** Of a limit that the present setting breaks as well, the loop knows more. */
function limitBreach(
  { observed }: Guard,
  id: MetricId,
  limit: number,
  metrics: MetricValues,
): string | undefined {
  const { title, unit, better } = metricOf(id);
  const isBeyond = (value: number) => (better === "lower" ? value > limit : value < limit);
  const [before, now] = [observed[id], metrics[id]];
  if (before === undefined || isBeyond(before)) return undefined;
  if (now === undefined) return `${title} was not measured`;
  return isBeyond(now)
    ? `${title} ${formatQuantity(unit, now)}, beyond the limit of ${formatQuantity(unit, limit)}`
    : undefined;
}

function regression(
  { observed }: Guard,
  id: MetricId,
  tolerance: number,
  metrics: MetricValues,
): string | undefined {
  const { title, better, compare, unit } = metricOf(id);
  const [before, now] = [observed[id], metrics[id]];
  if (before === undefined) return undefined;
  if (now === undefined) return `${title} was not measured`;
  if (compare === "difference") {
    const worse = better === "lower" ? now - before : before - now;
    return worse > tolerance
      ? `${title} ${formatQuantity(unit, now)} against ${formatQuantity(unit, before)}`
      : undefined;
  }
  if (before <= 0) return undefined;
  const ratio = now / before;
  const most = Math.max(tolerance, SINGLE_WINDOW_TOLERANCE);
  const isWorse = better === "lower" ? ratio > 1 + most : ratio < 1 / (1 + most);
  return isWorse
    ? `${title} ${formatChange(ratio)}, where a single window may have ${formatRatio(most)}`
    : undefined;
}

function machineBreach(guard: Guard, metrics: MetricValues): string | undefined {
  const most = guard.machineMemoryBytes * MACHINE_SHARE_MOST;
  const peak = metrics["service.memoryPeakBytes"];
  const before = guard.observed["service.memoryPeakBytes"];
  if (peak === undefined || peak <= most || (before !== undefined && before > most)) {
    return undefined;
  }
  return `the service takes ${formatBytes(peak)} of the machine's ${formatBytes(guard.machineMemoryBytes)}`;
}

/** The most memory that the service may take: the persona's limit or its share of the machine, the smaller of them. */
export function memoryMost({ constraints, machineMemoryBytes }: Guard): number {
  const limits = constraints.flatMap((each) =>
    each.kind === "limit" &&
    (each.metric === "service.memoryBytes" || each.metric === "service.memoryPeakBytes")
      ? [each.limit]
      : [],
  );
  return Math.min(machineMemoryBytes * MACHINE_SHARE_MOST, ...limits);
}
