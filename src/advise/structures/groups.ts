/** How many groups there can be at most, by the statistics of the columns: of a time bucket, the span of its column over its length. */
import type { Node } from "libpg-query";
import { lastName } from "../indexes/expression-types.ts";
import { outermost } from "../indexes/node.ts";
import { columnIn, type FoundColumn, type TableSource } from "./sources.ts";
import { timeColumn } from "./time-ranges.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 28 * 86_400_000,
  quarter: 90 * 86_400_000,
  year: 365 * 86_400_000,
};

/** Infinity where a column has no statistics. */
export function groupsMost(
  sources: readonly TableSource[],
  keys: readonly { readonly node: Node }[],
): number {
  return keys.reduce((product, { node }) => product * valuesOf(node, sources), 1);
}

function valuesOf(node: Node, sources: readonly TableSource[]): number {
  const columns = outermost(node, "ColumnRef").map((each) => columnIn(each, sources));
  const [found, ...others] = columns;
  if (!found || others.length > 0) return Number.POSITIVE_INFINITY;
  const distinct = found.column.distinct ?? Number.POSITIVE_INFINITY;
  const nulls = found.column.nullFraction > 0 ? 1 : 0;
  return Math.min(distinct, bucketsOf(node, found)) + nulls;
}

function bucketsOf(node: Node, { column }: FoundColumn): number {
  const time = timeColumn(column);
  const lengthMs = time && bucketMs(node, time.scale === "seconds" ? 1_000 : 1);
  if (!time || lengthMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.ceil((time.toMs - time.fromMs) / lengthMs) + 1;
}

/** Of date_trunc, and of a division of whole numbers, alone or multiplied again. */
function bucketMs(node: Node, unitMs: number): number | undefined {
  if ("FuncCall" in node && lastName(node.FuncCall.funcname) === "date_trunc") {
    const unit = node.FuncCall.args?.[0];
    const text =
      unit && "A_Const" in unit && "sval" in unit.A_Const ? unit.A_Const.sval : undefined;
    return UNITS_MS[text?.sval ?? ""];
  }
  if (!("A_Expr" in node)) return undefined;
  const { name, lexpr, rexpr } = node.A_Expr;
  if (lastName(name) === "*" && lexpr) return bucketMs(lexpr, unitMs);
  const length =
    rexpr && "A_Const" in rexpr && "ival" in rexpr.A_Const ? rexpr.A_Const.ival : undefined;
  const isColumn = lexpr !== undefined && "ColumnRef" in lexpr;
  return lastName(name) === "/" && isColumn && length?.ival ? length.ival * unitMs : undefined;
}
