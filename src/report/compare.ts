/** A comparison of two stored results as a document: what differs, how sure that is, and what it cannot say. */
import type { ComparedRun, Comparison, MetricComparison } from "../core/comparison.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { LimitResult } from "../core/result.ts";
import { formatChange, formatRatio } from "../core/units.ts";
import { readEffect } from "./effects.ts";
import {
  countOf,
  formatDetectable,
  formatEffectChange,
  formatInterval,
  formatMetric,
  neat,
} from "./format.ts";
import { formatCount, nameOf, sideInWords } from "./gate/words.ts";
import {
  list,
  section,
  shortened,
  table,
  type Block,
  type Cell,
  type Document,
} from "./outputs/document.ts";

const NAME_CHARACTERS_SHOWN = 60;
const HEADLINE: readonly MetricId[] = [
  "api.latencyP50Ms",
  "api.latencyP95Ms",
  "service.cpuMsPerRequest",
];

export function compareDocument(comparison: Comparison): Document {
  const { a, b, differences, metrics, warnings } = comparison;
  const forced = differences.length > 0;
  return {
    kind: "compare",
    name: nameOf(comparison),
    title: "perfopt compare",
    word: forced
      ? { text: "COMPARED although measured differently", tone: "warn" }
      : { text: "COMPARED", tone: "plain" },
    headline: headlineOf(comparison),
    lead: [list([`A: ${runInWords(a)}`, `B: ${runInWords(b)}`])].filter(
      (each) => each !== undefined,
    ),
    sections: [
      ...section("Measured differently", "open", [
        table(
          ["what", "A", "B"],
          differences.map((each) => [each.what, shortened(each.a, 80), shortened(each.b, 80)]),
        ),
      ]),
      ...section("Metrics", "open", [metricsTable(metrics, comparison.confidence)]),
      ...section("The most load that holds the limits", "open", [limitText(a, b)]),
      ...section("Endpoints", "open", [endpointsTable(comparison)]),
      ...section("Warnings", "open", [list(warnings)]),
      ...section("What this does not prove", "open", [list(limitsOf(comparison))]),
    ],
  };
}

function headlineOf({ metrics }: Comparison): string {
  const parts = HEADLINE.flatMap((id) => {
    const found = metrics.find(({ metric }) => metric === id);
    return found ? [`${metricOf(id).title} ${formatEffectChange(found)}`] : [];
  });
  const changes = parts.length === 0 ? "" : `, ${parts.join(", ")}`;
  return `B against A${changes}; unpaired, for orientation`;
}

function runInWords({ file, startedAt, side, windows }: ComparedRun): string {
  const valid = `${windows.valid} of ${countOf(windows.all, "window")} valid`;
  return `${sideInWords(side)}, ${startedAt}, ${valid} (${shortened(file, 120)})`;
}

function metricsTable(metrics: readonly MetricComparison[], confidence: number): Block | undefined {
  const rows = metrics.map((each): readonly Cell[] => [
    metricOf(each.metric).title,
    formatMetric(each.metric, each.a),
    formatMetric(each.metric, each.b),
    formatEffectChange(each),
    ...intervalCells(each),
  ]);
  const interval = `${neat(formatRatio(confidence))} interval, unpaired`;
  return table(["metric", "A", "B", "change", interval, "between these two runs"], rows);
}

function intervalCells(comparison: MetricComparison): readonly Cell[] {
  const { low, high } = comparison;
  if (low === undefined || high === undefined) return ["too few windows", "not known"];
  const effect = { ...comparison, low, high };
  const reading = readEffect(effect);
  return [
    formatInterval(effect),
    reading === "no change shown" ? reading : { text: reading, tone: tones[reading] },
  ];
}

const tones = { better: "good", worse: "warn" } as const;

function limitText(a: ComparedRun, b: ComparedRun): Block | undefined {
  if (!a.limit || !b.limit) return undefined;
  return { kind: "text", text: `A holds ${held(a.limit)}, B holds ${held(b.limit)}.` };
}

function held({ holds, unit }: LimitResult): string {
  return holds === undefined ? "no load that was tried" : `${formatCount(holds)} ${unit}`;
}

/** A row an endpoint; each cell is A, B and the change, which has no interval. */
function endpointsTable({ endpoints }: Comparison): Block | undefined {
  const names = [...new Set(endpoints.map(({ endpoint }) => endpoint))];
  const shown = [...new Set(endpoints.map(({ metric }) => metric))];
  const rows = names.map((name): readonly Cell[] => [
    { text: shortened(name, NAME_CHARACTERS_SHOWN), code: true },
    ...shown.map((metric) => {
      const found = endpoints.find((each) => each.endpoint === name && each.metric === metric);
      return found ? endpointCell(metric, found.a, found.b) : "";
    }),
  ]);
  return table(["endpoint", ...shown.map((metric) => `${metricOf(metric).title}, A to B`)], rows);
}

function endpointCell(metric: MetricId, a: number, b: number): string {
  const values = `${formatMetric(metric, a)} to ${formatMetric(metric, b)}`;
  if (a === b) return `${values} (the same)`;
  if (metricOf(metric).compare === "ratio") {
    return a > 0 ? `${values} (${formatChange(b / a)})` : values;
  }
  return `${values} (${b > a ? "+" : "-"}${formatDetectable(metric, Math.abs(b - a))})`;
}

function limitsOf({ a, b }: Comparison): readonly string[] {
  const few = Math.min(a.windows.valid, b.windows.valid) < 3;
  return [
    "A and B were measured one after the other, not in turns: whatever else changed between the two times (another load on the machine, its temperature, another virtual machine of the same model) is in the difference, and no interval of this table has it.",
    "On public histories of benchmarks a threshold of 10 % against the run before stops between 22 and 69 % of all runs (docs/history.md).",
    "The intervals come from the spread between the windows of each run. Two runs of the same version differ by more than that.",
    "Percentiles of endpoints are from the histograms of all valid windows together; they have no interval.",
    ...(few ? ["One of the runs has fewer than 3 valid windows."] : []),
    "A verdict needs both versions measured in turns on one machine: `perfopt gate --base A --head B`.",
  ];
}
