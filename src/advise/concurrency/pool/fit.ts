/** The law fitted to a sweep, with intervals, and whether it may be believed. */
import { quantileSorted } from "simple-statistics";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { studentQuantile } from "../../../decide/distribution.ts";
import type { PoolInterval, UslFit } from "../../../core/pool-advice.ts";
import { formatRatio, significant } from "../../../core/units.ts";
import {
  fitUsl,
  leveragesOf,
  residualOf,
  uslPeak,
  uslThroughput,
  type ThroughputPoint,
  type Usl,
} from "./usl.ts";

/** research/tuning.md section 2. Three unknowns and a scatter are to be found. */
const POINTS_LEAST = 6;
export const SIZES_LEAST = 4;
const UNKNOWNS = 3;
/** A curve that leaves more than a tenth of the differences unexplained explains too little to be quoted, unless there are hardly any. */
export const R_SQUARED_LEAST = 0.9;
export const SCATTER_MOST = 0.1;
/** Residuals in one direction for a stretch of sizes, this unlikely by chance and this large, are another shape. */
const PATTERN_P = 0.05;
const PATTERN_SCATTER_LEAST = 0.03;
const CONFIDENCE = 0.95;
/** Of the normal distribution, as much above it as an interval of this confidence leaves on each side. */
const NORMAL_975 = 1.959_964;
const REFITS = 400;

