/** Which aggregates of a whole can be computed from those of its parts, and how. */
import type { Node } from "libpg-query";
import { lastName, typeNamed } from "../indexes/expression-types.ts";
import { hasParameter, type Call } from "./tree.ts";
import { isNode } from "../indexes/node.ts";

/** What PostgreSQL 12 to 18 call an aggregate, beside what the syntax shows to be one. */
const AGGREGATES = new Set(
  `any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every json_agg json_arrayagg
   json_object_agg jsonb_agg jsonb_object_agg max min mode percentile_cont percentile_disc range_agg range_intersect_agg
   regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp
   string_agg sum var_pop var_samp variance xmlagg`.split(/\s+/),
);
/** The same function over its own results. */
const REPEATED = new Set(["min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or"]);
/** What they give out is as large as what they read. */
const COLLECTING = new Set(
  `array_agg json_agg json_arrayagg json_object_agg jsonb_agg jsonb_object_agg range_agg string_agg xmlagg`.split(
    " ",
  ),
);
const WHOLE = new Set(["smallint", "integer"]);
const EXACT = new Set(["smallint", "integer", "bigint", "numeric"]);

export function isAggregate(node: Node): node is Call {
  if (!("FuncCall" in node) || node.FuncCall.over) return false;
  const { funcname, agg_star, agg_distinct, agg_filter, agg_order, agg_within_group } =
    node.FuncCall;
  const marked = agg_star ?? agg_distinct ?? agg_filter ?? agg_order ?? agg_within_group;
  return marked !== undefined || AGGREGATES.has(lastName(funcname));
}

export function isCollecting({ FuncCall: { funcname } }: Call): boolean {
  return COLLECTING.has(lastName(funcname));
}

/** The aggregate calls inside a value, not those of its subqueries. */
export function aggregatesIn(value: unknown): readonly Call[] {
  if (Array.isArray(value)) return value.flatMap(aggregatesIn);
  if (typeof value !== "object" || value === null || "SubLink" in value) return [];
  if (isNode(value) && isAggregate(value)) return [value];
  return Object.values(value).flatMap(aggregatesIn);
}

/** One column of the view that an aggregate is computed from. */
export interface Part {
  /** Of the column, if it is free. */
  readonly name: string;
  readonly call: Node;
}

export interface Decomposed {
  readonly parts: readonly Part[];
  /** SQL over the parts' columns. `filter`: ` FILTER (WHERE ...)` or nothing. */
  readonly combine: (columns: readonly string[], filter: string) => string;
}

/**
 * `filtered`: its FILTER is left to who combines. A text says why not. `typeOf` gives the type of an argument, PostgreSQL's long name;
 * the results keep their types, since sums of sums are wider otherwise.
 */
export function decomposed(
  node: Call,
  typeOf: (node: Node) => string | undefined,
  filtered: boolean,
): Decomposed | string {
  const call = node.FuncCall;
  const name = lastName(call.funcname);
  if (hasParameter([call.args, filtered ? undefined : call.agg_filter]))
    return `${name} is computed with a value that is not known`;
  if (call.agg_distinct)
    return `${name}(DISTINCT ...) of a whole cannot be computed from its parts`;
  if (call.agg_order ?? call.agg_within_group)
    return `${name} of a whole cannot be computed from its parts`;
  const { agg_filter, ...bare } = call;
  const kept = filtered || agg_filter === undefined ? {} : { agg_filter };
  const own: Node = { FuncCall: { ...bare, ...kept } };
  const [argument] = call.args ?? [];
  if (name === "count")
    return {
      parts: [{ name: "count", call: own }],
      combine: ([part], filter) => `coalesce(sum(${part})${filter}, 0)::bigint`,
    };
  if (REPEATED.has(name))
    return {
      parts: [{ name, call: own }],
      combine: ([part], filter) => `${name}(${part})${filter}`,
    };
  const type = argument && typeOf(argument);
  if (name === "sum") return sumOf(own, type);
  if (name === "avg") return averageOf(node, own, kept, type);
  return `${name} of a whole cannot be computed from its parts`;
}

function sumOf(own: Node, type: string | undefined): Decomposed | string {
  const parts = [{ name: "sum", call: own }];
  if (type !== undefined && WHOLE.has(type))
    return { parts, combine: ([part], filter) => `(sum(${part})${filter})::bigint` };
  if (type === "bigint" || type === "numeric" || type === "double precision" || type === "interval")
    return { parts, combine: ([part], filter) => `sum(${part})${filter}` };
  return `the sum of ${type === "real" ? "real numbers loses digits" : "what has no known type may change its type"} when it is added up again`;
}

function averageOf(
  node: Call,
  own: Node,
  kept: object,
  type: string | undefined,
): Decomposed | string {
  const [argument] = node.FuncCall.args ?? [];
  const floating = type === "double precision" || type === "real";
  if (argument === undefined || type === undefined || !(floating || EXACT.has(type)))
    return "an average of what has no known numeric type is not taken apart";
  const value: Node =
    type === "real" ? { TypeCast: { arg: argument, typeName: FLOAT8 } } : argument;
  const called = (name: string): Node => ({
    FuncCall: {
      ...("FuncCall" in own ? own.FuncCall : {}),
      ...kept,
      funcname: [{ String: { sval: name } }],
      args: [value],
    },
  });
  const cast = floating ? "::double precision" : "";
  return {
    parts: [
      { name: "sum", call: called("sum") },
      { name: "count", call: called("count") },
    ],
    combine: ([sum, count], filter) =>
      `sum(${sum})${filter} / nullif(sum(${count})${filter}, 0)${cast}`,
  };
}

const FLOAT8 = {
  names: [{ String: { sval: "pg_catalog" } }, { String: { sval: "float8" } }],
  typemod: -1,
};

/** Of a column or of a cast; anything else may be wider than it looks. */
export function plainType(
  node: Node,
  typeOfColumn: (node: Node) => string | undefined,
): string | undefined {
  if ("ColumnRef" in node) return typeOfColumn(node);
  return "TypeCast" in node ? typeNamed(node.TypeCast.typeName) : undefined;
}
