/** Rewrites of a statement's text that leave its meaning: comments out, parameters filled in, placeholders of drivers read. */
import { tokensOf } from "./lexer.ts";

/** Without comments and without semicolons at the end. */
export function bareStatement(sql: string): string {
  const parts: string[] = [];
  let at = 0;
  let end = 0;
  for (const token of tokensOf(sql)) {
    if (token.kind === "comment") {
      parts.push(sql.slice(at, token.start));
      at = token.end;
    } else if (sql.slice(token.start, token.end) !== ";") end = token.end;
  }
  if (at === 0) return sql.slice(0, end).trim();
  parts.push(sql.slice(at, Math.max(at, end)));
  return parts
    .join(" ")
    .replace(/[\s;]+$/, "")
    .trim();
}

/** `valueOf` gives the SQL that stands for $n, or undefined to leave it. */
export function fillParameters(
  sql: string,
  valueOf: (number: number) => string | undefined,
): string {
  let filled = "";
  let at = 0;
  for (const token of tokensOf(sql)) {
    if (token.kind !== "parameter") continue;
    const value = valueOf(Number(sql.slice(token.start + 1, token.end)));
    if (value === undefined) continue;
    filled += sql.slice(at, token.start) + value;
    at = token.end;
  }
  return filled + sql.slice(at);
}

/** Constants and parameters in order: what two statements with one fingerprint differ in. */
export function constantsOf(sql: string): readonly string[] {
  const constants: string[] = [];
  for (const { kind, start, end } of tokensOf(sql)) {
    const text = sql.slice(start, end);
    const isConstant = kind === "word" && /^(?:\d.*|true|false|null)$/is.test(text);
    if (kind === "string" || kind === "parameter" || isConstant) constants.push(text);
  }
  return constants;
}

/** The same for statements that differ in constants, blanks and comments alone; patterns stay apart by whether their start is known. */
export function withoutConstants(sql: string): string {
  const parts: string[] = [];
  for (const { kind, start, end } of tokensOf(sql)) {
    const text = sql.slice(start, end);
    if (kind === "string") parts.push(/^'[%_]/.test(text) ? "'%'" : "''");
    else if (kind === "word" && /^\d/.test(text)) parts.push("0");
    else if (kind !== "comment") parts.push(text);
  }
  return parts.join(" ");
}

/** The numbers of all $n, each once. */
export function parametersOf(sql: string): readonly number[] {
  const numbers = new Set<number>();
  for (const token of tokensOf(sql)) {
    if (token.kind === "parameter") numbers.add(Number(sql.slice(token.start + 1, token.end)));
  }
  return [...numbers];
}

/** A value in PostgreSQL's text form as SQL; its type is what the place asks for, as a parameter's is. */
export function literalOf(value: string | null): string {
  if (value === null) return "NULL";
  const quotes = value.replaceAll("'", "''");
  return value.includes("\\") ? `E'${quotes.replaceAll("\\", "\\\\")}'` : `'${quotes}'`;
}

/**
 * `:name`, `?`, `%s` and `%(name)s` of drivers and of exports as $1, $2; undefined when there are none. Only for a text that
 * PostgreSQL does not understand as it is: `?` and `%` are operators too.
 */
export function readPlaceholders(sql: string): string | undefined {
  const names = new Map<string, number>();
  let count = 0;
  const numberOf = (name: string | undefined): number => {
    const known = name === undefined ? undefined : names.get(name);
    if (known !== undefined) return known;
    count += 1;
    if (name !== undefined) names.set(name, count);
    return count;
  };
  let read = "";
  let at = 0;
  const tokens = [...tokensOf(sql)];
  for (const [index, token] of tokens.entries()) {
    if (token.start < at || token.kind !== "symbol") continue;
    const previous = tokens[index - 1];
    const afterColon = previous?.end === token.start && sql[previous.start] === ":";
    const found = afterColon ? undefined : placeholderAt(sql, token.start);
    if (!found) continue;
    read += `${sql.slice(at, token.start)}$${numberOf(found.name)}`;
    at = token.start + found.length;
  }
  return count === 0 ? undefined : read + sql.slice(at);
}

const TYPED = /^(?:interval|date|time|timestamp|timestamptz)$/i;

/**
 * pg_stat_statements writes `extract($1 FROM at)` and `interval $1`, which libpg-query reads and no server does: the same as
 * `date_part($1, at)` and `CAST($1 AS interval)`.
 */
export function readReplaced(sql: string): string {
  if (!sql.includes("$")) return sql;
  const tokens = [...tokensOf(sql)].filter(({ kind }) => kind !== "comment");
  const text = (at: number): string => sql.slice(tokens[at]?.start ?? 0, tokens[at]?.end ?? 0);
  let read = "";
  let from = 0;
  for (const [at, { kind, start }] of tokens.entries()) {
    if (kind !== "parameter") continue;
    const [first, before, next] = [text(at - 2), text(at - 1), text(at + 1)];
    if (before === "(" && /^extract$/i.test(first) && /^from$/i.test(next)) {
      read += `${sql.slice(from, tokens[at - 2]?.start)}date_part(${text(at)},`;
      from = tokens[at + 1]?.end ?? start;
    } else if (TYPED.test(before)) {
      read += `${sql.slice(from, tokens[at - 1]?.start)}CAST(${text(at)} AS ${before})`;
      from = tokens[at]?.end ?? start;
    }
  }
  return read + sql.slice(from);
}

const PLACEHOLDER = /\?(?![|&?])|%s\b|%\((\w+)\)s|:([A-Za-z_]\w*)|:'(\w+)'/y;

function placeholderAt(
  sql: string,
  at: number,
): { readonly length: number; readonly name: string | undefined } | undefined {
  PLACEHOLDER.lastIndex = at;
  const match = PLACEHOLDER.exec(sql);
  return match ? { length: match[0].length, name: match[1] ?? match[2] ?? match[3] } : undefined;
}
