/** Which table and column a name in a statement means: aliases, subqueries, common table expressions, outer queries. */
import type { Node } from "libpg-query";
import { findColumn } from "./catalog.ts";
import type { ColumnInfo, TableInfo } from "./catalog.ts";

/** One mention of a table in a statement, and how its columns are looked for. A table joined to itself is used twice. */
export interface TableUse {
  readonly table: TableInfo;
  /** `column = value`, `column IS NULL`: the value is known when the scan starts. */
  readonly equal: Set<string>;
  /** `column IN (...)`, `column = ANY (...)`: several values, so what follows in an index is not in one order. */
  readonly listed: Set<string>;
  /** `<`, `<=`, `>`, `>=`, `BETWEEN`. */
  readonly ranges: Set<string>;
  /** Equal to a column of another table, by that use. */
  readonly joins: Map<TableUse | "derived", Set<string>>;
  /** Its own query's, and those of the queries around it. */
  readonly orders: (readonly SortColumn[])[];
  grouped: readonly string[];
}

export interface SortColumn {
  readonly name: string;
  readonly descending: boolean;
}

export interface ResolvedColumn {
  readonly use: TableUse;
  readonly column: ColumnInfo;
}

/** What a query gives out: the plain columns among them by name; undefined where a name is computed. */
export type Outputs = ReadonlyMap<string, ResolvedColumn | undefined>;

type Source =
  | { readonly kind: "table"; readonly alias: string; readonly use: TableUse }
  | { readonly kind: "derived"; readonly alias: string; readonly outputs: Outputs };

export interface Scope {
  readonly sources: Source[];
  readonly outer: Scope | undefined;
  readonly withQueries: ReadonlyMap<string, Outputs>;
}

export function newUse(table: TableInfo): TableUse {
  return {
    table,
    equal: new Set(),
    listed: new Set(),
    ranges: new Set(),
    joins: new Map(),
    orders: [],
    grouped: [],
  };
}

/** `column`: a table's own; `derived`: computed by a subquery or a function, or not known to be otherwise. */
export type Resolution =
  | { readonly kind: "column"; readonly column: ResolvedColumn }
  | { readonly kind: "derived" }
  | { readonly kind: "unknown" };

/** Undefined for everything that is no column reference. */
export function resolveColumn(node: Node, scope: Scope): Resolution | undefined {
  if (!("ColumnRef" in node)) return undefined;
  const names = (node.ColumnRef.fields ?? []).map((field) =>
    "String" in field ? field.String.sval : undefined,
  );
  const name = names.at(-1);
  if (name === undefined) return { kind: "unknown" };
  return resolveName(names.at(-2), name, scope);
}

export function resolveName(qualifier: string | undefined, name: string, scope: Scope): Resolution {
  for (let level: Scope | undefined = scope; level; level = level.outer) {
    const found = level.sources
      .filter((source) => qualifier === undefined || source.alias === qualifier)
      .flatMap((source) => inSource(source, name) ?? []);
    // The same bare name in two tables joined by USING means either; otherwise PostgreSQL would refuse the statement.
    const first = found.find((each) => each.kind === "column") ?? found[0];
    if (first) return first;
    if (qualifier !== undefined && level.sources.some((source) => source.alias === qualifier))
      break;
  }
  return { kind: "unknown" };
}

function inSource(source: Source, name: string): Resolution | undefined {
  if (source.kind === "table") {
    const column = findColumn(source.use.table, name);
    return column ? { kind: "column", column: { use: source.use, column } } : undefined;
  }
  const column = source.outputs.get(name);
  return column ? { kind: "column", column } : { kind: "derived" };
}

/** All column references anywhere inside a node, not looking into subqueries. */
export function columnsIn(node: unknown): readonly Node[] {
  if (Array.isArray(node)) return node.flatMap(columnsIn);
  if (typeof node !== "object" || node === null || isSubquery(node)) return [];
  if (isColumnReference(node)) return [node];
  return Object.values(node).flatMap(columnsIn);
}

/** The outermost subqueries anywhere inside a node. */
export function subqueriesIn(node: unknown): readonly Subquery[] {
  if (Array.isArray(node)) return node.flatMap(subqueriesIn);
  if (typeof node !== "object" || node === null) return [];
  if (isSubquery(node)) return [node];
  return Object.values(node).flatMap(subqueriesIn);
}

type Subquery = Extract<Node, { SubLink: unknown }>;

// The parser's nodes are objects whose only key is their kind.
function isSubquery(node: object): node is Subquery {
  return "SubLink" in node;
}

function isColumnReference(node: object): node is Extract<Node, { ColumnRef: unknown }> {
  return "ColumnRef" in node;
}
