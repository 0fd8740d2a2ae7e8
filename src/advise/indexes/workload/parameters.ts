/** What the parameters of a statement stand for: which column each is compared with, and how. */
import type { Node } from "libpg-query";
import { findColumn, findTable } from "../catalog.ts";
import type { Catalog, ColumnInfo, TableInfo } from "../catalog.ts";

export type ParameterUse =
  | {
      readonly kind: "compared";
      readonly column: ColumnInfo;
      readonly role: ParameterRole;
      /** Of the column's table, where that is known. */
      readonly tableRows: number | undefined;
      /** The statement reads one table and gives out its rows as they are, so that their number says how many matched. */
      readonly alone: boolean;
    }
  /** Stored or given out: no plan depends on it. */
  | { readonly kind: "assigned" }
  /** Inside an expression that is given out: no plan depends on it, but its type is not known, and NULL may be refused. */
  | { readonly kind: "given" };

export type ParameterRole =
  | { readonly kind: "equal"; readonly index: number; readonly of: number }
  | { readonly kind: "list" }
  /** `paired`: another parameter bounds the same column from the other side. */
  | { readonly kind: "from" | "to"; readonly paired: boolean };

/** By parameter number; parameters that are used in another way only are absent. */
export function readParameters(
  statement: Node,
  catalog: Catalog,
): ReadonlyMap<number, ParameterUse> {
  const walk: Walk = { catalog, uses: new Map(), bounds: new Map() };
  read(walk, statement, []);
  const alone = isAlone(statement);
  const uses = new Map<number, ParameterUse>();
  for (const [number, use] of walk.uses) {
    if (use.kind !== "compared") uses.set(number, use);
    else uses.set(number, { ...use, alone, role: pairedRole(use, walk.bounds) });
  }
  return uses;
}

function pairedRole(
  use: Extract<ParameterUse, { kind: "compared" }>,
  bounds: Walk["bounds"],
): ParameterRole {
  const { kind } = use.role;
  const paired = (bounds.get(use.column)?.size ?? 0) > 1;
  return kind === "from" || kind === "to" ? { kind, paired } : use.role;
}

interface Source {
  readonly alias: string;
  readonly table: TableInfo;
}

interface Walk {
  readonly catalog: Catalog;
  readonly uses: Map<number, ParameterUse>;
  readonly bounds: Map<ColumnInfo, Set<"from" | "to">>;
}

type Expression = Extract<Node, { A_Expr: unknown }>["A_Expr"];

