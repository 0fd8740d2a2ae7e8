/** A service level objective: a limit that a metric has to stay within, as people type it: `p95<200ms`. */
import { isMetricId, metricOf, type MetricId } from "./metric.ts";
import { parseBytes, parseDuration } from "./units.ts";

export interface Slo {
  readonly metric: MetricId;
  /** Of this endpoint alone; absent: of the whole workload. Only latencies and the error rate are known by endpoint. */
  readonly endpoint?: string;
  /** In the metric's unit; the metric has to stay on its good side, the limit itself included. */
  readonly limit: number;
  /** As it was given. */
  readonly text: string;
}

/** Short names of the metrics that people set limits for. */
const SHORT: Readonly<Record<string, MetricId>> = {
  p50: "api.latencyP50Ms",
  p95: "api.latencyP95Ms",
  p99: "api.latencyP99Ms",
  "p99.9": "api.latencyP999Ms",
  mean: "api.latencyMeanMs",
  errors: "api.errorRate",
  rps: "api.requestsPerSecond",
  cpu: "service.cpuMsPerRequest",
  "db-cpu": "db.cpuMsPerRequest",
  memory: "service.memoryBytes",
  hits: "cache.hitRate",
};

const BY_ENDPOINT: ReadonlySet<MetricId> = new Set<MetricId>([
  "api.latencyP50Ms",
  "api.latencyP95Ms",
  "api.latencyP99Ms",
  "api.errorRate",
]);

export const sloShortNames: readonly string[] = Object.keys(SHORT);

/** The metric of a short name or of an id; undefined when there is none. */
export function metricNamed(name: string): MetricId | undefined {
  const short = SHORT[name];
  return short ?? (isMetricId(name) ? name : undefined);
}

/** `p95<200ms`, `p99[search]<=1s`, `errors<1%`, `rps>500`, `service.memoryBytes<512MB`. A text says what is wrong with it. */
export function parseSlo(text: string): Slo | string {
  const match = /^([A-Za-z0-9.-]+)(?:\[([^\]]+)\])?\s*(<=?|>=?)\s*(.+)$/.exec(text.trim());
  if (!match) return `expected METRIC<LIMIT such as p95<200ms, found "${text}"`;
  const [, name = "", endpoint, comparison = "", value = ""] = match;
  const metric = metricNamed(name);
  if (!metric) {
    return `there is no metric "${name}"; use ${sloShortNames.join(", ")} or an id of docs/metrics.md`;
  }
  const { better, unit, title } = metricOf(metric);
  const wanted = better === "lower" ? "<" : ">";
  if (!comparison.startsWith(wanted)) {
    return `${title} is better ${better}: write ${name}${wanted}${value}`;
  }
  if (endpoint !== undefined && !BY_ENDPOINT.has(metric)) {
    return `${title} is not known by endpoint; only p50, p95, p99 and errors are`;
  }
  const limit = parseQuantity(unit, value.trim());
  if (limit === undefined)
    return `"${value}" is not a value of ${title}, for example ${example(unit)}`;
  return { metric, ...(endpoint === undefined ? {} : { endpoint }), limit, text: text.trim() };
}

function parseQuantity(
  unit: ReturnType<typeof metricOf>["unit"],
  text: string,
): number | undefined {
  switch (unit) {
    case "ms":
      return parseDuration(text);
    case "bytes":
      return parseBytes(text);
    case "ratio": {
      const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text);
      return percent ? Number(percent[1]) / 100 : plainNumber(text);
    }
    case "per-second":
      return plainNumber(text.replace(/\/s$/, ""));
    case "bytes-per-second":
      return parseBytes(text.replace(/\/s$/, ""));
    case "count":
      return plainNumber(text);
  }
}

function plainNumber(text: string): number | undefined {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function example(unit: ReturnType<typeof metricOf>["unit"]): string {
  const examples = {
    ms: "200ms",
    bytes: "512MB",
    ratio: "1%",
    "per-second": "500",
    "bytes-per-second": "10MB/s",
    count: "3",
  };
  return examples[unit];
}
