/** How the statements of a workload use one table, and each of them with another table in its place. */
import type { Node } from "libpg-query";
import type { Catalog, TableInfo } from "../indexes/catalog.ts";
import { findTable } from "../indexes/catalog.ts";
import { mapNodes } from "../indexes/expressions.ts";
import { lastName } from "../indexes/expression-types.ts";
import { parseStatement } from "../indexes/parse.ts";
import { literalOf } from "../indexes/partial.ts";
import type { WorkloadStatement } from "../indexes/statement.ts";
import { readStatement } from "../indexes/usage.ts";
import { bareStatement } from "../indexes/workload/text.ts";
import { statementSql } from "./tree.ts";
import { samplesOf, shapeOf, WINDOWS_FIRST_SHARE, type Fill } from "./values.ts";
import type { TimeColumn } from "./time-ranges.ts";

export interface PartitionUse {
  readonly statement: WorkloadStatement;
  readonly sql: string;
  readonly fills: readonly Fill[];
  /** Columns that it asks for a range of. */
  readonly ranges: ReadonlySet<string>;
  /** Of the rows, those in the range that it asks for with its first values. */
  readonly share: (time: TimeColumn) => number;
  /** Undefined where it is not written back faithfully. */
  readonly rewrittenTo: (table: {
    readonly schema: string;
    readonly name: string;
  }) => string | undefined;
}

/** Queries and deletes, the heaviest first; those whose values are not known are left out. */
export async function readPartitionUses(
  table: TableInfo,
  statements: readonly WorkloadStatement[],
  catalog: Catalog,
): Promise<readonly PartitionUse[]> {
  const uses: PartitionUse[] = [];
  for (const statement of statements) {
    const use = await useOf(table, statement, catalog);
    if (use) uses.push(use);
  }
  return uses;
}

async function useOf(
  table: TableInfo,
  statement: WorkloadStatement,
  catalog: Catalog,
): Promise<PartitionUse | undefined> {
  const bare = bareStatement(statement.planSql);
  const first = await parseStatement(bare);
  if (first.kind === "failed") return undefined;
  const isQuery = "SelectStmt" in first.statement || "DeleteStmt" in first.statement;
  if (!isQuery || statementSql(first.statement) === undefined) return undefined;
  const { sql } = shapeOf(bare, first.statement);
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return undefined;
  const tree = parsed.statement;
  const read = readStatement(tree, catalog, { views: new Map(), borrowed: new WeakSet() });
  const own = read.uses.filter((use) => use.table === table);
  if (own.length === 0) return undefined;
  const fills = samplesOf(sql, tree, catalog);
  if (typeof fills === "string") return undefined;
  return {
    statement,
    sql,
    fills,
    ranges: new Set(own.flatMap((use) => [...use.ranges])),
    share: (time) => shareOf(tree, time, fills.length > 1),
    rewrittenTo: (target) => rewritten(tree, table, target, catalog),
  };
}

/** Of values that were drawn the share is known; of those that the statement has, by the bounds that are written in it. */
function shareOf(tree: Node, time: TimeColumn, drawn: boolean): number {
  if (drawn) return WINDOWS_FIRST_SHARE;
  const { fromMs, toMs } = time;
  const found = { low: fromMs, high: toMs };
  mapNodes(tree, (node) => {
    if (!("A_Expr" in node)) return undefined;
    const { kind, name, lexpr, rexpr } = node.A_Expr;
    if (lastColumn(lexpr) !== time.column.name) return undefined;
    const items = rexpr && "List" in rexpr ? (rexpr.List.items ?? []) : [rexpr, rexpr];
    const operator = kind === "AEXPR_BETWEEN" ? "between" : lastName(name);
    const [first, second] = items.map((each) => timeIn(each, time));
    if (/^>|between/.test(operator)) found.low = Math.max(found.low, first ?? found.low);
    if (/^<|between/.test(operator)) found.high = Math.min(found.high, second ?? found.high);
    return undefined;
  });
  return Math.max(0, found.high - found.low) / Math.max(1, toMs - fromMs);
}

function lastColumn(node: Node | undefined): string | undefined {
  const field = node && "ColumnRef" in node ? node.ColumnRef.fields?.at(-1) : undefined;
  return field && "String" in field ? field.String.sval : undefined;
}

/** A literal as milliseconds since 1970; undefined for what is computed. */
function timeIn(node: Node | undefined, { scale }: TimeColumn): number | undefined {
  const value = node && "TypeCast" in node ? node.TypeCast.arg : node;
  const text = literalOf(value);
  if (text === undefined) return undefined;
  const counted = scale === "milliseconds" ? 1 : scale === "seconds" ? 1_000 : undefined;
  const ms = counted === undefined ? Date.parse(text) : Number(text) * counted;
  return Number.isFinite(ms) ? ms : undefined;
}

function rewritten(
  tree: Node,
  table: TableInfo,
  target: { readonly schema: string; readonly name: string },
  catalog: Catalog,
): string | undefined {
  const changed = <T extends Extract<Node, { RangeVar: unknown }>["RangeVar"]>(range: T): T => {
    const { schemaname, relname = "", alias } = range;
    if (findTable(catalog, schemaname, relname) !== table) return range;
    const { schema, name } = target;
    return { ...range, schemaname: schema, relname: name, alias: alias ?? { aliasname: relname } };
  };
  // What a DELETE is about is no node of its own in the tree.
  const whole: Node =
    "DeleteStmt" in tree && tree.DeleteStmt.relation
      ? { DeleteStmt: { ...tree.DeleteStmt, relation: changed(tree.DeleteStmt.relation) } }
      : tree;
  return statementSql(
    mapNodes(whole, (node) =>
      "RangeVar" in node ? { RangeVar: changed(node.RangeVar) } : undefined,
    ),
  );
}
