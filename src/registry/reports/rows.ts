// Rows of a report: each metric of each run, with the figures of its points.

import type { RunInfo } from "./part.ts";
import { readPoints } from "./points.ts";
import type { Points } from "./points.ts";

export type Summary = {
  /** Points that are numbers; the other figures are of these. */
  readonly points: number;
  readonly nan_points: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of a sample (n - 1), as PostgreSQL's stddev; null of fewer than two points. */
  readonly stddev: number | null;
  /** By step, then time, then value. */
  readonly first: number | null;
  readonly last: number | null;
  readonly last_step: number | null;
};

export type ReportRow = {
  readonly run: RunInfo;
  readonly key: string;
  readonly summary: Summary;
};

/** In the order of the points; those of runs that are not among `runs` are left out. */
export function* reportRows(runs: readonly RunInfo[], points: Uint8Array): Generator<ReportRow> {
  const byId = new Map(runs.map((run) => [run.run_id, run]));
  for (const each of readPoints(points)) {
    const run = byId.get(each.runId);
    if (run !== undefined) yield { run, key: each.key, summary: summarise(each) };
  }
}

export function summarise({ values, steps }: Pick<Points, "values" | "steps">): Summary {
  let [points, sum, min, max] = [0, 0, Infinity, -Infinity];
  let [first, last] = [-1, -1];
  for (const [index, value] of values.entries()) {
    if (Number.isNaN(value)) continue;
    points += 1;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    // Points come in the order of time, so that of one step the earliest stays first and the latest becomes last.
    const step = steps[index] ?? 0;
    if (first < 0 || step < (steps[first] ?? 0)) first = index;
    if (last < 0 || step >= (steps[last] ?? 0)) last = index;
  }
  const mean = sum / points;
  return {
    points,
    nan_points: values.length - points,
    min: finite(min),
    max: finite(max),
    mean: finite(mean),
    stddev: points < 2 ? null : finite(Math.sqrt(squares(values, mean) / (points - 1))),
    first: values[first] ?? null,
    last: values[last] ?? null,
    last_step: steps[last] ?? null,
  };
}

/** Of the distances from the mean: a second pass loses no digits to the size of the values. */
function squares(values: Float64Array, mean: number): number {
  let total = 0;
  for (const value of values) if (!Number.isNaN(value)) total += (value - mean) ** 2;
  return total;
}

/** A sum beyond the doubles is no figure; nor is that of no points. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
