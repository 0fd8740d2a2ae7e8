/** The part of a workload that is worth planning: its heaviest statements, with what the others weigh. */
import type { IndexWorkload, WorkloadStatement } from "../statement.ts";

/** Writes are read from the whole workload, before this. */
export function heaviestStatements(workload: IndexWorkload, statementsMax: number): IndexWorkload {
  const { statements, weights } = workload;
  if (statements.length <= statementsMax) return workload;
  const kept = statements.slice(0, statementsMax);
  const sum = (some: readonly WorkloadStatement[]): number =>
    some.reduce((total, each) => total + weightOf(each, weights), 0);
  const share = sum(kept) / sum(statements);
  const percent = Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : "an unknown share";
  return {
    ...workload,
    statements: kept,
    caveats: [
      ...workload.caveats,
      `the heaviest ${kept.length} of ${statements.length} statements are looked at: ${percent} of the ${weights === "equal" ? "statements" : weights === "time" ? "time" : "calls"}`,
    ],
  };
}

/** What the source says that a statement weighs, not yet as a share. */
export function weightOf(
  statement: Pick<WorkloadStatement, "calls" | "totalMs">,
  weights: IndexWorkload["weights"],
): number {
  if (weights === "equal") return 1;
  return (weights === "time" ? statement.totalMs : statement.calls) ?? 0;
}
