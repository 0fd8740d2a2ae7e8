/** Which statements may be given to a planner: one that reads or changes rows, and nothing beside it. */
import { loadModule, parseSync, type Node } from "libpg-query";
import { messageOf } from "../../../core/errors.ts";

export type Plannable =
  | {
      readonly kind: "plannable";
      /** The statement alone, without what stands around it. */
      readonly sql: string;
      /** The highest number of its parameters; 0 without any. */
      readonly parameters: number;
    }
  | { readonly kind: "refused"; readonly because: string };

const PLANNABLE = ["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"];

export async function readPlannable(sql: string): Promise<Plannable> {
  await loadModule();
  try {
    const { stmts = [] } = parseSync(sql);
    const [first, ...others] = stmts;
    if (first?.stmt === undefined || others.length > 0) {
      return { kind: "refused", because: `${stmts.length} statements where one is wanted` };
    }
    const [kind = "nothing"] = Object.keys(first.stmt);
    if (!PLANNABLE.includes(kind)) {
      return {
        kind: "refused",
        because: `the planner prices no ${kind.replace(/Stmt$/, "")} statement`,
      };
    }
    if ("SelectStmt" in first.stmt && first.stmt.SelectStmt.intoClause !== undefined) {
      return { kind: "refused", because: "SELECT INTO makes a table" };
    }
    return { kind: "plannable", sql: textOf(sql, first), parameters: parametersIn(first.stmt) };
  } catch (error) {
    return { kind: "refused", because: `PostgreSQL's parser: ${messageOf(error)}` };
  }
}

/** The parser counts in bytes; a length of 0 means to the end. */
function textOf(
  sql: string,
  { stmt_location: from = 0, stmt_len: length = 0 }: { stmt_location?: number; stmt_len?: number },
): string {
  const bytes = new TextEncoder().encode(sql);
  const part = bytes.slice(from, length === 0 ? bytes.length : from + length);
  return new TextDecoder().decode(part).trim();
}

function parametersIn(node: Node): number {
  const numbers = [...JSON.stringify(node).matchAll(/"ParamRef":\{"number":(\d+)/g)];
  return Math.max(0, ...numbers.map(([, number]) => Number(number)));
}
