/** How long an answer holds, in the largest unit that suits: headers say seconds, and nobody reads 31536000. */
import { significant } from "../../../core/units.ts";

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** 90000 ms is `1.5 min`; what is not whole has three digits. */
export function formatAge(ms: number): string {
  const [unit, length] = UNITS.find(([, each]) => ms >= each) ?? ["s", 1_000];
  const value = ms / length;
  return `${Number.isInteger(value) ? value : Number(significant(value))} ${unit}`;
}
