/** Conditions of a statement as uses of columns: equality, list, range, join, and what needs more than a B-tree on columns. */
import type { Node } from "libpg-query";
import { readAlternatives } from "./alternatives.ts";
import { lastName } from "./expression-types.ts";
import { baseColumn, isOutside, keyed } from "./keys.ts";
import type { Keyed } from "./keys.ts";
import { acceptsNulls, constantFilter } from "./partial.ts";
import { readContainment, readPattern } from "./patterns.ts";
import type { PatternKind, Special } from "./patterns.ts";
import { columnsIn, resolveColumn, resolveName, subqueriesIn } from "./scope.ts";
import type { Outputs, Resolution, ResolvedColumn, Scope, TableUse } from "./scope.ts";

/** What reading a condition needs of the walk around it. */
export interface ConditionContext {
  readonly note: (text: string) => unknown;
  /** Reads a subquery with this scope around it, and says what it gives out. */
  readonly subquery: (node: Node, scope: Scope) => Outputs;
  /** Where to note what is found about a use: on itself, or apart for one arm of an OR. */
  readonly into: (use: TableUse) => TableUse;
  /** Uses whose rows an outer join keeps whatever its condition says: it filters none of them. */
  readonly preserved: ReadonlySet<TableUse>;
  /** Uses that an outer join may have filled with nulls. */
  readonly nullable: ReadonlySet<TableUse>;
  /** Literals that stand for values bound at run time. */
  readonly borrowed: WeakSet<object>;
}

type Expression = Extract<Node, { A_Expr: unknown }>["A_Expr"];
type How = "equal" | "listed" | "range";

const RANGE_OPERATORS = new Set(["<", "<=", ">", ">="]);

const PATTERN_OPERATORS: Readonly<Record<string, PatternKind>> = {
  "~": "regex",
  "~*": "iregex",
  "~~": "like",
  "~~*": "ilike",
};

/** Reads one condition and everything under it; ANDs are taken apart. */
export function readCondition(
  node: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  if (!node) return;
  const bool = "BoolExpr" in node ? node.BoolExpr : undefined;
  const parts = bool?.args ?? [];
  if (bool?.boolop === "AND_EXPR") {
    for (const part of parts) readCondition(part, scope, context);
    return;
  }
  readConstant(node, scope, context);
  if (bool?.boolop === "OR_EXPR") {
    readAlternatives(parts, context, (part, arm) => readCondition(part, scope, arm));
  } else if (bool) readNegation(parts[0], scope, context);
  else if ("A_Expr" in node) readExpression(node.A_Expr, scope, context);
  else if ("SubLink" in node) readSubquery(node, scope, context);
  else readTest(node, scope, context);
}

/** Subqueries inside an expression that is no condition on a column. */
export function readSubqueries(node: unknown, scope: Scope, context: ConditionContext): void {
  for (const subquery of subqueriesIn(node)) readSubquery(subquery, scope, context);
}

/** `a.x = b.y` by a name that both sides have. */
export function readUsing(
  name: string,
  left: Scope,
  right: Scope,
  context: ConditionContext,
): void {
  const mine = resolveName(undefined, name, left);
  const theirs = resolveName(undefined, name, right);
  for (const side of [mine, theirs]) {
    if (side.kind === "column") side.column.use.read.add(side.column.column.name);
  }
  joinResolved(mine, theirs, context);
  joinResolved(theirs, mine, context);
}

function readConstant(node: Node, scope: Scope, context: ConditionContext): void {
  const found = constantFilter(node, scope, context.borrowed);
  if (!found || context.preserved.has(found.use)) return;
  if (context.nullable.has(found.use) && acceptsNulls(node)) return;
  context.into(found.use).filters.push(found.filter);
}

