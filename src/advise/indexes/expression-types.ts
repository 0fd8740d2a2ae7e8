/** The type of an expression over a table's columns, as far as the advisor's rules need it, under PostgreSQL's long names. */
import type { Node } from "libpg-query";

/** The type of a column reference; undefined when it is no column of a known table. */
export type ColumnTypes = (node: Node) => string | undefined;

export const TIMESTAMP_WITH_ZONE = "timestamp with time zone";
export const TIMESTAMP = "timestamp without time zone";

type TypeName = Extract<Node, { TypeCast: unknown }>["TypeCast"]["typeName"];

const LONG_NAMES: Readonly<Record<string, string>> = {
  bool: "boolean",
  bpchar: "character",
  float4: "real",
  float8: "double precision",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  timestamp: TIMESTAMP,
  timestamptz: TIMESTAMP_WITH_ZONE,
  timetz: "time with time zone",
  time: "time without time zone",
  varchar: "character varying",
};

const RESULTS: Readonly<Record<string, string>> = {
  btrim: "text",
  char_length: "integer",
  encode: "text",
  extract: "numeric",
  initcap: "text",
  jsonb_extract_path: "jsonb",
  jsonb_extract_path_text: "text",
  left: "text",
  length: "integer",
  lower: "text",
  ltrim: "text",
  md5: "text",
  regexp_replace: "text",
  replace: "text",
  reverse: "text",
  right: "text",
  rtrim: "text",
  split_part: "text",
  substr: "text",
  substring: "text",
  to_tsvector: "tsvector",
  translate: "text",
  upper: "text",
};

export function typeOf(node: Node | undefined, columns: ColumnTypes): string | undefined {
  if (!node) return undefined;
  if ("ColumnRef" in node) return columns(node);
  if ("TypeCast" in node) return typeNamed(node.TypeCast.typeName);
  if ("CollateClause" in node) return typeOf(node.CollateClause.arg, columns);
  if ("CoalesceExpr" in node) return typeOf(node.CoalesceExpr.args?.[0], columns);
  if ("MinMaxExpr" in node) return typeOf(node.MinMaxExpr.args?.[0], columns);
  if ("FuncCall" in node) return resultOf(node.FuncCall, columns);
  if (!("A_Expr" in node)) return undefined;
  const { kind, lexpr, rexpr } = node.A_Expr;
  if (kind === "AEXPR_NULLIF") return typeOf(lexpr, columns);
  if (kind !== "AEXPR_OP") return "boolean";
  const operator = lastName(node.A_Expr.name);
  const left = typeOf(lexpr, columns);
  if (operator === "->>" || operator === "#>>") return "text";
  if (operator === "->" || operator === "#>" || operator === "#-") return left;
  if (operator === "||") return left ?? typeOf(rexpr, columns);
  return ["+", "-", "*", "/", "%"].includes(operator) ? left : undefined;
}

/** The long name of a type in a cast; undefined for what is qualified by a schema other than pg_catalog. */
export function typeNamed(type: TypeName): string | undefined {
  const names = (type?.names ?? []).flatMap((name) =>
    "String" in name ? (name.String.sval ?? "") : [],
  );
  if (names.length > 1 && names[0] !== "pg_catalog") return undefined;
  const name = names.at(-1);
  if (name === undefined) return undefined;
  return `${LONG_NAMES[name] ?? name}${type?.arrayBounds?.length ? "[]" : ""}`;
}

export function isText(type: string | undefined): boolean {
  return type === "text" || type === "character varying" || type === "character";
}

/** The last part of a name of an operator or a function. */
export function lastName(name: readonly Node[] | undefined): string {
  const last = name?.at(-1);
  return last && "String" in last ? (last.String.sval ?? "") : "";
}

function resultOf(
  call: Extract<Node, { FuncCall: unknown }>["FuncCall"],
  columns: ColumnTypes,
): string | undefined {
  const name = lastName(call.funcname);
  const args = call.args ?? [];
  if (name === "date_trunc") {
    return typeOf(args[1], columns) === TIMESTAMP ? TIMESTAMP : TIMESTAMP_WITH_ZONE;
  }
  if (name === "timezone") {
    const type = typeOf(args[1], columns);
    if (type === undefined) return undefined;
    return type === TIMESTAMP_WITH_ZONE ? TIMESTAMP : TIMESTAMP_WITH_ZONE;
  }
  if (name === "abs" || name === "round" || name === "floor" || name === "ceil") {
    return typeOf(args[0], columns);
  }
  return RESULTS[name];
}
