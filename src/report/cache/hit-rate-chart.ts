/** Hit rate by memory: a line for each policy, an exact LRU, the ceiling and the goal, and where the cache is and should be. */
import type { CacheAdvice, CacheChoice, PolicyCurve } from "../../core/cache-advice.ts";
import { frame, plot, type LegendItem } from "../charts/frame.ts";
import { boxAround, boxesAlong, placeLabels, type LabelWish } from "../charts/labels.ts";
import { bytesScale, shareScale, type Scale } from "../charts/scale.ts";
import { colours, element, line, marker, path, seriesColours } from "../charts/svg.ts";
import { countOf } from "../format.ts";
import type { CacheChart } from "./charts.ts";
import { formatBounded, formatCount, formatMemory, formatShare } from "./words.ts";

interface Series {
  readonly title: string;
  readonly points: readonly Point[];
  readonly colour: string;
  readonly width: number;
  /** Of the policy that is recommended. */
  readonly best: boolean;
}

interface Point {
  readonly size: number;
  readonly rate: number;
  readonly error: number;
}

interface Scales {
  readonly x: Scale;
  readonly y: Scale;
}

/** Sizes down to this fraction of the smallest that matters are drawn: below it are curves that nobody will be on. */
const SMALLER_SHOWN = 8;

/** Undefined when no size has a hit rate. */
export function hitRateChart(advice: CacheAdvice): CacheChart | undefined {
  const marks = choiceMarks(advice);
  const from = Math.min(...marks.map(({ choice }) => choice.maxmemoryBytes)) / SMALLER_SHOWN;
  const series = seriesOf(advice, marks.length === 0 ? 0 : from);
  const measured = measuredPoints(advice);
  const points = [...series.flatMap((each) => each.points), ...marks.map(pointOf), ...measured];
  if (series.length === 0 || points.length < 2) return undefined;
  const levels = levelsOf(advice);
  const scales = {
    x: bytesScale(
      points.map(({ size }) => size),
      [plot.left, plot.right],
    ),
    y: shareScale(
      [
        ...points.flatMap(({ rate, error }) => [rate - error, rate + error]),
        ...levels.map(({ rate }) => rate),
      ].map((rate) => Math.min(1, Math.max(0, rate))),
      [plot.bottom, plot.top],
    ),
  };
  const labels = placeLabels(
    // The rightmost has the least room beside it.
    marks
      .toSorted((a, b) => b.choice.maxmemoryBytes - a.choice.maxmemoryBytes)
      .map((mark) => markLabel(mark, scales)),
    [
      ...marks.map((mark) => boxAround(placeOf(pointOf(mark), scales), 7)),
      ...series.flatMap((each) => boxesAlong(each.points.map((point) => placeOf(point, scales)))),
    ],
  );
  const title = "Hit rate by memory";
  return {
    name: "hit-rate-by-memory",
    title,
    alt: altOf(title, advice, series),
    svg: frame({
      title,
      subtitle: subtitleOf(advice),
      caption: captionOf(advice, series, measured.length > 0, scales),
      alt: title,
      x: { label: "memory, logarithmic", ticks: scales.x.ticks, grid: true },
      y: { label: "hit rate (% of gets)", ticks: scales.y.ticks },
      legend: legendOf(series, levels, measured.length > 0),
      marks: [
        ...series.filter(({ best }) => best).map((each) => bandOf(each, scales)),
        ...levels.map((level) => levelLine(level, scales)),
        ...series.map((each) => lineOf(each, scales)),
        ...measured.map((point) => marker("cross", placeOf(point, scales), colours.text)),
        ...marks.flatMap((mark) => choiceMark(mark, scales)),
        ...labels.marks,
      ],
    }),
  };
}

/** With the bounds that the marks' labels have no room for. */
function subtitleOf({ present, recommended, headline }: CacheAdvice): string {
  const parts = [
    ...(recommended === undefined ? [] : [`Recommended: ${formatBounded(recommended)}`]),
    ...(present === undefined ? [] : [`now: ${formatBounded(present)}`]),
  ];
  return parts.length === 0 ? headline : parts.join("; ");
}

/** More lines than this nobody tells apart. */
const POLICIES_MOST = 5;

