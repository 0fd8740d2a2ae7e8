/** A statement as uses of tables: what each mention of a table is filtered, joined, ordered and grouped by; and what is written. */
import type { Node } from "libpg-query";
import { findTable } from "./catalog.ts";
import type { Catalog, TableInfo } from "./catalog.ts";
import { readCondition, readSubqueries, readUsing } from "./conditions.ts";
import type { ConditionContext } from "./conditions.ts";
import { newUse, resolveColumn, resolveName } from "./scope.ts";
import type { Outputs, ResolvedColumn, Scope, TableUse } from "./scope.ts";

export interface StatementUse {
  readonly uses: readonly TableUse[];
  readonly writes: readonly Write[];
  /** What was seen that a B-tree of plain columns cannot serve, or that is not analysed. */
  readonly notes: readonly string[];
}

export interface Write {
  readonly table: TableInfo;
  readonly kind: "insert" | "update" | "delete";
  /** Columns that an UPDATE sets: an index on one costs the cheap in-place (HOT) update. */
  readonly columns: readonly string[];
}

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];
type Range = Extract<Node, { RangeVar: unknown }>["RangeVar"];

export function readStatement(statement: Node, catalog: Catalog): StatementUse {
  const uses: TableUse[] = [];
  const writes: Write[] = [];
  const notes = new Set<string>();
  const walk: Walk = {
    catalog,
    uses,
    writes,
    note: (text) => notes.add(text),
    subquery: (node, scope) => readQuery(walk, node, scope),
  };
  readQuery(walk, statement, undefined);
  return { uses, writes, notes: [...notes] };
}

/** What one statement's walk has found so far. */
interface Walk extends ConditionContext {
  readonly catalog: Catalog;
  readonly uses: TableUse[];
  readonly writes: Write[];
}

function readQuery(walk: Walk, node: Node, outer: Scope | undefined): Outputs {
  if ("SelectStmt" in node) return readSelect(walk, node.SelectStmt, outer);
  if ("InsertStmt" in node) {
    const { relation, selectStmt, withClause } = node.InsertStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    addWrite(walk, relation, "insert", []);
    if (selectStmt) readQuery(walk, selectStmt, scope);
    return new Map();
  }
  if ("UpdateStmt" in node) {
    const { relation, targetList = [], fromClause, whereClause, withClause } = node.UpdateStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    const columns = targetList.flatMap((each) =>
      "ResTarget" in each ? (each.ResTarget.name ?? []) : [],
    );
    addWrite(walk, relation, "update", columns);
    readChangedRows(walk, relation, fromClause, whereClause, scope);
    readSubqueries(targetList, scope, walk);
    return new Map();
  }
  if ("DeleteStmt" in node) {
    const { relation, usingClause, whereClause, withClause } = node.DeleteStmt;
    const scope = scopeWith(walk, withClause?.ctes, outer);
    addWrite(walk, relation, "delete", []);
    readChangedRows(walk, relation, usingClause, whereClause, scope);
    return new Map();
  }
  walk.note("this kind of statement is not analysed");
  return new Map();
}

function readChangedRows(
  walk: Walk,
  relation: Range | undefined,
  from: readonly Node[] | undefined,
  where: Node | undefined,
  scope: Scope,
): void {
  if (relation) readFrom(walk, { RangeVar: relation }, scope);
  for (const item of from ?? []) readFrom(walk, item, scope);
  readCondition(where, scope, walk);
}

function addWrite(
  walk: Walk,
  relation: Range | undefined,
  kind: Write["kind"],
  columns: readonly string[],
): void {
  const table = relation?.relname && findTable(walk.catalog, relation.schemaname, relation.relname);
  if (table) walk.writes.push({ table, kind, columns });
}

function readSelect(walk: Walk, select: Select, outer: Scope | undefined): Outputs {
  const scope = scopeWith(walk, select.withClause?.ctes, outer);
  if (select.larg && select.rarg) {
    readSelect(walk, select.larg, scope);
    readSelect(walk, select.rarg, scope);
    return new Map();
  }
  for (const item of select.fromClause ?? []) readFrom(walk, item, scope);
  readCondition(select.whereClause, scope, walk);
  readSubqueries(
    [select.targetList, select.havingClause, select.groupClause, select.sortClause],
    scope,
    walk,
  );
  const targets = targetsOf(select);
  readOrder(walk, select, targets, scope);
  readGroup(walk, select, targets, scope);
  return outputsOf(select, scope);
}

