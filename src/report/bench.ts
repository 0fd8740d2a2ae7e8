/** A bench's result as a document: the service's numbers with their intervals, limits, the most load, and what was not valid. */
import type { GateVerdict } from "../core/gate.ts";
import { metricIds, metricOf, type MetricId } from "../core/metric.ts";
import type { BenchResult, BenchWindow, LimitProbe, LimitResult } from "../core/result.ts";
import { formatBytes } from "../core/units.ts";
import { tasksTable } from "./bench-tasks.ts";
import { timelineBlocks } from "./bench-timeline.ts";
import { countOf, formatMetric } from "./format.ts";
import { intervalOf, sloDetails, slosTable } from "./gate/tables.ts";
import {
  environmentFacts,
  formatCount,
  nameOf,
  runFacts,
  sideInWords,
  windowsInWords,
} from "./gate/words.ts";
import { sentence } from "./markdown-text.ts";
import {
  list,
  section,
  shortened,
  table,
  verdictWord,
  type Block,
  type Cell,
  type Document,
  type Marked,
} from "./outputs/document.ts";

const NAME_CHARACTERS_SHOWN = 60;
const ENDPOINTS_SHOWN = 100;

export function benchDocument(result: BenchResult): Document {
  return {
    kind: "bench",
    name: nameOf(result),
    title: "perfopt bench",
    word: benchWord(result),
    headline: headlineOf(result),
    lead: [{ kind: "text", text: `${sideInWords(result.side)}, ${loadInWords(result)}.` }],
    sections: [
      ...section("Limits", "open", [slosTable(result.slos), list(sloDetails(result.slos))]),
      ...limitSection(result.limit),
      ...section("Metrics", "open", [metricsTable(result)]),
      ...section("Endpoints", "open", [endpointsTable(result)]),
      ...section("Bulk work", "open", [tasksTable(result.windows)]),
      ...section("Over time", "open", timelineBlocks(result.windows)),
      ...section("Warnings", "open", [list(result.warnings)]),
      ...section("Windows", "folded", [windowsTable(result.windows)]),
      ...section("How it was measured", "folded", [list(howMeasured(result))]),
    ],
  };
}

/** What a bench says as a whole: its limits', and invalid when nothing of it can be used. */
export function benchVerdict({ windows, slos, limit }: BenchResult): GateVerdict {
  const usable = windows.some(({ valid }) => valid) || (limit && windows.length === 0);
  if (!usable) return "invalid";
  const verdicts = slos.map(({ verdict }) => verdict);
  return (
    (["fail", "invalid", "inconclusive"] as const).find((each) => verdicts.includes(each)) ?? "pass"
  );
}

function benchWord(result: BenchResult): Marked {
  const verdict = benchVerdict(result);
  return verdict === "pass" && result.slos.length === 0
    ? { text: "MEASURED", tone: "plain" }
    : verdictWord(verdict);
}

const HEADLINE = [
  "api.latencyP50Ms",
  "api.latencyP95Ms",
  "api.latencyP99Ms",
  "api.errorRate",
] as const satisfies readonly MetricId[];

function headlineOf(result: BenchResult): string {
  const { windows, metrics, limit, slos } = result;
  if (limit) return limitInWords(limit);
  const missed = slos.filter(({ verdict }) => verdict === "fail").length;
  const valid = windows.filter((window) => window.valid).length;
  const values = HEADLINE.flatMap((id) => {
    const summary = metrics[id];
    return summary ? [`${metricOf(id).title} ${formatMetric(id, summary.value)}`] : [];
  });
  return [
    missed === 0 ? "" : `${missed} of ${countOf(slos.length, "limit")} missed`,
    values.join(", "),
    `${valid} of ${countOf(windows.length, "window")} valid`,
  ]
    .filter((part) => part !== "")
    .join("; ");
}

function loadInWords({ load }: BenchResult): string {
  const amount =
    load.kind === "users"
      ? countOf(load.amount, "user")
      : `${formatCount(load.amount)}/s, ${load.arrivals} arrivals`;
  return `${amount}, ${load.scenario} (${load.how})`;
}

