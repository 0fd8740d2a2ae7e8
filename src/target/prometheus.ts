/** Reads the service's own series from its metrics page, in Prometheus' text format. */
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { SeriesMap } from "../core/target-file.ts";

export type SeriesValues = Readonly<Partial<Record<keyof SeriesMap, number>>>;

const SCRAPE_TIMEOUT_MS = 5_000;

export interface MetricsPage {
  readonly url: string;
  readonly series: SeriesMap;
  /** As the load sends them. */
  readonly headers?: Readonly<Record<string, string>>;
}

export async function scrape({ url, series, headers = {} }: MetricsPage): Promise<SeriesValues> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
    const text = await response.text();
    if (!response.ok) throw new Error(`status ${response.status}`);
    return seriesValues(text, series);
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

interface PageSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

interface Page {
  readonly samples: readonly PageSample[];
  /** Names that the page declares, with and without samples. */
  readonly names: ReadonlySet<string>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

function parsePage(text: string): Page {
  const samples: PageSample[] = [];
  const names = new Set<string>();
  for (const line of text.split("\n").map((each) => each.trim())) {
    const declared = /^#\s+TYPE\s+(\S+)\s+(\S+)$/.exec(line);
    if (declared?.[1] !== undefined) declare(names, declared[1], declared[2] ?? "");
    const match = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (!match) continue;
    const [, name = "", labels = "", value = ""] = match;
    names.add(name);
    samples.push({ name, labels: parseLabels(labels), value: parseValue(value) });
  }
  return { samples, names };
}

function declare(names: Set<string>, name: string, type: string): void {
  names.add(name);
  if (type !== "histogram" && type !== "summary") return;
  for (const suffix of ["_sum", "_count"]) names.add(`${name}${suffix}`);
}

function parseLabels(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(LABEL)].map(([, name = "", value = ""]) => [name, unescapeLabel(value)]),
  );
}

function unescapeLabel(value: string): string {
  return value.replace(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
}

function parseValue(text: string): number {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

/**
 * `name` or `name{label="value"}`; labels that the selector does not name may have any value. A declared series without a
 * matching sample is 0: counters with labels only appear with their first event. An undeclared one is unknown.
 */
function select(page: Page, selector: string): number | undefined {
  const match = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*$/.exec(selector);
  const name = match?.[1];
  if (name === undefined || !page.names.has(name)) return undefined;
  const wanted = parseLabels(match?.[2] ?? "");
  const total = page.samples
    .filter((sample) => sample.name === name && hasLabels(sample, wanted))
    .reduce((sum, sample) => sum + sample.value, 0);
  return Number.isFinite(total) ? total : undefined;
}

function hasLabels(sample: PageSample, wanted: ReadonlyMap<string, string>): boolean {
  return [...wanted].every(([name, value]) => sample.labels.get(name) === value);
}
