// Turns parsed filters and orders into SQL text with numbered parameters; no text of a client enters the SQL.

import { invalidParameter } from "../errors.ts";
import type { Comparison, EntityKind, Operator, OrderTerm } from "./parse.ts";

/** What of one kind of row can be searched, and where it is stored. All strings here are the service's own. */
export type SearchTarget = {
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Key-value tables: `join` ties alias x to the searched row. */
  readonly related: Partial<
    Readonly<Record<Exclude<EntityKind, "attribute">, { table: string; join: string }>>
  >;
  /** Unique columns that end every order, so that pages neither repeat nor skip rows. */
  readonly defaultOrder: readonly string[];
};

export type Attribute = {
  readonly column: string;
  readonly type: "text" | "number";
  readonly nullable?: true;
};

export type SqlParts = {
  /** Conditions, each to be joined with AND. */
  readonly where: readonly string[];
  readonly joins: readonly string[];
  readonly orderBy: string;
};

/** Adds a value to a statement's parameters and returns its placeholder. */
export type Bind = (value: unknown) => string;

const TEXT_OPERATORS: ReadonlySet<Operator> = new Set([
  "=",
  "!=",
  "LIKE",
  "ILIKE",
  "IN",
  "NOT IN",
  "IS NULL",
  "IS NOT NULL",
]);
const NUMBER_OPERATORS: ReadonlySet<Operator> = new Set([
  "=",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "IN",
  "NOT IN",
]);
const KEYED_TEXT_OPERATORS: ReadonlySet<Operator> = new Set([
  "=",
  "!=",
  "LIKE",
  "ILIKE",
  "IS NULL",
  "IS NOT NULL",
]);
const METRIC_OPERATORS: ReadonlySet<Operator> = new Set(["=", "!=", "<", "<=", ">", ">="]);

export function binder(values: unknown[]): Bind {
  return (value) => `$${values.push(value)}`;
}

export function compileSearch(
  target: SearchTarget,
  comparisons: readonly Comparison[],
  order: readonly OrderTerm[],
  bind: Bind,
): SqlParts {
  const where = comparisons.map((comparison) =>
    comparison.entity === "attribute"
      ? compileAttribute(target, comparison, bind)
      : compileKeyed(target, comparison.entity, comparison, bind),
  );
  const joins: string[] = [];
  const terms = order.map((term, index) => compileOrder(target, term, index, joins, bind));
  return { where, joins, orderBy: [...terms, ...target.defaultOrder].join(", ") };
}

function compileAttribute(target: SearchTarget, comparison: Comparison, bind: Bind): string {
  const { key, operator } = comparison;
  const attribute = findAttribute(target, key);
  requireOperator(attribute.type === "text" ? TEXT_OPERATORS : NUMBER_OPERATORS, operator, key);
  const values = comparison.values.map((value) => checkType(value, attribute.type, key));
  return condition(
    attribute.column,
    operator,
    values,
    attribute.type === "text" ? "text" : "bigint",
    bind,
  );
}

function compileKeyed(
  target: SearchTarget,
  entity: Exclude<EntityKind, "attribute">,
  comparison: Comparison,
  bind: Bind,
): string {
  const related = target.related[entity];
  if (related === undefined)
    throw invalidParameter(`Invalid filter: ${entity}s cannot be searched here.`);
  const { key, operator } = comparison;
  requireOperator(
    entity === "metric" ? METRIC_OPERATORS : KEYED_TEXT_OPERATORS,
    operator,
    `${entity}s.${key}`,
  );
  const row = `SELECT 1 FROM ${related.table} x WHERE ${related.join} AND x.key = ${bind(key)}`;
  if (operator === "IS NULL") return `NOT EXISTS (${row})`;
  if (operator === "IS NOT NULL") return `EXISTS (${row})`;
  const type = entity === "metric" ? "number" : "text";
  const values = comparison.values.map((value) => checkType(value, type, `${entity}s.${key}`));
  const test = condition("x.value", operator, values, type === "text" ? "text" : "float8", bind);
  return `EXISTS (${row} AND ${test}${entity === "metric" ? " AND NOT x.is_nan" : ""})`;
}

function condition(
  column: string,
  operator: Operator,
  values: readonly (string | number)[],
  type: "text" | "bigint" | "float8",
  bind: Bind,
): string {
  if (operator === "IS NULL" || operator === "IS NOT NULL") return `${column} ${operator}`;
  if (operator === "IN") return `${column} = ANY(${bind(values)}::${type}[])`;
  if (operator === "NOT IN") return `${column} <> ALL(${bind(values)}::${type}[])`;
  if (operator === "LIKE" || operator === "ILIKE") {
    // A backslash is a character like others in MLflow's patterns; PostgreSQL's would escape with it.
    return `${column} ${operator} ${bind(String(values[0]).replaceAll("\\", "\\\\"))}::${type}`;
  }
  return `${column} ${operator === "!=" ? "<>" : operator} ${bind(values[0])}::${type}`;
}

function compileOrder(
  target: SearchTarget,
  term: OrderTerm,
  index: number,
  joins: string[],
  bind: Bind,
): string {
  const direction = term.descending ? "DESC" : "ASC";
  if (term.entity === "attribute") {
    const { column, nullable } = findAttribute(target, term.key);
    // Only where it matters: DESC NULLS LAST is an order a plain index cannot give.
    return nullable === true ? `${column} ${direction} NULLS LAST` : `${column} ${direction}`;
  }
  const related = target.related[term.entity];
  if (related === undefined)
    throw invalidParameter(`Invalid order_by: ${term.entity}s cannot be ordered by here.`);
  const alias = `order_${index}`;
  const join = related.join.replaceAll("x.", `${alias}.`);
  joins.push(`LEFT JOIN ${related.table} ${alias} ON ${join} AND ${alias}.key = ${bind(term.key)}`);
  // NaN sorts above every number in PostgreSQL's own order; MLflow puts it with the missing values, last.
  return term.entity === "metric"
    ? `CASE WHEN ${alias}.is_nan THEN NULL ELSE ${alias}.value END ${direction} NULLS LAST`
    : `${alias}.value ${direction} NULLS LAST`;
}

function findAttribute(target: SearchTarget, key: string): Attribute {
  const attribute = Object.hasOwn(target.attributes, key) ? target.attributes[key] : undefined;
  if (attribute !== undefined) return attribute;
  const known = Object.keys(target.attributes).join(", ");
  throw invalidParameter(`Invalid attribute key ${JSON.stringify(key)}; valid ones are ${known}.`);
}

function requireOperator(allowed: ReadonlySet<Operator>, operator: Operator, key: string): void {
  if (allowed.has(operator)) return;
  throw invalidParameter(
    `Invalid comparator ${operator} for ${key}; valid ones are ${[...allowed].join(", ")}.`,
  );
}

function checkType(value: string | number, type: "text" | "number", key: string): string | number {
  if (type === "text" && typeof value === "string") return value;
  if (type === "text")
    throw invalidParameter(`Invalid value for ${key}: ${value} must be a string in quotes.`);
  const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  if (Number.isFinite(number)) return number;
  throw invalidParameter(`Invalid value for ${key}: ${JSON.stringify(value)} must be a number.`);
}
