/** Values of several columns of one table that occur together: drawn one by one, they mostly find nothing where columns depend on each other. */
import type { Node } from "libpg-query";
import { qualifiedName, quoteName } from "../../core/index-definition.ts";
import type { Query } from "../../core/planner.ts";
import type { Catalog, ColumnInfo, TableInfo } from "../indexes/catalog.ts";
import { parseStatement } from "../indexes/parse.ts";
import { readParameters } from "../indexes/workload/parameters.ts";
import { fillParameters, literalOf } from "../indexes/workload/text.ts";

/** Rows that are looked at: enough to meet what is common, few enough to be read in milliseconds. */
const ROWS_LOOKED_AT = 10_000;

interface Compared {
  readonly number: number;
  readonly column: ColumnInfo;
}

/**
 * Parameters that are compared for equality with two and more columns of one table, filled in with the combination that is most common
 * in a part of the table. Others stay.
 */
export async function withJointValues(
  query: Query,
  sql: string,
  catalog: Catalog,
): Promise<string> {
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return sql;
  const values = new Map<number, string>();
  for (const [table, compared] of comparedTogether(parsed.statement, catalog)) {
    const names = [...new Set(compared.map(({ column }) => column.name))];
    const row = names.length < 2 ? undefined : await mostCommon(query, table, names);
    for (const { number, column } of compared) {
      const value = row?.[names.indexOf(column.name)];
      if (value !== undefined) values.set(number, literalOf(value));
    }
  }
  return values.size === 0 ? sql : fillParameters(sql, (number) => values.get(number));
}

function comparedTogether(
  statement: Node,
  catalog: Catalog,
): ReadonlyMap<TableInfo, readonly Compared[]> {
  const found = new Map<TableInfo, Compared[]>();
  for (const [number, use] of readParameters(statement, catalog)) {
    if (use.kind !== "compared" || use.role.kind !== "equal" || use.role.of > 1) continue;
    const table = catalog.tables.find(({ columns }) => columns.includes(use.column));
    if (table) found.set(table, [...(found.get(table) ?? []), { number, column: use.column }]);
  }
  return found;
}

/** As text, in the order of the names; undefined for an empty table. */
async function mostCommon(
  query: Query,
  { schema, name }: TableInfo,
  names: readonly string[],
): Promise<readonly string[] | undefined> {
  const columns = names.map(quoteName);
  const [row] = await query(
    `SELECT ${columns.map((column, at) => `${column}::text AS c${at}`).join(", ")}
     FROM (SELECT ${columns.join(", ")} FROM ${qualifiedName(schema, name)}
           WHERE ${columns.map((column) => `${column} IS NOT NULL`).join(" AND ")} LIMIT ${ROWS_LOOKED_AT}) AS looked_at
     GROUP BY ${columns.join(", ")} ORDER BY count(*) DESC, ${columns.map((_, at) => at + 1).join(", ")} LIMIT 1`,
  );
  return row && names.map((_, at) => String(row[`c${at}`]));
}
