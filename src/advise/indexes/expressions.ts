/** Expressions of one use of a table as SQL that an index definition can hold, and SQL in one form in which it can be compared. */
import { parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { deparseSync } from "pgsql-deparser";
import { isText, typeNamed, typeOf } from "./expression-types.ts";
import { changingPart } from "./immutable.ts";
import { isNode } from "./node.ts";
import { columnsIn, resolveColumn } from "./scope.ts";
import type { Scope, TableUse } from "./scope.ts";

type OwnExpression =
  | {
      readonly kind: "own";
      readonly use: TableUse;
      /** Names columns without their table. */
      readonly sql: string;
      readonly columns: readonly string[];
      readonly type: string | undefined;
    }
  /** Of one use, but no index can hold it. */
  | { readonly kind: "refused"; readonly because: string; readonly columns: readonly string[] }
  /** Of no use, or of several, or of what is computed. */
  | { readonly kind: "other" };

/** Reads an expression as one over the columns of a single use. */
export function ownExpression(node: Node, scope: Scope): OwnExpression {
  const references = columnsIn(node);
  const uses = new Set<TableUse>();
  const columns = new Set<string>();
  for (const reference of references) {
    const resolution = resolveColumn(reference, scope);
    if (resolution?.kind !== "column") return { kind: "other" };
    uses.add(resolution.column.use);
    columns.add(resolution.column.column.name);
  }
  const [use] = uses;
  if (!use || uses.size > 1) return { kind: "other" };
  const types = typesIn(scope);
  const changing = changingPart(node, types);
  if (changing !== undefined) return { kind: "refused", because: changing, columns: [...columns] };
  const sql = sqlOf(unqualified(node, scope));
  if (sql === undefined)
    return { kind: "refused", because: "it could not be written as SQL", columns: [...columns] };
  return { kind: "own", use, sql, columns: [...columns], type: typeOf(node, types) };
}

function typesIn(scope: Scope): (node: Node) => string | undefined {
  return (node) => {
    const resolution = resolveColumn(node, scope);
    return resolution?.kind === "column" ? resolution.column.column.type : undefined;
  };
}

/** A column's name as the SQL here has it: quoted only where it has to be. */
export function columnSql(name: string): string {
  return deparseSync({ ColumnRef: { fields: [{ String: { sval: name } }] } });
}

/** Two texts that PostgreSQL would take for the same expression have the same form: casts of literals and names of text aside. */
export function comparableForm(sql: string): string {
  const node = parseExpression(sql);
  return node === undefined ? sql : JSON.stringify(withoutPlaces(simplified(node)));
}

/** Undefined when what the deparser writes does not mean the same. */
function sqlOf(node: Node): string | undefined {
  try {
    const sql = deparseSync(node, { pretty: false });
    const again = parseExpression(sql);
    return again && JSON.stringify(withoutPlaces(again)) === JSON.stringify(withoutPlaces(node))
      ? sql
      : undefined;
  } catch {
    return undefined;
  }
}

/** The parser has been loaded by whoever read the statement. */
function parseExpression(sql: string): Node | undefined {
  try {
    const statement = parseSync(`SELECT (${sql})`).stmts?.[0]?.stmt;
    const target =
      statement && "SelectStmt" in statement ? statement.SelectStmt.targetList?.[0] : undefined;
    return target && "ResTarget" in target ? target.ResTarget.val : undefined;
  } catch {
    return undefined;
  }
}

/** The same with every column under its own bare name, whatever the statement calls it, and without casts that only relabel. */
function unqualified(node: Node, scope: Scope): Node {
  return mapNodes(node, (each) => {
    if ("TypeCast" in each) {
      const { arg, typeName } = each.TypeCast;
      const resolution = arg && resolveColumn(arg, scope);
      const type = resolution?.kind === "column" ? resolution.column.column.type : undefined;
      const relabels = type === "character varying" && typeNamed(typeName) === "text";
      return arg && relabels ? unqualified(arg, scope) : undefined;
    }
    const resolution = resolveColumn(each, scope);
    if (resolution?.kind !== "column") return undefined;
    return { ColumnRef: { fields: [{ String: { sval: resolution.column.column.name } }] } };
  });
}

/** Casts of literals are PostgreSQL's own addition, as are casts of varchar to text; `IN` is kept as `= ANY`. */
function simplified(node: Node): Node {
  return mapNodes(node, (each) => {
    if ("TypeCast" in each) {
      const { arg, typeName } = each.TypeCast;
      const literal = arg && ("A_Const" in arg || "A_ArrayExpr" in arg || "TypeCast" in arg);
      const relabels = arg && "ColumnRef" in arg && isText(typeNamed(typeName));
      return literal || relabels ? simplified(arg) : undefined;
    }
    if (!("A_Expr" in each) || each.A_Expr.kind !== "AEXPR_IN") return undefined;
    const { rexpr, ...rest } = each.A_Expr;
    const elements = rexpr && "List" in rexpr ? (rexpr.List.items ?? []) : [];
    const kind = "AEXPR_OP_ANY";
    return simplified({ A_Expr: { ...rest, kind, rexpr: { A_ArrayExpr: { elements } } } });
  });
}

/** A copy in which some nodes are others. */
export function mapNodes(node: Node, change: (node: Node) => Node | undefined): Node {
  const map = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(map);
    if (typeof value !== "object" || value === null) return value;
    const changed = isNode(value) ? change(value) : undefined;
    if (changed) return changed;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, map(inner)]));
  };
  const mapped = map(node);
  return isNode(mapped) ? mapped : node;
}

/** Without what says where in the text something stood. */
export function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !/location$|^(rexpr_)?list_(start|end)$/.test(key))
      .map(([key, inner]) => [key, withoutPlaces(inner)] as const),
  );
}
