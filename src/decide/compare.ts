/** Two stored results side by side: unpaired, for orientation. The gate decides, on both versions measured together. */
import { mean } from "simple-statistics";
import type {
  Comparison,
  ComparedRun,
  EndpointComparison,
  MetricComparison,
} from "../core/comparison.ts";
import { PerfoptError } from "../core/errors.ts";
import { metricIds, metricOf, type MetricId } from "../core/metric.ts";
import type { BenchResult } from "../core/result.ts";
import { conditionDifferences } from "./compare-conditions.ts";
import { endpointMetrics, endpointValue } from "./compare-endpoints.ts";
import { studentQuantile } from "./distribution.ts";
import { momentsOf } from "./moments.ts";

export interface NamedResult {
  readonly file: string;
  readonly result: BenchResult;
}

const CONFIDENCE = 0.95;

/** Throws bad-input when one has nothing that was validly measured, or when the conditions differ and it is not `forced`. */
export function compareResults(a: NamedResult, b: NamedResult, forced: boolean): Comparison {
  assertMeasured(a);
  assertMeasured(b);
  const differences = conditionDifferences(a.result, b.result);
  if (differences.length > 0 && !forced) {
    const lines = differences.map((each) => `${each.what}: ${each.a} in A, ${each.b} in B`);
    throw new PerfoptError(
      "bad-input",
      `the two results were not measured alike:\n  ${lines.join("\n  ")}`,
      "measure both alike on one machine, or use `perfopt gate --base A --head B`; --force compares them all the same",
    );
  }
  return {
    target: b.result.target,
    workload: b.result.workload,
    a: runOf(a),
    b: runOf(b),
    confidence: CONFIDENCE,
    differences,
    metrics: metricIds.flatMap((metric) => compareMetric(metric, a.result, b.result) ?? []),
    endpoints: compareEndpoints(a.result, b.result),
    warnings: missing(a.result, b.result),
  };
}

function assertMeasured({ file, result }: NamedResult): void {
  const valid = result.windows.some((window) => window.valid);
  if (valid || result.limit?.holds !== undefined) return;
  const because = result.windows.flatMap(({ invalidBecause }) => invalidBecause)[0];
  throw new PerfoptError(
    "bad-input",
    `${file} has no valid window${because === undefined ? "" : `: ${because}`}`,
    "an invalid measurement cannot be compared; measure again",
  );
}

function runOf({ file, result }: NamedResult): ComparedRun {
  const { startedAt, side, windows, limit } = result;
  return {
    file,
    startedAt,
    side,
    windows: { valid: windows.filter(({ valid }) => valid).length, all: windows.length },
    ...(limit === undefined ? {} : { limit }),
  };
}

/** Undefined when a result lacks the metric in some valid window: a mean over the others would be of other windows. */
function compareMetric(
  metric: MetricId,
  a: BenchResult,
  b: BenchResult,
): MetricComparison | undefined {
  const [first, second] = [valuesOf(metric, a), valuesOf(metric, b)];
  const [shownA, shownB] = [a.metrics[metric]?.value, b.metrics[metric]?.value];
  if (!first || !second || shownA === undefined || shownB === undefined) return undefined;
  const isRatio = metricOf(metric).compare === "ratio";
  if (isRatio && ![...first, ...second].every((value) => value > 0)) return undefined;
  const onScale = (values: readonly number[]) => (isRatio ? values.map(Math.log) : values);
  const { estimate, half } = welch(onScale(first), onScale(second));
  const back = isRatio ? Math.exp : (value: number) => value;
  return {
    metric,
    compare: metricOf(metric).compare,
    a: shownA,
    b: shownB,
    estimate: back(estimate),
    ...(half === undefined ? {} : { low: back(estimate - half), high: back(estimate + half) }),
  };
}

function valuesOf(metric: MetricId, { windows }: BenchResult): readonly number[] | undefined {
  const valid = windows.filter((window) => window.valid);
  const values = valid.flatMap(({ metrics }) => metrics[metric] ?? []);
  return values.length > 0 && values.length === valid.length ? values : undefined;
}

/**
 * The difference of two means and the half width of its interval, for spreads that need not be equal (Welch, Biometrika 34, 1947).
 * Degrees of freedom are rounded down, which makes the interval a little wider.
 */
function welch(
  a: readonly number[],
  b: readonly number[],
): { readonly estimate: number; readonly half?: number } {
  const estimate = mean([...b]) - mean([...a]);
  if (a.length < 2 || b.length < 2) return { estimate };
  const [partA, partB] = [momentsOf(a).standardError ** 2, momentsOf(b).standardError ** 2];
  const variance = partA + partB;
  if (variance === 0) return { estimate, half: 0 };
  const freedom = variance ** 2 / (partA ** 2 / (a.length - 1) + partB ** 2 / (b.length - 1));
  const quantile = studentQuantile((1 - CONFIDENCE) / 2, Math.max(1, Math.floor(freedom)));
  return { estimate, half: quantile * Math.sqrt(variance) };
}

function compareEndpoints(a: BenchResult, b: BenchResult): readonly EndpointComparison[] {
  return b.endpoints.flatMap((second) => {
    const first = a.endpoints.find(({ name }) => name === second.name);
    if (!first) return [];
    return endpointMetrics.flatMap((metric): readonly EndpointComparison[] => {
      const [valueA, valueB] = [endpointValue(first, metric), endpointValue(second, metric)];
      if (valueA === undefined || valueB === undefined) return [];
      return [{ endpoint: second.name, metric, a: valueA, b: valueB }];
    });
  });
}

/** What only one of the two has, in words. */
function missing(a: BenchResult, b: BenchResult): readonly string[] {
  return [
    ...onlyIn("metrics", metricTitles(a), metricTitles(b)),
    ...onlyIn("endpoints", endpointNames(a), endpointNames(b)),
  ];
}

function metricTitles({ metrics }: BenchResult): readonly string[] {
  return metricIds.filter((id) => metrics[id] !== undefined).map((id) => metricOf(id).title);
}

function endpointNames({ endpoints }: BenchResult): readonly string[] {
  return endpoints.map(({ name }) => name);
}

function onlyIn(what: string, a: readonly string[], b: readonly string[]): readonly string[] {
  const said = (side: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`only ${side} has the ${what} ${names.join(", ")}`];
  return [
    ...said(
      "A",
      a.filter((name) => !b.includes(name)),
    ),
    ...said(
      "B",
      b.filter((name) => !a.includes(name)),
    ),
  ];
}
