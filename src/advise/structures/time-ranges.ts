/** Columns that tell a time, and the ranges that their values are split into. */
import { quoteText } from "../../core/index-definition.ts";
import type { ColumnInfo } from "../indexes/catalog.ts";
import { TIMESTAMP, TIMESTAMP_WITH_ZONE } from "../indexes/expression-types.ts";

const intervals = ["hour", "day", "week", "month", "quarter", "year"] as const;
export type Interval = (typeof intervals)[number];

export interface TimeColumn {
  readonly column: ColumnInfo;
  /** How its values are written: as a date, or as a number counted from 1970. */
  readonly scale: "date" | "timestamp" | "timestamptz" | "seconds" | "milliseconds";
  readonly fromMs: number;
  readonly toMs: number;
}

export interface TimeRanges {
  readonly interval: Interval;
  /** Each begins where the one before ends, milliseconds since 1970; one more than there are partitions. */
  readonly boundsMs: readonly number[];
}

/** Fewer prune little, more make every plan dear that reads all. */
export const PARTITIONS = { least: 12, most: 60 } as const;

/** 2001 to 2100: a number outside is no time. */
const PLAUSIBLE_S = { least: 978_307_200, most: 4_102_444_800 };
const TIME_NAME = /time|date|(?:^|_)(?:at|ts|ms|when|day)$/i;

/** Undefined for what is no time, or has no statistics to tell its span. */
export function timeColumn(column: ColumnInfo): TimeColumn | undefined {
  const { histogram, common } = column;
  const values = histogram.length > 1 ? histogram : common.map(({ value }) => value);
  if (values.length < 2) return undefined;
  const scale = scaleOf(column, values);
  if (scale === undefined) return undefined;
  const times = values.map((value) => timeOf(value, scale)).filter((each) => Number.isFinite(each));
  if (times.length < 2) return undefined;
  return { column, scale, fromMs: Math.min(...times), toMs: Math.max(...times) };
}

function scaleOf(
  { type, name }: ColumnInfo,
  values: readonly string[],
): TimeColumn["scale"] | undefined {
  if (type === "date") return "date";
  if (type === TIMESTAMP) return "timestamp";
  if (type === TIMESTAMP_WITH_ZONE) return "timestamptz";
  if (type !== "bigint" && type !== "integer") return undefined;
  if (!TIME_NAME.test(name)) return undefined;
  const numbers = values.map(Number);
  const within = (factor: number): boolean =>
    numbers.every(
      (each) => each >= PLAUSIBLE_S.least * factor && each <= PLAUSIBLE_S.most * factor,
    );
  if (within(1_000)) return "milliseconds";
  return within(1) ? "seconds" : undefined;
}

/** A time without a zone is taken as UTC: only distances matter. */
function timeOf(value: string, scale: TimeColumn["scale"]): number {
  if (scale === "milliseconds") return Number(value);
  if (scale === "seconds") return Number(value) * 1_000;
  const iso = value.replace(" ", "T").replace(/([+-]\d{2})$/, "$1:00");
  return Date.parse(/[+-]\d{2}:\d{2}$|Z$/.test(iso) || scale === "date" ? iso : `${iso}Z`);
}

/** The longest interval with at least so many partitions as prune well; undefined where the data spans too little. */
export function rangesOf({
  fromMs,
  toMs,
}: Pick<TimeColumn, "fromMs" | "toMs">): TimeRanges | undefined {
  for (const interval of intervals.toReversed()) {
    const boundsMs = boundsBetween(interval, fromMs, toMs);
    const partitions = boundsMs.length - 1;
    if (partitions >= PARTITIONS.least)
      return partitions <= PARTITIONS.most ? { interval, boundsMs } : undefined;
  }
  return undefined;
}

function boundsBetween(interval: Interval, fromMs: number, toMs: number): readonly number[] {
  const bounds = [startOf(interval, fromMs)];
  for (let at = bounds[0] ?? fromMs; at <= toMs && bounds.length <= PARTITIONS.most + 1;) {
    at = nextAfter(interval, at);
    bounds.push(at);
  }
  return bounds;
}

function startOf(interval: Interval, ms: number): number {
  const date = new Date(ms);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (interval) {
    case "hour":
      return Date.UTC(year, month, day, date.getUTCHours());
    case "day":
      return Date.UTC(year, month, day);
    case "week":
      return Date.UTC(year, month, day - ((date.getUTCDay() + 6) % 7));
    case "month":
      return Date.UTC(year, month);
    case "quarter":
      return Date.UTC(year, month - (month % 3));
    case "year":
      return Date.UTC(year, 0);
  }
}

function nextAfter(interval: Interval, ms: number): number {
  const date = new Date(ms);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (interval) {
    case "hour":
      return ms + 3_600_000;
    case "day":
      return Date.UTC(year, month, day + 1);
    case "week":
      return Date.UTC(year, month, day + 7);
    case "month":
      return Date.UTC(year, month + 1);
    case "quarter":
      return Date.UTC(year, month + 3);
    case "year":
      return Date.UTC(year + 1, 0);
  }
}

/** As SQL for FOR VALUES FROM and TO. */
export function boundSql(ms: number, scale: TimeColumn["scale"]): string {
  if (scale === "milliseconds") return String(ms);
  if (scale === "seconds") return String(ms / 1_000);
  const text = new Date(ms).toISOString();
  if (scale === "date") return quoteText(text.slice(0, 10));
  const plain = text.slice(0, 19).replace("T", " ");
  return quoteText(scale === "timestamptz" ? `${plain}+00` : plain);
}

/** Of a partition's name: as long as the interval needs. */
export function rangeName(interval: Interval, ms: number): string {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, "");
  const length = { hour: 10, day: 8, week: 8, month: 6, quarter: 6, year: 4 }[interval];
  return digits.slice(0, length);
}
