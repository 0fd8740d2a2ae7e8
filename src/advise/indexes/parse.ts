/** Statements as PostgreSQL's own parser reads them, and their texts made fit for EXPLAIN. */
import { loadModule, parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { messageOf } from "../../core/errors.ts";

export type Parsed =
  | { readonly kind: "parsed"; readonly statement: Node }
  | { readonly kind: "failed"; readonly because: string };

/** Parses texts of pg_stat_statements, whose constants are `$1`, `$2` and so on. */
export async function parseStatement(sql: string): Promise<Parsed> {
  await loadModule();
  try {
    const { stmts = [] } = parseSync(sql);
    const statement = stmts[0]?.stmt;
    if (!statement || stmts.length > 1) return { kind: "failed", because: "not one statement" };
    return { kind: "parsed", statement };
  } catch (error) {
    return { kind: "failed", because: `PostgreSQL's parser: ${messageOf(error)}` };
  }
}

/**
 * The literals of a planned statement that are values bound at run time, since the observed one has $1, $2 there; all of them when the two
 * differ otherwise, or nothing was observed.
 */
export function boundLiterals(observed: Node | undefined, planned: Node): WeakSet<object> {
  const bound = new WeakSet();
  const bindAll = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    bound.add(value);
    Object.values(value).forEach(bindAll);
  };
  const compare = (mine: unknown, theirs: unknown): void => {
    if (typeof theirs !== "object" || theirs === null) return;
    const isAlike = typeof mine === "object" && mine !== null && !("ParamRef" in mine);
    if (!isAlike || Object.keys(mine).length !== Object.keys(theirs).length) return bindAll(theirs);
    const others = new Map(Object.entries(mine));
    for (const [key, value] of Object.entries(theirs)) compare(others.get(key), value);
  };
  compare(observed, planned);
  return bound;
}
