// The workers' metrics pages as one: counters and histograms summed, gauges by what they mean.

export type Sample = { readonly name: string; readonly labels: string; readonly value: number };

type Family = { readonly name: string; readonly help: string; readonly type: string };
type Page = {
  readonly families: readonly Family[];
  readonly samples: ReadonlyMap<Family, readonly Sample[]>;
};

export type Pages = {
  /** What a worker's page says now; undefined: it could not be read. */
  readonly read: (worker: string, text: string | undefined) => void;
  /** The worker's process ended: what it counted stays in the sums, or they would go backwards. */
  readonly ended: (worker: string) => void;
  readonly merged: () => string;
};

type Rule = "sum" | "mean" | "max";

export function createPages(): Pages {
  const known = new Map<string, { page: Page; current: boolean }>();
  const gone: Page[] = [];
  return {
    read(worker, text) {
      const before = known.get(worker);
      if (text !== undefined) known.set(worker, { page: parsePage(text), current: true });
      else if (before !== undefined) before.current = false;
    },
    ended(worker) {
      const last = known.get(worker);
      known.delete(worker);
      if (last === undefined) return;
      gone.push(onlyCounts(last.page));
      // Two pages of counts are as good as one of their sums.
      if (gone.length > 1) gone.splice(0, gone.length, parsePage(merge(gone)));
    },
    merged: () =>
      merge([
        ...gone,
        ...[...known.values()].map(({ page, current }) => (current ? page : onlyCounts(page))),
      ]),
  };
}

/** prom-client writes HELP and TYPE before a family's samples, and its labels always in the same order. */
function parsePage(text: string): Page {
  const families: Family[] = [];
  const samples = new Map<Family, Sample[]>();
  let help = "";
  let list: Sample[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ")) help = line;
    else if (line.startsWith("# TYPE ")) {
      const [name = "", type = ""] = line.slice("# TYPE ".length).split(" ");
      const family = { name, help, type };
      list = [];
      families.push(family);
      samples.set(family, list);
    } else if (line !== "" && !line.startsWith("#")) {
      const sample = parseSample(line);
      if (sample !== undefined) list.push(sample);
    }
  }
  return { families, samples };
}

function parseSample(line: string): Sample | undefined {
  // Values of labels may hold spaces and braces; the number is behind the last of both.
  const end = line.lastIndexOf(" ");
  const value = Number(line.slice(end + 1).replace("+Inf", "Infinity"));
  const [key, open] = [line.slice(0, end), line.indexOf("{")];
  if (end < 0 || Number.isNaN(value)) return undefined;
  return open < 0 || open > end
    ? { name: key, labels: "", value }
    : { name: key.slice(0, open), labels: key.slice(open), value };
}

function onlyCounts({ families, samples }: Page): Page {
  return { families: families.filter(({ type }) => type !== "gauge"), samples };
}

function merge(pages: readonly Page[]): string {
  const families = new Map<string, Family>();
  const values = new Map<string, Map<string, number[]>>();
  for (const page of pages) {
    for (const family of page.families) {
      if (!families.has(family.name)) families.set(family.name, family);
      const series = values.get(family.name) ?? new Map<string, number[]>();
      values.set(family.name, series);
      for (const { name, labels, value } of page.samples.get(family) ?? []) {
        const key = name + labels;
        const list = series.get(key);
        if (list === undefined) series.set(key, [value]);
        else list.push(value);
      }
    }
  }
  return [...families.values()].map((family) => familyText(family, values)).join("\n");
}

function familyText(
  { name, help, type }: Family,
  values: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>,
): string {
  const lines = [help, `# TYPE ${name} ${type}`];
  for (const [key, each] of values.get(name) ?? [])
    lines.push(`${key} ${combine(each, ruleOf(type, key))}`);
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}

function ruleOf(type: string, key: string): Rule {
  if (type !== "gauge") return "sum";
  if (/_ratio(?:\{|$)/.test(key)) return "mean";
  if (key.startsWith("registry_event_loop_delay_seconds")) return "max";
  // Each process has its own breaker: an open one must not look like two that are half open.
  if (key.startsWith("registry_circuit_state")) return "max";
  // Every process reads the length of the same queue.
  if (/^registry_jobs\{.*state="(?:waiting|held)"/.test(key)) return "max";
  return "sum";
}

function combine(values: readonly number[], rule: Rule): number {
  if (rule === "max") return Math.max(...values);
  const sum = values.reduce((total, value) => total + value, 0);
  return rule === "mean" ? sum / values.length : sum;
}
