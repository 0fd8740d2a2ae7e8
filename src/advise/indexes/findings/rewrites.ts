/** Statements that no index serves as they are written, and how they could be written so that one does. */
import type { Node } from "libpg-query";
import type { Catalog } from "../catalog.ts";
import type { FindingBounds, ReadStatement } from "./input.ts";
import { lastName } from "../expression-types.ts";
import { columnsOf, constantOf, expressionsIn, queriesIn } from "./tree.ts";
import type { Query } from "./tree.ts";
import { counted } from "./words.ts";
import { wrappedColumns } from "./wrapped.ts";

/** A statement that returns most of a table smaller than this is nobody's trouble. */
const RETURNED_ROWS_LEAST = 10_000;

/** One sentence each, without a full stop. */
export function rewritesOf(
  read: ReadStatement,
  catalog: Catalog,
  bounds: FindingBounds,
): readonly string[] {
  const queries = queriesIn(read.tree, catalog);
  const found = queries
    .filter(({ tables }) => [...tables.values()].some(({ rows = 0 }) => rows >= bounds.rowsLeast))
    .flatMap((query) => [
      ...wrappedColumns(query),
      ...orOverTables(query),
      ...notIn(query),
      ...distinctJoin(query),
      ...randomOrder(query),
      ...unanchoredPattern(query, catalog),
      ...countOfAll(query, bounds),
    ]);
  return [...new Set([...found, ...mostOfTable(read, queries, bounds)])];
}

function conditionNodes(query: Query): readonly Node[] {
  return query.conditions.flatMap(expressionsIn);
}

function orOverTables(query: Query): readonly string[] {
  return conditionNodes(query).flatMap((node) => {
    if (!("BoolExpr" in node) || node.BoolExpr.boolop !== "OR_EXPR") return [];
    const arms = (node.BoolExpr.args ?? []).map(
      (arm) => new Set(columnsOf(arm, query).map(({ alias }) => alias)),
    );
    const names = new Set(arms.flatMap((arm) => [...arm]));
    if (names.size < 2 || arms.some((arm) => arm.size !== 1)) return [];
    return [
      `an OR over columns of ${[...names].join(" and ")}: no index can tell before the join which rows are meant. A UNION of one statement for each side lets both use an index`,
    ];
  });
}

function notIn(query: Query): readonly string[] {
  const nodes = conditionNodes(query);
  const negated = nodes.flatMap((node) =>
    "BoolExpr" in node && node.BoolExpr.boolop === "NOT_EXPR" ? (node.BoolExpr.args ?? []) : [],
  );
  const found =
    negated.some((node) => "SubLink" in node && node.SubLink.subLinkType === "ANY_SUBLINK") ||
    nodes.some(
      (node) =>
        "SubLink" in node &&
        node.SubLink.subLinkType === "ALL_SUBLINK" &&
        lastName(node.SubLink.operName) === "<>",
    );
  return found
    ? [
        "NOT IN (SELECT ...) is a filter that PostgreSQL cannot turn into a join, and it finds no row at all when the subquery gives a NULL: NOT EXISTS is planned as an anti join",
      ]
    : [];
}

/** DISTINCT over a join of which the result shows one table only: the other one multiplies rows that are then thrown away. */
function distinctJoin(query: Query): readonly string[] {
  const { select, tables, sources } = query;
  const [first, ...more] = select?.distinctClause ?? [];
  // DISTINCT ON has expressions there.
  if (!select || !first || more.length > 0 || Object.keys(first).length > 0) return [];
  if (sources < 2 || tables.size < 2 || select.groupClause) return [];
  const shown = (select.targetList ?? []).flatMap((target) => {
    const value = "ResTarget" in target ? target.ResTarget.val : undefined;
    return [...columnsOf(value, query).map(({ alias }) => alias), ...starOf(value)];
  });
  const aliases = new Set(shown);
  const [only] = aliases;
  if (only === undefined || aliases.size > 1 || !tables.has(only)) return [];
  const others = [...tables.keys()].filter((alias) => alias !== only);
  return [
    `SELECT DISTINCT takes away what the join with ${others.join(", ")} multiplied: WHERE EXISTS (...) finds each row of ${only} once, and can stop at the first match`,
  ];
}

