/** FROM: tables, partitions, views, subqueries, functions and joins as sources of columns. */
import type { Node } from "libpg-query";
import { findTable } from "./catalog.ts";
import type { Catalog, TableInfo } from "./catalog.ts";
import { readCondition, readSubqueries, readUsing } from "./conditions.ts";
import { markRead, namesOf, newUse, resolveName } from "./scope.ts";
import type { Outputs, Scope, Source, TableUse } from "./scope.ts";
import type { Walk } from "./usage.ts";

type Range = Extract<Node, { RangeVar: unknown }>["RangeVar"];
type Join = Extract<Node, { JoinExpr: unknown }>["JoinExpr"];

export function readFrom(walk: Walk, item: Node, scope: Scope): void {
  if ("RangeVar" in item) return readTable(walk, item.RangeVar, scope);
  if ("JoinExpr" in item) return readJoin(walk, item.JoinExpr, scope);
  if ("RangeSubselect" in item) {
    const { subquery, alias } = item.RangeSubselect;
    const outputs: Outputs = subquery ? walk.query(subquery, scope) : new Map();
    addDerived(scope, alias?.aliasname, renamed(outputs, alias?.colnames ?? []));
    return;
  }
  if ("RangeFunction" in item) {
    const { alias, functions, coldeflist = [] } = item.RangeFunction;
    markRead(functions, scope);
    readSubqueries(functions, scope, walk);
    const defined = coldeflist.flatMap((each) =>
      "ColumnDef" in each ? (each.ColumnDef.colname ?? []) : [],
    );
    const names = [...textsOf(alias?.colnames), ...defined];
    addDerived(scope, alias?.aliasname, new Map(names.map((name) => [name, { kind: "derived" }])));
    return;
  }
  if ("RangeTableFunc" in item || "JsonTable" in item) {
    const inner = "JsonTable" in item ? item.JsonTable : item.RangeTableFunc;
    markRead(inner, scope);
    readSubqueries(inner, scope, walk);
    addDerived(scope, inner.alias?.aliasname, new Map());
    return;
  }
  walk.note("a source of rows that is not analysed");
}

/** The uses whose columns a source gives out. */
export function usesIn(source: Source): readonly TableUse[] {
  if (source.kind === "table") return [source.use];
  const outputs = [...source.outputs.values()];
  return [...new Set(outputs.flatMap((each) => (each.kind === "column" ? each.column.use : [])))];
}

/** Outputs under the names of an alias list, as in `AS t (a, b)`; names beyond the list stay. */
export function renamed(outputs: Outputs, names: readonly Node[]): Outputs {
  const given = textsOf(names);
  if (given.length === 0) return outputs;
  if (outputs.size === 0) return new Map(given.map((name) => [name, { kind: "derived" }]));
  return new Map(
    [...outputs].map(([name, value], index) => [given[index] ?? name, value] as const),
  );
}

function readTable(walk: Walk, range: Range, scope: Scope): void {
  const { schemaname, relname = "", alias } = range;
  const name = alias?.aliasname ?? relname;
  const query = schemaname === undefined ? scope.withQueries.get(relname) : undefined;
  if (query) {
    addDerived(scope, name, renamed(query, alias?.colnames ?? []));
    return;
  }
  const found = findTable(walk.catalog, schemaname, relname);
  const view =
    found === undefined || found.kind === "other"
      ? walk.views.get(schemaname === undefined ? relname : `${schemaname}.${relname}`)
      : undefined;
  if (view) {
    // A view sees neither the statement's own queries nor its tables.
    addDerived(scope, name, renamed(walk.query(view, undefined), alias?.colnames ?? []));
    return;
  }
  if (!found || found.kind === "other") {
    walk.note(`${relname} is no plain table: not analysed`);
    addDerived(scope, name, new Map());
    return;
  }
  const table = wholeOf(found, walk.catalog);
  const use = newUse(table);
  walk.uses.push(use);
  const given = textsOf(alias?.colnames);
  const names = table.columns.map((column, index) => given[index] ?? column.name);
  scope.sources.push({
    kind: "table",
    alias: name,
    use,
    ...(given.length === 0 ? {} : { names }),
  });
}

/**
 * A partition whose indexes all come from its parent is read as the parent, since an index of it belongs there. One with
 * indexes of its own is treated apart, and so is a child by mere inheritance.
 */
function wholeOf(table: TableInfo, catalog: Catalog): TableInfo {
  const { partOf } = table;
  if (partOf === undefined || table.indexes.some((index) => !index.inherited)) return table;
  const parent = catalog.tables.find((each) => `${each.schema}.${each.name}` === partOf);
  return parent?.kind === "partitioned" ? wholeOf(parent, catalog) : table;
}

function readJoin(walk: Walk, join: Join, scope: Scope): void {
  const { larg, rarg, quals, usingClause, isNatural, jointype, alias } = join;
  const before = scope.sources.length;
  if (larg) readFrom(walk, larg, scope);
  const middle = scope.sources.length;
  if (rarg) readFrom(walk, rarg, scope);
  const left: Scope = {
    ...scope,
    sources: scope.sources.slice(before, middle),
    outer: undefined,
  };
  const right: Scope = { ...scope, sources: scope.sources.slice(middle), outer: undefined };
  const shared = isNatural ? sharedNames(left, right) : textsOf(usingClause);
  for (const name of shared) readUsing(name, left, right, walk);
  const lefts = left.sources.flatMap(usesIn);
  const rights = right.sources.flatMap(usesIn);
  const keepsLeft = jointype === "JOIN_LEFT" || jointype === "JOIN_FULL";
  const keepsRight = jointype === "JOIN_RIGHT" || jointype === "JOIN_FULL";
  const preserved = new Set([...(keepsLeft ? lefts : []), ...(keepsRight ? rights : [])]);
  markRead(quals, scope);
  readCondition(quals, scope, { ...walk, preserved });
  for (const use of keepsLeft ? rights : []) walk.nullable.add(use);
  for (const use of keepsRight ? lefts : []) walk.nullable.add(use);
  if (alias?.aliasname !== undefined) hideBehind(alias.aliasname, before, scope);
}

/** `(a JOIN b ...) AS j`: from outside only j is seen. */
function hideBehind(alias: string, from: number, scope: Scope): void {
  const hidden = scope.sources.splice(from);
  const inner: Scope = { ...scope, sources: hidden, outer: undefined };
  const names = new Set(hidden.flatMap(namesOf));
  addDerived(
    scope,
    alias,
    new Map([...names].map((name) => [name, resolveName(undefined, name, inner)])),
  );
}

function sharedNames(left: Scope, right: Scope): readonly string[] {
  const names = new Set(right.sources.flatMap(namesOf));
  return [...new Set(left.sources.flatMap(namesOf))].filter((name) => names.has(name));
}

function addDerived(scope: Scope, alias: string | undefined, outputs: Outputs): void {
  scope.sources.push({ kind: "derived", alias: alias ?? "", outputs });
}

function textsOf(names: readonly Node[] | undefined): readonly string[] {
  return (names ?? []).flatMap((name) => ("String" in name ? (name.String.sval ?? "") : []));
}
