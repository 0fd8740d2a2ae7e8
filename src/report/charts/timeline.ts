/** The time line: every window of the run in order, with the phases and the moments when a change was kept. */
import type { Entry } from "../../core/event.ts";
import { metricOf, type MetricId } from "../../core/metric.ts";
import type { Sample } from "../../core/sample.ts";
import { countOf } from "../format.ts";
import { linesOf } from "../lines.ts";
import { otherLoads } from "../loads.ts";
import { metricValue } from "../windows.ts";
import { frame, plot, type Chart } from "./frame.ts";
import { axisFormat, axisLabel, linearScale, logScale, trimmed, type Scale } from "./scale.ts";
import { colours, element, label, line, marker, shorten, textWidth } from "./svg.ts";

interface Point {
  readonly seq: number;
  readonly minutes: number;
  readonly value: number;
  readonly kind: "incumbent" | "candidate" | "search" | "invalid";
}

interface Band {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Undefined when fewer than two windows have the metric. */
export function timelineChart(
  file: string,
  entries: readonly Entry[],
  metric: MetricId,
): Chart | undefined {
  const start = Date.parse(entries[0]?.at ?? "");
  const minutesOf = (entry: Entry) => (Date.parse(entry.at) - start) / 60_000;
  const others = otherLoads(entries);
  const points = pointsOf(
    entries.filter(({ seq }) => !others.has(seq)),
    metric,
    minutesOf,
  );
  if (points.length < 2) return undefined;
  const values = points.map((point) => point.value);
  const wide = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 10;
  const y = (wide ? logScale : linearScale)(
    values,
    [plot.bottom, plot.top + 26],
    axisFormat(metric),
  );
  const bands = bandsOf(entries, minutesOf);
  const kept = linesOf(entries, "trial-decided").filter(
    (entry) => entry.event.decision.verdict === "keep" && Number.isFinite(minutesOf(entry)),
  );
  const x = timeScale(points, bands);
  const title = `${metricOf(metric).title} of every window${others.size > 0 ? " at the usual load" : ""}, in time`;
  return {
    file,
    title,
    alt: `${title}: ${countOf(points.length, "window")}, ${countOf(bands.length, "stage")} (${bands.map((band) => band.name).join(", ")}), ${countOf(kept.length, "change")} kept`,
    svg: frame({
      title,
      subtitle:
        "Drift and outliers would show here; pairs are measured back to back so that both arms see the same",
      caption: [
        `n = ${countOf(points.length, "window")} (journal ${points[0]?.seq ?? 0}-${points.at(-1)?.seq ?? 0}).`,
        `Stages: ${bands.map((band, index) => `${index + 1} ${band.name}`).join(", ")}.`,
        "In the A/A noise both arms are the baseline; the incumbent changes at every kept mark; in the confirmation it is the baseline again.",
        others.size > 0
          ? `Not drawn: ${countOf(others.size, "window")} under another load (overload, or a probe's own).`
          : "",
        y.note ?? "",
      ].join(" "),
      alt: title,
      x: { label: "minutes since the run began", ticks: x.ticks, grid: false },
      y: { label: axisLabel(metric), ticks: y.ticks },
      legend: [
        { shape: "circle", colour: colours.incumbent, text: "incumbent" },
        { shape: "diamond", colour: colours.candidate, text: "candidate" },
        { shape: "circle", colour: colours.faint, hollow: true, text: "observation or probe" },
        { shape: "cross", colour: colours.faint, text: "invalid" },
        { shape: "dashes", colour: colours.kept, text: "change kept" },
      ],
      marks: [
        ...bands.flatMap((band, index) => bandMarks(band, index, x)),
        ...y.ticks.map((tick) =>
          line([plot.left, tick.position], [plot.right, tick.position], { stroke: colours.grid }),
        ),
        ...kept.map((entry) => keptMark(x.at(minutesOf(entry)))),
        ...points.map((point) => pointMark(point, x, y)),
      ],
    }),
  };
}

function pointsOf(
  entries: readonly Entry[],
  metric: MetricId,
  minutesOf: (entry: Entry) => number,
): readonly Point[] {
  return entries.flatMap((entry) => {
    const found = windowOf(entry);
    const value = found ? metricValue(found.sample, metric) : undefined;
    const minutes = minutesOf(entry);
    if (!found || value === undefined || !Number.isFinite(minutes)) return [];
    return [
      {
        seq: entry.seq,
        minutes,
        value,
        kind: found.sample.valid ? found.kind : ("invalid" as const),
      },
    ];
  });
}

function windowOf({
  event,
}: Entry): { readonly sample: Sample; readonly kind: Point["kind"] } | undefined {
  if (event.type === "sampled") return { sample: event.sample, kind: event.role };
  if (event.type === "observed" || event.type === "probed")
    return { sample: event.sample, kind: "search" };
  return undefined;
}

/** Stages from their first to their last line: A/A, the phases, the confirmation. A phase that was gone on with is two of them. */
function bandsOf(entries: readonly Entry[], minutesOf: (entry: Entry) => number): readonly Band[] {
  const titles = new Map(
    linesOf(entries, "run-started").flatMap(({ event }) =>
      event.phases.map((phase) => [phase.name, phase.title] as const),
    ),
  );
  const bands = new Map<string, Band>();
  let phase: string | undefined;
  for (const entry of entries) {
    const { event } = entry;
    if (event.type === "phase-started") {
      phase = event.again ? `${event.phase}, again` : event.phase;
      titles.set(phase, `${titles.get(event.phase) ?? event.phase}${event.again ? ", again" : ""}`);
    }
    const name = stageOf(entry) ?? phase;
    if (event.type === "phase-finished") phase = undefined;
    if (name === undefined || !Number.isFinite(minutesOf(entry))) continue;
    const title = titles.get(name) ?? name;
    bands.set(name, {
      name: title,
      from: bands.get(name)?.from ?? minutesOf(entry),
      to: minutesOf(entry),
    });
  }
  return [...bands.values()];
}

function stageOf({ event }: Entry): string | undefined {
  if (event.type === "sampled" && event.block === "noise") return "A/A noise";
  if (event.type === "sampled" && event.block === "confirm") return "confirmation";
  return undefined;
}

function timeScale(points: readonly Point[], bands: readonly Band[]): Scale {
  const ends = [
    ...points.map((point) => point.minutes),
    ...bands.flatMap((band) => [band.from, band.to]),
  ];
  const greatest = Math.max(...ends);
  const scale = linearScale(
    [0, greatest > 0 ? greatest / 1.15 : 1],
    [plot.left, plot.right],
    trimmed,
  );
  return scale;
}

function bandMarks(band: Band, index: number, x: Scale): readonly string[] {
  const left = x.at(band.from);
  const width = Math.max(2, x.at(band.to) - left);
  const number = String(index + 1);
  const full = `${number} ${band.name}`;
  const text =
    textWidth(full, 13) <= width - 8 ? full : width > 90 ? shorten(full, width - 8, 13) : number;
  return [
    element("rect", {
      x: left,
      y: plot.top,
      width,
      height: plot.bottom - plot.top,
      fill: index % 2 === 0 ? colours.band : "#e8ecf1",
    }),
    label(left + width / 2, plot.top + 17, text, { "text-anchor": "middle", fill: colours.faint }),
  ];
}

function keptMark(x: number): string {
  return line([x, plot.top + 24], [x, plot.bottom], {
    stroke: colours.kept,
    "stroke-width": 2,
    "stroke-dasharray": "5 4",
  });
}

function pointMark(point: Point, x: Scale, y: Scale): string {
  const at = [x.at(point.minutes), y.at(point.value)] as const;
  switch (point.kind) {
    case "incumbent":
      return marker("circle", at, colours.incumbent);
    case "candidate":
      return marker("diamond", at, colours.candidate);
    case "search":
      return marker("circle", at, colours.faint, true);
    case "invalid":
      return marker("cross", at, colours.faint);
  }
}
