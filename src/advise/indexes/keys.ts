/** One side of a condition as what an index could hold: a column, or an expression of one use's columns. */
import type { Node } from "libpg-query";
import type { IndexKey } from "../../core/index-definition.ts";
import type { ColumnInfo } from "./catalog.ts";
import { unfitForBtree } from "./column-fit.ts";
import { isText, lastName, typeNamed } from "./expression-types.ts";
import { ownExpression } from "./expressions.ts";
import { columnsIn, resolveColumn } from "./scope.ts";
import type { ResolvedColumn, Scope, TableUse } from "./scope.ts";

export type Keyed =
  | {
      readonly kind: "key";
      readonly use: TableUse;
      readonly key: IndexKey;
      readonly columns: readonly string[];
      readonly type: string | undefined;
      readonly distinct: number | undefined;
      /** Compared byte by byte, so that a plain B-tree finds beginnings of texts. */
      readonly bytewise: boolean;
      /** Why a B-tree cannot have the expression as a key; columns have rules of their own. */
      readonly unfit: string | undefined;
    }
  /** An expression of columns that no index can hold. */
  | { readonly kind: "refused"; readonly because: string };

/** Undefined for what has no columns, or those of several uses. */
export function keyed(node: Node | undefined, scope: Scope): Keyed | undefined {
  if (!node) return undefined;
  const column = baseColumn(node, scope);
  if (column) {
    const { name, type, distinct, bytewise } = column.column;
    return {
      kind: "key",
      use: column.use,
      key: { name },
      columns: [name],
      type,
      distinct,
      bytewise,
      unfit: undefined,
    };
  }
  const resolution = resolveColumn(node, scope);
  if (resolution?.kind === "derived" && resolution.term) {
    // What a subquery computes, as a view's lower(email): an index may hold it, unless it is made of several rows.
    const inner = keyed(resolution.term.node, resolution.term.scope);
    return inner?.kind === "key" ? inner : undefined;
  }
  if (resolution || "RowExpr" in node || columnsIn(node).length === 0) return undefined;
  const own = ownExpression(node, scope);
  if (own.kind === "other") return undefined;
  if (own.kind === "refused") {
    return { kind: "refused", because: `${namesIn(node)}: ${own.because}` };
  }
  const columns = own.use.table.columns.filter(({ name }) => own.columns.includes(name));
  return {
    kind: "key",
    use: own.use,
    key: { expression: own.sql },
    columns: own.columns,
    type: own.type,
    distinct: sameDistinct(node) ? columns[0]?.distinct : undefined,
    bytewise: columns.every((each) => each.bytewise),
    unfit: isText(own.type) && !isDigest(node) ? columns.map(longText).find(Boolean) : undefined,
  };
}

/** A plain column, or one that is only relabelled, as in `(email)::text`, which is how PostgreSQL writes a varchar's comparison. */
export function baseColumn(node: Node | undefined, scope: Scope): ResolvedColumn | undefined {
  if (node && "TypeCast" in node) {
    const { arg, typeName } = node.TypeCast;
    const column = baseColumn(arg, scope);
    const to = typeNamed(typeName);
    const same = column?.column.type === to;
    const relabelled = column?.column.type === "character varying" && to === "text";
    const unlimited = (typeName?.typmods ?? []).length === 0;
    return (same || relabelled) && unlimited ? column : undefined;
  }
  const resolution = node && resolveColumn(node, scope);
  return resolution?.kind === "column" ? resolution.column : undefined;
}

/** Whether the other side is known before a row of this use is: it mentions none of its columns. */
export function isOutside(use: TableUse, node: unknown, scope: Scope): boolean {
  return columnsIn(node).every((each) => baseColumn(each, scope)?.use !== use);
}

export function isTextKey(key: { readonly type: string | undefined }): boolean {
  return isText(key.type);
}

/** A short name for an expression, for notes. */
function namesIn(node: Node): string {
  const names = columnsIn(node).map((each) =>
    (each.ColumnRef.fields ?? [])
      .map((field) => ("String" in field ? field.String.sval : "*"))
      .join("."),
  );
  return `an expression of ${[...new Set(names)].join(", ")} cannot be indexed`;
}

/** lower(x) has about as many values as x. */
function sameDistinct(node: Node): boolean {
  return "FuncCall" in node && /^(lower|upper|md5)$/.test(lastName(node.FuncCall.funcname));
}

/** Short however long its argument is. */
function isDigest(node: Node): boolean {
  return (
    "FuncCall" in node &&
    /^(md5|left|substr|substring|split_part)$/.test(lastName(node.FuncCall.funcname))
  );
}

/** What is made of long texts is long as well; a part of a document is mostly short. */
function longText(column: ColumnInfo): string | undefined {
  return isText(column.type) ? unfitForBtree(column) : undefined;
}
