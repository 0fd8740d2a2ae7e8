/** Parameters of LIMIT and OFFSET filled in: a generic plan takes an unknown limit for a tenth of the rows, which hides what reading in order is worth. */
import type { Node } from "libpg-query";
import { fillParameters } from "./text.ts";

/** Rows of a page where the source does not say how many came back. */
const PAGE_ROWS_ASSUMED = 25;

/** `statement` is the text as the parser read it. Parameters that stand elsewhere too are left. */
export function fillLimits(sql: string, statement: Node, rowsPerCall: number | undefined): string {
  if (!/\$\d/.test(sql)) return sql;
  const found: Found = { limits: new Map(), elsewhere: new Set() };
  const pages = new Set(pagesOf(statement));
  const pageRows =
    rowsPerCall === undefined ? PAGE_ROWS_ASSUMED : Math.max(1, Math.ceil(rowsPerCall));
  collect(statement, (select) => (pages.has(select) ? pageRows : PAGE_ROWS_ASSUMED), found);
  if (found.limits.size === 0) return sql;
  return fillParameters(sql, (number) =>
    found.elsewhere.has(number) ? undefined : found.limits.get(number),
  );
}

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

interface Found {
  readonly limits: Map<number, string>;
  readonly elsewhere: Set<number>;
}

/** The query, and the one that it takes its rows from when that is its only source: their rows are those that came back. */
function pagesOf(node: Node): readonly Select[] {
  if (!("SelectStmt" in node)) return [];
  const select = node.SelectStmt;
  const [source, ...others] = select.fromClause ?? [];
  const page =
    source && others.length === 0 && "RangeSubselect" in source
      ? source.RangeSubselect.subquery
      : undefined;
  const computed = (select.targetList ?? []).some(
    (target) => "ResTarget" in target && target.ResTarget.val && "FuncCall" in target.ResTarget.val,
  );
  return [select, ...(page && !select.groupClause && !computed ? pagesOf(page) : [])];
}

function collect(node: unknown, rowsOf: (select: Select) => number, found: Found): void {
  if (Array.isArray(node)) {
    for (const each of node) collect(each, rowsOf, found);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  if (isSelect(node)) {
    const { limitCount, limitOffset, ...rest } = node.SelectStmt;
    for (const number of parametersIn(limitCount)) {
      found.limits.set(number, String(rowsOf(node.SelectStmt)));
    }
    for (const number of parametersIn(limitOffset)) {
      if (!found.limits.has(number)) found.limits.set(number, "0");
    }
    collect(rest, rowsOf, found);
  } else if (isParameter(node)) found.elsewhere.add(node.ParamRef.number ?? 0);
  else for (const each of Object.values(node)) collect(each, rowsOf, found);
}

function parametersIn(node: unknown): readonly number[] {
  if (Array.isArray(node)) return node.flatMap(parametersIn);
  if (typeof node !== "object" || node === null) return [];
  if (isParameter(node)) return [node.ParamRef.number ?? 0];
  return Object.values(node).flatMap(parametersIn);
}

function isSelect(node: object): node is Extract<Node, { SelectStmt: unknown }> {
  return "SelectStmt" in node;
}

function isParameter(node: object): node is Extract<Node, { ParamRef: unknown }> {
  return "ParamRef" in node;
}
