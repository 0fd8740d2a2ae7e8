/** Scales: from measured values to pixels, with round ticks. */
import { metricOf, type MetricId } from "../../core/metric.ts";
import { formatBytes, significant } from "../../core/units.ts";
import { abbreviated, neat } from "../format.ts";

export interface Tick {
  readonly position: number;
  readonly label: string;
}

export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
  /** Said in the caption when it is not the plain case, a linear axis from zero. */
  readonly note: string | undefined;
}

export type Format = (value: number) => string;

/** A linear scale over the values; from zero unless they are all far from it, which the note then says. */
export function linearScale(
  values: readonly number[],
  pixels: readonly [number, number],
  format: Format,
): Scale {
  const least = Math.min(...values);
  const greatest = Math.max(...values);
  const spread = greatest - least || Math.abs(greatest) || 1;
  const fromZero = least >= 0 && least < 0.5 * greatest;
  const low = fromZero || least === 0 ? 0 : least - 0.15 * spread;
  const high = greatest + 0.15 * spread;
  const at = between(low, high, pixels, (value) => value);
  return {
    at,
    ticks: linearTicks(low, high).map((value) => ({ position: at(value), label: format(value) })),
    note: low === 0 ? undefined : "The vertical axis does not start at 0.",
  };
}

/** A logarithmic scale; every value has to be above zero. `room` is the factor left free at both ends. */
export function logScale(
  values: readonly number[],
  pixels: readonly [number, number],
  format: Format,
  room = 1.15,
): Scale {
  const low = Math.min(...values) / room;
  const high = Math.max(...values) * room;
  const at = between(low, high, pixels, Math.log);
  return {
    at,
    ticks: logTicks(low, high).map((value) => ({ position: at(value), label: format(value) })),
    note: "The vertical axis is logarithmic.",
  };
}

/** A linear scale over shares, 0 to 1, in per cent; never beyond what a share can be. */
export function shareScale(values: readonly number[], pixels: readonly [number, number]): Scale {
  const least = Math.min(...values);
  const greatest = Math.max(...values);
  const room = 0.12 * (greatest - least || 0.1);
  const low = least < 0.25 * greatest ? 0 : Math.max(0, least - room);
  const high = Math.min(1, greatest + room);
  const at = between(low, high, pixels, (value) => value);
  return {
    at,
    ticks: linearTicks(low, high).map((value) => ({
      position: at(value),
      label: trimmed(value * 100),
    })),
    note: low === 0 ? undefined : "The vertical axis does not start at 0.",
  };
}

