/** Which statement takes the database's time and reads many rows for few (pure). No plan is asked for: counters tell. */
import type { StatementEvidence, TableScans } from "../core/diagnosis.ts";
import type { StatementStats } from "../core/sample.ts";

/** A smaller table is read whole by a good planner. */
const ROWS_A_SCAN_LEAST = 1_000;

/** An aggregate returns one row for many, and reads them by an index that may well be the right one. */
const AGGREGATE =
  /\bgroup\s+by\b|\b(?:count|sum|avg|min|max|array_agg|json_agg|jsonb_agg|string_agg)\s*\(/i;

/**
 * The costliest statement with a condition on a table whose scans read many rows: in sequence, or by an index that does not fit, such as
 * that of the wanted order. Which statement caused a table's scans is not counted by PostgreSQL: all rows returned by statements that
 * name the table are held against all rows read of it, which is right for a table with one such statement and careful for others.
 */
export function slowStatement(
  statements: readonly StatementStats[],
  scans: readonly TableScans[],
  requests: number,
): StatementEvidence | undefined {
  const total = statements.reduce((sum, { totalMs }) => sum + totalMs, 0);
  const read = scans.filter(
    ({ scans, rowsRead }) => scans > 0 && rowsRead / scans >= ROWS_A_SCAN_LEAST,
  );
  const found = read.flatMap(({ table, how, rowsRead }) => {
    const naming = statements.filter(({ sql }) => names(sql, table));
    const returned = naming.reduce((sum, { rows }) => sum + rows, 0);
    const costliest = naming
      .filter(({ sql }) => /\bwhere\b/i.test(sql) && (how === "sequence" || !AGGREGATE.test(sql)))
      .toSorted((left, right) => right.totalMs - left.totalMs)[0];
    if (!costliest || total <= 0 || costliest.calls === 0 || requests <= 0) return [];
    const { sql, totalMs, calls } = costliest;
    return {
      sql,
      table,
      how,
      timeShare: totalMs / total,
      meanMs: totalMs / calls,
      msPerRequest: totalMs / requests,
      rowsReadPerReturned: rowsRead / Math.max(1, returned),
    };
  });
  return found.toSorted((left, right) => right.timeShare - left.timeShare)[0];
}

/** As a word: quoted or not, with or without a schema. */
function names(sql: string, table: string): boolean {
  const escaped = table.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\w$])${escaped}(?![\\w$])`, "i").test(sql);
}