/** A new scope that knows these common table expressions, each read once. */
function scopeWith(
  walk: Walk,
  queries: readonly Node[] | undefined,
  outer: Scope | undefined,
): Scope {
  const known = new Map(outer?.withQueries);
  for (const query of queries ?? []) {
    if (!("CommonTableExpr" in query)) continue;
    const { ctename = "", ctequery, aliascolnames = [] } = query.CommonTableExpr;
    // A recursive query sees itself as something that is no base table.
    known.set(ctename, new Map());
    const scope: Scope = { sources: [], outer, withQueries: new Map(known) };
    if (ctequery) known.set(ctename, renamed(readQuery(walk, ctequery, scope), aliascolnames));
  }
  return { sources: [], outer, withQueries: known };
}

function readFrom(walk: Walk, item: Node, scope: Scope): void {
  if ("RangeVar" in item) return readTable(walk, item.RangeVar, scope);
  if ("JoinExpr" in item) {
    const { larg, rarg, quals, usingClause = [], isNatural } = item.JoinExpr;
    const before = scope.sources.length;
    if (larg) readFrom(walk, larg, scope);
    const middle = scope.sources.length;
    if (rarg) readFrom(walk, rarg, scope);
    const left = { ...scope, sources: scope.sources.slice(before, middle), outer: undefined };
    const right = { ...scope, sources: scope.sources.slice(middle), outer: undefined };
    for (const column of usingClause) {
      if (!("String" in column)) continue;
      readUsing(column.String.sval ?? "", left, right);
      readUsing(column.String.sval ?? "", right, left);
    }
    if (isNatural) walk.note("NATURAL JOIN is not analysed");
    readCondition(quals, scope, walk);
    return;
  }
  if ("RangeSubselect" in item) {
    const { subquery, alias } = item.RangeSubselect;
    const outputs = subquery ? readQuery(walk, subquery, scope) : new Map();
    scope.sources.push({
      kind: "derived",
      alias: alias?.aliasname ?? "",
      outputs: renamed(outputs, alias?.colnames ?? []),
    });
    return;
  }
  if ("RangeFunction" in item) {
    const { alias, functions } = item.RangeFunction;
    readSubqueries(functions, scope, walk);
    const names = (alias?.colnames ?? []).flatMap((each) =>
      "String" in each ? (each.String.sval ?? []) : [],
    );
    const outputs = new Map(names.map((name) => [name, undefined]));
    scope.sources.push({ kind: "derived", alias: alias?.aliasname ?? "", outputs });
    return;
  }
  walk.note("a source of rows that is not analysed");
}

function readTable(walk: Walk, range: Range, scope: Scope): void {
  const { schemaname, relname = "", alias } = range;
  const name = alias?.aliasname ?? relname;
  const query = schemaname === undefined ? scope.withQueries.get(relname) : undefined;
  if (query) {
    scope.sources.push({
      kind: "derived",
      alias: name,
      outputs: renamed(query, alias?.colnames ?? []),
    });
    return;
  }
  const table = findTable(walk.catalog, schemaname, relname);
  if (!table || table.kind !== "table") {
    walk.note(
      `${relname} is ${table?.kind === "partitioned" ? "partitioned" : "no plain table"}: not analysed`,
    );
    scope.sources.push({ kind: "derived", alias: name, outputs: new Map() });
    return;
  }
  const use = newUse(table);
  walk.uses.push(use);
  scope.sources.push({ kind: "table", alias: name, use });
}

function readOrder(
  walk: Walk,
  select: Select,
  targets: ReadonlyMap<string | number, Node>,
  scope: Scope,
): void {
  const columns: { readonly column: ResolvedColumn; readonly descending: boolean }[] = [];
  for (const item of select.sortClause ?? []) {
    if (!("SortBy" in item)) break;
    const { node, sortby_dir: direction, sortby_nulls: nulls } = item.SortBy;
    const descending = direction === "SORTBY_DESC";
    const column = node && plainColumn(node, targets, scope);
    const first = columns[0]?.column.use;
    if (!column || (first && column.use !== first)) break;
    if (
      (descending && nulls === "SORTBY_NULLS_LAST") ||
      (!descending && nulls === "SORTBY_NULLS_FIRST")
    ) {
      walk.note(
        `ORDER BY ${column.column.name} with its nulls at the other end is not an order that a plain index has`,
      );
      break;
    }
    columns.push({ column, descending });
  }
  const use = columns[0]?.column.use;
  if (use) {
    use.orders.push(
      columns.map(({ column, descending }) => ({ name: column.column.name, descending })),
    );
  } else readExtreme(walk, select, scope);
}

