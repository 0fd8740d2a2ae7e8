/** What the predicate of a partial index says of the values that are left in it. */
import { loadModule, parseSync, type Node } from "libpg-query";
import type { KeyColumn } from "./btree-size.ts";

export interface Predicate {
  /** Columns that are compared with a constant for equality: one value is left. */
  readonly equal: ReadonlySet<string>;
  readonly notNull: ReadonlySet<string>;
  readonly isNull: ReadonlySet<string>;
  /** Columns that appear otherwise: which values are left is not known. */
  readonly other: ReadonlySet<string>;
}

export async function readPredicate(sql: string | undefined): Promise<Predicate | undefined> {
  if (sql === undefined) return undefined;
  await loadModule();
  const found = {
    equal: new Set<string>(),
    notNull: new Set<string>(),
    isNull: new Set<string>(),
    other: new Set<string>(),
  };
  const statement = parseSync(`SELECT WHERE ${sql}`).stmts?.[0]?.stmt;
  if (statement && "SelectStmt" in statement)
    readCondition(statement.SelectStmt.whereClause, found);
  return found;
}

type Found = { readonly [key in keyof Predicate]: Set<string> };

function readCondition(node: Node | undefined, found: Found): void {
  if (node === undefined) return;
  if ("BoolExpr" in node && node.BoolExpr.boolop === "AND_EXPR") {
    for (const part of node.BoolExpr.args ?? []) readCondition(part, found);
    return;
  }
  if ("NullTest" in node) {
    const name = columnOf(node.NullTest.arg);
    const test = node.NullTest.nulltesttype;
    if (name !== undefined) found[test === "IS_NULL" ? "isNull" : "notNull"].add(name);
    return;
  }
  if ("A_Expr" in node && node.A_Expr.kind === "AEXPR_OP") {
    const [operator] = node.A_Expr.name ?? [];
    const name = columnOf(node.A_Expr.lexpr);
    const equal = operator !== undefined && "String" in operator && operator.String.sval === "=";
    if (name !== undefined) {
      found[equal ? "equal" : "other"].add(name);
      return;
    }
  }
  // A boolean column alone, or negated, leaves one value; anything else is a condition on what it names.
  const name = columnOf("BoolExpr" in node ? node.BoolExpr.args?.[0] : node);
  if (name !== undefined) found.equal.add(name);
  else for (const each of namesIn(node)) found.other.add(each);
}

function columnOf(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if ("TypeCast" in node) return columnOf(node.TypeCast.arg);
  if (!("ColumnRef" in node)) return undefined;
  const last = node.ColumnRef.fields?.at(-1);
  return last !== undefined && "String" in last ? last.String.sval : undefined;
}

function namesIn(node: Node): readonly string[] {
  return [
    ...JSON.stringify(node).matchAll(
      /"ColumnRef":\{"fields":\[(?:[^\]]*)\{"String":\{"sval":"([^"]*)"\}\}\]/g,
    ),
  ].map(([, name]) => name ?? "");
}

/** The column as it is in the part of the table that the predicate leaves. */
export function narrowed(
  column: KeyColumn,
  name: string | undefined,
  predicate: Predicate,
  share: number,
): KeyColumn {
  if (name === undefined) return column;
  if (predicate.equal.has(name)) return { ...column, nullShare: 0, distinct: 1, common: [] };
  if (predicate.isNull.has(name)) return { ...column, nullShare: 1, distinct: 1, common: [] };
  if (predicate.other.has(name)) {
    return { ...column, nullShare: 0, distinct: Math.max(1, column.distinct * share), common: [] };
  }
  if (predicate.notNull.has(name) && column.nullShare > 0) {
    const kept = Math.max(1e-9, 1 - column.nullShare);
    return {
      ...column,
      nullShare: 0,
      common: column.common.map((each) => Math.min(1, each / kept)),
    };
  }
  return column;
}
