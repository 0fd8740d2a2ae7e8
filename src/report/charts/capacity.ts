/** Users against latency: every load of the searches before and after, with the SLO that they have to stay under. */
import type { UsersPlan } from "../../core/capacity.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import type { LimitProbe, LimitResult } from "../../core/result.ts";
import type { Slo } from "../../core/slo.ts";
import { bracketWords, type CapacityLines } from "../capacity.ts";
import { cite, countOf, formatMetric } from "../format.ts";
import { frame, plot, type Chart } from "./frame.ts";
import { axisFormat, axisLabel, logScale, settingScale, trimmed, type Tick } from "./scale.ts";
import { colours, element, label, line, marker, path } from "./svg.ts";

interface Series {
  readonly title: string;
  readonly seq: number;
  readonly colour: string;
  readonly shape: "circle" | "diamond";
  readonly users: LimitResult;
  readonly points: readonly Point[];
}

interface Point {
  readonly load: number;
  readonly value: number;
  readonly clear: boolean;
}

type At = (value: number) => number;

/** Undefined when nothing was searched for, or no SLO is of a latency of the whole workload. */
export function capacityChart(
  file: string,
  plan: UsersPlan | undefined,
  { baseline, kept }: CapacityLines,
): Chart | undefined {
  const slo = plan?.slos.find(
    ({ metric, endpoint }) => metricOf(metric).unit === "ms" && endpoint === undefined,
  );
  if (!slo) return undefined;
  const series = [
    seriesOf("baseline", "circle", colours.incumbent, baseline, slo.metric),
    seriesOf("everything kept", "diamond", colours.candidate, kept, slo.metric),
  ].filter((each) => each !== undefined);
  const points = series.flatMap((each) => each.points);
  if (new Set(points.map(({ load }) => load)).size < 2) return undefined;
  return drawn(file, slo, series, points);
}

function seriesOf(
  title: string,
  shape: Series["shape"],
  colour: string,
  measured: CapacityLines["kept"],
  metric: MetricId,
): Series | undefined {
  const users = measured?.event.result.users;
  if (!measured || !users) return undefined;
  const points = users.probes
    .flatMap((probe) => pointOf(probe, metric))
    .toSorted((a, b) => a.load - b.load);
  return { title, seq: measured.seq, shape, colour, users, points };
}

function pointOf({ load, outcome, metrics }: LimitProbe, metric: MetricId): readonly Point[] {
  const value = metrics[metric];
  if (value === undefined || !Number.isFinite(value) || value <= 0) return [];
  return [{ load, value, clear: outcome === "holds" || outcome === "breaks" }];
}

function drawn(file: string, slo: Slo, series: readonly Series[], points: readonly Point[]): Chart {
  const { metric, limit } = slo;
  const loads = points.map(({ load }) => load);
  const x = settingScale(loads, [plot.left, plot.right]);
  const y = logScale(
    [...points.map(({ value }) => value), limit],
    [plot.bottom, plot.top],
    axisFormat(metric),
    1.3,
  );
  const title = `Users within ${slo.text}`;
  const alt = `${title}: ${series.map((each) => `${each.title} ${bracketWords(each.users)} users; ${each.points.map(({ load, value }) => `${load} users give ${formatMetric(metric, value)}`).join(", ")}`).join(". ")}`;
  return {
    file,
    title,
    alt,
    svg: frame({
      title,
      subtitle: "One search before and one after, minutes apart: not paired",
      caption: [
        ...series.map(
          (each) =>
            `${each.title}: ${bracketWords(each.users)} users, n = ${countOf(each.points.length, "load")} (${cite([each.seq])}).`,
        ),
        "Each mark is the median window of one load; hollow: that load could not be told from the limit, or not be used.",
        y.note ?? "",
      ].join(" "),
      alt: title,
      x: {
        label: `concurrent users${x.logarithmic ? ", logarithmic" : ""}`,
        ticks: loadTicks(loads, x.at),
        grid: false,
      },
      y: { label: axisLabel(metric), ticks: y.ticks },
      legend: [
        ...series.map(({ title: text, shape, colour }) => ({ shape, colour, text })),
        { shape: "dashes", colour: colours.faint, text: `the SLO, ${slo.text}` },
      ],
      marks: [
        line([plot.left, y.at(limit)], [plot.right, y.at(limit)], {
          stroke: colours.faint,
          "stroke-dasharray": "5 4",
          "stroke-width": 1.6,
        }),
        ...series.flatMap((each, index) => seriesMarks(each, index, x.at, y.at)),
      ],
    }),
  };
}

function seriesMarks(
  { points, colour, shape, users }: Series,
  index: number,
  x: At,
  y: At,
): readonly string[] {
  // Two limits that are alike have their numbers one below the other.
  const top = plot.top + 12 + 16 * index;
  const { holds } = users;
  const held = points.find(({ load }) => load === holds);
  return [
    element("path", {
      d: path(points.map(({ load, value }) => [x(load), y(value)] as const)),
      fill: "none",
      stroke: colour,
      "stroke-width": 1.4,
    }),
    ...points.map(({ load, value, clear }) => marker(shape, [x(load), y(value)], colour, !clear)),
    ...(held
      ? [
          label(x(held.load), top, trimmed(held.load), {
            "text-anchor": "middle",
            fill: colour,
            "font-weight": 600,
          }),
          line([x(held.load), top + 4], [x(held.load), plot.bottom], {
            stroke: colour,
            "stroke-dasharray": "2 4",
          }),
        ]
      : []),
  ];
}

/** At loads that were tried, left out where they would cover the one before. */
function loadTicks(loads: readonly number[], at: At): readonly Tick[] {
  let free = -Infinity;
  return [...new Set(loads)]
    .toSorted((a, b) => a - b)
    .flatMap((load) => {
      const text = trimmed(load);
      const position = at(load);
      const half = text.length * 4;
      if (position - half < free) return [];
      free = position + half + 6;
      return [{ position, label: text }];
    });
}
