/** Prometheus' text format: a page of samples with labels, and selectors of them. */

export interface PageSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Page {
  readonly samples: readonly PageSample[];
  /** Names that the page declares, with and without samples. */
  readonly names: ReadonlySet<string>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

export function parsePage(text: string): Page {
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

/** `name` or `name{label="value"}`; the profiles have checked the form. */
export function parseSelector(selector: string) {
  const match = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s*$/.exec(selector);
  return { name: match?.[1] ?? selector, wanted: parseLabels(match?.[2] ?? "") };
}

export function hasLabels(sample: PageSample, wanted: ReadonlyMap<string, string>): boolean {
  return [...wanted].every(([name, value]) => sample.labels.get(name) === value);
}