/** IS NULL, and a boolean by itself. */
function readTest(node: Node, scope: Scope, context: ConditionContext): void {
  if ("NullTest" in node) {
    const column = baseColumn(node.NullTest.arg, scope);
    const finds = column && !context.nullable.has(column.use);
    if (finds && node.NullTest.nulltesttype === "IS_NULL") addColumn(column, "equal", context);
  }
  const test = "BooleanTest" in node ? node.BooleanTest : undefined;
  const isExact = test?.booltesttype === "IS_TRUE" || test?.booltesttype === "IS_FALSE";
  const flag = baseColumn(isExact ? test.arg : node, scope);
  if (flag?.column.type === "boolean") addColumn(flag, "equal", context);
  readSubqueries(node, scope, context);
}

function readNegation(node: Node | undefined, scope: Scope, context: ConditionContext): void {
  if (!node) return;
  const flag = baseColumn(node, scope);
  if (flag?.column.type === "boolean") addColumn(flag, "equal", context);
  // NOT EXISTS looks up the inner table just as EXISTS does.
  else if ("SubLink" in node && node.SubLink.subLinkType === "EXISTS_SUBLINK")
    readSubquery(node, scope, context);
  else readSubqueries(node, scope, context);
}

function readExpression(expression: Expression, scope: Scope, context: ConditionContext): void {
  const { kind, lexpr: left, rexpr: right } = expression;
  const operator = lastName(expression.name);
  readSubqueries([left, right], scope, context);
  if (kind === "AEXPR_OP") readOperator(operator, left, right, scope, context);
  else if (kind === "AEXPR_IN" || kind === "AEXPR_OP_ANY") {
    if (operator === "=") readList(left, right, scope, context);
  } else if (kind === "AEXPR_BETWEEN" || kind === "AEXPR_BETWEEN_SYM") {
    readSide(left, right, scope, context, "range");
  } else if (kind === "AEXPR_NOT_DISTINCT") {
    context.note("IS NOT DISTINCT FROM cannot use an index");
  } else if (kind === "AEXPR_LIKE" || kind === "AEXPR_ILIKE" || kind === "AEXPR_SIMILAR") {
    if (operator.startsWith("!")) return;
    const pattern = kind === "AEXPR_LIKE" ? "like" : kind === "AEXPR_ILIKE" ? "ilike" : "similar";
    addSpecials(readPattern(pattern, left, right, scope), context);
  }
}

/** `(a, b) = (x, y)` pairs up; `(a, b) > (x, y)` is a range on the first column. */
function readOperator(
  operator: string,
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  const pattern = PATTERN_OPERATORS[operator];
  if (pattern) return addSpecials(readPattern(pattern, left, right, scope), context);
  if (operator !== "=" && !RANGE_OPERATORS.has(operator)) {
    return addSpecials(readContainment(operator, left, right, scope), context);
  }
  const lefts = rowOf(left) ?? [left];
  const rights = rowOf(right) ?? [right];
  const count = operator === "=" ? lefts.length : 1;
  const how = operator === "=" ? "equal" : "range";
  for (let index = 0; index < count; index += 1) {
    readComparison(lefts[index], rights[index], scope, context, how);
    readComparison(rights[index], lefts[index], scope, context, how);
  }
}

/** One side of a comparison: a column, against something that does not come from the same row. */
function readComparison(
  side: Node | undefined,
  other: Node | undefined,
  scope: Scope,
  context: ConditionContext,
  how: How,
): void {
  if (how === "equal") {
    const mine = side && resolveColumn(side, scope);
    const theirs = other && resolveColumn(other, scope);
    if (mine && theirs && theirs.kind !== "unknown") return joinResolved(mine, theirs, context);
  }
  readSide(side, other, scope, context, how);
}

/** `x IN (...)`, `x = ANY (...)`; and `value = ANY (array_column)`, which looks like it and is not. */
function readList(
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
  context: ConditionContext,
): void {
  const array = baseColumn(right, scope);
  if (array?.column.type.endsWith("[]")) {
    context.note(
      `value = ANY (${array.column.name}) cannot use an index; ${array.column.name} @> ARRAY[value] can, by GIN`,
    );
    return;
  }
  const lefts = rowOf(left) ?? [left];
  for (const side of lefts) readSide(side, right, scope, context, "listed");
}