function seriesOf(advice: CacheAdvice, from: number): readonly Series[] {
  const { curve, recommended, present } = advice;
  const best = recommended?.policy ?? present?.policy;
  const lines = rankedPolicies(advice)
    .slice(0, POLICIES_MOST)
    .map((policy, index) => ({
      title: policy.policy,
      points: pointsOf(policy),
      colour: seriesColours[index] ?? colours.faint,
      width: policy.policy === best ? 2.4 : 1.6,
      best: policy.policy === best,
    }));
  const exact: Series = {
    title: "exact LRU",
    points: pointsOf({ ...curve, error: curve.spread ?? curve.sizes.map(() => 0) }),
    colour: colours.faint,
    width: 0.9,
    best: false,
  };
  return [...lines, exact]
    .map((each) => ({ ...each, points: each.points.filter(({ size }) => size >= from) }))
    .filter(({ points }) => points.length > 1);
}

/** The recommended one first, for it gets the first colour and the band; then the present one, then those that hit most. */
function rankedPolicies({ policies, recommended, present }: CacheAdvice): readonly PolicyCurve[] {
  const rank = ({ policy }: PolicyCurve) =>
    policy === recommended?.policy ? 0 : policy === present?.policy ? 1 : 2;
  return policies.toSorted((a, b) => rank(a) - rank(b) || meanRate(b) - meanRate(a));
}

function meanRate({ hitRate }: PolicyCurve): number {
  const known = hitRate.filter((rate) => Number.isFinite(rate));
  return known.reduce((sum, rate) => sum + rate, 0) / Math.max(1, known.length);
}

function pointsOf({
  sizes,
  hitRate,
  error,
}: Pick<PolicyCurve, "sizes" | "hitRate" | "error">): readonly Point[] {
  return sizes
    .map((size, index) => ({
      size,
      rate: hitRate[index] ?? Number.NaN,
      error: error[index] ?? Number.NaN,
    }))
    .filter(
      ({ size, rate, error: bound }) => size > 0 && Number.isFinite(rate) && Number.isFinite(bound),
    );
}

interface ChoiceMark {
  readonly word: string;
  readonly choice: CacheChoice;
  readonly shape: "circle" | "diamond";
}

/** A cache without a limit of memory has no place on the axis: the caption tells of it. */
function choiceMarks({ present, recommended }: CacheAdvice): readonly ChoiceMark[] {
  const marks: readonly ChoiceMark[] = [
    ...(recommended === undefined
      ? []
      : [{ word: "recommended", choice: recommended, shape: "diamond" as const }]),
    ...(present === undefined ? [] : [{ word: "now", choice: present, shape: "circle" as const }]),
  ];
  return marks.filter(({ choice }) => choice.maxmemoryBytes > 0 && Number.isFinite(choice.hitRate));
}

function pointOf({ choice }: ChoiceMark): Point {
  return { size: choice.maxmemoryBytes, rate: choice.hitRate, error: 0 };
}

function measuredPoints({ verification }: CacheAdvice): readonly Point[] {
  return (verification?.results ?? [])
    .map(({ maxmemoryBytes, measured }) => ({ size: maxmemoryBytes, rate: measured, error: 0 }))
    .filter(({ size, rate }) => size > 0 && Number.isFinite(rate));
}

interface Level {
  readonly text: string;
  readonly rate: number;
  readonly colour: string;
  readonly dash: string;
}

function levelsOf({ ceiling, goal }: CacheAdvice): readonly Level[] {
  const all: readonly Level[] = [
    {
      text: `ceiling ${formatShare(ceiling.hitRate)}`,
      rate: ceiling.hitRate,
      colour: colours.faint,
      dash: "7 4",
    },
    ...(goal === undefined
      ? []
      : [
          {
            text: `goal ${formatShare(goal.hitRate)}`,
            rate: goal.hitRate,
            colour: colours.text,
            dash: "2 3",
          },
        ]),
  ];
  return all.filter(({ rate }) => Number.isFinite(rate));
}

function levelLine({ rate, colour, dash }: Level, { y }: Scales): string {
  return line([plot.left, y.at(rate)], [plot.right, y.at(rate)], {
    stroke: colour,
    "stroke-width": 1.4,
    "stroke-dasharray": dash,
  });
}

