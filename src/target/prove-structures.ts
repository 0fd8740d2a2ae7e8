/** A copy of the data in which structures are made, statements run in both forms, and everything is dropped again. */
import type { Client, QueryResult } from "pg";
import { messageOf, throwIfAborted } from "../core/errors.ts";
import type {
  StructureComparison,
  StructureForms,
  StructurePlan,
  StructurePruning,
  StructureStand,
} from "../core/structure.ts";
import type { VerifyRun } from "../core/verification.ts";
import { runStatement } from "./explain.ts";
import { sqlStateOf } from "./index-state.ts";
import { differenceOf, type ResultRows } from "./same-rows.ts";
import { cancelledOnAbort, connect, numberOf, rowsOf } from "./sql.ts";

export interface StructureStandOptions {
  /** Of a copy that is perfopt's own: nobody else uses it, and it is dropped afterwards. */
  readonly url: string;
  readonly signal: AbortSignal;
}

const QUERY_CANCELED = "57014";
const SYNTAX_ERROR = "42601";
/** More rows are not compared one by one. */
const ROWS_MAX = 200_000;
const DROP_TIMEOUT_MS = 60_000;
/** Beyond the longest limit that a caller sets for a statement. */
const CONNECTION_LIMIT_MS = 60 * 60_000;

export async function withStructureStand<T>(
  options: StructureStandOptions,
  use: (stand: StructureStand) => Promise<T>,
): Promise<T> {
  const { url, signal } = options;
  throwIfAborted(signal);
  const client = await connect(url, { statementTimeoutMs: CONNECTION_LIMIT_MS });
  try {
    return await cancelledOnAbort(client, { url, signal }, () => use(standOn(client, signal)));
  } finally {
    await client.end().catch(() => {});
  }
}

function standOn(client: Client, signal: AbortSignal): StructureStand {
  const guarded = async <T>(timeoutMs: number, act: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    await limit(client, timeoutMs);
    return act();
  };
  return {
    build: (plan, timeoutMs) => guarded(timeoutMs, () => build(client, plan)),
    drop: async ({ revert }) => {
      // What an aborted statement left open is over first; whatever fails here goes with the copy.
      await client.query("ROLLBACK").catch(() => {});
      await limit(client, DROP_TIMEOUT_MS).catch(() => {});
      for (const sql of revert) await client.query(sql).catch(() => {});
    },
    refresh: (sql, timeoutMs) => guarded(timeoutMs, () => timed(client, sql)),
    run: (sql, timeoutMs) => {
      throwIfAborted(signal);
      return run(client, sql, timeoutMs, signal);
    },
    compare: (forms, timeoutMs) => guarded(timeoutMs, () => compare(client, forms)),
    pruning: (sql, table) => guarded(DROP_TIMEOUT_MS, () => pruningOf(client, sql, table)),
  };
}

async function limit(client: Client, ms: number): Promise<void> {
  await client.query(`SET statement_timeout = ${Math.max(1, Math.round(ms))}`);
}

async function timed(client: Client, sql: string): Promise<number> {
  const started = performance.now();
  await client.query(sql);
  return performance.now() - started;
}

async function build(
  client: Client,
  { apply, makes }: StructurePlan,
): Promise<{ readonly bytes: number; readonly buildMs: number }> {
  let buildMs = 0;
  for (const sql of apply) buildMs += await timed(client, sql);
  await client.query(`VACUUM (ANALYZE) ${makes}`);
  const [row] = await rowsOf(
    client,
    `SELECT sum(pg_total_relation_size(id))::float8 AS bytes
     FROM (SELECT $1::regclass AS id UNION SELECT relid FROM pg_partition_tree($1::regclass)) AS parts`,
    [makes],
  );
  return { bytes: numberOf(row, "bytes"), buildMs };
}

async function run(
  client: Client,
  sql: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<VerifyRun> {
  try {
    const { executionMs } = await runStatement(client, sql, async () => {
      await client.query(`SET LOCAL statement_timeout = ${Math.max(1, Math.round(timeoutMs))}`);
    });
    if (executionMs === undefined) return { kind: "failed", because: "EXPLAIN gave no time" };
    return { kind: "ran", ms: executionMs };
  } catch (error) {
    throwIfAborted(signal);
    if (sqlStateOf(error) === QUERY_CANCELED) return { kind: "timeout" };
    return { kind: "failed", because: messageOf(error) };
  }
}

async function compare(
  client: Client,
  { before, after }: StructureForms,
): Promise<StructureComparison> {
  const left = await resultOf(client, before);
  if (left.rows.length > ROWS_MAX) throw new Error(`more than ${ROWS_MAX} rows are not compared`);
  const right = await resultOf(client, after);
  const rows = left.rows.length + left.changed;
  if (left.changed !== right.changed)
    return { rows, difference: `${left.changed} rows are changed, then ${right.changed}` };
  const difference = differenceOf(left, right);
  return { rows, ...(difference === undefined ? {} : { difference }) };
}

interface Result extends ResultRows {
  /** By a statement that writes; it is rolled back. */
  readonly changed: number;
}

/** No more rows than are compared, and one: a large result would not fit into memory. Only what writes cannot be bounded so. */
async function resultOf(client: Client, text: string): Promise<Result> {
  await client.query("BEGIN");
  try {
    await client.query("SAVEPOINT before");
    // A line's end closes a comment that the statement may end with.
    const bounded = `SELECT * FROM (${text}\n) AS perfopt_rows LIMIT ${ROWS_MAX + 1}`;
    const result = await rawResult(client, bounded).catch(async (error: unknown) => {
      if (sqlStateOf(error) !== SYNTAX_ERROR) throw error;
      await client.query("ROLLBACK TO SAVEPOINT before");
      return rawResult(client, text);
    });
    return {
      columns: result.fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID })),
      rows: result.rows,
      changed: result.command === "SELECT" ? 0 : (result.rowCount ?? 0),
    };
  } finally {
    await client.query("ROLLBACK");
  }
}

function rawResult(client: Client, text: string): Promise<QueryResult<(string | null)[]>> {
  return client.query({ text, rowMode: "array", types: { getTypeParser: () => String } });
}

/** Leaves that an execution scanned: neither those that planning pruned, nor those that were pruned while it ran. */
async function pruningOf(client: Client, sql: string, table: string): Promise<StructurePruning> {
  const rows = await rowsOf(
    client,
    "SELECT c.relname AS name FROM pg_partition_tree($1::regclass) AS p JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf",
    [table],
  );
  const leaves = new Set(rows.map((row) => String(row["name"])));
  const { relations } = await runStatement(client, sql, () => Promise.resolve());
  return { read: relations.filter((name) => leaves.has(name)).length, of: leaves.size };
}