/** The alias of `o.*`; of `*` a name that is no alias, for it shows them all. */
function starOf(node: Node | undefined): readonly string[] {
  if (!node || !("ColumnRef" in node)) return [];
  const fields = node.ColumnRef.fields ?? [];
  const last = fields.at(-1);
  if (!last || !("A_Star" in last)) return [];
  return [fields.length > 1 ? lastName(fields.slice(0, -1)) : "*"];
}

function randomOrder({ select }: Query): readonly string[] {
  const random = (select?.sortClause ?? []).some((item) => {
    const node = "SortBy" in item ? item.SortBy.node : undefined;
    return node && "FuncCall" in node && lastName(node.FuncCall.funcname) === "random";
  });
  return random
    ? [
        "ORDER BY random() sorts the whole table to show a part of it: TABLESAMPLE, or random keys drawn first, read a part only",
      ]
    : [];
}

function unanchoredPattern(query: Query, catalog: Catalog): readonly string[] {
  if (catalog.extensions.includes("pg_trgm")) return [];
  return conditionNodes(query).flatMap((node) => {
    if (!("A_Expr" in node)) return [];
    const { kind, name, lexpr, rexpr } = node.A_Expr;
    // NOT LIKE has operators of its own, which no index serves.
    const likes = lastName(name) === "~~" || lastName(name) === "~~*";
    if ((kind !== "AEXPR_LIKE" && kind !== "AEXPR_ILIKE") || !likes) return [];
    const [column] = columnsOf(lexpr, query);
    if (!column || !/^[%_]/.test(patternOf(rexpr))) return [];
    return [
      `${column.column.name} is matched by a pattern that begins with a wildcard, which no B-tree serves: with the extension pg_trgm (CREATE EXTENSION pg_trgm) a GIN index with gin_trgm_ops does`,
    ];
  });
}

/** The beginning of a pattern as far as it is written down: `'%x'`, `'%' || $1`. */
function patternOf(node: Node | undefined): string {
  if (node && "A_Expr" in node && lastName(node.A_Expr.name) === "||")
    return patternOf(node.A_Expr.lexpr);
  if (node && "TypeCast" in node) return patternOf(node.TypeCast.arg);
  const value = constantOf(node);
  return typeof value === "string" ? value : "";
}

function countOfAll(query: Query, bounds: FindingBounds): readonly string[] {
  const { select, tables, sources, conditions } = query;
  const [table] = tables.values();
  const rows = table?.rows ?? 0;
  if (!select || !table || sources !== 1 || conditions.length > 0 || rows < bounds.bigRows)
    return [];
  if (select.groupClause) return [];
  const counts = (select.targetList ?? []).some((target) => {
    const value = "ResTarget" in target ? target.ResTarget.val : undefined;
    return (
      value !== undefined &&
      "FuncCall" in value &&
      lastName(value.FuncCall.funcname) === "count" &&
      !value.FuncCall.agg_filter
    );
  });
  return counts
    ? [
        `it counts all ${counted(rows, "row")} of ${table.name}, which reads them all: where about right is enough, pg_class.reltuples knows it; where not, keep a count`,
      ]
    : [];
}

function mostOfTable(
  { statement, plan }: ReadStatement,
  queries: readonly Query[],
  bounds: FindingBounds,
): readonly string[] {
  const [query, ...more] = queries;
  const [table] = query?.tables.values() ?? [];
  if (!query?.select || !table || query.sources !== 1 || more.length > 0) return [];
  const rows = table.rows ?? 0;
  if (rows < RETURNED_ROWS_LEAST) return [];
  const measured =
    statement.rows !== undefined && statement.calls !== undefined && statement.calls > 0
      ? statement.rows / statement.calls
      : undefined;
  const root = plan?.root;
  const planned = root && root["Node Type"].endsWith("Scan") ? root["Plan Rows"] : undefined;
  const returned = measured ?? planned;
  if (returned === undefined || returned < bounds.returnedShareLeast * rows) return [];
  const share = Math.min(100, Math.round((returned / rows) * 100));
  return [
    `a call returns ${counted(returned, "row")}${measured === undefined ? " (estimated)" : ""}, about ${share} % of ${table.name}: no index beats reading it whole. Ask for fewer rows or columns, in pages, or let the database do the sum`,
  ];
}
