/** The pool advisor's chart: throughput by size as measured, the law fitted to it, where it has its top, and the size that was chosen. */
import type { PoolAdvice, PoolPoint, PoolSubject, UslFit } from "../../core/pool-advice.ts";
import { significant } from "../../core/units.ts";
import { frame, plot, type LegendItem } from "../charts/frame.ts";
import { linearScale, settingScale, trimmed, type Tick } from "../charts/scale.ts";
import { colours, element, line, marker, path } from "../charts/svg.ts";
import { countOf } from "../format.ts";
import { peakInWords, presentSize, sizesInWords } from "./words.ts";

export interface PoolChart {
  /** Of a file, without its ending. */
  readonly name: string;
  readonly title: string;
  readonly alt: string;
  readonly svg: string;
}

type Fitted = Extract<UslFit, { readonly kind: "fitted" }>;
type At = (value: number) => number;

const CURVE_STEPS = 120;
const AXIS: Readonly<Record<PoolSubject, string>> = {
  pool: "connections of the pool",
  connections: "connections",
  users: "requests under way",
};

/** Undefined with fewer than two sizes. */
export function poolChart(advice: PoolAdvice): PoolChart | undefined {
  const { points, fit, subject, recommended } = advice;
  if (points.length < 2) return undefined;
  const fitted = fit.kind === "fitted" ? fit : undefined;
  const sizes = points.map(({ size }) => size);
  const leftOut = leftOutMarks(advice);
  const x = settingScale([...sizes, ...leftOut.map(({ size }) => size)], [plot.left, plot.right]);
  const curve = fitted ? curveOf(fitted, sizes, x.logarithmic) : [];
  const y = linearScale(
    [
      0,
      ...points.map(({ throughputHigh }) => throughputHigh),
      ...leftOut.map(({ throughput }) => throughput),
      ...curve.map(([, throughput]) => throughput),
    ],
    [plot.bottom, plot.top],
    trimmed,
  );
  const title = `Throughput by ${AXIS[subject]}`;
  return {
    name: "throughput-by-size",
    title,
    alt: `${title}: ${points.map(({ size, throughput }) => `${size} gives ${significant(throughput)}/s`).join("; ")}${fitted?.trusted ? `. ${peakInWords(fitted)}` : ""}${recommended === undefined ? "" : `. Chosen: ${recommended}`}`,
    svg: frame({
      title,
      subtitle: subtitleOf(fit),
      caption: captionOf(advice, fitted),
      alt: title,
      x: {
        label: `${AXIS[subject]}${x.logarithmic ? ", logarithmic" : ""}`,
        ticks: ticksOf(sizes, x.at),
        grid: true,
      },
      y: { label: "throughput (per second)", ticks: y.ticks },
      legend: legendOf(advice, fitted),
      marks: [
        ...(fitted ? peakMarks(fitted, sizes, x.at) : []),
        ...(fitted ? [curveMark(curve, fitted, x.at, y.at)] : []),
        ...leftOut.map(({ size, throughput }) =>
          marker("circle", [x.at(size), y.at(throughput)], colours.faint, true),
        ),
        ...points.flatMap((point) => pointMarks(point, advice, x.at, y.at)),
      ],
    }),
  };
}

/** Those that have a place on the chart. */
function leftOutMarks({ leftOut }: PoolAdvice): PoolAdvice["leftOut"] {
  return leftOut.filter(({ throughput }) => Number.isFinite(throughput) && throughput > 0);
}

/** Over what was measured: what lies beyond is nobody's to draw. */
function curveOf(
  { lambda, sigma, kappa }: Fitted,
  sizes: readonly number[],
  logarithmic: boolean,
): readonly (readonly [number, number])[] {
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  return Array.from({ length: CURVE_STEPS + 1 }, (_, step) => {
    const part = step / CURVE_STEPS;
    const size = logarithmic ? least * (most / least) ** part : least + (most - least) * part;
    return [size, (lambda * size) / (1 + sigma * (size - 1) + kappa * size * (size - 1))] as const;
  });
}

function curveMark(
  curve: readonly (readonly [number, number])[],
  { trusted }: Fitted,
  x: At,
  y: At,
): string {
  return element("path", {
    d: path(curve.map(([size, throughput]) => [x(size), y(throughput)] as const)),
    fill: "none",
    stroke: colours.incumbent,
    "stroke-width": 2,
    "stroke-dasharray": trusted ? undefined : "3 5",
  });
}

