/** Statements as PostgreSQL's own parser reads them, and their texts made fit for EXPLAIN. */
import { loadModule, parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { messageOf } from "../../core/errors.ts";

export type Parsed =
  | { readonly kind: "parsed"; readonly statement: Node }
  | { readonly kind: "failed"; readonly because: string };

/** Parses texts of pg_stat_statements, whose constants are `$1`, `$2` and so on. */
export async function parseStatement(sql: string): Promise<Parsed> {
  await loadModule();
  try {
    const { stmts = [] } = parseSync(sql);
    const statement = stmts[0]?.stmt;
    if (!statement || stmts.length > 1) return { kind: "failed", because: "not one statement" };
    return { kind: "parsed", statement };
  } catch (error) {
    return { kind: "failed", because: `PostgreSQL's parser: ${messageOf(error)}` };
  }
}

/**
 * The text with the parameters of its LIMIT and OFFSET filled in. A generic plan takes an unknown limit for a tenth of the
 * rows, which hides what reading in order is worth; the statement's mean rows a call are known.
 */
export function withLimits(sql: string, statement: Node, rowsPerCall: number): string {
  const limit = String(Math.max(1, Math.ceil(rowsPerCall)));
  const places = pagesOf(statement)
    .flatMap((select) => [place(select.limitCount, limit), place(select.limitOffset, "0")])
    .filter((each) => each !== undefined)
    .toSorted((a, b) => b.at - a.at);
  // The parser counts in bytes.
  let bytes = new TextEncoder().encode(sql);
  for (const { at, length, text } of places) {
    const head = new TextDecoder().decode(bytes.slice(0, at));
    const tail = new TextDecoder().decode(bytes.slice(at + length));
    bytes = new TextEncoder().encode(`${head}${text}${tail}`);
  }
  return new TextDecoder().decode(bytes);
}

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

/** The query, and the one that it takes its rows from when that is its only source: a page that is dressed up afterwards. */
function pagesOf(node: Node): readonly Select[] {
  if (!("SelectStmt" in node)) return [];
  const select = node.SelectStmt;
  const [source, ...others] = select.fromClause ?? [];
  const page =
    source && others.length === 0 && "RangeSubselect" in source
      ? source.RangeSubselect.subquery
      : undefined;
  return [select, ...(page && !select.groupClause ? pagesOf(page) : [])];
}

/** Where a bare parameter stands; undefined for constants, casts and expressions, which are left alone. */
function place(
  node: Node | undefined,
  text: string,
): { readonly at: number; readonly length: number; readonly text: string } | undefined {
  if (!node || !("ParamRef" in node)) return undefined;
  const { number = 0, location = 0 } = node.ParamRef;
  return { at: location, length: `$${number}`.length, text };
}
