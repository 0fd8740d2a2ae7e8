/** The metrics that samples report: identity, unit, direction, and how two values of one are compared. */
import { formatBytes, formatDuration, formatRatio, significant } from "./units.ts";

export type Unit = "ms" | "ratio" | "per-second" | "bytes" | "count";

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly better: "lower" | "higher";
  /** `ratio`: candidate over incumbent on a log scale. `difference`: for shares and metrics that can be zero. */
  readonly compare: "ratio" | "difference";
  readonly group: "api" | "database" | "cache" | "system";
  /** Where the number comes from, one phrase, printed in reports. */
  readonly source: string;
}

const list = [
  metric(
    "api.latencyP50Ms",
    "API p50",
    "ms",
    "lower",
    "ratio",
    "api",
    "open-loop load, from the intended start",
  ),
  metric(
    "api.latencyP95Ms",
    "API p95",
    "ms",
    "lower",
    "ratio",
    "api",
    "open-loop load, from the intended start",
  ),
  metric(
    "api.latencyP99Ms",
    "API p99",
    "ms",
    "lower",
    "ratio",
    "api",
    "open-loop load, from the intended start",
  ),
  metric(
    "api.latencyP999Ms",
    "API p99.9",
    "ms",
    "lower",
    "ratio",
    "api",
    "open-loop load, from the intended start",
  ),
  metric(
    "api.latencyMeanMs",
    "API mean",
    "ms",
    "lower",
    "ratio",
    "api",
    "open-loop load, from the intended start",
  ),
  metric(
    "api.requestsPerSecond",
    "requests/s",
    "per-second",
    "higher",
    "ratio",
    "api",
    "completed requests over the window",
  ),
  metric(
    "api.errorRate",
    "error rate",
    "ratio",
    "lower",
    "difference",
    "api",
    "non-2xx, timeouts and socket errors over all requests",
  ),
  metric(
    "api.responseBytesPerRequest",
    "bytes a response",
    "bytes",
    "lower",
    "ratio",
    "api",
    "bodies of the answers, mean",
  ),
  metric(
    "db.queryMeanMs",
    "DB query",
    "ms",
    "lower",
    "ratio",
    "database",
    "pg_stat_statements: execution time over calls in the window",
  ),
  metric(
    "db.statementsPerRequest",
    "SQL statements a request",
    "count",
    "lower",
    "ratio",
    "database",
    "pg_stat_statements: calls over requests",
  ),
  metric(
    "db.buffersPerRequest",
    "buffers a request",
    "count",
    "lower",
    "ratio",
    "database",
    "pg_stat_statements: shared blocks hit and read over requests",
  ),
  metric(
    "db.rowsPerRequest",
    "rows a request",
    "count",
    "lower",
    "ratio",
    "database",
    "pg_stat_statements: rows returned or changed over requests",
  ),
  metric(
    "db.indexHitRate",
    "index hit",
    "ratio",
    "higher",
    "difference",
    "database",
    "pg_stat_user_tables: index scans over all scans, tables of 1,000 rows and more",
  ),
  metric(
    "db.bufferHitRate",
    "buffer hit",
    "ratio",
    "higher",
    "difference",
    "database",
    "pg_stat_database: blocks found in shared buffers",
  ),
  metric(
    "db.cpuMsPerRequest",
    "DB CPU a request",
    "ms",
    "lower",
    "ratio",
    "database",
    "/proc: CPU time of the arm's backends over requests",
  ),
  metric(
    "pool.useRatio",
    "pool use",
    "ratio",
    "lower",
    "difference",
    "database",
    "service metrics: connections in use over the limit, mean of polls",
  ),
  metric(
    "pool.waitMs",
    "pool wait",
    "ms",
    "lower",
    "difference",
    "database",
    "service metrics: time waited for a connection over acquisitions",
  ),
  metric(
    "cache.hitRate",
    "cache hit",
    "ratio",
    "higher",
    "difference",
    "cache",
    "service metrics: hits of any tier over look-ups",
  ),
  metric(
    "cache.l1HitRate",
    "L1 hit",
    "ratio",
    "higher",
    "difference",
    "cache",
    "service metrics: L1 hits over L1 look-ups",
  ),
  metric(
    "cache.l2HitRate",
    "L2 hit",
    "ratio",
    "higher",
    "difference",
    "cache",
    "service metrics: L2 hits over L2 look-ups",
  ),
  metric(
    "cache.l3HitRate",
    "L3 hit",
    "ratio",
    "higher",
    "difference",
    "cache",
    "service metrics: L3 hits over L3 look-ups",
  ),
  metric(
    "redis.evictionsPerSecond",
    "Redis evictions/s",
    "per-second",
    "lower",
    "difference",
    "cache",
    "Redis INFO: evicted_keys over the window",
  ),
  metric(
    "redis.usedBytes",
    "Redis data",
    "bytes",
    "lower",
    "ratio",
    "cache",
    "Redis INFO: used_memory_dataset",
  ),
  metric(
    "redis.memoryEfficiency",
    "Redis memory efficiency",
    "ratio",
    "higher",
    "difference",
    "cache",
    "Redis INFO: used_memory_dataset over maxmemory",
  ),
  metric(
    "redis.commandsPerRequest",
    "Redis commands a request",
    "count",
    "lower",
    "ratio",
    "cache",
    "Redis INFO: total_commands_processed over requests",
  ),
  metric(
    "redis.bytesPerRequest",
    "Redis bytes a request",
    "bytes",
    "lower",
    "ratio",
    "cache",
    "Redis INFO: total_net_input_bytes and total_net_output_bytes over requests",
  ),
  metric(
    "service.cpuMsPerRequest",
    "CPU a request",
    "ms",
    "lower",
    "ratio",
    "system",
    "/proc: CPU time of the service's processes over requests",
  ),
  metric(
    "service.memoryBytes",
    "service memory",
    "bytes",
    "lower",
    "ratio",
    "system",
    "/proc: resident set of the service's processes at the window's end",
  ),
  metric(
    "service.eventLoopDelayP99Ms",
    "event-loop delay p99",
    "ms",
    "lower",
    "ratio",
    "system",
    "service metrics",
  ),
  metric(
    "service.eventLoopUtilization",
    "event-loop utilisation",
    "ratio",
    "lower",
    "difference",
    "system",
    "service metrics",
  ),
] as const satisfies readonly Metric[];

