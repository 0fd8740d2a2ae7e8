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
import { has, hasParameter, statementSql } from "./tree.ts";
import { samplesOf, shapeOf, WINDOWS_FIRST_SHARE, type Fill } from "./values.ts";
import type { TimeColumn } from "./time-ranges.ts";

export interface PartitionUse {
  readonly statement: WorkloadStatement;
  readonly sql: string;
  readonly fills: readonly Fill[];
  /** What was assumed for it, one sentence each. */
  readonly caveats: readonly string[];
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

export interface PartitionUses {
  readonly uses: readonly PartitionUse[];
  /** Statements that use the table, too, and cannot be tried: `id: why`. */
  readonly leftOut: readonly string[];
}

/** Queries and deletes, the heaviest first. */
export async function readPartitionUses(
  table: TableInfo,
  statements: readonly WorkloadStatement[],
  catalog: Catalog,
): Promise<PartitionUses> {
  const uses: PartitionUse[] = [];
  const leftOut: string[] = [];
  for (const statement of statements) {
    const use = await useOf(table, statement, catalog);
    if (typeof use === "string") leftOut.push(`${statement.id}: ${use}`);
    else if (use) uses.push(use);
  }
  return { uses, leftOut };
}

const NOT_WRITTEN_BACK = "its grammar is not one that is written back faithfully";

/** Undefined where it does not use the table; a text says why it cannot be tried. */
async function useOf(
  table: TableInfo,
  statement: WorkloadStatement,
  catalog: Catalog,
): Promise<PartitionUse | string | undefined> {
  const bare = bareStatement(statement.planSql);
  const first = await parseStatement(bare);
  if (first.kind === "failed") return undefined;
  const { sql, assumed } = shapeOf(bare, first.statement);
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return parsed.because;
  const tree = parsed.statement;
  const read = readStatement(tree, catalog, { views: new Map(), borrowed: new WeakSet() });
  const own = read.uses.filter((use) => use.table === table);
  if (own.length === 0) return undefined;
  if (!("SelectStmt" in tree || "DeleteStmt" in tree)) return "it writes rows";
  if (writesWithin(tree)) return "it writes in a WITH";
  if (statementSql(tree) === undefined) return NOT_WRITTEN_BACK;
  const samples = samplesOf(sql, tree, catalog);
  if (typeof samples === "string") return samples;
  const { fills, caveats } = samples;
  return {
    statement,
    sql,
    fills,
    caveats: [
      ...caveats,
      ...(assumed.length > 0
        ? [`constants that are not told were assumed: ${assumed.join(", ")}`]
        : []),
    ],
    ranges: new Set(own.flatMap((use) => [...use.ranges])),
    share: (time) => shareOf(tree, time),
    rewrittenTo: (target) => rewritten(tree, table, target, catalog),
  };
}

/** What such a statement writes is no node of its own in the tree, and so is not rewritten. */
function writesWithin(tree: Node): boolean {
  const inner = "SelectStmt" in tree ? tree : Object.values(tree);
  return has(inner, (node) =>
    ["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"].some((kind) => kind in node),
  );
}

/** Of bounds that are drawn the share is known; otherwise by those that are written in the statement. */
function shareOf(tree: Node, time: TimeColumn): number {
  const { fromMs, toMs } = time;
  const found = { low: fromMs, high: toMs, drawn: false };
  mapNodes(tree, (node) => {
    if (!("A_Expr" in node)) return undefined;
    const { kind, name, lexpr, rexpr } = node.A_Expr;
    const [left, right] = [lexpr, rexpr].map((side) => lastColumn(side) === time.column.name);
    if ((left && hasParameter(rexpr)) || (right && hasParameter(lexpr))) found.drawn = true;
    if (!left) return undefined;
    const items = rexpr && "List" in rexpr ? (rexpr.List.items ?? []) : [rexpr, rexpr];
    const operator = kind === "AEXPR_BETWEEN" ? "between" : lastName(name);
    const [first, second] = items.map((each) => timeIn(each, time));
    if (/^>|between/.test(operator)) found.low = Math.max(found.low, first ?? found.low);
    if (/^<|between/.test(operator)) found.high = Math.min(found.high, second ?? found.high);
    return undefined;
  });
  if (found.drawn) return WINDOWS_FIRST_SHARE;
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