/** `sources`: the tables around, the innermost query's first. */
function read(walk: Walk, node: unknown, sources: readonly Source[]): void {
  if (Array.isArray(node)) {
    for (const each of node) read(walk, each, sources);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  if (isExpression(node)) readExpression(walk, node.A_Expr, sources);
  for (const list of assignedLists(node)) {
    for (const value of list) {
      noteAssigned(walk, value);
      noteGiven(walk, value);
    }
  }
  const inner = [...sourcesOf(walk.catalog, node), ...sources];
  for (const each of Object.values(node)) read(walk, each, inner);
}

/** The tables that a query names itself, without those of queries inside it. */
function sourcesOf(catalog: Catalog, node: object): readonly Source[] {
  const found: Source[] = [];
  const look = (part: unknown): void => {
    if (Array.isArray(part)) {
      for (const each of part) look(each);
      return;
    }
    if (typeof part !== "object" || part === null) return;
    if ("RangeVar" in part) look(part.RangeVar);
    else if ("JoinExpr" in part && typeof part.JoinExpr === "object" && part.JoinExpr !== null) {
      if ("larg" in part.JoinExpr) look(part.JoinExpr.larg);
      if ("rarg" in part.JoinExpr) look(part.JoinExpr.rarg);
    } else if ("relname" in part && typeof part.relname === "string") {
      const schema = "schemaname" in part ? String(part.schemaname) : undefined;
      const table = findTable(catalog, schema, part.relname);
      if (table) found.push({ alias: aliasOf(part) ?? part.relname, table });
    }
  };
  for (const key of ["relation", "fromClause", "usingClause", "sourceRelation"]) {
    look(Object.entries(node).find(([name]) => name === key)?.[1]);
  }
  return found;
}

function aliasOf(range: object): string | undefined {
  const alias: unknown = "alias" in range ? range.alias : undefined;
  return typeof alias === "object" && alias !== null && "aliasname" in alias
    ? String(alias.aliasname)
    : undefined;
}

/** Values of INSERT, SET and the select list. */
function assignedLists(node: object): readonly (readonly unknown[])[] {
  if (!("UpdateStmt" in node) && !("SelectStmt" in node)) return [];
  const inner: unknown = "UpdateStmt" in node ? node.UpdateStmt : node.SelectStmt;
  if (typeof inner !== "object" || inner === null) return [];
  const targets = "targetList" in inner && Array.isArray(inner.targetList) ? inner.targetList : [];
  const lists = "valuesLists" in inner && Array.isArray(inner.valuesLists) ? inner.valuesLists : [];
  const values: unknown[] = targets.map((target: unknown) =>
    valueAtPath(target, "ResTarget", "val"),
  );
  return [values, ...lists.map((list: unknown) => asList(valueAtPath(list, "List", "items")))];
}

function valueAtPath(node: unknown, ...path: readonly string[]): unknown {
  let at = node;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.entries(at).find(([name]) => name === key)?.[1];
  }
  return at;
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function noteAssigned(walk: Walk, value: unknown): void {
  const number = parameterOf(value);
  if (number !== undefined && !walk.uses.has(number)) walk.uses.set(number, { kind: "assigned" });
}

/** Those in a subquery stand in a select list or a condition of its own. */
function noteGiven(walk: Walk, value: unknown): void {
  if (Array.isArray(value)) {
    for (const each of value) noteGiven(walk, each);
    return;
  }
  if (typeof value !== "object" || value === null || "SubLink" in value) return;
  const number = valueAtPath(value, "ParamRef", "number");
  if (typeof number === "number" && !walk.uses.has(number))
    walk.uses.set(number, { kind: "given" });
  for (const each of Object.values(value)) noteGiven(walk, each);
}

const MIRRORED: Readonly<Record<string, string>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

function readExpression(walk: Walk, expression: Expression, sources: readonly Source[]): void {
  const { kind, lexpr, rexpr } = expression;
  const name = expression.name?.at(-1);
  const operator = name && "String" in name ? (name.String.sval ?? "") : "";
  const compare = (column: unknown, value: unknown, role: ParameterRole | undefined): void => {
    const number = parameterOf(value);
    const found = role && number !== undefined ? columnOf(column, sources) : undefined;
    if (role && number !== undefined && found) noteCompared(walk, number, found, role);
  };
  if (kind === "AEXPR_OP" || kind === "AEXPR_NOT_DISTINCT") {
    const lefts = rowOf(lexpr) ?? [lexpr];
    const rights = rowOf(rexpr) ?? [rexpr];
    for (const [index, left] of lefts.entries()) {
      compare(left, rights[index], roleOf(operator));
      compare(rights[index], left, roleOf(MIRRORED[operator] ?? operator));
    }
  } else if (kind === "AEXPR_OP_ANY" && operator === "=") compare(lexpr, rexpr, { kind: "list" });
  else if (kind === "AEXPR_IN" && operator === "=") {
    const items = asList(valueAtPath(rexpr, "List", "items"));
    for (const [index, item] of items.entries()) {
      compare(lexpr, item, { kind: "equal", index, of: items.length });
    }
  } else if (kind === "AEXPR_BETWEEN" || kind === "AEXPR_BETWEEN_SYM") {
    const [low, high] = asList(valueAtPath(rexpr, "List", "items"));
    compare(lexpr, low, { kind: "from", paired: false });
    compare(lexpr, high, { kind: "to", paired: false });
  }
}

function roleOf(operator: string): ParameterRole | undefined {
  if (operator === "=") return { kind: "equal", index: 0, of: 1 };
  if (operator === ">" || operator === ">=") return { kind: "from", paired: false };
  if (operator === "<" || operator === "<=") return { kind: "to", paired: false };
  return undefined;
}

function noteCompared(
  walk: Walk,
  number: number,
  found: { readonly column: ColumnInfo; readonly table: TableInfo },
  role: ParameterRole,
): void {
  const { column, table } = found;
  if (role.kind === "from" || role.kind === "to") {
    const sides = walk.bounds.get(column) ?? new Set();
    walk.bounds.set(column, sides.add(role.kind));
  }
  if (walk.uses.get(number)?.kind === "compared") return;
  walk.uses.set(number, { kind: "compared", column, role, tableRows: table.rows, alone: false });
}

/** A column, or one in a cast or in lower() and upper(): what is in it is what the parameter is like. */
function columnOf(
  node: unknown,
  sources: readonly Source[],
): { readonly column: ColumnInfo; readonly table: TableInfo } | undefined {
  const cast = valueAtPath(node, "TypeCast", "arg");
  if (cast !== undefined) return columnOf(cast, sources);
  const call = valueAtPath(node, "FuncCall");
  if (call !== undefined) {
    const name = valueAtPath(asList(valueAtPath(call, "funcname")).at(-1), "String", "sval");
    const [argument, ...more] = asList(valueAtPath(call, "args"));
    const same = (name === "lower" || name === "upper") && more.length === 0;
    return same ? columnOf(argument, sources) : undefined;
  }
  const fields = asList(valueAtPath(node, "ColumnRef", "fields")).map((field) =>
    valueAtPath(field, "String", "sval"),
  );
  const name = fields.at(-1);
  const qualifier = fields.at(-2);
  if (typeof name !== "string") return undefined;
  for (const { alias, table } of sources) {
    const column =
      qualifier === undefined || qualifier === alias ? findColumn(table, name) : undefined;
    if (column) return { column, table };
  }
  return undefined;
}

/** Of a bare parameter or one in casts. */
function parameterOf(node: unknown): number | undefined {
  const cast = valueAtPath(node, "TypeCast", "arg");
  if (cast !== undefined) return parameterOf(cast);
  const number = valueAtPath(node, "ParamRef", "number");
  return typeof number === "number" ? number : undefined;
}

function rowOf(node: Node | undefined): readonly Node[] | undefined {
  return node && "RowExpr" in node ? (node.RowExpr.args ?? []) : undefined;
}

function isExpression(node: object): node is Extract<Node, { A_Expr: unknown }> {
  return "A_Expr" in node;
}

function isAlone(statement: Node): boolean {
  if (!("SelectStmt" in statement)) return false;
  const { fromClause, limitCount, groupClause, distinctClause, targetList } = statement.SelectStmt;
  const [source, ...others] = fromClause ?? [];
  const computed = (targetList ?? []).some(
    (target) => "ResTarget" in target && target.ResTarget.val && "FuncCall" in target.ResTarget.val,
  );
  const plain = !limitCount && !groupClause && !distinctClause && !computed;
  return plain && source !== undefined && "RangeVar" in source && others.length === 0;
}
