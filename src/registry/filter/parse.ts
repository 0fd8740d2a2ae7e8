// Parses MLflow's search filters (comparisons joined by AND) and order_by clauses into plain data.

import { invalidParameter } from "../errors.ts";
import { tokenize } from "./tokens.ts";
import type { Token } from "./tokens.ts";

export type EntityKind = "attribute" | "tag" | "param" | "metric";

export type Operator =
  | "="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "LIKE"
  | "ILIKE"
  | "IN"
  | "NOT IN"
  | "IS NULL"
  | "IS NOT NULL";

export type Comparison = {
  readonly entity: EntityKind;
  readonly key: string;
  readonly operator: Operator;
  /** One value, several for IN and NOT IN, none for the null tests. */
  readonly values: readonly (string | number)[];
};

export type OrderTerm = {
  readonly entity: EntityKind;
  readonly key: string;
  readonly descending: boolean;
};

const COMPARISONS_MAX = 100;
const IN_VALUES_MAX = 1000;

const ENTITY_BY_PREFIX: ReadonlyMap<string, EntityKind> = new Map([
  ["attribute", "attribute"],
  ["attributes", "attribute"],
  ["attr", "attribute"],
  ["run", "attribute"],
  ["tag", "tag"],
  ["tags", "tag"],
  ["param", "param"],
  ["params", "param"],
  ["parameter", "param"],
  ["parameters", "param"],
  ["metric", "metric"],
  ["metrics", "metric"],
]);

type Cursor = { readonly tokens: readonly Token[]; next: number };

/** Throws INVALID_PARAMETER_VALUE saying where the filter went wrong. */
export function parseFilter(filter: string | undefined): Comparison[] {
  const cursor: Cursor = { tokens: tokenize(filter ?? ""), next: 0 };
  const comparisons: Comparison[] = [];
  while (cursor.next < cursor.tokens.length) {
    if (comparisons.length > 0) expectWord(cursor, "AND");
    comparisons.push(parseComparison(cursor));
    if (comparisons.length > COMPARISONS_MAX) {
      throw invalidParameter(`Invalid filter: more than ${COMPARISONS_MAX} comparisons.`);
    }
  }
  return comparisons;
}

/** Reads clauses such as "metrics.acc DESC" or "name". */
export function parseOrderBy(clauses: readonly string[]): OrderTerm[] {
  return clauses.map((clause) => {
    const cursor: Cursor = { tokens: tokenize(clause), next: 0 };
    const target = parseTarget(cursor);
    const direction = cursor.tokens[cursor.next];
    if (direction === undefined) return { ...target, descending: false };
    const word = direction.kind === "word" ? direction.text.toUpperCase() : "";
    if ((word !== "ASC" && word !== "DESC") || cursor.next + 1 < cursor.tokens.length) {
      throw invalidParameter(
        `Invalid order_by clause ${JSON.stringify(clause)}: give a column, then ASC or DESC.`,
      );
    }
    return { ...target, descending: word === "DESC" };
  });
}

function parseComparison(cursor: Cursor): Comparison {
  const target = parseTarget(cursor);
  const operator = parseOperator(cursor);
  if (operator === "IS NULL" || operator === "IS NOT NULL")
    return { ...target, operator, values: [] };
  const values =
    operator === "IN" || operator === "NOT IN" ? parseList(cursor) : [parseValue(cursor)];
  return { ...target, operator, values };
}

function parseTarget(cursor: Cursor): { entity: EntityKind; key: string } {
  const first = take(cursor, "a column name");
  if (first.kind === "quoted" && first.quote !== "'")
    return { entity: "attribute", key: first.text };
  if (first.kind !== "word") throw unexpected(first, "a column name");
  const entity = ENTITY_BY_PREFIX.get(first.text.toLowerCase());
  if (!isSymbol(cursor.tokens[cursor.next], ".")) return { entity: "attribute", key: first.text };
  if (entity === undefined)
    throw unexpected(first, "one of attributes, tags, params, metrics before the dot");
  const parts: string[] = [];
  while (isSymbol(cursor.tokens[cursor.next], ".")) {
    cursor.next += 1;
    const part = take(cursor, "a key after the dot");
    if (
      part.kind === "symbol" ||
      part.kind === "number" ||
      (part.kind === "quoted" && part.quote === "'")
    ) {
      throw unexpected(part, "a key after the dot");
    }
    parts.push(part.text);
  }
  return { entity, key: parts.join(".") };
}

function parseOperator(cursor: Cursor): Operator {
  const token = take(cursor, "a comparison operator");
  const text = token.kind === "quoted" ? "" : token.text.toUpperCase();
  switch (text) {
    case "=":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "LIKE":
    case "ILIKE":
    case "IN":
      return text;
    case "<>":
      return "!=";
    case "NOT":
      expectWord(cursor, "IN");
      return "NOT IN";
    case "IS": {
      const next = take(cursor, "NULL or NOT NULL");
      if (isWord(next, "NULL")) return "IS NULL";
      if (!isWord(next, "NOT")) throw unexpected(next, "NULL or NOT NULL");
      expectWord(cursor, "NULL");
      return "IS NOT NULL";
    }
    default:
      throw unexpected(token, "a comparison operator");
  }
}

function parseList(cursor: Cursor): (string | number)[] {
  const open = take(cursor, "a list in parentheses");
  if (!isSymbol(open, "(")) throw unexpected(open, "a list in parentheses");
  const values = [parseValue(cursor)];
  for (;;) {
    const token = take(cursor, "a comma or a closing parenthesis");
    if (isSymbol(token, ")")) return values;
    if (!isSymbol(token, ",")) throw unexpected(token, "a comma or a closing parenthesis");
    values.push(parseValue(cursor));
    if (values.length > IN_VALUES_MAX)
      throw invalidParameter(`Invalid filter: more than ${IN_VALUES_MAX} values in a list.`);
  }
}

function parseValue(cursor: Cursor): string | number {
  const token = take(cursor, "a value");
  if (token.kind === "number") return Number(token.text);
  if (token.kind === "quoted" && token.quote !== "`") return token.text;
  throw unexpected(token, "a number or a string in quotes");
}

function take(cursor: Cursor, expected: string): Token {
  const token = cursor.tokens[cursor.next];
  if (token === undefined)
    throw invalidParameter(`Invalid filter: it ends where ${expected} was expected.`);
  cursor.next += 1;
  return token;
}

function expectWord(cursor: Cursor, word: string): void {
  const token = take(cursor, word);
  if (!isWord(token, word)) throw unexpected(token, word);
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === "word" && token.text.toUpperCase() === word;
}

function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === "symbol" && token.text === symbol;
}

function unexpected(token: Token, expected: string): Error {
  return invalidParameter(
    `Invalid filter: ${JSON.stringify(token.text)} at character ${token.at + 1}, where ${expected} was expected.`,
  );
}
