/** Two stored results side by side: what differs in how they were measured, and what differs in what was measured. */
import type { GateSide } from "./gate.ts";
import type { Metric, MetricId } from "./metric.ts";
import type { LimitResult } from "./result.ts";

/** Something that has to be the same for two results to be compared, and is not. */
export interface ConditionDifference {
  /** `rate`, `cpu`, `node`. */
  readonly what: string;
  readonly a: string;
  readonly b: string;
  /** Something that changes along a history without ending its series, such as a version of Node. */
  readonly alongSeries: boolean;
}

/** B against A. The interval is unpaired, from the spread between the windows of each run; absent with fewer than 2 windows in one. */
export interface MetricComparison {
  readonly metric: MetricId;
  readonly compare: Metric["compare"];
  readonly a: number;
  readonly b: number;
  /** By `compare`: B over A, or B minus A, of the windows' means (of logarithms for ratios). */
  readonly estimate: number;
  readonly low?: number;
  readonly high?: number;
}

/** From the histograms of all valid windows together: no interval. */
export interface EndpointComparison {
  readonly endpoint: string;
  readonly metric: MetricId;
  readonly a: number;
  readonly b: number;
}

export interface ComparedRun {
  readonly file: string;
  readonly startedAt: string;
  readonly side: GateSide;
  readonly windows: { readonly valid: number; readonly all: number };
  readonly limit?: LimitResult;
}

export interface Comparison {
  readonly target: string;
  readonly workload: string;
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  /** Coverage of the intervals. */
  readonly confidence: number;
  /** Empty unless the comparison was forced. */
  readonly differences: readonly ConditionDifference[];
  readonly metrics: readonly MetricComparison[];
  readonly endpoints: readonly EndpointComparison[];
  /** Endpoints and metrics that only one of the results has, and whatever else a reader must know. */
  readonly warnings: readonly string[];
}
