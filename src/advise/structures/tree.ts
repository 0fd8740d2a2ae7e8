/** Parse trees taken apart and put together again: queries, conditions, and expressions as SQL that means the same. */
import { parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import { withoutPlaces } from "../indexes/expressions.ts";
import { isNode } from "../indexes/node.ts";

export type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];
export type Call = Extract<Node, { FuncCall: unknown }>;

/** Equal for expressions that are written alike, in whatever order the fields of their nodes are. */
export function formOf(node: unknown): string {
  return JSON.stringify(withoutPlaces(node), (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Undefined when what the deparser writes does not mean the same. The parser has been loaded by whoever read the statement. */
export function statementSql(statement: Node): string | undefined {
  try {
    const sql = deparseSync(statement, { pretty: false });
    const again = parseSync(sql).stmts?.[0]?.stmt;
    return again && formOf(again) === formOf(statement) ? sql : undefined;
  } catch {
    return undefined;
  }
}

/** An expression likewise. */
export function expressionSql(node: Node): string | undefined {
  const sql = statementSql({
    SelectStmt: { targetList: [{ ResTarget: { val: node } }], ...PLAIN_SELECT },
  });
  return sql?.replace(/^SELECT /, "");
}

/** What the parser says of every query without LIMIT and UNION. */
export const PLAIN_SELECT = { limitOption: "LIMIT_OPTION_DEFAULT", op: "SETOP_NONE" } as const;

/** One query as the parser reads it; throws what the parser says. */
export function selectFrom(sql: string): Select {
  const statement = parseSync(sql).stmts?.[0]?.stmt;
  if (!statement || !("SelectStmt" in statement)) throw new Error(`no query: ${sql}`);
  return statement.SelectStmt;
}

export function expressionFrom(sql: string): Node {
  const target = selectFrom(`SELECT ${sql}`).targetList?.[0];
  const value = target && "ResTarget" in target ? target.ResTarget.val : undefined;
  if (!value) throw new Error(`no expression: ${sql}`);
  return value;
}

/** The parts of an AND, however it is nested. */
export function conjunctsOf(node: Node | undefined): readonly Node[] {
  if (!node) return [];
  if ("BoolExpr" in node && node.BoolExpr.boolop === "AND_EXPR")
    return (node.BoolExpr.args ?? []).flatMap(conjunctsOf);
  return [node];
}

/** Whether a value is written in it, or a parameter stands for one. */
export function hasConstant(node: unknown): boolean {
  return has(node, (each) => "ParamRef" in each || "A_Const" in each);
}

export function hasParameter(node: unknown): boolean {
  return has(node, (each) => "ParamRef" in each);
}

export function hasSubquery(node: unknown): boolean {
  return has(node, (each) => "SubLink" in each || "SelectStmt" in each);
}

/** Whether any node inside a value is so. */
export function has(value: unknown, is: (node: object) => boolean): boolean {
  if (Array.isArray(value)) return value.some((each) => has(each, is));
  if (typeof value !== "object" || value === null) return false;
  return (isNode(value) && is(value)) || Object.values(value).some((each) => has(each, is));
}

/** Every query inside a value, from the outermost inwards; the sides of a UNION are none. */
export function selectsIn(value: unknown): readonly Select[] {
  if (Array.isArray(value)) return value.flatMap(selectsIn);
  if (typeof value !== "object" || value === null) return [];
  const own = isNode(value) && "SelectStmt" in value ? [value.SelectStmt] : [];
  return [...own, ...Object.values(value).flatMap(selectsIn)];
}