/** A logarithmic scale over sizes above zero, with ticks at powers of two. */
export function bytesScale(values: readonly number[], pixels: readonly [number, number]): Scale {
  const whole = Array.from({ length: 51 }, (_, power) => 2 ** power);
  const quarters = whole.flatMap((size) => [1, 1.25, 1.5, 1.75].map((part) => part * size));
  return chosenScale(values, pixels, [whole, quarters], (value) => neat(formatBytes(value)));
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A logarithmic scale over durations above zero, with ticks where people count. */
export function durationScale(
  values: readonly number[],
  pixels: readonly [number, number],
  format: Format,
): Scale {
  const parts: readonly (readonly [number, readonly number[]])[] = [
    [1, [1, 2, 5, 10, 20, 50, 100, 200, 500]],
    [SECOND, [1, 2, 5, 10, 20, 30]],
    [MINUTE, [1, 2, 5, 10, 20, 30]],
    [HOUR, [1, 2, 4, 8, 12]],
    [DAY, [1, 2, 4, 7, 14, 30, 90, 180, 365]],
  ];
  const nice = parts.flatMap(([unit, counts]) => counts.map((count) => count * unit));
  return chosenScale(values, pixels, [nice], format);
}

/** What a tick's label needs in pixels, with room to the next, and what it needs at the least. */
const TICK_APART = 64;
const TICK_APART_LEAST = 40;

/** Logarithmic, with ticks from the first of the lists that has enough of them in range, else at the values, as many as find room. */
function chosenScale(
  values: readonly number[],
  pixels: readonly [number, number],
  lists: readonly (readonly number[])[],
  format: Format,
): Scale {
  const least = Math.min(...values);
  const greatest = Math.max(...values);
  // Room at both ends, for labels of the first and the last point.
  const room = Math.max(1.1, (greatest / least) ** 0.06);
  const low = least / room;
  const high = greatest * room;
  const at = between(low, high, pixels, Math.log);
  const own = [...new Set(values)].toSorted((a, b) => a - b);
  const chosen =
    lists
      .map((list) => list.filter((value) => value >= low && value <= high))
      .find((list) => list.length >= 3) ?? own;
  // Every second, third or fourth of them, so that the steps stay even.
  const most = Math.abs(pixels[1] - pixels[0]) / TICK_APART;
  const every = Math.max(1, Math.ceil(chosen.length / most));
  const ticks: Tick[] = [];
  for (const [index, value] of chosen.entries()) {
    const position = at(value);
    const apart = Math.abs(position - (ticks.at(-1)?.position ?? -Infinity));
    if (index % every === 0 && apart >= TICK_APART_LEAST)
      ticks.push({ position, label: format(value) });
  }
  return { at, ticks, note: "The horizontal axis is logarithmic." };
}

/** Where settings lie on an axis: logarithmic when they span a lot; zero then lies where half the least one would. */
export function settingScale(
  settings: readonly number[],
  [from, to]: readonly [number, number],
): { readonly at: (value: number) => number; readonly logarithmic: boolean } {
  const least = Math.min(...settings);
  const positive = settings.filter((setting) => setting > 0);
  const unit = Math.min(...positive);
  const logarithmic = least >= 0 && positive.length > 1 && Math.max(...positive) / unit >= 8;
  const bend = logarithmic
    ? (value: number) => Math.log2(value > 0 ? value / unit : 0.5)
    : (value: number) => value;
  const inset = 0.05 * (to - from);
  const at = between(least, Math.max(...settings), [from + inset, to - inset], bend);
  return { at, logarithmic };
}

/** Values of a metric on an axis: the number alone, the unit being in the axis label; bytes carry their own. */
export function axisFormat(metric: MetricId): Format {
  switch (metricOf(metric).unit) {
    case "ratio":
      return (value) => trimmed(value * 100);
    case "bytes":
    case "bytes-per-second":
      return (value) => formatBytes(value);
    case "ms":
      return trimmed;
    case "per-second":
    case "count":
      return (value) => (Math.abs(value) < 100_000 ? trimmed(value) : abbreviated(value));
  }
}

export function axisLabel(metric: MetricId): string {
  const { title, unit } = metricOf(metric);
  switch (unit) {
    case "ms":
      return `${title} (ms)`;
    case "ratio":
      return `${title} (%)`;
    case "per-second":
      return title.includes("/s") ? title : `${title} (per second)`;
    case "bytes":
    case "bytes-per-second":
    case "count":
      return title;
  }
}

/** Without the zeros that say nothing: 2.50 is 2.5. */
export function trimmed(value: number): string {
  const text = significant(Math.abs(value) < 1e-12 ? 0 : value);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function between(
  low: number,
  high: number,
  [from, to]: readonly [number, number],
  bend: (value: number) => number,
): (value: number) => number {
  const start = bend(low);
  const length = bend(high) - start || 1;
  return (value) => from + ((bend(value) - start) / length) * (to - from);
}

/** The widest of the round steps that gives four ticks or more. */
function linearTicks(low: number, high: number): readonly number[] {
  const power = 10 ** Math.floor(Math.log10(high - low));
  const step = [5, 2, 1, 0.5, 0.2, 0.1].find((each) => stepsWithin(each * power, low, high) >= 4);
  const width = (step ?? 0.1) * power;
  const first = Math.ceil(low / width);
  return Array.from(
    { length: stepsWithin(width, low, high) },
    (_, index) => (first + index) * width,
  );
}

function stepsWithin(step: number, low: number, high: number): number {
  return Math.floor(high / step) - Math.ceil(low / step) + 1;
}

function logTicks(low: number, high: number): readonly number[] {
  for (const mantissas of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    const ticks = ticksOf(mantissas, low, high);
    if (ticks.length >= 4) return ticks;
  }
  return linearTicks(low, high);
}

function ticksOf(mantissas: readonly number[], low: number, high: number): readonly number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    for (const mantissa of mantissas) {
      const value = mantissa * 10 ** power;
      if (value >= low && value <= high) ticks.push(value);
    }
  return ticks;
}