export type MetricId = (typeof list)[number]["id"];

export const metrics: readonly Metric[] = list;

export const metricIds: readonly MetricId[] = list.map((entry) => entry.id);

/** Goals of personas that this version cannot measure: they may be stated, and are printed as not measured. */
const planned = [
  {
    id: "api.usersSustained",
    title: "concurrent users within the SLO",
    unit: "count",
    better: "higher",
  },
  { id: "threads.efficiency", title: "thread efficiency", unit: "ratio", better: "higher" },
  { id: "queue.depthSustained", title: "async queue", unit: "count", better: "higher" },
  { id: "batch.recordsPerSecond", title: "bulk records/s", unit: "per-second", better: "higher" },
  { id: "batch.aggregateQueryMs", title: "aggregate query", unit: "ms", better: "lower" },
  { id: "batch.reportMs", title: "report", unit: "ms", better: "lower" },
] as const satisfies readonly PlannedMetric[];

export type PlannedMetric = Pick<Metric, "id" | "title" | "unit" | "better">;

export type PlannedMetricId = (typeof planned)[number]["id"];

export const plannedMetrics: readonly (PlannedMetric & { readonly id: PlannedMetricId })[] =
  planned;

const byId = new Map<string, Metric>(list.map((entry) => [entry.id, entry]));

export function isMetricId(id: string): id is MetricId {
  return byId.has(id);
}

export function metricOf(id: MetricId): Metric {
  const found = byId.get(id);
  if (!found) throw new Error(`no metric ${id}`);
  return found;
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
    case "count":
      return significant(value);
  }
}

function metric<const Id extends string>(
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
