/** Prometheus histograms of a metrics page: buckets by their upper bound, what was added to them in a window, and its quantiles. */
import type { HistogramMap } from "../core/target-file.ts";
import { hasLabels, parseSelector, type PageSample } from "./metrics-page.ts";

export interface Histogram {
  /** Observations at or below each bound in seconds, ascending; the last bound is Infinity. */
  readonly buckets: readonly { readonly bound: number; readonly count: number }[];
  readonly sum: number;
  readonly count: number;
}

/** By key; those of workers by the value of their label. */
export interface HistogramValues {
  readonly one: Readonly<Partial<Record<keyof HistogramMap, Histogram>>>;
  readonly byWorker: ReadonlyMap<string, Histogram>;
}

export const NO_HISTOGRAMS: HistogramValues = { one: {}, byWorker: new Map() };

export function histogramsOf(samples: readonly PageSample[], map: HistogramMap): HistogramValues {
  const one = Object.entries(map).flatMap(([key, selector]: [string, string]) => {
    const found = histogramOf(samples, selector);
    return found ? [[key, found] as const] : [];
  });
  const workers = map.workerSeconds;
  return {
    one: Object.fromEntries(one),
    byWorker: workers === undefined ? new Map() : histogramsByWorker(samples, workers),
  };
}

function histogramsByWorker(samples: readonly PageSample[], selector: string) {
  const { name } = parseSelector(selector);
  const workers = new Set(
    samples.flatMap((sample) =>
      sample.name === `${name}_count` ? (sample.labels.get("worker") ?? []) : [],
    ),
  );
  const found = new Map<string, Histogram>();
  for (const worker of workers) {
    const own = samples.filter((sample) => sample.labels.get("worker") === worker);
    const histogram = histogramOf(own, selector);
    if (histogram) found.set(worker, histogram);
  }
  return found;
}

/** Of all label sets that match, their sum; undefined when the page has none. */
function histogramOf(samples: readonly PageSample[], selector: string): Histogram | undefined {
  const { name, wanted } = parseSelector(selector);
  const matching = samples.filter((sample) => hasLabels(sample, wanted));
  const total = (suffix: string) =>
    matching.reduce((sum, each) => (each.name === name + suffix ? sum + each.value : sum), 0);
  const counts = new Map<number, number>();
  for (const { name: each, labels, value } of matching) {
    if (each !== `${name}_bucket`) continue;
    const bound = boundOf(labels.get("le"));
    if (bound !== undefined) counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  if (counts.size === 0) return undefined;
  const buckets = [...counts]
    .map(([bound, count]) => ({ bound, count }))
    .toSorted((a, b) => a.bound - b.bound);
  return { buckets, sum: total("_sum"), count: total("_count") };
}

function boundOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bound = text === "+Inf" ? Infinity : Number(text);
  return Number.isNaN(bound) ? undefined : bound;
}

/** What was observed between two readings; undefined where one is missing, or the process began anew. */
export function histogramGrown(
  before: Histogram | undefined,
  after: Histogram | undefined,
): Histogram | undefined {
  // A histogram with labels appears with its first observation.
  if (!after || !before) return after;
  const earlier = new Map(before.buckets.map(({ bound, count }) => [bound, count]));
  const buckets = after.buckets.map(({ bound, count }) => ({
    bound,
    count: count - (earlier.get(bound) ?? 0),
  }));
  if (after.count < before.count || buckets.some(({ count }) => count < 0)) return undefined;
  return { buckets, sum: after.sum - before.sum, count: after.count - before.count };
}

/**
 * A quantile in seconds by linear interpolation within its bucket, as Prometheus' histogram_quantile has it: no finer than the
 * buckets are. Of the last bucket, which has no upper end, its lower one. Undefined without observations.
 */
export function quantileOf(histogram: Histogram | undefined, share: number): number | undefined {
  if (!histogram || histogram.count <= 0) return undefined;
  const rank = share * histogram.count;
  let low = 0;
  let below = 0;
  for (const { bound, count } of histogram.buckets) {
    if (count >= rank && count > below) {
      if (bound === Infinity) return low;
      return low + ((rank - below) / (count - below)) * (bound - low);
    }
    low = bound;
    below = count;
  }
  return undefined;
}

/** Mean in seconds; undefined without observations. */
export function meanOf(histogram: Histogram | undefined): number | undefined {
  return histogram && histogram.count > 0 ? histogram.sum / histogram.count : undefined;
}
