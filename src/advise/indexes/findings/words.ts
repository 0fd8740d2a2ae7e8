/** How findings say how long counters ran and how many there are of something. */
import { formatDuration } from "../../../core/units.ts";
import type { FindingsInput } from "./input.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long scans and writes were counted when the catalog was read; undefined when it is not known. */
export function countersAge({
  catalog,
  at,
}: Pick<FindingsInput, "catalog" | "at">): number | undefined {
  const { countersSince } = catalog;
  if (countersSince === undefined) return undefined;
  const age = Date.parse(at) - Date.parse(countersSince);
  return Number.isFinite(age) && age >= 0 ? age : undefined;
}

export function readableAge(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} hours`;
  return formatDuration(ms);
}

/** 1234567 is `1,234,567`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  const digits = String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return `${digits} ${digits === "1" ? one : many}`;
}
