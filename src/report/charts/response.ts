/** Response curves: the phase's objective over the values of each knob that was probed. */
import type { Entry } from "../../core/event.ts";
import type { Change, Knob, KnobValue } from "../../core/knob.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import { cite, countOf, formatKnobValue, formatMetric } from "../format.ts";
import { valuesAt } from "../lines.ts";
import type { PhaseSummary } from "../phases.ts";
import { metricValue, readArm } from "../windows.ts";
import { frame, plot, type Chart, type LegendItem } from "./frame.ts";
import { axisFormat, axisLabel, linearScale, settingScale, type Tick } from "./scale.ts";
import { colours, element, marker, path } from "./svg.ts";

type At = (value: number) => number;

interface Point {
  readonly kind: "probe" | "incumbent" | "kept" | "not kept";
  readonly setting: number;
  readonly value: number;
  readonly windows: number;
  readonly seqs: readonly number[];
}

/** One chart for each knob of the phase that was seen at two numeric values or more. */
export function responseCharts(
  phase: PhaseSummary,
  entries: readonly Entry[],
  baseline: Readonly<Record<string, KnobValue>>,
  knobs: readonly Knob[],
  fileOf: (knob: string) => string,
): readonly Chart[] {
  const { objective } = phase;
  if (objective === undefined) return [];
  return probedKnobs(phase).flatMap((id) => {
    const knob = knobs.find((each) => each.id === id);
    const points = pointsOf(phase, id, objective, (seq) => valuesAt(baseline, entries, seq)[id]);
    if (new Set(points.map((point) => point.setting)).size < 2) return [];
    const facts = {
      others: alongWith(phase, id),
      isOverload: phase.strategy?.overload !== undefined,
    };
    return [responseChart(fileOf(id), id, knob, objective, points, facts)];
  });
}

function probedKnobs(phase: PhaseSummary): readonly string[] {
  const ids = phase.probes.flatMap(({ event }) =>
    event.changes.flatMap((change) => (change.kind === "set-knob" ? [change.knob] : [])),
  );
  return [...new Set(ids)];
}

function pointsOf(
  phase: PhaseSummary,
  id: string,
  metric: MetricId,
  incumbentAt: (seq: number) => KnobValue | undefined,
): readonly Point[] {
  const points: Point[] = [];
  for (const { seq, event } of phase.observations) {
    const value = event.sample.valid ? metricValue(event.sample, metric) : undefined;
    const setting = incumbentAt(seq);
    if (value !== undefined && typeof setting === "number")
      points.push({ kind: "incumbent", setting, value, windows: 1, seqs: [seq] });
  }
  for (const { seq, event } of phase.probes) {
    const value = event.sample.valid ? metricValue(event.sample, metric) : undefined;
    const setting = settingOf(event.changes, id);
    if (value !== undefined && setting !== undefined)
      points.push({ kind: "probe", setting, value, windows: 1, seqs: [seq] });
  }
  for (const trial of phase.trials) {
    const reading = readArm(trial.block, "candidate", metric);
    const setting = settingOf(trial.candidate.changes, id);
    if (!reading || setting === undefined) continue;
    points.push({
      kind: trial.verdict === "keep" ? "kept" : "not kept",
      setting,
      value: reading.median,
      windows: reading.values.length,
      seqs: reading.seqs,
    });
  }
  return points;
}

function settingOf(changes: readonly Change[], id: string): number | undefined {
  for (const change of changes)
    if (
      change.kind === "set-knob" &&
      change.knob === id &&
      typeof change.to === "number" &&
      Number.isFinite(change.to)
    )
      return change.to;
  return undefined;
}

/** Other knobs that probes of this one changed too: the curve is not of this knob alone then. */
function alongWith(phase: PhaseSummary, id: string): readonly string[] {
  const others = phase.probes
    .filter(({ event }) => settingOf(event.changes, id) !== undefined)
    .flatMap(({ event }) =>
      event.changes.flatMap((change) =>
        change.kind === "set-knob" && change.knob !== id ? [change.knob] : [],
      ),
    );
  return [...new Set(others)];
}

