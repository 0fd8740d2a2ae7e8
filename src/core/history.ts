/** A history: what is kept of each bench, and the series with change points that are read from many of them. */
import type { EnvironmentFacts } from "./event.ts";
import type { GateSide } from "./gate.ts";
import type { MetricId } from "./metric.ts";
import type { BenchLoad, EndpointSummary, LimitResult, MetricSummary } from "./result.ts";

/** `perfopt-history/v1`: one line a run. The histograms and single windows stay in the run's own result file. */
export interface HistoryRecord {
  readonly schema: "perfopt-history/v1";
  readonly startedAt: string;
  readonly target: string;
  readonly workload: string;
  readonly scale?: string;
  readonly side: GateSide;
  readonly environment: EnvironmentFacts;
  readonly seed: number;
  readonly load: BenchLoad;
  readonly windows: { readonly valid: number; readonly all: number };
  readonly metrics: Readonly<Partial<Record<MetricId, MetricSummary>>>;
  readonly endpoints: readonly HistoryEndpoint[];
  readonly limit?: Pick<LimitResult, "unit" | "holds" | "breaks" | "estimate">;
}

export type HistoryEndpoint = Pick<
  EndpointSummary,
  "name" | "requests" | "errors" | "latencyP50Ms" | "latencyP95Ms" | "latencyP99Ms"
>;

/** What a series shows: a metric, of one endpoint or of the whole workload. */
export interface SeriesKey {
  readonly metric: MetricId;
  readonly endpoint?: string;
}

export interface HistoryPoint {
  readonly startedAt: string;
  readonly side: GateSide;
  readonly value: number;
}

/** A change of a series' level that chance hardly makes. */
export interface HistoryChange {
  /** Of the first point at the new level. */
  readonly index: number;
  readonly before: number;
  readonly after: number;
  /** By the metric's `compare`: after over before, or their difference. */
  readonly change: number;
  readonly p: number;
  readonly reading: "regression" | "improvement";
  /** What else is not the same in the two runs around it: `node 20.19.0 -> 20.20.2`. */
  readonly also: readonly string[];
}

export interface HistorySeries extends SeriesKey {
  /** In the order of measuring. */
  readonly points: readonly HistoryPoint[];
  readonly changes: readonly HistoryChange[];
  /** So many points are needed before a change can show at all; absent when there are enough. */
  readonly needed?: number;
}

/** Runs that can be put in one series: the same target, workload, data, load and machine. */
export interface HistoryGroup {
  readonly target: string;
  readonly workload: string;
  readonly scale?: string;
  readonly load: BenchLoad;
  /** Of the latest run. */
  readonly environment: EnvironmentFacts;
  readonly runs: number;
  /** Of these, the runs without a valid window: they are in no series. */
  readonly unusable: number;
  readonly series: readonly HistorySeries[];
}
