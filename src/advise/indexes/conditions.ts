/** Conditions of a statement as uses of columns: equality, list, range, join; and what no B-tree of plain columns can serve. */
import type { Node } from "libpg-query";
import { columnsIn, resolveColumn, resolveName, subqueriesIn } from "./scope.ts";
import type { Outputs, Resolution, ResolvedColumn, Scope } from "./scope.ts";

/** What reading a condition needs of the walk around it. */
export interface ConditionContext {
  readonly note: (text: string) => unknown;
  /** Reads a subquery with this scope around it, and says what it gives out. */
  readonly subquery: (node: Node, scope: Scope) => Outputs;
}

type Expression = Extract<Node, { A_Expr: unknown }>["A_Expr"];

const RANGE_OPERATORS = new Set(["<", "<=", ">", ">="]);

/** Reads one condition and everything under it; ANDs are taken apart. */
export function readCondition(
  node: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  if (!node) return;
  if ("BoolExpr" in node) {
    const parts = node.BoolExpr.args ?? [];
    if (node.BoolExpr.boolop === "AND_EXPR") {
      for (const part of parts) readCondition(part, scope, context);
    } else if (node.BoolExpr.boolop === "OR_EXPR") readAlternatives(parts, scope, context);
    else readNegation(parts[0], scope, context);
    return;
  }
  if ("A_Expr" in node) return readExpression(node.A_Expr, scope, context);
  if ("SubLink" in node) return readSubquery(node, scope, context);
  if ("NullTest" in node && node.NullTest.nulltesttype === "IS_NULL") {
    const column = baseColumn(node.NullTest.arg, scope);
    column?.use.equal.add(column.column.name);
    return;
  }
  const flag = baseColumn(node, scope);
  if (flag?.column.type === "boolean") flag.use.equal.add(flag.column.name);
  readSubqueries(node, scope, context);
}

/** Subqueries inside an expression that is no condition on a column. */
export function readSubqueries(node: unknown, scope: Scope, context: ConditionContext): void {
  for (const subquery of subqueriesIn(node)) readSubquery(subquery, scope, context);
}

/** `a.x = b.y` by a name that both sides have. */
export function readUsing(name: string, left: Scope, right: Scope): void {
  joinResolved(resolveName(undefined, name, left), resolveName(undefined, name, right));
}

function readNegation(node: Node | undefined, scope: Scope, context: ConditionContext): void {
  if (!node) return;
  const flag = baseColumn(node, scope);
  if (flag?.column.type === "boolean") flag.use.equal.add(flag.column.name);
  // NOT EXISTS looks up the inner table just as EXISTS does.
  else if ("SubLink" in node && node.SubLink.subLinkType === "EXISTS_SUBLINK")
    readSubquery(node, scope, context);
  else readSubqueries(node, scope, context);
}

/** An OR of equalities on one column is a list; any other OR is left to bitmap scans of what else is proposed. */
function readAlternatives(parts: readonly Node[], scope: Scope, context: ConditionContext): void {
  const columns = parts.map((part) => {
    const isEquality =
      "A_Expr" in part && part.A_Expr.kind === "AEXPR_OP" && operatorOf(part.A_Expr) === "=";
    return isEquality ? baseColumn(part.A_Expr.lexpr, scope) : undefined;
  });
  const [first] = columns;
  if (first && columns.every((each) => each?.use === first.use && each.column === first.column)) {
    first.use.listed.add(first.column.name);
  } else {
    context.note("an OR over several columns is not served by one index");
  }
  for (const part of parts) readSubqueries(part, scope, context);
}

function readExpression(expression: Expression, scope: Scope, context: ConditionContext): void {
  const { lexpr: left, rexpr: right } = expression;
  readSubqueries([left, right], scope, context);
  const { kind } = expression;
  if (kind === "AEXPR_OP") return readOperator(operatorOf(expression), left, right, scope, context);
  if (kind === "AEXPR_IN" || kind === "AEXPR_OP_ANY") {
    if (operatorOf(expression) === "=") readPlain(left, right, scope, context, "listed");
  } else if (kind === "AEXPR_BETWEEN" || kind === "AEXPR_BETWEEN_SYM") {
    readPlain(left, right, scope, context, "ranges");
  } else if (kind === "AEXPR_NOT_DISTINCT") {
    context.note("IS NOT DISTINCT FROM cannot use an index");
  } else if (kind === "AEXPR_LIKE" || kind === "AEXPR_ILIKE" || kind === "AEXPR_SIMILAR") {
    context.note(
      `${textOf(left)} LIKE a parameter: a B-tree cannot serve a pattern that is not known`,
    );
  }
}

