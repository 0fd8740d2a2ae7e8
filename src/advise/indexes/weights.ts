/** What each statement of a workload weighs in the search: by measured time, by calls times cost, or each the same. */
import type { Objective, SearchStatement } from "./search/input.ts";
import type { IndexWorkload, WorkloadStatement } from "./statement.ts";
import type { WhatIf } from "./what-if.ts";
import { weightOf } from "./workload/heaviest.ts";

export interface WeighedWorkload {
  readonly workload: IndexWorkload;
  /** Those that are searched for, in order. */
  readonly statements: readonly SearchStatement[];
  readonly objective: Objective;
  /** By id, together 1. */
  readonly shares: ReadonlyMap<string, number>;
  /** Calls times planned cost, all together, in the planner's units. */
  readonly cost: number;
}

/** Where only calls are known one misestimated statement could be all of the workload: none counts for more than this share. */
const SHARE_MOST = 0.5;

/**
 * The objective is `ratio` throughout: a statement counts by its share and by the factor by which its cost changes, so that one terrible
 * query does not decide everything. Shares are of the measured time; where only calls are known, of calls times cost, capped.
 */
export async function weigh(
  workload: IndexWorkload,
  statements: readonly WorkloadStatement[],
  whatIf: Pick<WhatIf, "plan">,
): Promise<WeighedWorkload> {
  const costs = new Map<string, number>();
  for (const statement of statements) {
    const { id, planSql: sql, valuesFrom } = statement;
    const explained = await whatIf.plan({ id, sql, valuesFrom }, { with: [] });
    if (explained.kind === "plan") costs.set(id, explained.plan.cost);
  }
  const costOf = (statement: WorkloadStatement): number =>
    (costs.get(statement.id) ?? 0) * (statement.calls ?? 1);
  const shares =
    workload.weights === "calls"
      ? capped(sharesOf(statements, costOf))
      : sharesOf(statements, (statement) => weightOf(statement, workload.weights));
  return {
    workload,
    objective: "ratio",
    shares,
    cost: statements.reduce((sum, statement) => sum + costOf(statement), 0),
    statements: statements.map(({ id, planSql: sql, valuesFrom }) => ({
      statement: { id, sql, valuesFrom },
      weight: shares.get(id) ?? 0,
    })),
  };
}

function sharesOf(
  statements: readonly WorkloadStatement[],
  amountOf: (statement: WorkloadStatement) => number,
): ReadonlyMap<string, number> {
  const total = statements.reduce((sum, statement) => sum + amountOf(statement), 0);
  return new Map(
    statements.map((statement) => [
      statement.id,
      total > 0 ? amountOf(statement) / total : 1 / statements.length,
    ]),
  );
}

/** What is above the cap is shared out among the others by what they have. */
function capped(shares: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const [largest = ["", 0] as const] = [...shares].toSorted((a, b) => b[1] - a[1]);
  const [id, share] = largest;
  if (share <= SHARE_MOST || shares.size < 2) return shares;
  const scale = (1 - SHARE_MOST) / (1 - share);
  const others = shares.size - 1;
  return new Map(
    [...shares].map(([each, own]) => [
      each,
      each === id ? SHARE_MOST : share < 1 ? own * scale : (1 - SHARE_MOST) / others,
    ]),
  );
}
