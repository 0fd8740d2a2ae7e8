/** Columns inside an expression that no index can hold, or that need not be there: the same condition on the column itself. */
import type { Node } from "libpg-query";
import type { ColumnInfo } from "../catalog.ts";
import { isText, lastName, typeNamed } from "../expression-types.ts";
import { changingPart } from "../immutable.ts";
import { columnsOf, expressionsIn } from "./tree.ts";
import type { Query } from "./tree.ts";

type Expression = Extract<Node, { A_Expr: unknown }>["A_Expr"];

const COMPARISONS = new Set(["=", "<", "<=", ">", ">="]);
const ARITHMETIC = new Set(["+", "-", "*", "/"]);
const COMPARING_KINDS: ReadonlySet<string | undefined> = new Set([
  "AEXPR_OP",
  "AEXPR_IN",
  "AEXPR_OP_ANY",
  "AEXPR_BETWEEN",
  "AEXPR_BETWEEN_SYM",
]);

export function wrappedColumns(query: Query): readonly string[] {
  return query.conditions.flatMap(expressionsIn).flatMap((node) => {
    if (!("A_Expr" in node) || !compares(node.A_Expr)) return [];
    const { lexpr, rexpr } = node.A_Expr;
    return [...wrapped(lexpr, rexpr, query), ...wrapped(rexpr, lexpr, query)];
  });
}

function compares({ kind, name }: Expression): boolean {
  return COMPARING_KINDS.has(kind) && (kind !== "AEXPR_OP" || COMPARISONS.has(lastName(name)));
}

/** One side that holds one column in an expression, against something that does not come from the same table. */
function wrapped(side: Node | undefined, other: Node | undefined, query: Query): readonly string[] {
  const [mention, ...more] = columnsOf(side, query);
  if (!side || !mention || more.length > 0 || isColumn(side)) return [];
  if (columnsOf(other, query).some(({ alias }) => alias === mention.alias)) return [];
  const remedy = remedyFor(side, mention.column);
  return remedy === undefined ? [] : [remedy];
}

function remedyFor(side: Node, { name, type }: ColumnInfo): string | undefined {
  if ("A_Expr" in side && side.A_Expr.kind === "AEXPR_OP") {
    const { lexpr, rexpr } = side.A_Expr;
    const operator = lastName(side.A_Expr.name);
    if (ARITHMETIC.has(operator) && (isColumn(lexpr) || isColumn(rexpr)))
      return `${name} is calculated with (${operator}) before it is compared: move the calculation to the other side, so that an index on ${name} serves`;
  }
  const changing = changingPart(side, (node) => (isColumn(node) ? type : undefined));
  if (changing !== undefined && !holdsParameter(side))
    return `${name} is compared inside an expression that no index can hold (${changing}): compare ${name} itself, with the beginning and the end of a range where several values are meant`;
  if (!("TypeCast" in side) || !isColumn(side.TypeCast.arg)) return undefined;
  const to = typeNamed(side.TypeCast.typeName);
  if (to === undefined || to === type || (isText(type) && isText(to))) return undefined;
  return `${name} is cast to ${to}, so an index on ${name} does not serve: cast the value that it is compared with instead`;
}

function holdsParameter(node: Node): boolean {
  return expressionsIn(node).some((each) => "ParamRef" in each);
}

function isColumn(node: Node | undefined): boolean {
  return node !== undefined && "ColumnRef" in node;
}
