/** The workload that the server itself has counted: pg_stat_statements, whole or as the trial's window of it. */
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import type { Query } from "../../../core/planner.ts";
import { OWN_MARK } from "../../../core/sample.ts";
import type { StatementStats } from "../../../core/sample.ts";
import type { Row } from "../../../core/workload.ts";
import type { IndexWorkload } from "../statement.ts";
import { newGathering } from "./gather.ts";

/** The trial's own load, as the target's adapter counted it. */
export async function workloadOfStatements(
  stats: readonly StatementStats[],
  source: string,
): Promise<IndexWorkload> {
  const gathering = await newGathering();
  for (const each of stats) {
    const { calls, totalMs, rows } = each;
    gathering.add({ sql: each.sql, id: each.queryId, calls, totalMs, rows });
  }
  return { ...gathering.finish(source), complete: true };
}

/** All that pg_stat_statements holds of this database. Works with versions 1.4 to 1.12 of the extension, PostgreSQL 12 to 18. */
export async function readStatStatements(query: Query): Promise<IndexWorkload> {
  const view = await findView(query);
  const gathering = await newGathering();
  const rows = await readRows(query, statementsSql(view));
  let nested = false;
  for (const row of rows) {
    const sql = row["query"];
    if (typeof sql !== "string" || isOwn(sql)) continue;
    nested ||= row["nested"] === true;
    gathering.add({
      sql,
      ...(row["id"] === null ? {} : { id: String(row["id"]) }),
      calls: Number(row["calls"]),
      totalMs: Number(row["total_ms"]),
      rows: Number(row["rows"]),
    });
  }
  if (nested) {
    gathering.caveat(
      "pg_stat_statements.track is `all`: the time of statements inside functions counts for the caller too",
    );
  }
  const source = `pg_stat_statements of ${String(rows[0]?.["database"] ?? "the database")}`;
  return { ...gathering.finish(source), complete: true };
}

interface StatementsView {
  /** Quoted. */
  readonly name: string;
  readonly columns: ReadonlySet<string>;
}

const FIND_VIEW = `
  SELECT ${OWN_MARK} quote_ident(n.nspname) || '.pg_stat_statements' AS name,
         (SELECT json_agg(a.attname) FROM pg_attribute a
          WHERE a.attrelid = to_regclass(quote_ident(n.nspname) || '.pg_stat_statements') AND a.attnum > 0)::text AS columns
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
  WHERE e.extname = 'pg_stat_statements'`;

const FILES_INSTEAD =
  "or give the statements as files: SQL, JSON exports, or PostgreSQL's logs with --queries";

/** By its columns and not by its version: ALTER EXTENSION UPDATE is often forgotten after an upgrade of the server. */
async function findView(query: Query): Promise<StatementsView> {
  const [row] = await query(FIND_VIEW);
  const columns: unknown = JSON.parse(String(row?.["columns"] ?? "null"));
  if (!row || !Array.isArray(columns)) {
    throw new PerfoptError(
      "bad-input",
      "the database has no extension pg_stat_statements, so that nobody has counted its statements",
      `run CREATE EXTENSION pg_stat_statements (it has to be in shared_preload_libraries), ${FILES_INSTEAD}`,
    );
  }
  return { name: String(row["name"]), columns: new Set(columns.map(String)) };
}

/** PostgreSQL 13 renamed total_time to total_exec_time (1.8); toplevel came with 14 (1.9). */
function statementsSql(view: StatementsView): string {
  const time = view.columns.has("total_exec_time") ? "total_exec_time" : "total_time";
  const nested = view.columns.has("toplevel") ? "bool_or(NOT s.toplevel)" : "false";
  return `
    SELECT ${OWN_MARK} d.datname::text AS database, s.queryid::text AS id, min(s.query) AS query, sum(s.calls)::float8 AS calls,
           sum(s.${time})::float8 AS total_ms, sum(s.rows)::float8 AS rows, ${nested} AS nested
    FROM ${view.name} s JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = current_database()
    GROUP BY d.datname, s.queryid, CASE WHEN s.queryid IS NULL THEN s.query END
    ORDER BY total_ms DESC`;
}

async function readRows(query: Query, sql: string): Promise<readonly Row[]> {
  try {
    return await query(sql);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const because = WHY_NOT[code];
    if (because === undefined) throw error;
    throw new PerfoptError(
      "bad-input",
      `pg_stat_statements cannot be read: ${because[0]} (${messageOf(error)})`,
      `${because[1]}, ${FILES_INSTEAD}`,
      { cause: error },
    );
  }
}

/** What PostgreSQL's error codes mean here, and what to do. */
const WHY_NOT: Readonly<Record<string, readonly [string, string]>> = {
  "55000": [
    "the extension is there, but the server has not loaded its library",
    "add pg_stat_statements to shared_preload_libraries and restart the server",
  ],
  "42501": [
    "this role has no right to it",
    "GRANT pg_read_all_stats to the role (and SELECT on the view)",
  ],
};

/** Statements of perfopt itself, in whatever spelling they were normalised to. */
function isOwn(sql: string): boolean {
  return sql.includes(OWN_MARK);
}
