/** Which table and column a name in a statement means: aliases, subqueries, common table expressions, outer queries. */
import type { Node } from "libpg-query";
import type { IndexKey } from "../../core/index-definition.ts";
import { findColumn } from "./catalog.ts";
import type { ColumnInfo, TableInfo } from "./catalog.ts";
import { outermost } from "./node.ts";

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
  /** Every column that the statement reads of this use: an index that holds them all can answer alone. */
  readonly read: Set<string>;
  /** What plain keys on columns do not say. */
  readonly filters: Filter[];
}

export interface SortColumn {
  readonly name: string;
  readonly descending: boolean;
  /** Only where it is not what PostgreSQL's default is for the direction. */
  readonly nullsFirst?: boolean;
}

/**
 * What a statement asks of one use beside plain columns. SQL in it names columns without their table, as in an index
 * definition; `columns` are all that it mentions.
 */
export type Filter =
  /** A condition on this use alone that has no parameters: a partial index may be limited to its rows. */
  | {
      readonly kind: "constant";
      readonly sql: string;
      readonly columns: readonly string[];
      /** Of the table's rows, those that meet it; undefined where statistics do not tell. */
      readonly share: number | undefined;
    }
  /** Compared, joined or grouped by an expression that an index may hold. */
  | {
      readonly kind: "expression";
      readonly as: "equal" | "listed" | "range" | "join" | "group";
      readonly key: IndexKey;
      readonly columns: readonly string[];
      readonly distinct: number | undefined;
    }
  /** A sort with an expression among its keys. */
  | {
      readonly kind: "order";
      readonly keys: readonly IndexKey[];
      readonly columns: readonly string[];
    }
  /**
   * `pattern`: LIKE, ILIKE, a regular expression; `contains`: `@>`, `&&`, `?`, `@@` and their like. `key` is what is looked into, with
   * the operators that an index of the method needs.
   */
  | {
      readonly kind: "pattern" | "contains";
      readonly method: "btree" | "gin" | "gist";
      readonly key: IndexKey;
      readonly columns: readonly string[];
    }
  /** One arm of an OR, as if it were the only condition: scans of several indexes can be joined bit by bit. */
  | { readonly kind: "alternative"; readonly use: TableUse };

export interface ResolvedColumn {
  readonly use: TableUse;
  readonly column: ColumnInfo;
}

/** `column`: a table's own; `derived`: computed by a subquery or a function, by `term` where that is known, or not known to be otherwise. */
export type Resolution =
  | { readonly kind: "column"; readonly column: ResolvedColumn }
  | { readonly kind: "derived"; readonly term?: { readonly node: Node; readonly scope: Scope } }
  | { readonly kind: "unknown" };

/** What a query gives out, by name. */
export type Outputs = ReadonlyMap<string, Resolution>;

export type Source =
  | {
      readonly kind: "table";
      readonly alias: string;
      readonly use: TableUse;
      /** The columns' names in this statement, in the table's order, where an alias such as `t (a, b)` renames them. */
      readonly names?: readonly string[];
    }
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
    read: new Set(),
    filters: [],
  };
}

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
    const { table } = source.use;
    const column = source.names
      ? table.columns[source.names.indexOf(name)]
      : findColumn(table, name);
    return column ? { kind: "column", column: { use: source.use, column } } : undefined;
  }
  return source.outputs.get(name) ?? { kind: "derived" };
}

/** Names that `*` stands for. */
export function namesOf(source: Source): readonly string[] {
  if (source.kind === "derived") return [...source.outputs.keys()];
  return source.names ?? source.use.table.columns.map((column) => column.name);
}

/** Notes on the uses which of their columns an expression reads; subqueries inside it note their own. */
export function markRead(node: unknown, scope: Scope): void {
  for (const reference of columnsIn(node)) {
    const resolution = resolveColumn(reference, scope);
    if (resolution?.kind === "column") {
      resolution.column.use.read.add(resolution.column.column.name);
      continue;
    }
    // `t.*`, `*`, and a table's name for its whole row.
    const { fields = [] } = reference.ColumnRef;
    const qualifier = fields.findLast((field) => "String" in field);
    const name = qualifier && "String" in qualifier ? qualifier.String.sval : undefined;
    const isStar = fields.some((field) => "A_Star" in field);
    if (isStar || fields.length === 1) markWhole(name, isStar, scope);
  }
}

function markWhole(alias: string | undefined, isStar: boolean, scope: Scope): void {
  for (let level: Scope | undefined = scope; level; level = level.outer) {
    const meant = level.sources.filter((each) => alias === undefined || each.alias === alias);
    for (const source of meant) if (source.kind === "table") readAll(source.use);
    if (meant.length > 0 || (isStar && alias === undefined)) return;
  }
}

export function readAll(use: TableUse): void {
  for (const column of use.table.columns) use.read.add(column.name);
}

/** All column references anywhere inside a node, not looking into subqueries. */
export function columnsIn(node: unknown): readonly ColumnReference[] {
  return outermost(node, "ColumnRef");
}

/** The outermost subqueries anywhere inside a node. */
export function subqueriesIn(node: unknown): readonly Subquery[] {
  return outermost(node, "SubLink");
}

type Subquery = Extract<Node, { SubLink: unknown }>;
type ColumnReference = Extract<Node, { ColumnRef: unknown }>;
