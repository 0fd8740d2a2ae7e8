/** A history as a document: each series as a small line of blocks, and its change points in words. */
import type {
  HistoryChange,
  HistoryGroup,
  HistoryPoint,
  HistorySeries,
  SeriesKey,
} from "../core/history.ts";
import { metricOf } from "../core/metric.ts";
import { countOf, formatEffectChange, formatMetric, formatP } from "./format.ts";
import { formatCount, formatLength, sideInWords } from "./gate/words.ts";
import {
  list,
  section,
  shortened,
  table,
  type Block,
  type Cell,
  type Document,
  type Section,
} from "./outputs/document.ts";
import { sparkline } from "./sparkline.ts";

const NAME_CHARACTERS_SHOWN = 60;

export interface ShownHistory {
  /** As the user named it. */
  readonly where: string;
  readonly groups: readonly HistoryGroup[];
  /** Lines that could not be read. */
  readonly problems: readonly string[];
}

export function historyDocument({ where, groups, problems }: ShownHistory): Document {
  const changes = groups.flatMap(({ series }) => series.flatMap((each) => each.changes));
  const worse = changes.filter(({ reading }) => reading === "regression").length;
  return {
    kind: "history",
    name: where,
    title: "perfopt history",
    word: {
      text: changes.length === 0 ? "NO CHANGE SHOWN" : countOf(changes.length, "CHANGE POINT"),
      tone: worse > 0 ? "warn" : "plain",
    },
    headline: headlineOf(groups, changes.length, worse),
    lead: [],
    sections: [
      ...groups.flatMap(groupSection),
      ...section("Lines that were skipped", "open", [list(problems)]),
      ...section("How to read it", "folded", [list(howToRead(groups))]),
    ],
  };
}

function headlineOf(groups: readonly HistoryGroup[], changes: number, worse: number): string {
  const runs = groups.reduce((sum, group) => sum + group.runs, 0);
  const counted = `${countOf(runs, "run")} in ${countOf(groups.length, "group")}`;
  if (changes === 0) return counted;
  return `${counted}, ${countOf(worse, "change")} for the worse and ${changes - worse} for the better`;
}

function groupSection(group: HistoryGroup): readonly Section[] {
  const { series, unusable } = group;
  return section(groupTitle(group), "open", [
    { kind: "text", text: conditionsInWords(group) },
    seriesTable(series),
    list(series.flatMap((each) => each.changes.map((change) => changeInWords(each, change)))),
    list([
      ...shortSeries(series),
      ...(unusable === 0
        ? []
        : [`${countOf(unusable, "run")} without a valid window: in no series`]),
    ]),
  ]);
}

function groupTitle({ target, workload, scale, runs }: HistoryGroup): string {
  const data = scale === undefined ? "" : `, scale ${scale}`;
  return shortened(`${target}/${workload}${data}: ${countOf(runs, "run")}`, 120);
}

function conditionsInWords({ load, environment }: HistoryGroup): string {
  const amount = `${formatCount(load.amount)}${load.kind === "users" ? " users" : "/s"}`;
  const { cores, cpu } = environment;
  return `${amount}, ${load.scenario}, windows of ${formatLength(load.windowMs)}, on ${countOf(cores, "core")} of ${cpu}.`;
}

function seriesTable(series: readonly HistorySeries[]): Block | undefined {
  const rows = series.map(({ points, changes, ...key }): readonly Cell[] => [
    keyInWords(key),
    formatMetric(key.metric, points[0]?.value),
    formatMetric(key.metric, points.at(-1)?.value),
    sparkline(
      points.map(({ value }) => value),
      changes.map(({ index }) => index),
    ),
    String(points.length),
    changes.length === 0 ? "none shown" : String(changes.length),
  ]);
  return table(["metric", "first", "latest", "history", "runs", "change points"], rows);
}

/** `API p95`, `API p95 of search`. */
function keyInWords({ metric, endpoint }: SeriesKey): string {
  const { title } = metricOf(metric);
  return endpoint === undefined
    ? title
    : `${title} of ${shortened(endpoint, NAME_CHARACTERS_SHOWN)}`;
}

function changeInWords(series: HistorySeries, change: HistoryChange): string {
  const { metric, points, changes } = series;
  const { compare } = metricOf(metric);
  const { index, before, after, p, reading, also } = change;
  const [last, first] = [points[index - 1], points[index]];
  const position = changes.indexOf(change);
  const from = changes[position - 1]?.index ?? 0;
  const to = changes[position + 1]?.index ?? points.length;
  const size = formatEffectChange({ metric, compare, estimate: change.change });
  return [
    `${keyInWords(series)} ${size} (${formatMetric(metric, before)} to ${formatMetric(metric, after)}), ${reading === "regression" ? "worse" : "better"}:`,
    `between ${pointInWords(last)} and ${pointInWords(first)};`,
    `${countOf(index - from, "run")} before, ${to - index} after, p ${p < 0.001 ? "" : "= "}${formatP(p)}`,
    ...(also.length === 0 ? [] : [`; also changed: ${also.join(", ")}`]),
  ]
    .join(" ")
    .replace(" ;", ";");
}

/** `main (9f2c1ab) of 2026-01-02`. */
function pointInWords(point: HistoryPoint | undefined): string {
  return point ? `${sideInWords(point.side)} of ${point.startedAt.slice(0, 10)}` : "the beginning";
}

function shortSeries(series: readonly HistorySeries[]): readonly string[] {
  const short = series.filter(({ needed }) => needed !== undefined);
  const [first] = short;
  if (!first) return [];
  const names = short.map((each) => `${keyInWords(each)} has ${each.points.length}`);
  return [
    `${first.needed} runs are needed before a change point can be told from chance: ${names.join(", ")}`,
  ];
}

function howToRead(groups: readonly HistoryGroup[]): readonly string[] {
  const tested = groups.flatMap(({ series }) => series).length;
  return [
    "A change point is where the level of a series changed for longer than chance allows (E-divisive means, tested by permutation at 1 %). The change lies between the two runs that are named.",
    `${countOf(tested, "series", "series")} tested: a steady one shows a change in about 1 of 100 cases, more often where neighbouring runs depend on each other.`,
    "Runs are in one group when target, workload, data, load and machine are the same; give bench a fixed --rate, so that they are.",
    "A history speaks of days and machines as well as of code. Whether one change made it worse is what `perfopt gate` decides.",
  ];
}
