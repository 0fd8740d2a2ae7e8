/** How the advisor's report says costs, gains, statements and what was measured; what is estimated is never called measured. */
import type { IndexAdvice, MeasuredFactor, StatementEffect } from "../../core/advice.ts";
import { formatChange, formatRatio, significant } from "../../core/units.ts";
import { abbreviated, NOT_MEASURED } from "../format.ts";
import { shortened } from "../outputs/document.ts";

const ID_CHARACTERS = 40;

/** The planner's unit has no name: 12,345.6 is `12.3k`. */
export function formatCost(cost: number | undefined): string {
  if (cost === undefined || !Number.isFinite(cost)) return "not planned";
  return abbreviated(cost);
}

/** `-98.1 %` for a cost that falls; a cost of zero cannot change by a share. */
export function costChange(before: number | undefined, after: number | undefined): string {
  if (before === undefined || after === undefined) return "";
  return before > 0 && Number.isFinite(after / before) ? factorChange(after / before) : "";
}

/** A factor as a change; large ones as a multiple, which is easier to read. */
export function factorChange(factor: number): string {
  if (!Number.isFinite(factor)) return NOT_MEASURED;
  if (factor >= 2) return `${significant(factor)} times`;
  return formatChange(factor).replace(/^[+-](0\.0 %)$/, "$1");
}

/** `-31.0 % (-35.2 % to -26.4 %)`. */
export function measuredChange(measured: MeasuredFactor): string {
  const low = factorChange(measured.low);
  const high = factorChange(measured.high);
  // One unit for both: `4.70 times (4.30 to 5.20)`.
  const both = low.endsWith(" times") && high.endsWith(" times");
  const range = `${low} to ${high}`;
  return `${factorChange(measured.factor)} (${both ? range.replaceAll(" times", "") : range})`;
}

export function formatShare(share: number): string {
  return Number.isFinite(share) ? formatRatio(share) : NOT_MEASURED;
}

/** Ids of pg_stat_statements are long numbers: their end is enough to find one again, and leaves the room to the statement. */
export function idOf(id: string): string {
  const number = /^-?\d{10,}(?=#|$)/.exec(id)?.[0];
  return number === undefined
    ? shortened(id, ID_CHARACTERS)
    : `query …${number.slice(-6)}${id.slice(number.length)}`;
}

/** `Q7 4.21k to 12.1 (-99.7 %)`. */
export function effectInWords({ id, costBefore, costAfter }: StatementEffect): string {
  return `${idOf(id)} ${formatCost(costBefore)} to ${formatCost(costAfter)} (${costChange(costBefore, costAfter)})`;
}

/** Where the sizes of the selected indexes come from. */
export function sizesFrom({ selected, verification }: IndexAdvice): "measured" | "estimated" {
  if (verification?.elsewhere) return "estimated";
  const built = new Set(verification?.sizes.map(({ name }) => name));
  return selected.every(({ index }) => built.has(index.name)) ? "measured" : "estimated";
}

/** A text that may begin with a name, whose first letter has to stay as it is, as a sentence. */
export function ended(text: string): string {
  const trimmed = text.trim();
  return trimmed === "" || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** Of the workload's cost, for keeping indexes up. */
export function formatPercent(percent: number): string {
  if (!Number.isFinite(percent)) return NOT_MEASURED;
  return percent > 0 && percent < 0.05 ? "< 0.1 %" : `${percent.toFixed(1)} %`;
}
