/** The latency percentile ladder: what the baseline and the kept state look like from the median to the slowest request. */
import type { LoadResult } from "../../core/sample.ts";
import { formatDuration } from "../../core/units.ts";
import type { Role } from "../../core/trial.ts";
import { cite, countOf } from "../format.ts";
import { readLoad, type Block, type Reading } from "../windows.ts";
import { frame, plot, type Chart } from "./frame.ts";
import { logScale, trimmed, type Scale } from "./scale.ts";
import { colours, element, label, line, marker, path } from "./svg.ts";

interface Rung {
  readonly title: string;
  /** Undefined for the slowest request. */
  readonly quantile: number | undefined;
  readonly read: (load: LoadResult) => number;
}

interface Step {
  readonly rung: Rung;
  readonly x: number;
  readonly reading: Reading;
  readonly thin: boolean;
}

const rungs: readonly Rung[] = [
  { title: "p50", quantile: 0.5, read: (load) => load.latency.p50Ms },
  { title: "p90", quantile: 0.9, read: (load) => load.latency.p90Ms },
  { title: "p95", quantile: 0.95, read: (load) => load.latency.p95Ms },
  { title: "p99", quantile: 0.99, read: (load) => load.latency.p99Ms },
  { title: "p99.9", quantile: 0.999, read: (load) => load.latency.p999Ms },
  { title: "slowest", quantile: undefined, read: (load) => load.latency.maxMs },
];

/** A percentile with fewer requests beyond it in a window is hardly more than its slowest requests. */
const REQUESTS_BEYOND_MIN = 10;

/** Undefined when the confirmation has no complete pair. */
export function ladderChart(file: string, confirm: Block): Chart | undefined {
  const before = stepsOf(confirm, "incumbent");
  const after = stepsOf(confirm, "candidate");
  if (before.length === 0 || after.length === 0) return undefined;
  const values = [...before, ...after].flatMap(({ reading }) => [reading.least, reading.greatest]);
  const y = logScale(values, [plot.bottom, plot.top], trimmed, 1.5);
  const title = "Latency percentiles, baseline and kept";
  const windows = before[0]?.reading.values.length ?? 0;
  const seqs = [...before, ...after].flatMap(({ reading }) => reading.seqs);
  const thin = [...before, ...after].some((step) => step.thin);
  return {
    file,
    title,
    alt: `${title}: ${before.map((step, index) => `${step.rung.title} ${formatDuration(step.reading.median)} to ${formatDuration(after[index]?.reading.median ?? step.reading.median)}`).join("; ")}`,
    svg: frame({
      title,
      subtitle: "From the intended start of each request, so that waiting behind a stall counts",
      caption: [
        `n = ${countOf(windows, "window")} an arm (${cite(seqs)}). Each mark is the median over windows of that window's own percentile (percentiles are not merged);`,
        "bars run from the lowest to the highest window.",
        y.note ?? "",
        thin
          ? `Hollow: fewer than ${REQUESTS_BEYOND_MIN} requests of a window lie beyond it, so it is little more than the slowest ones.`
          : "",
      ].join(" "),
      alt: title,
      x: {
        label: "percentile of the requests of one window",
        ticks: before.map(({ rung, x }) => ({ position: x, label: rung.title })),
        grid: false,
      },
      y: { label: "latency (ms)", ticks: y.ticks },
      legend: [
        { shape: "circle", colour: colours.incumbent, text: "baseline" },
        { shape: "diamond", colour: colours.candidate, text: "everything kept" },
      ],
      marks: [
        ...armMarks(before, "incumbent", y, -7),
        ...armMarks(after, "candidate", y, 7),
        ...valueLabels(before, after, y),
      ],
    }),
  };
}

function stepsOf(block: Block, role: Role): readonly Step[] {
  const requests = readLoad(block, role, (load) => load.requests)?.median ?? 0;
  return rungs.flatMap((rung, index) => {
    const reading = readLoad(block, role, (load) =>
      rung.read(load) > 0 ? rung.read(load) : undefined,
    );
    if (!reading) return [];
    const x = plot.left + ((index + 0.5) / rungs.length) * (plot.right - plot.left);
    const thin =
      rung.quantile === undefined || requests * (1 - rung.quantile) < REQUESTS_BEYOND_MIN;
    return [{ rung, x, reading, thin }];
  });
}

function armMarks(steps: readonly Step[], role: Role, y: Scale, shift: number): readonly string[] {
  const colour = colours[role];
  const points = steps.map(({ x, reading }) => [x + shift, y.at(reading.median)] as const);
  return [
    element("path", { d: path(points), fill: "none", stroke: colour, "stroke-width": 1.6 }),
    ...steps.flatMap(({ x, reading, thin }) => [
      line([x + shift, y.at(reading.least)], [x + shift, y.at(reading.greatest)], {
        stroke: colour,
        "stroke-width": 3,
        "stroke-opacity": 0.35,
      }),
      marker(
        role === "incumbent" ? "circle" : "diamond",
        [x + shift, y.at(reading.median)],
        colour,
        thin,
      ),
    ]),
  ];
}

/** The greater value is written above its bar and the smaller below, so that they never cover each other. */
function valueLabels(before: readonly Step[], after: readonly Step[], y: Scale): readonly string[] {
  return before.flatMap((step) => {
    const other = after.find((each) => each.rung === step.rung);
    if (!other) return [];
    const beforeAbove = step.reading.median >= other.reading.median;
    return [
      valueLabel(step, colours.incumbent, y, beforeAbove, -7),
      valueLabel(other, colours.candidate, y, !beforeAbove, 7),
    ];
  });
}

function valueLabel(
  { x, reading }: Step,
  colour: string,
  y: Scale,
  above: boolean,
  shift: number,
): string {
  const height = above
    ? y.at(reading.greatest) - 9
    : Math.min(y.at(reading.least) + 19, plot.bottom - 4);
  return label(x + shift, height, trimmed(reading.median), {
    fill: colour,
    "text-anchor": "middle",
    "font-weight": 600,
  });
}
