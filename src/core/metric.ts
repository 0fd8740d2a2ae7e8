/** The metrics that samples report, and those that only a run's capacity blocks do. */
import { batchMetrics } from "./metric-list-batch.ts";
import { serviceMetrics } from "./metric-list-service.ts";
import { storeMetrics } from "./metric-list-stores.ts";
import type { Metric, Unit } from "./metric-shape.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "./units.ts";

export type { Metric, Unit };

const list = [...storeMetrics, ...serviceMetrics, ...batchMetrics] as const;

export type MetricId = (typeof list)[number]["id"];

export const metrics: readonly Metric[] = list;

export const metricIds: readonly MetricId[] = list.map((entry) => entry.id);

/** Measured by a run's capacity blocks, once for the baseline and once for what was kept, never in a window of a trial. */
const capacity = [
  {
    id: "api.usersSustained",
    title: "concurrent users within the SLO",
    unit: "count",
    better: "higher",
  },
  {
    id: "queue.depthSustained",
    title: "jobs waiting under overload",
    unit: "count",
    better: "higher",
  },
  {
    id: "api.goodputUnderOverload",
    title: "goodput under overload, of the peak",
    unit: "ratio",
    better: "higher",
  },
] as const satisfies readonly PlannedMetric[];

export type CapacityMetricId = (typeof capacity)[number]["id"];

export const capacityMetrics: readonly (PlannedMetric & { readonly id: CapacityMetricId })[] =
  capacity;

/** Goals of personas that this version cannot measure: they may be stated, and are printed as not measured. */
const planned = [
  { id: "api.apdex", title: "Apdex", unit: "ratio", better: "higher" },
] as const satisfies readonly PlannedMetric[];

export type PlannedMetric = Pick<Metric, "id" | "title" | "unit" | "better">;

export type PlannedMetricId = (typeof planned)[number]["id"];

export const plannedMetrics: readonly (PlannedMetric & { readonly id: PlannedMetricId })[] =
  planned;

const byId = new Map<string, Metric>(list.map((entry) => [entry.id, entry]));

export function isMetricId(id: string): id is MetricId {
  return byId.has(id);
}

export function isCapacityMetricId(id: string): id is CapacityMetricId {
  return capacity.some((each) => each.id === id);
}

export function metricOf(id: MetricId): Metric {
  return byId.get(id) ?? unknownMetric(id);
}

/** Of a metric, or of what only the capacity blocks measure. */
export function goalMetricOf(
  id: MetricId | CapacityMetricId,
): Pick<Metric, "id" | "title" | "unit" | "better"> {
  return capacity.find((each) => each.id === id) ?? byId.get(id) ?? unknownMetric(id);
}

function unknownMetric(id: string): never {
  throw new Error(`no metric ${id}`);
}

/** A value with its unit, as every table and sentence shows it: `25.5 ms`, `98.1 %`, `-1.19 ms`, `12.9 MB`, `130/s`. */
export function formatQuantity(unit: Unit, value: number): string {
  return (value < 0 ? "-" : "") + formatMagnitude(unit, Math.abs(value));
}

function formatMagnitude(unit: Unit, value: number): string {
  switch (unit) {
    case "ms":
      return value === 0 ? "0 ms" : formatDuration(value);
    case "ratio":
      return formatRatio(value);
    case "bytes":
      return formatBytes(value);
    case "per-second":
      return `${significant(value)}/s`;
    case "bytes-per-second":
      return `${formatBytes(value)}/s`;
    case "count":
      return significant(value);
  }
}