/** A line at N*, and a band for its interval, as far as they lie within what was measured. */
function peakMarks(fit: Fitted, sizes: readonly number[], x: At): readonly string[] {
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const { peak, peakInterval, trusted } = fit;
  if (peak === undefined || !trusted) return [];
  const inside = (size: number) => Math.min(most, Math.max(least, size));
  const from = x(inside(peakInterval.low ?? least));
  const to = x(inside(peakInterval.high ?? most));
  const band =
    to > from
      ? [
          element("rect", {
            x: from,
            y: plot.top,
            width: to - from,
            height: plot.bottom - plot.top,
            fill: colours.incumbent,
            opacity: 0.1,
          }),
        ]
      : [];
  if (peak < least || peak > most) return band;
  return [
    ...band,
    line([x(peak), plot.top], [x(peak), plot.bottom], {
      stroke: colours.incumbent,
      "stroke-dasharray": "5 4",
    }),
  ];
}

function pointMarks(
  { size, throughput, throughputLow, throughputHigh, measurements }: PoolPoint,
  advice: PoolAdvice,
  x: At,
  y: At,
): readonly string[] {
  const { recommended, subject } = advice;
  const chosen = size === recommended;
  const at = [x(size), y(throughput)] as const;
  return [
    ...(measurements > 1
      ? [
          line([at[0], y(throughputLow)], [at[0], y(throughputHigh)], {
            stroke: colours.faint,
            "stroke-width": 1.4,
          }),
        ]
      : []),
    marker(
      chosen ? "diamond" : "circle",
      at,
      chosen ? colours.kept : colours.candidate,
      subject !== "users" && size === presentSize(advice) && !chosen,
    ),
  ];
}

function legendOf(advice: PoolAdvice, fitted: Fitted | undefined): readonly LegendItem[] {
  const { points, recommended, subject } = advice;
  const present = presentSize(advice);
  const showsPresent =
    subject !== "users" && present !== recommended && points.some(({ size }) => size === present);
  return [
    { shape: "circle", colour: colours.candidate, text: "measured" },
    ...(showsPresent
      ? [{ shape: "circle", colour: colours.candidate, hollow: true, text: "now" } as const]
      : []),
    ...(leftOutMarks(advice).length === 0
      ? []
      : [{ shape: "circle", colour: colours.faint, hollow: true, text: "left out" } as const]),
    ...(recommended === undefined
      ? []
      : [{ shape: "diamond", colour: colours.kept, text: `chosen: ${recommended}` } as const]),
    ...(fitted
      ? [
          {
            shape: fitted.trusted ? "line" : "dashes",
            dash: "3 5",
            colour: colours.incumbent,
            text: fitted.trusted ? "scalability law" : "scalability law (does not fit)",
          } as const,
        ]
      : []),
    ...(fitted?.trusted && fitted.peak !== undefined
      ? [{ shape: "dashes", colour: colours.incumbent, text: peakInWords(fitted) } as const]
      : []),
  ];
}

function subtitleOf(fit: UslFit): string {
  if (fit.kind === "too-few-points") return fit.because;
  if (!fit.trusted) return "the scalability law does not fit";
  const { sigma, kappa, rSquared } = fit;
  return `sigma ${significant(sigma)}, kappa ${significant(kappa)}, R² ${rSquared.toFixed(3)}`;
}

function captionOf({ points, leftOut, source }: PoolAdvice, fitted: Fitted | undefined): string {
  const all = points.reduce((sum, { measurements }) => sum + measurements, 0);
  return [
    `${source}: n = ${countOf(all, "measurement")} of ${sizesInWords(points)}${all > points.length ? "; marks are medians, bars reach from the least to the greatest" : ""}.`,
    leftOut.length > 0 ? `${countOf(leftOut.length, "measurement")} left out.` : "",
    fitted ? "The curve is fitted, not measured." : "",
    fitted?.trusted && fitted.peak !== undefined ? "Shaded: 95 % interval of N*." : "",
    ...(fitted?.problems.map((each) => `${each.charAt(0).toUpperCase()}${each.slice(1)}.`) ?? []),
  ]
    .filter((each) => each !== "")
    .join(" ");
}

/** At the sizes that were measured, left out where they would cover the one before. */
function ticksOf(sizes: readonly number[], at: At): readonly Tick[] {
  let free = -Infinity;
  return sizes.flatMap((size) => {
    const text = trimmed(size);
    const position = at(size);
    const half = text.length * 4;
    if (position - half < free) return [];
    free = position + half + 6;
    return [{ position, label: text }];
  });
}
