/** A parse tree walked: its queries, the tables that each one names, and the columns that an expression mentions. */
import type { Node } from "libpg-query";
import { findColumn, findTable } from "../catalog.ts";
import type { Catalog, ColumnInfo, TableInfo } from "../catalog.ts";
import { isNode, outermost } from "../node.ts";

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

/** A query and what may be named in it, by alias. Its subqueries have their own. */
export interface Query {
  /** Undefined for what an UPDATE or DELETE changes. */
  readonly select: Select | undefined;
  readonly tables: ReadonlyMap<string, TableInfo>;
  /** What stands in its FROM clause, subqueries and functions too. */
  readonly sources: number;
  /** WHERE, and ON of its joins. */
  readonly conditions: readonly Node[];
}

/** Every SELECT, and the conditions of UPDATE and DELETE, from the outermost inwards. */
export function queriesIn(tree: Node, catalog: Catalog): readonly Query[] {
  const queries: Query[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const each of node) visit(each);
      return;
    }
    if (typeof node !== "object" || node === null) return;
    if (isSelect(node)) {
      addSelect(node.SelectStmt);
      return;
    }
    if (isUpdate(node)) {
      const { relation, fromClause = [], whereClause } = node.UpdateStmt;
      queries.push(queryOf(undefined, changed(relation, fromClause), whereClause, catalog));
    }
    if (isDelete(node)) {
      const { relation, usingClause = [], whereClause } = node.DeleteStmt;
      queries.push(queryOf(undefined, changed(relation, usingClause), whereClause, catalog));
    }
    for (const each of Object.values(node)) visit(each);
  };
  const addSelect = (select: Select): void => {
    const { larg, rarg, ...rest } = select;
    queries.push(queryOf(select, select.fromClause ?? [], select.whereClause, catalog));
    // The sides of a UNION are no nodes of their own.
    if (larg) addSelect(larg);
    if (rarg) addSelect(rarg);
    visit(Object.values(rest));
  };
  visit(tree);
  return queries;
}

/** A node and all nodes below it, not those inside its subqueries. */
export function expressionsIn(node: unknown): readonly Node[] {
  if (Array.isArray(node)) return node.flatMap(expressionsIn);
  if (typeof node !== "object" || node === null) return [];
  if (isNode(node) && "SubLink" in node) return [node];
  const below = Object.values(node).flatMap(expressionsIn);
  return isNode(node) ? [node, ...below] : below;
}

/** Columns of the query's own tables that an expression mentions, not those inside its subqueries. */
export function columnsOf(
  node: Node | undefined,
  query: Query,
): readonly { readonly alias: string; readonly table: TableInfo; readonly column: ColumnInfo }[] {
  return outermost(node, "ColumnRef").flatMap((each) => {
    const names = (each.ColumnRef.fields ?? []).flatMap((field) =>
      "String" in field ? [field.String.sval ?? ""] : [],
    );
    const name = names.at(-1);
    const qualifier = names.at(-2);
    if (name === undefined) return [];
    for (const [alias, table] of query.tables) {
      const column = findColumn(table, name);
      if (column && (qualifier === undefined || qualifier === alias))
        return [{ alias, table, column }];
    }
    return [];
  });
}

/** A whole number or a text written in the statement. */
export function constantOf(node: Node | undefined): number | string | undefined {
  if (!node || !("A_Const" in node)) return undefined;
  const constant = node.A_Const;
  // The parser leaves out a value of zero.
  if ("ival" in constant) return constant.ival?.ival ?? 0;
  return "sval" in constant ? constant.sval?.sval : undefined;
}

function changed(
  relation: Extract<Node, { RangeVar: unknown }>["RangeVar"] | undefined,
  from: readonly Node[],
): readonly Node[] {
  return relation ? [{ RangeVar: relation }, ...from] : from;
}

function queryOf(
  select: Select | undefined,
  from: readonly Node[],
  where: Node | undefined,
  catalog: Catalog,
): Query {
  const tables = new Map<string, TableInfo>();
  const conditions = where ? [where] : [];
  let sources = 0;
  const visit = (item: Node | undefined): void => {
    if (!item) return;
    if ("JoinExpr" in item) {
      const { larg, rarg, quals } = item.JoinExpr;
      visit(larg);
      visit(rarg);
      if (quals) conditions.push(quals);
      return;
    }
    sources += 1;
    if (!("RangeVar" in item)) return;
    const { schemaname, relname = "", alias } = item.RangeVar;
    const table = findTable(catalog, schemaname, relname);
    if (table) tables.set(alias?.aliasname ?? relname, table);
  };
  for (const item of from) visit(item);
  return { select, tables, sources, conditions };
}

function isSelect(node: object): node is Extract<Node, { SelectStmt: unknown }> {
  return "SelectStmt" in node;
}

function isUpdate(node: object): node is Extract<Node, { UpdateStmt: unknown }> {
  return "UpdateStmt" in node;
}

function isDelete(node: object): node is Extract<Node, { DeleteStmt: unknown }> {
  return "DeleteStmt" in node;
}
