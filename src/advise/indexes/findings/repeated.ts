/** The same lookup by a key again and again: a loop that asks for one row at a time (N+1). */
import { uniqueIndexWithin } from "../catalog.ts";
import type { FindingBounds, ReadStatement } from "./input.ts";
import { counted } from "./words.ts";

/** What one row a call means, with a little room for rows that are not there. */
const ROWS_PER_CALL_MOST = 1.05;

export function repeatedLookup(
  { statement, uses }: ReadStatement,
  statements: readonly ReadStatement[],
  bounds: FindingBounds,
): string | undefined {
  const { calls, totalMs, rows } = statement;
  const [use, ...more] = uses;
  if (!use || more.length > 0 || calls === undefined || calls < bounds.repeatedCallsLeast)
    return undefined;
  const key = uniqueIndexWithin(use.table, use.equal);
  if (!key || rows === undefined || rows / calls > ROWS_PER_CALL_MOST) return undefined;
  if (totalMs !== undefined && totalMs / calls > bounds.repeatedMeanMsMost) return undefined;
  const all = statements.reduce((sum, each) => sum + (each.statement.calls ?? 0), 0);
  const share = calls / all;
  if (share < bounds.repeatedCallsShare) return undefined;
  const columns = key.keys.map(({ name }) => name ?? "").join(", ");
  const many = key.keys.length === 1 ? `${columns} = ANY($1)` : `(${columns}) IN (...)`;
  return `${counted(calls, "call")}, ${Math.round(share * 100)} % of the workload's, fetch one row of ${use.table.name} by its key: no index makes that faster. If a loop sends them (N+1), fetch the rows at once (WHERE ${many}) or by a join`;
}
