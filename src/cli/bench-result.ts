/** The samples of one bench as its result: medians with intervals, merged histograms, SLOs. */
import { metricIds, type MetricId } from "../core/metric.ts";
import type { BenchResult, BenchWindow, EndpointSummary, MetricSummary } from "../core/result.ts";
import type { EndpointResult, Sample } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";
import { judgeSlo } from "../decide/slo.ts";
import { summarise } from "../decide/summary.ts";
import { decodeHistogram, percentileMs } from "../load/histogram.ts";
import { mergeHistograms } from "../load/merge.ts";

export interface Measured {
  readonly seed: number;
  readonly sample: Sample;
}

/** Everything of a result that its windows say; invalid windows are listed and counted nowhere. */
export function resultOfWindows(
  measured: readonly Measured[],
  slos: readonly Slo[],
): Pick<BenchResult, "metrics" | "endpoints" | "histograms" | "windows" | "slos"> {
  const all = measured.map(({ sample }) => sample);
  const valid = all.filter((sample) => sample.valid);
  return {
    metrics: summaries(valid),
    endpoints: endpointSummaries(valid),
    ...(valid.length === 0 ? {} : { histograms: mergedHistograms(valid) }),
    windows: measured.map(windowOf),
    slos: slos.map((slo) => judgeSlo(slo, all)),
  };
}

function summaries(samples: readonly Sample[]): Partial<Record<MetricId, MetricSummary>> {
  const found: Partial<Record<MetricId, MetricSummary>> = {};
  for (const id of metricIds) {
    const values = samples.flatMap(({ metrics }) => metrics[id] ?? []);
    // A metric that some window lacks would be a summary of other windows than its neighbours.
    if (values.length > 0 && values.length === samples.length) found[id] = summarise(values, id);
  }
  return found;
}

function mergedHistograms(samples: readonly Sample[]) {
  const merged = (kind: "response" | "service" | "lag") =>
    mergeHistograms(samples.map(({ load }) => load.histograms[kind]));
  return { response: merged("response"), service: merged("service"), lag: merged("lag") };
}

function endpointSummaries(samples: readonly Sample[]): readonly EndpointSummary[] {
  const byName = new Map<string, EndpointResult[]>();
  for (const endpoint of samples.flatMap(({ load }) => load.endpoints)) {
    byName.set(endpoint.name, [...(byName.get(endpoint.name) ?? []), endpoint]);
  }
  return [...byName].map(([name, results]) => endpointSummary(name, results));
}

function endpointSummary(name: string, results: readonly EndpointResult[]): EndpointSummary {
  const sum = (value: (result: EndpointResult) => number) =>
    results.reduce((total, result) => total + value(result), 0);
  const requests = sum((result) => result.requests);
  const response = mergeHistograms(results.map((result) => result.response));
  const histogram = decodeHistogram(response);
  return {
    name,
    requests,
    errors: sum((result) => result.errors),
    latencyP50Ms: percentileMs(histogram, 50),
    latencyP95Ms: percentileMs(histogram, 95),
    latencyP99Ms: percentileMs(histogram, 99),
    responseBytesMean: sum((result) => result.responseBytesMean * result.requests) / requests,
    response,
  };
}

function windowOf({ seed, sample }: Measured): BenchWindow {
  const { load, server } = sample;
  return {
    seed,
    valid: sample.valid,
    invalidBecause: sample.invalidBecause,
    checks: load.checks,
    metrics: sample.metrics,
    requests: load.requests,
    errors: load.errors,
    statuses: load.statuses,
    ...(load.timeline ? { timeline: load.timeline } : {}),
    ...(load.tasks ? { tasks: load.tasks } : {}),
    ...(server ? { server } : {}),
  };
}
