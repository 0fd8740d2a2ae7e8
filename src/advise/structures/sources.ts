/** The tables that one query reads, and every column of it under the name of its table, so that equal expressions look alike. */
import type { Node } from "libpg-query";
import {
  findColumn,
  findTable,
  type Catalog,
  type ColumnInfo,
  type TableInfo,
} from "../indexes/catalog.ts";
import { mapNodes } from "../indexes/expressions.ts";
import { conjunctsOf, hasConstant } from "./tree.ts";

export interface TableSource {
  readonly alias: string;
  readonly table: TableInfo;
}

export interface ReadFrom {
  readonly sources: readonly TableSource[];
  /** As it was, without conditions of inner joins that compare with a value. */
  readonly from: readonly Node[];
  /** Those conditions: they may as well stand in WHERE. */
  readonly moved: readonly Node[];
}

type Join = Extract<Node, { JoinExpr: unknown }>["JoinExpr"];

/** A text says why it cannot be read. `named` are names that mean a common table expression of the statement. */
export function readFrom(
  items: readonly Node[],
  catalog: Catalog,
  named: ReadonlySet<string>,
): ReadFrom | string {
  const sources: TableSource[] = [];
  for (const item of items) {
    const problem = addSources(item, catalog, named, sources);
    if (problem !== undefined) return problem;
  }
  if (sources.length === 0) return "it reads no table";
  if (new Set(sources.map(({ alias }) => alias)).size < sources.length)
    return "two of its tables have the same name";
  const inner = items.every(isInner);
  const moved: Node[] = [];
  const from = inner ? items.map((item) => withoutConstants(item, moved)) : items;
  if (from.some(hasConstant)) return "an outer join compares with a value";
  return { sources, from, moved };
}

function addSources(
  item: Node,
  catalog: Catalog,
  named: ReadonlySet<string>,
  sources: TableSource[],
): string | undefined {
  if ("JoinExpr" in item) {
    const { isNatural, alias, larg, rarg, usingClause, jointype } = item.JoinExpr;
    if (isNatural || alias || !larg || !rarg) return "it joins by the names of columns";
    if (usingClause && jointype !== "JOIN_INNER") return "an outer join merges columns (USING)";
    return addSources(larg, catalog, named, sources) ?? addSources(rarg, catalog, named, sources);
  }
  if (!("RangeVar" in item)) return "it reads from a subquery or a function";
  const { schemaname, relname = "", alias, inh } = item.RangeVar;
  if (schemaname === undefined && named.has(relname))
    return `it reads ${relname}, which is computed`;
  if (inh !== true || alias?.colnames) return "it renames columns, or reads a parent alone";
  const table = findTable(catalog, schemaname, relname);
  if (!table || table.kind === "other") return `${relname} is no table that is known`;
  sources.push({ alias: alias?.aliasname ?? relname, table });
  return undefined;
}

function isInner(item: Node): boolean {
  if (!("JoinExpr" in item)) return true;
  const { jointype, larg, rarg } = item.JoinExpr;
  return jointype === "JOIN_INNER" && (!larg || isInner(larg)) && (!rarg || isInner(rarg));
}

function withoutConstants(item: Node, moved: Node[]): Node {
  if (!("JoinExpr" in item)) return item;
  const { larg, rarg, quals } = item.JoinExpr;
  const parts = conjunctsOf(quals);
  moved.push(...parts.filter(hasConstant));
  const join: Join = {
    ...item.JoinExpr,
    ...(larg ? { larg: withoutConstants(larg, moved) } : {}),
    ...(rarg ? { rarg: withoutConstants(rarg, moved) } : {}),
  };
  if (quals === undefined) return { JoinExpr: join };
  return { JoinExpr: { ...join, quals: allOf(parts.filter((each) => !hasConstant(each))) } };
}

/** The conditions joined by AND; `true` for none. */
function allOf(parts: readonly Node[]): Node {
  const [first, ...others] = parts;
  if (!first) return { A_Const: { boolval: { boolval: true } } };
  if (others.length === 0) return first;
  return { BoolExpr: { boolop: "AND_EXPR", args: [first, ...others] } };
}

export interface FoundColumn extends TableSource {
  readonly column: ColumnInfo;
}

/** What a reference names; undefined for what is none of the query's own columns. */
export function columnIn(node: Node, sources: readonly TableSource[]): FoundColumn | undefined {
  if (!("ColumnRef" in node)) return undefined;
  const names = (node.ColumnRef.fields ?? []).map((field) =>
    "String" in field ? field.String.sval : undefined,
  );
  const name = names.at(-1);
  if (name === undefined || names.length > 2) return undefined;
  const qualifier = names.length === 2 ? names[0] : undefined;
  for (const source of sources) {
    if (qualifier !== undefined && qualifier !== source.alias) continue;
    const column = findColumn(source.table, name);
    if (column) return { ...source, column };
  }
  return undefined;
}

/** With every column under its table's name in the statement. What cannot be found is added to `unknown`. */
export function qualified(node: Node, sources: readonly TableSource[], unknown: Set<string>): Node {
  return mapNodes(node, (each) => {
    if (!("ColumnRef" in each)) return undefined;
    const found = columnIn(each, sources);
    if (!found) {
      unknown.add(nameOf(each));
      return each;
    }
    return columnRef(found.alias, found.column.name);
  });
}

export function columnRef(qualifier: string, name: string): Node {
  return { ColumnRef: { fields: [{ String: { sval: qualifier } }, { String: { sval: name } }] } };
}

function nameOf({ ColumnRef: { fields = [] } }: Extract<Node, { ColumnRef: unknown }>): string {
  return fields.map((field) => ("String" in field ? field.String.sval : "*")).join(".");
}
