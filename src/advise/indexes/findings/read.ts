/** Statements as the ideas were made from them, with their parse trees and plans, for the findings. */
import type { ReadStatement as Read } from "../ideas.ts";
import { parseStatement } from "../parse.ts";
import type { Plan } from "../what-if.ts";
import type { ReadStatement } from "./input.ts";

/** `plans`: before anything is changed, by the statements' ids. */
export async function statementsForFindings(
  statements: readonly Pick<Read, "statement" | "uses" | "writes">[],
  plans: ReadonlyMap<string, Plan>,
): Promise<readonly ReadStatement[]> {
  const read: ReadStatement[] = [];
  for (const { statement, uses, writes } of statements) {
    // As the source had it: what is a constant there, and what a parameter, is part of what is wrong with it.
    const own = await parseStatement(statement.sql);
    const parsed = own.kind === "parsed" ? own : await parseStatement(statement.planSql);
    if (parsed.kind === "failed") continue;
    const plan = plans.get(statement.id);
    read.push({ statement, tree: parsed.statement, uses, writes, ...(plan ? { plan } : {}) });
  }
  return read;
}