function limitInWords({ unit, holds, breaks, detail }: LimitResult): string {
  const load = (amount: number) => `${formatCount(amount)} ${unit}`;
  if (holds === undefined) return `no load that was tried holds the limits: ${detail}`;
  const until = breaks === undefined ? "nothing higher was tried" : `breaks at ${load(breaks)}`;
  return `holds its limits up to ${load(holds)}; ${until}`;
}

function limitSection(limit: LimitResult | undefined): ReturnType<typeof section> {
  if (!limit) return [];
  return section("The most load that holds the limits", "open", [
    {
      kind: "text",
      text: `Best guess ${formatCount(Math.round(limit.estimate))} ${limit.unit}. ${sentence(limit.detail)}`,
    },
    table(
      [limit.unit, "outcome", "API p50", "API p95", "error rate", "why"],
      limit.probes.map(probeRow),
    ),
  ]);
}

function probeRow({ load, outcome, why, metrics }: LimitProbe): readonly Cell[] {
  const tone = outcome === "holds" ? "good" : outcome === "breaks" ? "bad" : "warn";
  return [
    formatCount(load),
    { text: outcome, tone },
    formatMetric("api.latencyP50Ms", metrics["api.latencyP50Ms"]),
    formatMetric("api.latencyP95Ms", metrics["api.latencyP95Ms"]),
    formatMetric("api.errorRate", metrics["api.errorRate"]),
    why,
  ];
}

function metricsTable({ metrics }: BenchResult): Block | undefined {
  const rows = metricIds.flatMap((id: MetricId): readonly (readonly Cell[])[] => {
    const summary = metrics[id];
    if (!summary) return [];
    const { value, windows } = summary;
    return [
      [metricOf(id).title, formatMetric(id, value), intervalOf(id, summary), String(windows)],
    ];
  });
  return table(["metric", "median of windows", "95 % interval", "windows"], rows);
}

function endpointsTable({ endpoints }: BenchResult): Block | undefined {
  const rows = endpoints
    .slice(0, ENDPOINTS_SHOWN)
    .map((each): readonly Cell[] => [
      { text: shortened(each.name, NAME_CHARACTERS_SHOWN), code: true },
      formatCount(each.requests),
      formatCount(each.errors),
      formatMetric("api.latencyP50Ms", each.latencyP50Ms),
      formatMetric("api.latencyP95Ms", each.latencyP95Ms),
      formatMetric("api.latencyP99Ms", each.latencyP99Ms),
      formatBytes(each.responseBytesMean),
    ]);
  return table(["endpoint", "requests", "errors", "p50", "p95", "p99", "bytes a response"], rows);
}

function windowsTable(windows: readonly BenchWindow[]): Block | undefined {
  const rows = windows.map((window, index): readonly Cell[] => [
    String(index + 1),
    formatCount(window.requests),
    formatCount(window.errors),
    formatMetric("api.latencyP50Ms", window.metrics["api.latencyP50Ms"]),
    formatMetric("api.latencyP95Ms", window.metrics["api.latencyP95Ms"]),
    window.valid
      ? { text: "yes", tone: "good" }
      : { text: shortened(window.invalidBecause.join("; "), 300), tone: "warn" },
  ]);
  return table(["window", "requests", "errors", "API p50", "API p95", "valid"], rows);
}

function howMeasured(result: BenchResult): readonly string[] {
  const { windows, load } = result;
  const unmeasured = [...new Set(windows.flatMap(({ server }) => server?.unmeasured ?? []))];
  return [
    windowsInWords(windows, load),
    ...answers(windows),
    ...unmeasured.map((each) => `Not measured: ${each}`),
    ...environmentFacts(result.environment),
    runFacts(result),
  ];
}

/** Answers by status of all windows, when some were not good. */
function answers(windows: readonly BenchWindow[]): readonly string[] {
  if (windows.every(({ errors }) => errors === 0)) return [];
  const counts = new Map<string, number>();
  for (const { statuses } of windows)
    for (const [status, count] of Object.entries(statuses))
      counts.set(status, (counts.get(status) ?? 0) + count);
  const text = [...counts].map(([status, count]) => `${status}: ${formatCount(count)}`).join(", ");
  return [`Answers by status, all windows: ${text}`];
}
