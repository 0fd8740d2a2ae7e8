/** Conditions that a partial index can be limited to, and the share of rows that meet them by the statistics. */
import type { Node } from "libpg-query";
import type { ColumnInfo } from "./catalog.ts";
import { lastName } from "./expression-types.ts";
import { ownExpression } from "./expressions.ts";
import { baseColumn } from "./keys.ts";
import { subqueriesIn } from "./scope.ts";
import type { Filter, Scope, TableUse } from "./scope.ts";

export type ConstantFilter = Extract<Filter, { kind: "constant" }>;

/** A column with more values has names or numbers in it, of which a statement's is one among many. */
const KINDS_MAX = 50;
/** A value is rare that has less than this part of an even share. */
const RARE = 0.5;

/**
 * The planner proves a predicate when the statement has the same condition (predicate_implied_by); a value that is bound at run
 * time proves nothing. `borrowed` are literals that stand for such values; and a literal in a file may be a sample of one. So a
 * comparison counts where it reads like a rule of the business: with a rare one of a few values, or with zero.
 */
export function constantFilter(
  node: Node,
  scope: Scope,
  borrowed: WeakSet<object>,
): { readonly use: TableUse; readonly filter: ConstantFilter } | undefined {
  if (subqueriesIn(node).length > 0 || hasAny(node, borrowed)) return undefined;
  const share = shareOf(node, scope);
  if (share === undefined && !("NullTest" in node)) return undefined;
  const own = ownExpression(node, scope);
  if (own.kind !== "own") return undefined;
  const { use, sql, columns } = own;
  return { use, filter: { kind: "constant", sql, columns, share } };
}

/** Whether a row of nulls, as an outer join makes it, can meet the condition. */
export function acceptsNulls(node: Node): boolean {
  if ("NullTest" in node) return node.NullTest.nulltesttype === "IS_NULL";
  if ("BoolExpr" in node && node.BoolExpr.boolop === "NOT_EXPR") {
    const [inner] = node.BoolExpr.args ?? [];
    return !inner || !("ColumnRef" in inner);
  }
  if ("A_Expr" in node) {
    const { kind, lexpr } = node.A_Expr;
    const plain = kind === "AEXPR_OP" || kind === "AEXPR_IN" || kind === "AEXPR_OP_ANY";
    return !plain || !lexpr || !("ColumnRef" in lexpr);
  }
  return !("ColumnRef" in node);
}

/** A literal as pg_stats writes it; undefined for what is none. */
export function literalOf(node: Node | undefined): string | undefined {
  if (!node) return undefined;
  if ("TypeCast" in node) return literalOf(node.TypeCast.arg);
  if (!("A_Const" in node)) return undefined;
  const constant = node.A_Const;
  if ("ival" in constant) return String(constant.ival?.ival ?? 0);
  if ("fval" in constant) return constant.fval?.fval;
  if ("sval" in constant) return constant.sval?.sval ?? "";
  if ("boolval" in constant) return constant.boolval?.boolval ? "t" : "f";
  return undefined;
}

function shareOf(node: Node, scope: Scope): number | undefined {
  if ("BoolExpr" in node) {
    const [inner] = node.BoolExpr.args ?? [];
    if (node.BoolExpr.boolop !== "NOT_EXPR" || !inner) return undefined;
    const flag = baseColumn(inner, scope);
    if (flag) return shareOfValues(flag.column, ["f"]);
    const share = shareOf(inner, scope);
    return share === undefined ? undefined : Math.max(0, 1 - share);
  }
  if ("NullTest" in node) {
    const column = baseColumn(node.NullTest.arg, scope)?.column;
    if (!column || !hasStatistics(column)) return undefined;
    return node.NullTest.nulltesttype === "IS_NULL" ? column.nullFraction : 1 - column.nullFraction;
  }
  if ("BooleanTest" in node) {
    const column = baseColumn(node.BooleanTest.arg, scope)?.column;
    if (!column) return undefined;
    const { booltesttype: test = "IS_TRUE" } = node.BooleanTest;
    const value = test.endsWith("FALSE") ? "f" : "t";
    if (test.endsWith("UNKNOWN")) return undefined;
    const share = shareOfValues(column, [value]);
    return test.startsWith("IS_NOT") && share !== undefined ? 1 - share : share;
  }
  const flag = baseColumn(node, scope);
  if (flag) return flag.column.type === "boolean" ? shareOfValues(flag.column, ["t"]) : undefined;
  return "A_Expr" in node ? shareOfComparison(node.A_Expr, scope) : undefined;
}