/** One side of a comparison: a column, against something that does not come from the same row. */
function readComparison(
  operator: string,
  side: Node | undefined,
  other: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  if (operator === "=") {
    const mine = side && resolveColumn(side, scope);
    const theirs = other && resolveColumn(other, scope);
    if (mine && theirs && theirs.kind !== "unknown") return joinResolved(mine, theirs);
    return readPlain(side, other, scope, context, "equal");
  }
  if (RANGE_OPERATORS.has(operator)) readPlain(side, other, scope, context, "ranges");
}

/** `(a, b) = (x, y)` pairs up; `(a, b) > (x, y)` is a range on the first column. */
function readOperator(
  operator: string,
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  const lefts = rowOf(left) ?? [left];
  const rights = rowOf(right) ?? [right];
  const count = operator === "=" ? lefts.length : 1;
  for (let index = 0; index < count; index += 1) {
    readComparison(operator, lefts[index], rights[index], scope, context);
    readComparison(operator, rights[index], lefts[index], scope, context);
  }
}

function readPlain(
  side: Node | undefined,
  other: Node | undefined,
  scope: Scope,
  context: ConditionContext,
  as: "equal" | "listed" | "ranges",
): void {
  const column = baseColumn(side, scope);
  if (!column) {
    if (side && !("ColumnRef" in side) && columnsIn(side).length > 0) {
      context.note(
        `${textOf(side)}: an expression over a column needs an index on the expression, which is not proposed`,
      );
    }
    return;
  }
  const sameRow = columnsIn(other).some((each) => baseColumn(each, scope)?.use === column.use);
  if (sameRow) return;
  const name = column.column.name;
  if (as === "ranges") {
    column.use.ranges.add(name);
    return;
  }
  // A value computed from another table is known only once that table's row is: a join.
  const partner = columnsIn(other)
    .map((each) => baseColumn(each, scope))
    .find((each) => each !== undefined);
  if (partner && as === "equal") addJoin(column, partner.use);
  else column.use[as].add(name);
}

function readSubquery(
  node: Extract<Node, { SubLink: unknown }>,
  scope: Scope,
  context: ConditionContext,
): void {
  const { subselect, testexpr, subLinkType } = node.SubLink;
  if (!subselect) return;
  const outputs = [...context.subquery(subselect, scope).values()];
  if (subLinkType !== "ANY_SUBLINK" || !testexpr) return;
  for (const [index, test] of (rowOf(testexpr) ?? [testexpr]).entries()) {
    const output = outputs[index];
    const inner: Resolution = output ? { kind: "column", column: output } : { kind: "derived" };
    const outer = resolveColumn(test, scope);
    if (outer) {
      joinResolved(outer, inner);
      joinResolved(inner, outer);
    }
  }
}

/** Notes on `mine` that it is looked up by a value of `theirs`. */
function joinResolved(mine: Resolution, theirs: Resolution): void {
  if (mine.kind !== "column") return;
  if (theirs.kind === "column" && theirs.column.use === mine.column.use) return;
  addJoin(mine.column, theirs.kind === "column" ? theirs.column.use : "derived");
}

function addJoin(column: ResolvedColumn, partner: ResolvedColumn["use"] | "derived"): void {
  const names = column.use.joins.get(partner) ?? new Set();
  column.use.joins.set(partner, names.add(column.column.name));
}

function baseColumn(node: Node | undefined, scope: Scope): ResolvedColumn | undefined {
  const resolution = node && resolveColumn(node, scope);
  return resolution?.kind === "column" ? resolution.column : undefined;
}

function operatorOf(expression: Expression): string {
  const name = expression.name?.at(-1);
  return name && "String" in name ? (name.String.sval ?? "") : "";
}

function rowOf(node: Node | undefined): readonly Node[] | undefined {
  return node && "RowExpr" in node ? (node.RowExpr.args ?? []) : undefined;
}

/** A short name for an expression, for notes. */
function textOf(node: Node | undefined): string {
  const names = columnsIn(node).map((each) =>
    "ColumnRef" in each
      ? (each.ColumnRef.fields ?? [])
          .map((field) => ("String" in field ? field.String.sval : "*"))
          .join(".")
      : "",
  );
  if (node && "ColumnRef" in node) return names[0] ?? "a column";
  return `an expression of ${names.join(", ") || "constants"}`;
}
