// What the searches of models and of versions share: filter, order and page token become the SQL of one page, and its cache key.

import { invalidParameter } from "./errors.ts";
import { binder, compileSearch } from "./filter/compile.ts";
import type { SearchTarget } from "./filter/compile.ts";
import { parseFilter, parseOrderBy } from "./filter/parse.ts";
import { readPageToken } from "./page.ts";

export type SearchInput = {
  readonly filter?: string | undefined;
  readonly order_by?: readonly string[] | undefined;
  readonly page_token?: string | undefined;
};

export type PagePlan = {
  /** SQL that yields the page's rows and one more, which tells of a next page. */
  readonly rows: string;
  readonly orderBy: string;
  readonly values: readonly unknown[];
  readonly offset: number;
  /** All that the answer depends on, for the cache key. */
  readonly parameters: readonly unknown[];
};

/** `from` is the table with its alias; `title` is what the rows are called in messages. */
export function planPage(
  input: SearchInput,
  limit: number,
  target: SearchTarget,
  from: { readonly table: string; readonly alias: string; readonly title: string },
): PagePlan {
  const offset = readPageToken(input.page_token);
  const order = parseOrderBy(input.order_by ?? []);
  const comparisons = parseFilter(input.filter);
  const values: unknown[] = [];
  const bind = binder(values);
  const { where, joins, orderBy } = compileSearch(target, comparisons, order, bind);
  if (joins.length > 0)
    throw invalidParameter(`Invalid order_by: ${from.title} are not ordered by tags.`);
  const rows = `
    SELECT ${from.alias}.* FROM ${from.table} ${from.alias}
    ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""}
    ORDER BY ${orderBy} LIMIT ${bind(limit + 1)} OFFSET ${bind(offset)}`;
  return { rows, orderBy, values, offset, parameters: [comparisons, order, limit, offset] };
}
