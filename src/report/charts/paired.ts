/** Paired trials: every pair as two marks joined by a line, so that the eye can count how many agree. */
import { metricOf, type MetricId } from "../../core/metric.ts";
import type { Effect } from "../../core/trial.ts";
import { cite, countOf, describeEffect, formatMetric, formatReading } from "../format.ts";
import { pairValues, readArm, type Block, type PairValues } from "../windows.ts";
import { frame, plot, type Chart } from "./frame.ts";
import { axisFormat, axisLabel, linearScale, type Scale } from "./scale.ts";
import { colours, line, marker } from "./svg.ts";

export interface PairedOptions {
  readonly file: string;
  readonly name: string;
  readonly verdict: string;
  readonly metric: MetricId;
  readonly block: Block;
  readonly effect: Effect | undefined;
  /** What the arms are called: incumbent and candidate, or baseline and kept. */
  readonly arms: readonly [string, string];
}

/** Undefined when no complete pair has the metric: there is nothing to draw. */
export function pairedChart(options: PairedOptions): Chart | undefined {
  const { file, name, verdict, metric, block, effect, arms } = options;
  const pairs = pairValues(block, metric);
  if (pairs.length === 0) return undefined;
  const y = linearScale(
    pairs.flatMap((pair) => [pair.incumbent, pair.candidate]),
    [plot.bottom, plot.top],
    axisFormat(metric),
  );
  const better = pairs.filter((pair) => isBetter(metric, pair)).length;
  const title = `${name}: ${metricOf(metric).title} in pairs`;
  const caption = [
    `n = ${countOf(pairs.length, "complete pair")} (${cite(pairs.flatMap((pair) => pair.seqs))}); ${arms[1]} better in ${better} of ${pairs.length}.`,
    `Medians: ${arms[0]} ${formatReading(metric, readArm(block, "incumbent", metric))}, ${arms[1]} ${formatReading(metric, readArm(block, "candidate", metric))} (dashed).`,
    block.invalid.length > 0 ? `${countOf(block.invalid.length, "invalid window")} not shown.` : "",
    y.note ?? "",
  ].join(" ");
  return {
    file,
    title,
    alt: `${title}: ${pairs.map((pair) => `${formatMetric(metric, pair.incumbent)} against ${formatMetric(metric, pair.candidate)}`).join("; ")}`,
    svg: frame({
      title,
      subtitle: effect ? `${verdict}: ${describeEffect(effect)}` : verdict,
      caption,
      alt: title,
      x: { label: "pair, in the order measured", ticks: pairTicks(pairs), grid: false },
      y: { label: axisLabel(metric), ticks: y.ticks },
      legend: [
        { shape: "circle", colour: colours.incumbent, text: arms[0] },
        { shape: "diamond", colour: colours.candidate, text: arms[1] },
        { shape: "dashes", colour: colours.faint, text: "median of the arm" },
      ],
      marks: [
        ...medianLines(block, metric, y),
        ...pairs.flatMap((pair, index) => pairMarks(pair, pairX(index, pairs.length), y)),
      ],
    }),
  };
}

function isBetter(metric: MetricId, pair: PairValues): boolean {
  return metricOf(metric).better === "lower"
    ? pair.candidate < pair.incumbent
    : pair.candidate > pair.incumbent;
}

function pairX(index: number, count: number): number {
  return plot.left + ((index + 0.5) / count) * (plot.right - plot.left);
}

function pairTicks(pairs: readonly PairValues[]) {
  const every = Math.ceil(pairs.length / 15);
  return pairs.flatMap((_, index) =>
    index % every === 0 ? [{ position: pairX(index, pairs.length), label: String(index + 1) }] : [],
  );
}

function medianLines(block: Block, metric: MetricId, y: Scale): readonly string[] {
  return (["incumbent", "candidate"] as const).flatMap((role) => {
    const reading = readArm(block, role, metric);
    if (!reading) return [];
    const height = y.at(reading.median);
    return [
      line([plot.left, height], [plot.right, height], {
        stroke: colours[role],
        "stroke-dasharray": "5 4",
        "stroke-width": 1.4,
      }),
    ];
  });
}

function pairMarks(pair: PairValues, x: number, y: Scale): readonly string[] {
  const before = y.at(pair.incumbent);
  const after = y.at(pair.candidate);
  return [
    line([x, before], [x, after], { stroke: colours.faint, "stroke-width": 1.5 }),
    marker("circle", [x, before], colours.incumbent),
    marker("diamond", [x, after], colours.candidate),
  ];
}
