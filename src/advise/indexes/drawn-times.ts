/** Statements that were timed with drawn values, and took a quite different time in the workload: what was measured is then of another question. */
import type { Verification } from "../../core/advice.ts";
import { formatDuration } from "../../core/units.ts";
import type { WorkloadStatement } from "./statement.ts";

/** A machine that is busy, or caches that are cold, explain less. */
const TIMES_LEAST = 4;
const SHOWN_MAX = 5;

/** One sentence each. */
export function drawnTimes(
  statements: readonly WorkloadStatement[],
  verification: Verification | undefined,
): readonly string[] {
  const found = (verification?.statements ?? []).flatMap(({ id, measured }) => {
    const statement = statements.find((each) => each.id === id);
    if (!measured || statement?.valuesFrom !== "statistics") return [];
    const { totalMs, calls } = statement;
    if (totalMs === undefined || !calls) return [];
    const meanMs = totalMs / calls;
    const ratio = Math.max(meanMs / measured.withoutMs, measured.withoutMs / meanMs);
    if (ratio < TIMES_LEAST) return [];
    return [
      `statement ${id} was timed with values drawn from statistics: it takes ${formatDuration(measured.withoutMs)} with them and ${formatDuration(meanMs)} in the workload, so that others were probably asked for there, and what it gains may be another`,
    ];
  });
  return found.slice(0, SHOWN_MAX);
}
