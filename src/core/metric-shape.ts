/** What a metric is: identity, unit, direction, and how two values of one are compared. */

export type Unit = "ms" | "ratio" | "per-second" | "bytes-per-second" | "bytes" | "count";

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly better: "lower" | "higher";
  /** `ratio`: candidate over incumbent on a log scale. `difference`: for shares and metrics that can be zero. */
  readonly compare: "ratio" | "difference";
  readonly group: "api" | "database" | "cache" | "async" | "batch" | "system";
  /** Where the number comes from, one phrase, printed in reports. */
  readonly source: string;
}

export function metric<const Id extends string>(
  id: Id,
  title: string,
  unit: Unit,
  better: Metric["better"],
  compare: Metric["compare"],
  group: Metric["group"],
  source: string,
) {
  return { id, title, unit, better, compare, group, source } as const;
}
