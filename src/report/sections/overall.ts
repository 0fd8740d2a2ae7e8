/** Section 5: every metric of the confirmation by group, and all that got worse by name. */
import { metricOf, metrics, type Metric } from "../../core/metric.ts";
import type { Effect } from "../../core/trial.ts";
import { formatDuration } from "../../core/units.ts";
import { isUsable, leansWorse, readEffect } from "../effects.ts";
import { cite, countOf, describeEffect, NOT_MEASURED } from "../format.ts";
import { blocks, fold, list, plain, sentence, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { readLoad, type Reading } from "../windows.ts";
import { effectsTable } from "./effects-table.ts";
import { tasksText } from "./tasks.ts";

const groups: readonly { readonly group: Metric["group"]; readonly title: string }[] = [
  { group: "api", title: "API" },
  { group: "database", title: "Database" },
  { group: "cache", title: "Cache" },
  { group: "async", title: "Jobs" },
  { group: "batch", title: "Bulk work" },
  { group: "system", title: "System" },
];

export function overallSection(summary: Summary): string {
  const effects = summary.confirmed?.event.effects.filter(isUsable) ?? [];
  if (effects.length === 0 || !summary.confirmed) return absentText(summary);
  return blocks([
    `The baseline against everything kept together, ${countOf(summary.confirmBlock.pairs.length, "pair")} measured afresh (${cite([...summary.confirmBlock.windows.map(({ seq }) => seq), summary.confirmed.seq])}). ${sentence(plain(summary.confirmed.event.detail))}`,
    ...groups.map(({ group, title }) => groupText(group, title, effects)),
    worseText(effects),
    endpointsText(summary),
    tasksText(summary),
    fold(
      "Where each number comes from",
      table(
        ["metric", "source"],
        effects.map(({ metric }) => [metricOf(metric).title, plain(metricOf(metric).source)]),
      ),
    ),
  ]);
}

function absentText({ basis }: Summary): string {
  return basis === "baseline"
    ? `Nothing was kept, so there is nothing to confirm: overall change ${NOT_MEASURED}.`
    : `There is no confirmation block in the journal: overall change ${NOT_MEASURED}. The trials' effects above do not add up to it.`;
}

function groupText(
  group: Metric["group"],
  title: string,
  effects: readonly Effect[],
): string | undefined {
  const known = metrics.filter((metric) => metric.group === group);
  const found = effects.filter((effect) => metricOf(effect.metric).group === group);
  // A service without jobs has no chapter on them, nor a workload without tasks; the other groups say what is missing.
  if ((group === "async" || group === "batch") && found.length === 0) return undefined;
  // What only windows of overload have is not missed here.
  const missing = known.filter(
    ({ id }) => id !== "api.goodRatio" && !found.some((effect) => effect.metric === id),
  );
  return blocks([
    `### ${title}`,
    found.length > 0 ? effectsTable(found, ["before", "after"]) : undefined,
    missing.length > 0
      ? `${NOT_MEASURED.replace("n", "N")}: ${missing.map((metric) => metric.title).join(", ")}.`
      : undefined,
  ]);
}

function worseText(effects: readonly Effect[]): string {
  const worse = effects.filter((effect) => readEffect(effect) === "worse");
  const leaning = effects.filter(
    (effect) => readEffect(effect) === "no change shown" && leansWorse(effect),
  );
  return blocks([
    "### What got worse",
    worse.length > 0 ? `Proven worse:\n\n${list(worse.map(named))}` : "No metric is proven worse.",
    leaning.length > 0
      ? `Worse by the estimate, but within what chance does:\n\n${list(leaning.map(named))}`
      : undefined,
  ]);
}

function named(effect: Effect): string {
  return `${metricOf(effect.metric).title} ${describeEffect(effect)}`;
}

/** Fewer requests than this in a window have no p95 worth the name: of 10 it is the slowest. */
const REQUESTS_FOR_P95_MIN = 100;

function endpointsText({ confirmBlock }: Summary): string | undefined {
  const names = [
    ...new Set(
      confirmBlock.pairs.flatMap((pair) =>
        pair.incumbent.sample.load.endpoints.map((endpoint) => endpoint.name),
      ),
    ),
  ];
  if (names.length === 0) return undefined;
  const read = (name: string, role: "incumbent" | "candidate", key: EndpointFigure) =>
    readLoad(
      confirmBlock,
      role,
      (load) => load.endpoints.find((endpoint) => endpoint.name === name)?.[key],
    );
  return blocks([
    "### By endpoint",
    "Medians over the windows of each arm, to see where the change comes from; no decision rests on them.",
    table(
      [
        "endpoint",
        "requests a window",
        "p50 before",
        "p50 after",
        "p95 before",
        "p95 after",
        "errors a window, before and after",
      ],
      names.map((name) => {
        const requests = read(name, "candidate", "requests");
        const enough = (requests?.median ?? 0) >= REQUESTS_FOR_P95_MIN;
        return [
          plain(name),
          requests ? requests.median.toFixed(0) : NOT_MEASURED,
          latency(read(name, "incumbent", "latencyP50Ms")),
          latency(read(name, "candidate", "latencyP50Ms")),
          enough ? latency(read(name, "incumbent", "latencyP95Ms")) : "too few requests",
          enough ? latency(read(name, "candidate", "latencyP95Ms")) : "too few requests",
          `${countText(read(name, "incumbent", "errors"))}, ${countText(read(name, "candidate", "errors"))}`,
        ];
      }),
    ),
  ]);
}

type EndpointFigure = "requests" | "errors" | "latencyP50Ms" | "latencyP95Ms";

function latency(reading: Reading | undefined): string {
  return reading && reading.median > 0 ? formatDuration(reading.median) : NOT_MEASURED;
}

function countText(reading: Reading | undefined): string {
  return reading ? String(reading.median) : NOT_MEASURED;
}