/** Of each measurement, repeated ones too. Deterministic: the same points and seed give the same intervals. */
export function fitSweep(points: readonly ThroughputPoint[], seed: number): UslFit {
  const sizes = new Set(points.map(({ size }) => size)).size;
  if (points.length < POINTS_LEAST || sizes < SIZES_LEAST) {
    return {
      kind: "too-few-points",
      because: `too few points for the law: ${counted(points.length, "point")} at ${counted(sizes, "size")}; needs ${POINTS_LEAST} points at ${SIZES_LEAST} sizes`,
    };
  }
  const usl = fitUsl(points);
  if (!usl) return { kind: "too-few-points", because: "the points do not determine the law" };
  return describe(points, usl, seed);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** The fitted curve of a fit; undefined without one. */
export function curveOf(fit: UslFit): (size: number) => number | undefined {
  return (size) => (fit.kind === "fitted" ? uslThroughput(fit, size) : undefined);
}

function describe(points: readonly ThroughputPoint[], usl: Usl, seed: number): UslFit {
  const peak = uslPeak(usl);
  const residuals = points.map((point) => residualOf(point, usl));
  const freedom = points.length - UNKNOWNS;
  const scatter = Math.sqrt(residuals.reduce((sum, each) => sum + each ** 2, 0) / freedom);
  const rSquared = rSquaredOf(points, usl);
  const pattern = patternOf(points, usl, scatter);
  const flat = rSquared < R_SQUARED_LEAST && scatter <= SCATTER_MOST;
  const sizes = points.map(({ size }) => size);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const extrapolated = peak !== undefined && (peak > most || peak < least);
  const doubts = [
    ...(flat || rSquared >= R_SQUARED_LEAST
      ? []
      : [
          `the law explains only ${formatRatio(Math.max(0, rSquared))} of the differences between sizes (R²), and measurements lie ${formatRatio(scatter)} from it`,
        ]),
    ...(pattern === undefined ? [] : [pattern]),
  ];
  const notes = [
    ...(flat
      ? [
          `throughput differs between sizes by little more than it scatters (${formatRatio(scatter)}), so sigma, kappa and N* are uncertain`,
        ]
      : []),
    ...(peak === undefined ? ["the fitted curve never turns down, so there is no N*"] : []),
    ...(peak !== undefined && extrapolated
      ? [
          `N* = ${significant(peak)} lies ${peak > most ? "beyond the largest" : "below the smallest"} size measured (${peak > most ? most : least}): it is an extrapolation`,
        ]
      : []),
  ];
  return {
    kind: "fitted",
    ...usl,
    rSquared,
    scatter,
    points: points.length,
    ...(peak === undefined ? {} : { peak, peakThroughput: uslThroughput(usl, peak) }),
    ...intervalsOf(points, usl, residuals, seed),
    confidence: CONFIDENCE,
    refits: REFITS,
    extrapolated,
    trusted: doubts.length === 0,
    // What follows from a law that is not believed is not said.
    problems: doubts.length > 0 ? doubts : notes,
  };
}

/** 1 less the squared distances from the curve over those from the mean; of throughput itself, as it is drawn. */
function rSquaredOf(points: readonly ThroughputPoint[], usl: Usl): number {
  const mean = points.reduce((sum, { throughput }) => sum + throughput, 0) / points.length;
  const around = (of: (point: ThroughputPoint) => number) =>
    points.reduce((sum, point) => sum + (point.throughput - of(point)) ** 2, 0);
  const total = around(() => mean);
  // All alike: the curve that is as flat as they are is right, and any other is not.
  if (total === 0) return around(({ size }) => uslThroughput(usl, size)) < 1e-9 * mean ** 2 ? 1 : 0;
  return 1 - around(({ size }) => uslThroughput(usl, size)) / total;
}

/** Wald and Wolfowitz's runs test on the signs of the mean residuals in order of size, one-sided: too few runs are a bend that the law lacks. */
function patternOf(
  points: readonly ThroughputPoint[],
  usl: Usl,
  scatter: number,
): string | undefined {
  if (scatter < PATTERN_SCATTER_LEAST) return undefined;
  const sizes = [...new Set(points.map(({ size }) => size))].toSorted((a, b) => a - b);
  const signs = sizes.map((size) => {
    const of = points.filter((point) => point.size === size);
    return of.reduce((sum, point) => sum + residualOf(point, usl), 0) > 0;
  });
  const above = signs.filter(Boolean).length;
  const runs = signs.filter((sign, index) => index === 0 || sign !== signs[index - 1]).length;
  const p = runsAtMost(runs, above, signs.length - above);
  if (p > PATTERN_P) return undefined;
  return `the measurements leave the curve in one direction for stretches of sizes (runs test, p = ${p.toFixed(3)}): the shape is another one`;
}

/** P(so many runs or fewer) of `above` and `below` signs in random order. */
function runsAtMost(runs: number, above: number, below: number): number {
  if (above === 0 || below === 0) return 1;
  const all = choose(above + below, above);
  let sum = 0;
  for (let count = 2; count <= runs; count += 1) {
    const half = Math.floor(count / 2);
    sum +=
      count % 2 === 0
        ? 2 * choose(above - 1, half - 1) * choose(below - 1, half - 1)
        : choose(above - 1, half) * choose(below - 1, half - 1) +
          choose(above - 1, half - 1) * choose(below - 1, half);
  }
  return sum / all;
}

function choose(from: number, count: number): number {
  if (count < 0 || count > from) return 0;
  let product = 1;
  for (let index = 1; index <= count; index += 1) product *= (from - count + index) / index;
  return product;
}

/** A point that the curve follows wherever it goes has no residual to speak of. */
const LEVERAGE_MOST = 0.95;

/**
 * Percentiles over refits to the curve plus its own residuals, drawn with replacement and each made as large as its error by its
 * leverage (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 6.2.3); widened by Student's t over the
 * normal's quantile, since the scatter itself is known from few points.
 */
function intervalsOf(
  points: readonly ThroughputPoint[],
  usl: Usl,
  residuals: readonly number[],
  seed: number,
): { readonly peakInterval: PoolInterval; readonly peakThroughputInterval: PoolInterval } {
  const leverages = leveragesOf(points, usl);
  const full = residuals.map(
    (each, index) => each / Math.sqrt(1 - Math.min(LEVERAGE_MOST, leverages[index] ?? 0)),
  );
  const mean = full.reduce((sum, each) => sum + each, 0) / full.length;
  const tail = (1 - CONFIDENCE) / 2;
  const wider = studentQuantile(tail, points.length - UNKNOWNS) / NORMAL_975;
  const drawn = full.map((each) => (each - mean) * wider);
  const random = xoroshiro128plus(seed);
  const peaks: number[] = [];
  const heights: number[] = [];
  for (let refit = 0; refit < REFITS; refit += 1) {
    const again = points.map(({ size }) => ({
      size,
      throughput:
        uslThroughput(usl, size) * Math.exp(drawn[uniformInt(random, 0, drawn.length - 1)] ?? 0),
    }));
    const found = fitUsl(again, usl);
    if (!found) continue;
    const peak = uslPeak(found);
    peaks.push(peak ?? Number.POSITIVE_INFINITY);
    heights.push(
      peak === undefined
        ? // What the curve comes ever nearer to: lambda / sigma.
          found.lambda / found.sigma
        : uslThroughput(found, peak),
    );
  }
  return { peakInterval: between(peaks), peakThroughputInterval: between(heights) };
}

function between(values: readonly number[]): PoolInterval {
  if (values.length === 0) return {};
  const sorted = values.toSorted((a, b) => a - b);
  const tail = (1 - CONFIDENCE) / 2;
  const low = quantileSorted(sorted, tail);
  const high = quantileSorted(sorted, 1 - tail);
  return {
    ...(Number.isFinite(low) ? { low } : {}),
    ...(Number.isFinite(high) ? { high } : {}),
  };
}
