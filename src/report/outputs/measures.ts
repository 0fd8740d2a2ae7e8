/** Values of the version under test for trackers of benchmarks: Bencher and github-action-benchmark. */
import type { GateResult } from "../../core/gate.ts";
import { metricIds, metricOf, type Metric, type MetricId } from "../../core/metric.ts";
import type { BenchResult, EndpointSummary, LimitResult } from "../../core/result.ts";
import { isUsable } from "../effects.ts";
import { nameOf, sideInWords } from "../gate/words.ts";
import { clean } from "./document.ts";

interface Measure {
  /** What was measured: the workload or one endpoint of it. */
  readonly benchmark: string;
  /** Letters, digits and hyphens, at most 64. */
  readonly slug: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

const UNITS: Readonly<Record<Metric["unit"], string>> = {
  ms: "ms",
  ratio: "ratio",
  "per-second": "1/s",
  "bytes-per-second": "bytes/s",
  bytes: "bytes",
  count: "count",
};

/** `{benchmark: {measure: {value, lower_value, upper_value}}}`, Bencher's metric format. */
export function bencherJson(result: GateResult | BenchResult): string {
  const benchmarks: Record<string, Record<string, Record<string, number>>> = {};
  for (const { benchmark, slug, value, low, high } of measuresOf(result)) {
    (benchmarks[benchmark] ??= {})[slug] = {
      value,
      ...(low === undefined ? {} : { lower_value: low }),
      ...(high === undefined ? {} : { upper_value: high }),
    };
  }
  return json(benchmarks);
}

/** github-action-benchmark takes one direction a file: `customSmallerIsBetter` and `customBiggerIsBetter`. */
export function benchmarkActionJson(
  result: GateResult | BenchResult,
  better: "lower" | "higher",
): string {
  const extra = extraOf(result);
  return json(
    measuresOf(result)
      .filter((measure) => measure.better === better)
      .map(({ benchmark, title, unit, value, low, high }) => ({
        name: `${benchmark}: ${title}`,
        unit,
        value,
        ...(low === undefined || high === undefined ? {} : { range: `${low} to ${high}` }),
        extra,
      })),
  );
}

function measuresOf(result: GateResult | BenchResult): readonly Measure[] {
  const measures =
    result.schema === "perfopt-gate/v1" ? gateMeasures(result) : benchMeasures(result);
  return measures.filter(({ value }) => Number.isFinite(value)).map(withFiniteInterval);
}

/** Of the head: its median over the valid pairs. An interval of a change is not one of a value, so there is none. */
function gateMeasures(result: GateResult): readonly Measure[] {
  const effects = [...result.metrics.flatMap(({ effect }) => effect ?? []), ...result.watched];
  const byMetric = new Map(effects.filter(isUsable).map((effect) => [effect.metric, effect]));
  return [...byMetric.values()].map(({ metric, candidateMedian }) =>
    metricMeasure(clean(nameOf(result)), metric, { value: candidateMedian }),
  );
}

function benchMeasures(result: BenchResult): readonly Measure[] {
  const name = clean(nameOf(result));
  return [
    ...metricIds.flatMap((id) => {
      const summary = result.metrics[id];
      return summary ? [metricMeasure(name, id, summary)] : [];
    }),
    ...result.endpoints.flatMap((endpoint) => endpointMeasures(name, endpoint)),
    ...limitMeasure(name, result.limit),
  ];
}

function metricMeasure(
  benchmark: string,
  id: MetricId,
  { value, low, high }: Pick<Measure, "value" | "low" | "high">,
): Measure {
  const { title, unit, better } = metricOf(id);
  return {
    benchmark,
    slug: slugOf(id),
    title,
    unit: UNITS[unit],
    better,
    value,
    ...(low === undefined ? {} : { low }),
    ...(high === undefined ? {} : { high }),
  };
}

function endpointMeasures(name: string, endpoint: EndpointSummary): readonly Measure[] {
  const benchmark = `${name} ${clean(endpoint.name)}`;
  return [
    metricMeasure(benchmark, "api.latencyP50Ms", { value: endpoint.latencyP50Ms }),
    metricMeasure(benchmark, "api.latencyP95Ms", { value: endpoint.latencyP95Ms }),
    metricMeasure(benchmark, "api.latencyP99Ms", { value: endpoint.latencyP99Ms }),
  ];
}

function limitMeasure(benchmark: string, limit: LimitResult | undefined): readonly Measure[] {
  if (limit?.holds === undefined) return [];
  const { unit, estimate, holds, breaks } = limit;
  return [
    {
      benchmark,
      slug: unit === "users" ? "users-held" : "requests-per-second-held",
      title: `${unit} held`,
      unit,
      better: "higher",
      value: estimate,
      low: holds,
      ...(breaks === undefined ? {} : { high: breaks }),
    },
  ];
}

/** `api.latencyP95Ms` is `api-latency-p95-ms`. */
function slugOf(id: MetricId): string {
  return id
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "-")
    .replaceAll(".", "-")
    .toLowerCase();
}

function withFiniteInterval(measure: Measure): Measure {
  const { low, high, ...rest } = measure;
  return {
    ...rest,
    ...(low !== undefined && Number.isFinite(low) ? { low } : {}),
    ...(high !== undefined && Number.isFinite(high) ? { high } : {}),
  };
}

function extraOf(result: GateResult | BenchResult): string {
  const side = result.schema === "perfopt-gate/v1" ? result.head : result.side;
  const { cpu, cores } = result.environment;
  return clean(`${sideInWords(side)}; ${cores} cores of ${cpu}; seed ${result.seed}`);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