/** `SELECT max(x)` reads one end of an index. */
function readExtreme(walk: Walk, select: Select, scope: Scope): void {
  if (select.groupClause) return;
  for (const target of select.targetList ?? []) {
    const value = "ResTarget" in target ? target.ResTarget.val : undefined;
    const call = value && firstCall(value);
    const name = call?.funcname?.at(-1);
    const isExtreme =
      name && "String" in name && (name.String.sval === "max" || name.String.sval === "min");
    const argument = isExtreme ? call?.args?.[0] : undefined;
    const column = argument && resolveColumn(argument, scope);
    if (column?.kind !== "column") continue;
    column.column.use.orders.push([{ name: column.column.column.name, descending: false }]);
  }
}

function readGroup(
  walk: Walk,
  select: Select,
  targets: ReadonlyMap<string | number, Node>,
  scope: Scope,
): void {
  const columns = (select.groupClause ?? []).map((node) => plainColumn(node, targets, scope));
  const use = columns[0]?.use;
  if (use && columns.every((each) => each?.use === use)) {
    use.grouped = columns.flatMap((each) => each?.column.name ?? []);
  }
}

/** max(x), or a call around it such as coalesce(max(x), 0) + 1. */
function firstCall(node: Node): Extract<Node, { FuncCall: unknown }>["FuncCall"] | undefined {
  if ("FuncCall" in node) return node.FuncCall;
  const inside =
    "CoalesceExpr" in node
      ? node.CoalesceExpr.args?.[0]
      : "A_Expr" in node
        ? node.A_Expr.lexpr
        : undefined;
  return inside && firstCall(inside);
}

/** The select list by output name and by position. */
function targetsOf(select: Select): ReadonlyMap<string | number, Node> {
  const targets = new Map<string | number, Node>();
  for (const [index, target] of (select.targetList ?? []).entries()) {
    if (!("ResTarget" in target) || !target.ResTarget.val) continue;
    targets.set(index + 1, target.ResTarget.val);
    if (target.ResTarget.name !== undefined)
      targets.set(target.ResTarget.name, target.ResTarget.val);
  }
  return targets;
}

/** A term of ORDER BY or GROUP BY as a column: by position, by output name, or as it is. */
function plainColumn(
  node: Node,
  targets: ReadonlyMap<string | number, Node>,
  scope: Scope,
): ResolvedColumn | undefined {
  const meant = targetOf(node, targets) ?? node;
  const resolution = resolveColumn(meant, scope);
  return resolution?.kind === "column" ? resolution.column : undefined;
}

function targetOf(node: Node, targets: ReadonlyMap<string | number, Node>): Node | undefined {
  if ("A_Const" in node) {
    const constant = node.A_Const;
    return "ival" in constant ? targets.get(constant.ival?.ival ?? 0) : undefined;
  }
  if (!("ColumnRef" in node) || node.ColumnRef.fields?.length !== 1) return undefined;
  const [field] = node.ColumnRef.fields;
  return field && "String" in field ? targets.get(field.String.sval ?? "") : undefined;
}

/** What a query gives out, so that conditions on a subquery reach the table below. The planner's costs decide whether that helps. */
function outputsOf(select: Select, scope: Scope): Outputs {
  const outputs = new Map<string, ResolvedColumn | undefined>();
  for (const target of select.targetList ?? []) {
    if (!("ResTarget" in target)) continue;
    const { name, val } = target.ResTarget;
    if (val && "ColumnRef" in val && val.ColumnRef.fields?.some((field) => "A_Star" in field)) {
      const [first] = val.ColumnRef.fields;
      const qualifier = first && "String" in first ? first.String.sval : undefined;
      for (const source of scope.sources) {
        if (qualifier !== undefined && source.alias !== qualifier) continue;
        const names =
          source.kind === "table"
            ? source.use.table.columns.map((column) => column.name)
            : [...source.outputs.keys()];
        for (const column of names) outputs.set(column, columnNamed(source.alias, column, scope));
      }
      continue;
    }
    const resolution = val && resolveColumn(val, scope);
    const last = val && "ColumnRef" in val ? val.ColumnRef.fields?.at(-1) : undefined;
    const own = last && "String" in last ? last.String.sval : undefined;
    const label = name ?? own ?? `column ${outputs.size + 1}`;
    outputs.set(label, resolution?.kind === "column" ? resolution.column : undefined);
  }
  return outputs;
}

function columnNamed(alias: string, name: string, scope: Scope): ResolvedColumn | undefined {
  const resolution = resolveName(alias, name, scope);
  return resolution.kind === "column" ? resolution.column : undefined;
}

/** Outputs under the names of an alias list, as in `AS t (a, b)`. */
function renamed(outputs: Outputs, names: readonly Node[]): Outputs {
  if (names.length === 0) return outputs;
  const values = [...outputs.values()];
  return new Map(
    names.map(
      (name, index) => ["String" in name ? (name.String.sval ?? "") : "", values[index]] as const,
    ),
  );
}
