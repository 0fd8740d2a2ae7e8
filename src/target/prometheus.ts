/** Reads the service's own series from its metrics page, in Prometheus' text format. */
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { HistogramMap, SeriesMap } from "../core/target-file.ts";
import { histogramsOf, type HistogramValues } from "./histograms.ts";
import { hasLabels, parsePage, parseSelector, type Page } from "./metrics-page.ts";

export type SeriesValues = Readonly<Partial<Record<keyof SeriesMap, number>>>;

/** What one reading of the page gave. */
export interface PageValues {
  readonly series: SeriesValues;
  readonly histograms: HistogramValues;
}

const SCRAPE_TIMEOUT_MS = 5_000;
/** Around a window of overload the page waits behind what is still under way, and without it the window would be lost. */
const SCRAPE_ALL_TIMEOUT_MS = 30_000;

export interface MetricsPage {
  readonly url: string;
  readonly series: SeriesMap;
  readonly histograms?: HistogramMap;
  /** As the load sends them. */
  readonly headers?: Readonly<Record<string, string>>;
}

export async function scrape(page: MetricsPage): Promise<SeriesValues> {
  return seriesValues(await read(page, SCRAPE_TIMEOUT_MS), page.series);
}

/** Series and histograms together: parsing the buckets is only worth it around a window. */
export async function scrapeAll(page: MetricsPage): Promise<PageValues> {
  const text = await read(page, SCRAPE_ALL_TIMEOUT_MS);
  return {
    series: seriesValues(text, page.series),
    histograms: histogramsOf(parsePage(text).samples, page.histograms ?? {}),
  };
}

async function read({ url, headers = {} }: MetricsPage, timeoutMs: number): Promise<string> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    if (!response.ok) throw new Error(`status ${response.status}`);
    return text;
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `the service's metrics at ${url} could not be read: ${messageOf(error)}`,
      "check service.metrics.path in the target file",
      { cause: error },
    );
  }
}

/** The mapped series that the page has; one that matches several label sets is their sum. */
export function seriesValues(text: string, series: SeriesMap): SeriesValues {
  const page = parsePage(text);
  const found = Object.entries(series).flatMap(([key, selector]: [string, string]) => {
    const value = select(page, selector);
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(found);
}

/**
 * `name` or `name{label="value"}`; labels that the selector does not name may have any value. A declared series without a
 * matching sample is 0: counters with labels only appear with their first event. An undeclared one is unknown.
 */
function select(page: Page, selector: string): number | undefined {
  const { name, wanted } = parseSelector(selector);
  if (!page.names.has(name)) return undefined;
  const total = page.samples
    .filter((sample) => sample.name === name && hasLabels(sample, wanted))
    .reduce((sum, sample) => sum + sample.value, 0);
  return Number.isFinite(total) ? total : undefined;
}
