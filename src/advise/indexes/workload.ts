/** The observed statements, read: the slowest ones as uses of tables, and who writes to which table. */
import type { StatementStats } from "../../core/sample.ts";
import type { Catalog, TableInfo } from "./catalog.ts";
import { parseStatement, withLimits } from "./parse.ts";
import type { TableUse } from "./scope.ts";
import { readStatement } from "./usage.ts";
import type { Write } from "./usage.ts";

export interface ReadStatement {
  readonly stats: StatementStats;
  readonly totalMs: number;
  /** The text to plan: its LIMIT filled in. */
  readonly explainSql: string;
  readonly uses: readonly TableUse[];
  readonly notes: readonly string[];
}

/** What keeps a table's indexes up to date in the window, in calls. */
export interface WriteCount {
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  /** Updates that set one of the index's columns, and so cannot be in place (HOT). */
  readonly updatesOfColumns: number;
}

export interface Workload {
  readonly statements: readonly ReadStatement[];
  readonly leftOut: readonly { readonly stats: StatementStats; readonly because: string }[];
  readonly writesOf: (table: TableInfo, columns: readonly string[]) => WriteCount;
}

/** Statements beyond this rank take so little time that not even their writes are counted. */
const READ_MAX = 200;
const SQL_SHOWN = 400;

export async function readWorkload(
  stats: readonly StatementStats[],
  catalog: Catalog,
  statementsMax: number,
): Promise<Workload> {
  const slowest = stats.toSorted((a, b) => b.totalMs - a.totalMs).slice(0, READ_MAX);
  const statements: ReadStatement[] = [];
  const leftOut: { stats: StatementStats; because: string }[] = [];
  const writes: { readonly write: Write; readonly calls: number }[] = [];
  for (const each of slowest) {
    const parsed = await parseStatement(each.sql);
    if (parsed.kind === "failed") {
      leftOut.push({ stats: each, because: parsed.because });
      continue;
    }
    const read = readStatement(parsed.statement, catalog);
    for (const write of read.writes) writes.push({ write, calls: each.calls });
    // BEGIN, COMMIT and what touches no table of the application has no index to gain.
    if (read.uses.length === 0 || statements.length >= statementsMax) continue;
    const rowsPerCall = each.calls > 0 ? each.rows / each.calls : 0;
    statements.push({
      stats: each,
      totalMs: each.totalMs,
      explainSql: withLimits(each.sql, parsed.statement, rowsPerCall),
      uses: read.uses,
      notes: read.notes,
    });
  }
  return { statements, leftOut, writesOf: (table, columns) => countWrites(writes, table, columns) };
}

/** A statement on one line, as long as a report can show. */
export function shortened(sql: string): string {
  const line = sql.replace(/\s+/g, " ").trim();
  return line.length <= SQL_SHOWN ? line : `${line.slice(0, SQL_SHOWN - 1)}…`;
}

function countWrites(
  writes: readonly { readonly write: Write; readonly calls: number }[],
  table: TableInfo,
  columns: readonly string[],
): WriteCount {
  const calls = (kind: Write["kind"], only: (write: Write) => boolean = () => true): number =>
    writes
      .filter(({ write }) => write.table === table && write.kind === kind && only(write))
      .reduce((sum, each) => sum + each.calls, 0);
  return {
    inserts: calls("insert"),
    updates: calls("update"),
    deletes: calls("delete"),
    updatesOfColumns: calls("update", (write) =>
      write.columns.some((name) => columns.includes(name)),
    ),
  };
}