function readSide(
  side: Node | undefined,
  other: Node | undefined,
  scope: Scope,
  context: ConditionContext,
  how: How,
): void {
  const found = keyed(side, scope);
  if (found?.kind === "refused") context.note(found.because);
  if (found?.kind !== "key" || !isOutside(found.use, other, scope)) return;
  // A value computed from another table is known only once that table's row is: a join.
  const partner = columnsIn(other)
    .map((each) => baseColumn(each, scope))
    .find((each) => each !== undefined);
  const column = baseColumn(side, scope);
  if (column && partner && how === "equal") addJoin(column, partner.use, context);
  else if (column) addColumn(column, how, context);
  else addExpression(found, partner && how === "equal" ? "join" : how, context);
}

function addColumn(column: ResolvedColumn, how: How, context: ConditionContext): void {
  if (context.preserved.has(column.use)) return;
  const use = context.into(column.use);
  const names = how === "range" ? use.ranges : use[how];
  names.add(column.column.name);
}

function addExpression(
  found: Extract<Keyed, { kind: "key" }>,
  how: How | "join",
  context: ConditionContext,
): void {
  const { key, columns, distinct, unfit } = found;
  if (unfit !== undefined) context.note(`an expression cannot be indexed: ${unfit}`);
  if (unfit !== undefined || (context.preserved.has(found.use) && how !== "join")) return;
  context.into(found.use).filters.push({ kind: "expression", as: how, key, columns, distinct });
}

function addSpecials(specials: readonly Special[], context: ConditionContext): void {
  for (const special of specials) {
    if (special.kind === "note") {
      context.note(special.text);
      continue;
    }
    const { use, key, columns } = special.key;
    if (context.preserved.has(use)) continue;
    const [name] = columns;
    if (special.kind === "filter") context.into(use).filters.push(special.filter);
    else if (key.name === undefined || name === undefined)
      addExpression(special.key, special.kind, context);
    else if (special.kind === "equal") context.into(use).equal.add(name);
    else context.into(use).ranges.add(name);
  }
}

function readSubquery(
  node: Extract<Node, { SubLink: unknown }>,
  scope: Scope,
  context: ConditionContext,
): void {
  const { subselect, testexpr, subLinkType } = node.SubLink;
  if (!subselect) return;
  // What EXISTS selects is not read.
  const query =
    subLinkType === "EXISTS_SUBLINK" && "SelectStmt" in subselect && !subselect.SelectStmt.larg
      ? { SelectStmt: { ...subselect.SelectStmt, targetList: [] } }
      : subselect;
  const outputs = [...context.subquery(query, scope).values()];
  if (subLinkType !== "ANY_SUBLINK" || !testexpr) return;
  for (const [index, test] of (rowOf(testexpr) ?? [testexpr]).entries()) {
    const inner: Resolution = outputs[index] ?? { kind: "derived" };
    const outer = resolveColumn(test, scope);
    if (outer) {
      joinResolved(outer, inner, context);
      joinResolved(inner, outer, context);
    }
  }
}

/** Notes on `mine` that it is looked up by a value of `theirs`. */
function joinResolved(mine: Resolution, theirs: Resolution, context: ConditionContext): void {
  if (mine.kind !== "column") return;
  if (theirs.kind === "column" && theirs.column.use === mine.column.use) return;
  addJoin(mine.column, theirs.kind === "column" ? theirs.column.use : "derived", context);
}

function addJoin(
  column: ResolvedColumn,
  partner: TableUse | "derived",
  context: ConditionContext,
): void {
  const { joins } = context.into(column.use);
  const names = joins.get(partner) ?? new Set();
  joins.set(partner, names.add(column.column.name));
}

function rowOf(node: Node | undefined): readonly Node[] | undefined {
  return node && "RowExpr" in node ? (node.RowExpr.args ?? []) : undefined;
}