type Expression = Extract<Node, { A_Expr: unknown }>["A_Expr"];

function shareOfComparison(expression: Expression, scope: Scope): number | undefined {
  const { kind, lexpr, rexpr } = expression;
  const operator = lastName(expression.name);
  const left = baseColumn(lexpr, scope)?.column;
  const column = left ?? baseColumn(rexpr, scope)?.column;
  if (!column) return undefined;
  const list = left && rexpr && "List" in rexpr ? (rexpr.List.items ?? []) : undefined;
  const values = (list ?? [left ? rexpr : lexpr]).map(literalOf);
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0 || known.length < values.length) return undefined;
  if (kind !== "AEXPR_OP" && kind !== "AEXPR_IN") return undefined;
  const isFlag = column.type === "boolean";
  if (operator === "=" || operator === "<>") {
    const equal = shareOfValues(column, known);
    if (equal === undefined) return undefined;
    const share = operator === "=" ? equal : Math.max(0, 1 - column.nullFraction - equal);
    return isFlag || isRare(column, known, operator, share) ? share : undefined;
  }
  const up = operator === ">" || operator === ">=";
  if ((!up && operator !== "<" && operator !== "<=") || Number(known[0]) !== 0) return undefined;
  const below = shareBelow(column, 0);
  if (below === undefined) return undefined;
  return up === (left !== undefined) ? Math.max(0, 1 - column.nullFraction - below) : below;
}

function isRare(
  column: ColumnInfo,
  values: readonly string[],
  operator: "=" | "<>",
  share: number,
): boolean {
  const kinds = column.distinct ?? Infinity;
  const isKnown = values.every((value) => column.common.some((each) => each.value === value));
  const even = operator === "=" ? values.length / kinds : 1 - values.length / kinds;
  return kinds <= KINDS_MAX && isKnown && share <= RARE * even;
}

/** As var_eq_const in selfuncs.c: a common value's own share, or an even part of what the common ones leave. */
function shareOfValues(column: ColumnInfo, values: readonly string[]): number | undefined {
  if (!hasStatistics(column)) return undefined;
  const common = new Map(column.common.map(({ value, share }) => [value, share]));
  const known = column.common.reduce((sum, { share }) => sum + share, 0);
  const rest = Math.max(0, 1 - column.nullFraction - known);
  const others = Math.max(1, (column.distinct ?? 1) - column.common.length);
  return values.reduce((sum, value) => sum + (common.get(value) ?? rest / others), 0);
}

/** Rows below a number by the statistics: of the common values, and of the histogram's equally filled bins. */
function shareBelow(column: ColumnInfo, bound: number): number | undefined {
  const bounds = column.histogram.map(Number);
  const common = column.common.map(({ value, share }) => ({ value: Number(value), share }));
  const numbers = [...bounds, ...common.map(({ value }) => value)];
  if (numbers.length === 0 || numbers.some((each) => !Number.isFinite(each))) return undefined;
  const ofCommon = common.filter(({ value }) => value < bound);
  const total = (list: typeof common): number => list.reduce((sum, { share }) => sum + share, 0);
  const rest = Math.max(0, 1 - column.nullFraction - total(common));
  const binsBelow = bounds.filter((each) => each < bound).length;
  const part = bounds.length < 2 ? 0 : Math.max(0, binsBelow - 1) / (bounds.length - 1);
  return total(ofCommon) + rest * (binsBelow === bounds.length ? 1 : part);
}

function hasStatistics(column: ColumnInfo): boolean {
  return column.distinct !== undefined;
}

function hasAny(value: unknown, nodes: WeakSet<object>): boolean {
  if (typeof value !== "object" || value === null) return false;
  return nodes.has(value) || Object.values(value).some((inner) => hasAny(inner, nodes));
}
