/** Whether a sweep carries an answer at all, and which of its sizes can be told apart. */
import { median } from "simple-statistics";
import type { PoolPoint, UslFit } from "../../../core/pool-advice.ts";
import { formatRatio, significant } from "../../../core/units.ts";
import { R_SQUARED_LEAST, SCATTER_MOST, SIZES_LEAST } from "./fit.ts";

/** Of the rounds of one size, from the least to the greatest over their median: typical ones that are wider hide what is looked for. */
const RANGE_MOST = 0.25;
/** Rounds as close as that show that a law fits badly because the shape is another, and not because of noise. */
const RANGE_CLOSE = 0.1;

interface Sweep {
  readonly points: readonly PoolPoint[];
  readonly fit: UslFit;
  /** Measured by perfopt itself: one measurement of a CSV may stand for many. */
  readonly live: boolean;
  /** Measured although other work on the machine spoils it. */
  readonly busyMachine: boolean;
}

/** Why no size may be recommended of it; empty when one may. */
export function unclearBecause({ points, fit, live, busyMachine }: Sweep): readonly string[] {
  const repeated = points.filter(({ measurements }) => measurements > 1);
  const range = repeated.length === 0 ? undefined : median(repeated.map(rangeOfRounds));
  return [
    ...(points.length < SIZES_LEAST
      ? [
          `only ${points.length} ${points.length === 1 ? "size" : "sizes"} could be used, and ${SIZES_LEAST} are needed`,
        ]
      : []),
    ...(live && repeated.length === 0
      ? ["one round: with each size measured once nothing says how much it scatters"]
      : []),
    ...(busyMachine
      ? ["--busy-machine: measurements that other work on the machine spoils were used too"]
      : []),
    ...(range !== undefined && range > RANGE_MOST ? [scatterOfRounds(range, repeated)] : []),
    ...(fit.kind === "fitted" &&
    fit.rSquared < R_SQUARED_LEAST &&
    fit.scatter > SCATTER_MOST &&
    (range ?? Infinity) > RANGE_CLOSE
      ? [
          `measurements scatter by ${formatRatio(fit.scatter)} around the scalability law, which explains ${formatRatio(Math.max(0, fit.rSquared))} of the differences (R²)`,
        ]
      : []),
  ];
}

function scatterOfRounds(range: number, repeated: readonly PoolPoint[]): string {
  const [first, ...others] = repeated;
  const widest = others.reduce(
    (most, each) => (most && rangeOfRounds(most) >= rangeOfRounds(each) ? most : each),
    first,
  );
  const example = widest ? `; ${widest.size} measured ${rangeInWords(widest)}` : "";
  return `rounds of the same size differ by ${formatRatio(range)} of their median, typically${example}`;
}

function rangeOfRounds({ throughput, throughputLow, throughputHigh }: PoolPoint): number {
  return (throughputHigh - throughputLow) / throughput;
}

function rangeInWords({ throughputLow, throughputHigh }: PoolPoint): string {
  return `${significant(throughputLow)} to ${significant(throughputHigh)}/s`;
}

/** Why the slower of two may be as fast as the other; undefined where it is not. Rounds count; without them, scatter around the law. */
export function overlapOf(slow: PoolPoint, fast: PoolPoint, fit: UslFit): string | undefined {
  if (slow.measurements > 1 || fast.measurements > 1) {
    return slow.throughputHigh < fast.throughputLow
      ? undefined
      : `its rounds (${rangeInWords(slow)}) overlap with those of ${fast.size} (${rangeInWords(fast)})`;
  }
  if (fit.kind !== "fitted") return undefined;
  const { scatter } = fit;
  return slow.throughput * (1 + scatter) < fast.throughput * (1 - scatter)
    ? undefined
    : `measurements scatter by ${formatRatio(scatter)}`;
}