function markLabel(mark: ChoiceMark, scales: Scales): LabelWish {
  return {
    at: placeOf(pointOf(mark), scales),
    text: `${mark.word}: ${formatMemory(mark.choice.maxmemoryBytes)}, ${formatShare(mark.choice.hitRate)}`,
    bold: true,
    sides: ["below-right", "below", "below-left", "above-left", "above-right"],
    stepsAway: 12,
  };
}

function placeOf({ size, rate }: Point, { x, y }: Scales): readonly [number, number] {
  return [x.at(size), y.at(rate)];
}

function lineOf({ points, colour, width }: Series, scales: Scales): string {
  return element("path", {
    d: path(points.map((point) => placeOf(point, scales))),
    fill: "none",
    stroke: colour,
    "stroke-width": width,
  });
}

/** What the prediction may be off by, around the line. */
function bandOf({ points, colour }: Series, { x, y }: Scales): string {
  const edge = (sign: 1 | -1) =>
    points.map(
      ({ size, rate, error }) =>
        [x.at(size), y.at(Math.min(1, Math.max(0, rate + sign * error)))] as const,
    );
  return element("path", {
    d: path([...edge(1), ...edge(-1).toReversed()], true),
    fill: colour,
    "fill-opacity": 0.18,
  });
}

function choiceMark(mark: ChoiceMark, scales: Scales): readonly string[] {
  const [x] = placeOf(pointOf(mark), scales);
  const { low, high } = mark.choice;
  const bar =
    Number.isFinite(low) && Number.isFinite(high)
      ? [
          line([x, scales.y.at(Math.max(0, low))], [x, scales.y.at(Math.min(1, high))], {
            stroke: colours.text,
            "stroke-width": 1.4,
          }),
        ]
      : [];
  return [
    ...bar,
    marker(mark.shape, placeOf(pointOf(mark), scales), colours.text, mark.word === "now"),
  ];
}

function legendOf(
  series: readonly Series[],
  levels: readonly Level[],
  measured: boolean,
): readonly LegendItem[] {
  return [
    ...series.map(({ title, colour, width }) => ({
      shape: "line" as const,
      colour,
      width,
      text: title,
    })),
    ...levels.map(({ text, colour, dash }) => ({ shape: "dashes" as const, colour, dash, text })),
    ...(measured ? [{ shape: "cross" as const, colour: colours.text, text: "measured" }] : []),
  ];
}

function captionOf(
  advice: CacheAdvice,
  series: readonly Series[],
  measured: boolean,
  { x, y }: Scales,
): string {
  const { trace, present, recommended } = advice;
  const best = series.find((each) => each.best);
  return [
    `n = ${formatCount(trace.gets)} gets of ${formatCount(trace.keys)} keys.`,
    "Lines are predicted by simulating the trace, not measured.",
    best
      ? `Band and bars: bounds of the prediction (two standard errors and the model's own error); the band is of ${best.title}.`
      : "",
    advice.policies.length > POLICIES_MOST
      ? `${countOf(advice.policies.length - POLICIES_MOST, "more policy", "more policies")} not drawn.`
      : "",
    present?.maxmemoryBytes === 0
      ? `Now, without a limit of memory: ${formatBounded(present)}, not drawn.`
      : "",
    recommended !== undefined && (recommended.ttlFactor !== 1 || recommended.l1 !== undefined)
      ? "Lines have times to live as now and no L1, so what is recommended need not lie on its line."
      : "",
    measured
      ? "Crosses: measured on a real Redis, at the rate at which the trace was played against it."
      : "",
    x.note ?? "",
    y.note ?? "",
  ]
    .filter((each) => each !== "")
    .join(" ");
}

function altOf(
  title: string,
  { present, recommended, ceiling }: CacheAdvice,
  series: readonly Series[],
): string {
  const parts = [
    `${countOf(series.length, "line")}: ${series.map((each) => each.title).join(", ")}`,
    ...(recommended === undefined
      ? []
      : [
          `recommended ${formatMemory(recommended.maxmemoryBytes)} at ${formatBounded(recommended)}`,
        ]),
    ...(present === undefined
      ? []
      : [`now ${formatMemory(present.maxmemoryBytes)} at ${formatBounded(present)}`]),
    `ceiling ${formatShare(ceiling.hitRate)}`,
  ];
  return `${title}: ${parts.join("; ")}`;
}
