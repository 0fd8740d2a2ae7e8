/** Whether one existing index does all that another one does: the same body, the same read backwards, or a beginning of it. */
import type { IndexInfo } from "../catalog.ts";

/** `same`: nothing differs but names and storage. `backwards`: every direction turned, which a scan the other way makes up for. */
export type Likeness = "same" | "backwards" | "beginning" | undefined;

/** How `index` is contained in `other`, so that every plan with the first is possible with the second. */
export function likeness(index: IndexInfo, other: IndexInfo): Likeness {
  const mine = bodyOf(index);
  const theirs = bodyOf(other);
  if (mine === undefined || theirs === undefined) return undefined;
  if (index.method !== other.method || mine.rest !== theirs.rest) return undefined;
  const direction = directionOf(index, other, mine, theirs);
  if (direction === undefined) return undefined;
  const sameKeys = mine.keys.length === theirs.keys.length;
  if (sameKeys && sameNames(index.included, other.included))
    return direction === "forwards" ? "same" : "backwards";
  // What an index carries along is carried along on purpose: only one that carries nothing is the beginning of another.
  const begins = index.method === "btree" && index.included.length === 0;
  return begins ? "beginning" : undefined;
}

interface Body {
  /** As PostgreSQL writes them, without direction: collation and operators stay, for they make another index of it. */
  readonly keys: readonly string[];
  /** What follows the keys and changes what is in the index: NULLS NOT DISTINCT, WHERE. Storage parameters do not. */
  readonly rest: string;
}

/** pg_get_indexdef: `CREATE INDEX name ON table USING method (keys) [INCLUDE (...)] [NULLS NOT DISTINCT] [WITH (...)] [WHERE (...)]`. */
function bodyOf(index: IndexInfo): Body | undefined {
  const opening = ` USING ${index.method} (`;
  const at = index.definition.indexOf(opening);
  if (at < 0) return undefined;
  const { items, end } = readList(index.definition, at + opening.length);
  let rest = index.definition.slice(end).trim();
  for (const clause of ["INCLUDE (", "WITH ("]) {
    const from = rest.startsWith(clause) ? 0 : rest.indexOf(` ${clause}`);
    const where = rest.search(/\bWHERE \(/);
    if (from < 0 || (where >= 0 && where < from)) continue;
    const open = rest.indexOf(clause, from) + clause.length;
    rest = `${rest.slice(0, from)} ${rest.slice(readList(rest, open).end)}`.trim();
  }
  return { keys: items.map(keyOf), rest: withoutQuotes(rest) };
}

/** Without direction, and the same whether PostgreSQL wrote it or perfopt: no brackets around the whole, no quotes that are not needed. */
function keyOf(item: string): string {
  const key = withoutQuotes(item.replace(/( DESC)?( NULLS (FIRST|LAST))?$/, ""));
  if (!key.startsWith("(")) return key;
  const { end } = readList(key, 1);
  return `${key.slice(1, end - 1)}${key.slice(end)}`;
}

function withoutQuotes(sql: string): string {
  return sql.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1");
}

/** Items between commas up to the closing bracket that belongs to the one before `start`. */
function readList(
  text: string,
  start: number,
): { readonly items: readonly string[]; readonly end: number } {
  const items: string[] = [];
  let depth = 0;
  let from = start;
  let quote = "";
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === "'" || character === '"') quote = character;
    else if (character === "(") depth += 1;
    else if (character === ")" && depth === 0) {
      items.push(text.slice(from, at).trim());
      return { items, end: at + 1 };
    } else if (character === ")") depth -= 1;
    else if (character === "," && depth === 0) {
      items.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return { items, end: text.length };
}

/** Undefined when the keys of the first are not the first keys of the second, in one direction throughout. */
function directionOf(
  index: IndexInfo,
  other: IndexInfo,
  mine: Body,
  theirs: Body,
): "forwards" | "backwards" | undefined {
  if (mine.keys.length > theirs.keys.length) return undefined;
  if (mine.keys.some((key, position) => key !== theirs.keys[position])) return undefined;
  const turned = mine.keys.map((_, position) => {
    const a = index.keys[position];
    const b = other.keys[position];
    if (!a || !b) return undefined;
    if (a.descending === b.descending && a.nullsFirst === b.nullsFirst) return false;
    return a.descending !== b.descending && a.nullsFirst !== b.nullsFirst ? true : undefined;
  });
  if (turned.every((each) => each === false)) return "forwards";
  return turned.every((each) => each === true) ? "backwards" : undefined;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
