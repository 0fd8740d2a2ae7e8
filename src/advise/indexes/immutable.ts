/** Why PostgreSQL would refuse an expression in an index: its value may depend on more than the row. */
import type { Node } from "libpg-query";
import {
  isText,
  lastName,
  TIMESTAMP,
  TIMESTAMP_WITH_ZONE,
  typeNamed,
  typeOf,
} from "./expression-types.ts";
import type { ColumnTypes } from "./expression-types.ts";
import { isNode } from "./node.ts";

/** Functions of pg_proc that are STABLE or VOLATILE whatever their arguments are; others are taken for immutable until PostgreSQL refuses them. */
const CHANGING = new Set(
  `array_to_json array_to_string clock_timestamp concat concat_ws current_database current_query current_schema
   current_setting currval format gen_random_uuid json_build_array json_build_object jsonb_build_array
   jsonb_build_object lastval localtimestamp make_timestamptz nextval now pg_backend_pid pg_typeof
   quote_literal random row_to_json session_user setval statement_timestamp timeofday to_char to_date to_json to_jsonb
   transaction_timestamp txid_current unaccent uuid_generate_v1 uuid_generate_v4 uuidv4 uuidv7`.split(
    /\s+/,
  ),
);

const AGGREGATES = new Set(
  `any_value array_agg avg bit_and bit_or bool_and bool_or corr count every json_agg json_object_agg jsonb_agg jsonb_object_agg
   max min mode percentile_cont percentile_disc range_agg regr_slope stddev stddev_pop stddev_samp string_agg sum var_pop
   var_samp variance xmlagg`.split(/\s+/),
);

/** Reading or writing these as text follows DateStyle, TimeZone and the like. */
const DATES = new Set([
  "date",
  TIMESTAMP,
  TIMESTAMP_WITH_ZONE,
  "time without time zone",
  "time with time zone",
  "interval",
]);

/** One clause that says what changes; undefined for what an index may hold as far as is known. */
export function changingPart(node: unknown, columns: ColumnTypes): string | undefined {
  if (Array.isArray(node)) {
    for (const each of node) {
      const found = changingPart(each, columns);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (typeof node !== "object" || node === null) return undefined;
  const here = isNode(node) ? changingHere(node, columns) : undefined;
  return here ?? changingPart(Object.values(node), columns);
}

function changingHere(node: Node, columns: ColumnTypes): string | undefined {
  if ("ParamRef" in node) return "its constants are not known, only $1, $2 and so on";
  if ("SubLink" in node) return "it holds a subquery";
  if ("SQLValueFunction" in node) return "the current date, time or user changes";
  if ("SetToDefault" in node || "CurrentOfExpr" in node) return "it is no value of the row";
  if ("FuncCall" in node) return changingCall(node.FuncCall, columns);
  if ("TypeCast" in node) {
    const { arg, typeName } = node.TypeCast;
    // A literal is read when the index is made.
    if (arg && "A_Const" in arg) return undefined;
    return changingCast(typeOf(arg, columns), typeNamed(typeName));
  }
  if (!("A_Expr" in node) || node.A_Expr.kind !== "AEXPR_OP") return undefined;
  const operator = lastName(node.A_Expr.name);
  const left = typeOf(node.A_Expr.lexpr, columns);
  const right = typeOf(node.A_Expr.rexpr, columns);
  if (operator === "||") {
    const other = [left, right].find(
      (type) =>
        type !== undefined && !isText(type) && !/^jsonb$|\[\]$|^bytea$|^tsvector$/.test(type),
    );
    return other && `joining ${other} to text depends on settings`;
  }
  if (operator !== "+" && operator !== "-") return undefined;
  const zoned = left === TIMESTAMP_WITH_ZONE || right === TIMESTAMP_WITH_ZONE;
  return zoned && !(left === right && operator === "-")
    ? "arithmetic on a timestamp with time zone depends on the session's time zone"
    : undefined;
}

function changingCall(
  call: Extract<Node, { FuncCall: unknown }>["FuncCall"],
  columns: ColumnTypes,
): string | undefined {
  const name = lastName(call.funcname);
  const args = call.args ?? [];
  if (call.over || call.agg_star || AGGREGATES.has(name)) {
    return `${name} is computed over several rows`;
  }
  if (CHANGING.has(name)) return `${name} is not immutable`;
  if (name === "to_tsvector" && args.length === 1) {
    return "to_tsvector without a configuration depends on a setting: name it, as in to_tsvector('english', ...)";
  }
  if (name === "to_timestamp" && args.length === 2) return "to_timestamp is not immutable";
  if (name === "age" && args.length === 1) return "age counts from today";
  if (name === "date_trunc" && args.length === 2) {
    // A date is taken for a timestamp with time zone here.
    const type = typeOf(args[1], columns);
    if (type === TIMESTAMP_WITH_ZONE || type === "date") return zoned(name, type);
  }
  if (name === "extract" || name === "date_part") {
    const type = typeOf(args[1], columns);
    if (type === TIMESTAMP_WITH_ZONE) return zoned(name, type);
  }
  return undefined;
}

function zoned(name: string, type: string): string {
  return `${name} of a ${type} depends on the session's time zone: write it AT TIME ZONE a zone`;
}

function changingCast(from: string | undefined, to: string | undefined): string | undefined {
  if (from === undefined || to === undefined || from === to) return undefined;
  const zonedOnce = (from === TIMESTAMP_WITH_ZONE) !== (to === TIMESTAMP_WITH_ZONE);
  if (DATES.has(from) && DATES.has(to)) {
    return zonedOnce
      ? `a cast from ${from} to ${to} depends on the session's time zone: write it AT TIME ZONE a zone`
      : undefined;
  }
  return (DATES.has(from) && isText(to)) || (isText(from) && DATES.has(to))
    ? `a cast from ${from} to ${to} depends on settings`
    : undefined;
}