function responseChart(
  file: string,
  id: string,
  knob: Knob | undefined,
  metric: MetricId,
  points: readonly Point[],
  { others, isOverload }: { readonly others: readonly string[]; readonly isOverload: boolean },
): Chart {
  const settings = points.map((point) => point.setting);
  const x = settingScale(settings, [plot.left, plot.right]);
  const y = linearScale(
    points.map((point) => point.value),
    [plot.bottom, plot.top],
    axisFormat(metric),
  );
  const title = `${knob?.title ?? id}: response of ${metricOf(metric).title}`;
  const shown = kinds.filter((kind) => points.some((point) => point.kind === kind.kind));
  const caption = [
    `n = ${countOf(points.length, "point")} (${cite(points.flatMap((point) => point.seqs))}).`,
    "Hollow marks are single windows: search only, no decision rests on them. Filled marks are medians of paired trials.",
    others.length > 0 ? `Changed along with it: ${others.join(", ")}.` : "",
    y.note ?? "",
  ].join(" ");
  return {
    file,
    title,
    alt: `${title}: ${points.map((point) => `${formatKnobValue(knob, point.setting)} gives ${formatMetric(metric, point.value)} (${point.kind}, ${countOf(point.windows, "window")})`).join("; ")}`,
    svg: frame({
      title,
      subtitle: `${id}, ${metricOf(metric).better === "lower" ? "lower" : "higher"} is better${isOverload ? ", under overload" : ""}`,
      caption,
      alt: title,
      x: {
        label: `${id}${x.logarithmic ? ", logarithmic" : ""}`,
        ticks: settingTicks(settings, x.at, knob),
        grid: true,
      },
      y: { label: axisLabel(metric), ticks: y.ticks },
      legend: shown.map((kind) => kind.legend),
      marks: [
        probeLine(points, x.at, y.at),
        ...points.map((point) => pointMark(point, x.at, y.at)),
      ],
    }),
  };
}

const kinds: readonly { readonly kind: Point["kind"]; readonly legend: LegendItem }[] = [
  {
    kind: "probe",
    legend: { shape: "circle", colour: colours.faint, hollow: true, text: "probe" },
  },
  {
    kind: "incumbent",
    legend: {
      shape: "circle",
      colour: colours.incumbent,
      hollow: true,
      text: "incumbent as observed",
    },
  },
  {
    kind: "kept",
    legend: { shape: "diamond", colour: colours.kept, text: "tried in pairs, kept" },
  },
  {
    kind: "not kept",
    legend: { shape: "diamond", colour: colours.candidate, text: "tried in pairs, not kept" },
  },
];

/** Ticks at the settings that were measured, left out where they would cover the one before. */
function settingTicks(
  settings: readonly number[],
  at: (value: number) => number,
  knob: Knob | undefined,
): readonly Tick[] {
  let free = -Infinity;
  return [...new Set(settings)]
    .toSorted((a, b) => a - b)
    .flatMap((setting) => {
      const text = formatKnobValue(knob, setting);
      const position = at(setting);
      const half = text.length * 4;
      if (position - half < free) return [];
      free = position + half + 6;
      return [{ position, label: text }];
    });
}

function probeLine(points: readonly Point[], x: At, y: At): string {
  const single = points
    .filter((point) => point.windows === 1)
    .toSorted((a, b) => a.setting - b.setting)
    .map((point) => [x(point.setting), y(point.value)] as const);
  return element("path", {
    d: path(single),
    fill: "none",
    stroke: colours.faint,
    "stroke-dasharray": "2 4",
  });
}

function pointMark(point: Point, x: At, y: At): string {
  const legend = kinds.find((kind) => kind.kind === point.kind)?.legend;
  const shape = legend?.shape === "diamond" ? "diamond" : "circle";
  return marker(
    shape,
    [x(point.setting), y(point.value)],
    legend?.colour ?? colours.faint,
    point.windows === 1,
  );
}
