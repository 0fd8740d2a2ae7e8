/** Executed plans by hand. */
import type { Executed } from "../../src/advise/executed/execute.ts";
import type { ExecutedNode, ExecutedPlan } from "../../src/advise/executed/node.ts";

/** `planned` and `actual` rows of one loop. */
export function node(
  type: string,
  planned: number,
  actual: number,
  more: Partial<ExecutedNode> & { readonly Strategy?: string } = {},
): ExecutedNode {
  return {
    "Node Type": type,
    "Plan Rows": planned,
    "Plan Width": 16,
    "Actual Rows": actual,
    "Actual Loops": 1,
    ...more,
  };
}

export function scan(
  table: string,
  planned: number,
  actual: number,
  more: Partial<ExecutedNode> = {},
): ExecutedNode {
  const on = { Schema: "public", "Relation Name": table, Alias: table };
  return node("Seq Scan", planned, actual, { ...on, ...more });
}

export function executedPlan(root: ExecutedNode, more: Partial<ExecutedPlan> = {}): Executed {
  return {
    id: "1",
    sql: "SELECT 1",
    planSql: "SELECT 1",
    share: 1,
    meanMs: 10,
    guessed: false,
    drawn: false,
    plan: { root, executionMs: 10, ...more },
  };
}
