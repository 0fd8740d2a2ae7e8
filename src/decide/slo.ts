/** Whether one side keeps a limit, by its windows: shown to, shown not to, or neither. */
import type { SloVerdict } from "../core/gate.ts";
import { metricOf } from "../core/metric.ts";
import type { MetricSummary } from "../core/result.ts";
import { spoilsLatencyOnly, type Sample, type ValidityCheck } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";
import { endpointValue } from "./compare-endpoints.ts";
import { directionOf } from "./gain.ts";
import { summarise } from "./summary.ts";
import { spoiltBy } from "./usable.ts";
import { valueInWords } from "./words.ts";

/**
 * `samples` are all windows of the side, valid or not. Passes when the whole interval keeps the limit and fails when none of it
 * does. With one or two windows there is no interval, and their values have to agree. A metric that a window lacks is never a pass.
 */
export function judgeSlo(slo: Slo, samples: readonly Sample[]): SloVerdict {
  const sound = samples.filter((sample) => spoiltBy(sample, spoilerOf(slo)) === undefined);
  const usable = sound.filter((sample) => wasAsked(slo, sample));
  const values = usable
    .flatMap((sample) => valueOf(slo, sample) ?? [])
    .filter((value) => Number.isFinite(value));
  const base = { slo, windows: values.length };
  if (values.length === 0 || values.length < usable.length) {
    return {
      ...base,
      verdict: "invalid",
      detail: unmeasured(slo, { samples, sound, usable }, values.length),
    };
  }
  const summary = summarise(values, slo.metric);
  const verdict = verdictOf(slo, summary, values);
  const { value, low, high } = summary;
  const interval = low === undefined || high === undefined ? {} : { low, high };
  return { ...base, verdict, value, ...interval, detail: inWords(slo, summary, verdict) };
}

/** Errors spoil a window's latencies, and are just what an error rate has to count. */
function spoilerOf({ metric }: Slo): (check: ValidityCheck) => boolean {
  return metric === "api.errorRate"
    ? (check) => check.id !== "errors" && !spoilsLatencyOnly(check)
    : () => true;
}

/** A window that drew no request of a rare endpoint says nothing about it, and lacks nothing. */
function wasAsked({ endpoint }: Slo, { load }: Sample): boolean {
  if (endpoint === undefined) return true;
  return load.endpoints.some(({ name, requests }) => name === endpoint && requests > 0);
}

/** What a window says about it; undefined when it does not. */
function valueOf({ metric, endpoint }: Slo, sample: Sample): number | undefined {
  if (endpoint === undefined) return sample.metrics[metric];
  const found = sample.load.endpoints.find(({ name }) => name === endpoint);
  return found && endpointValue(found, metric);
}

function verdictOf(
  { metric, limit }: Slo,
  { low, high }: MetricSummary,
  values: readonly number[],
): SloVerdict["verdict"] {
  const keeps = (value: number) => directionOf(metric) * (value - limit) >= 0;
  const ends = low === undefined || high === undefined ? values : [low, high];
  if (ends.every(keeps)) return "pass";
  return ends.some(keeps) ? "inconclusive" : "fail";
}

function inWords(slo: Slo, summary: MetricSummary, verdict: SloVerdict["verdict"]): string {
  const inUnit = (value: number) => valueInWords(slo.metric, value);
  const { value, low, high, windows } = summary;
  const spread =
    low === undefined || high === undefined
      ? `${windows} ${windows === 1 ? "window" : "windows"}, too few for an interval, so that only values are compared`
      : `95 % interval ${inUnit(low)} to ${inUnit(high)}, ${windows} windows`;
  const limit = `the limit of ${inUnit(slo.limit)}`;
  const found = { pass: `keeps ${limit}`, fail: `is beyond ${limit}`, invalid: "" };
  const ending =
    verdict === "inconclusive" ? `is not shown to keep ${limit} or to break it` : found[verdict];
  return `${subjectOf(slo)} ${inUnit(value)} (${spread}) ${ending}.`;
}

function subjectOf({ metric, endpoint }: Slo): string {
  const { title } = metricOf(metric);
  return endpoint === undefined ? title : `${title} of ${endpoint}`;
}

interface Windows {
  readonly samples: readonly Sample[];
  readonly sound: readonly Sample[];
  readonly usable: readonly Sample[];
}

function unmeasured(slo: Slo, { samples, sound, usable }: Windows, found: number): string {
  const subject = `${slo.text} cannot be judged`;
  if (samples.length === 0) return `${subject}: there is no window.`;
  if (sound.length === 0) {
    const why = samples.flatMap((sample) => spoiltBy(sample, spoilerOf(slo))?.detail ?? []);
    return `${subject}: none of ${samples.length} windows can be used (${why[0] ?? "no reason was given"}).`;
  }
  if (usable.length === 0) return `${subject}: no window sent a request to ${slo.endpoint}.`;
  return `${subject}: ${subjectOf(slo)} is missing in ${usable.length - found} of ${usable.length} windows.`;
}
