/** What a concurrent build would wait for, found before it begins: a build that waits in vain leaves an invalid index. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { qualifiedName } from "../core/index-definition.ts";
import { formatDuration } from "../core/units.ts";
import { sqlStateOf } from "./index-state.ts";
import { numberOf, rowsOf } from "./sql.ts";

export interface WaitLimits {
  /** Transactions younger than this are everyday traffic, and a concurrent build waits for them by itself. */
  readonly snapshotAgeMs: number;
  /** How long to wait for older ones, and for locks on the table, before refusing. */
  readonly snapshotWaitMs: number;
}

export interface WaitFor {
  readonly schema: string;
  readonly table: string;
  readonly limits: WaitLimits;
  readonly signal: AbortSignal;
}

const POLL_MS = 200;
const LOCK_TRY_MS = 1_000;
/** A short lock is asked for so often, each time a little later. */
const SHORT_TRIES = 8;
const SHORT_PAUSE_MS = 250;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Waits until no old snapshot of this database and no old writer of the table is left, and until the lock of a build can be
 * had; refuses after a while, naming the sessions.
 */
export async function waitUntilBuildable(client: Client, what: WaitFor): Promise<void> {
  const deadline = performance.now() + what.limits.snapshotWaitMs;
  for (;;) {
    throwIfAborted(what.signal);
    const holders = await sessionsInTheWay(client, what, what.limits.snapshotAgeMs);
    if (holders.length === 0) break;
    if (performance.now() > deadline) {
      throw refused(
        what,
        `these transactions are still open, and a build would wait for them: ${holders.join("; ")}`,
      );
    }
    await delay(POLL_MS);
  }
  await waitForLock(client, what, "SHARE UPDATE EXCLUSIVE");
}

/** Until a lock of the table can be had: that of a reader, or that of a concurrent build, which neither readers nor writers notice. */
export async function waitForLock(client: Client, what: WaitFor, mode: LockMode): Promise<void> {
  const deadline = performance.now() + what.limits.snapshotWaitMs;
  while (!(await canLock(client, what, mode))) {
    throwIfAborted(what.signal);
    if (performance.now() > deadline) {
      throw refused(what, `it is locked by ${(await lockHolders(client, what)).join("; ")}`);
    }
  }
}

type LockMode = "ACCESS SHARE" | "SHARE UPDATE EXCLUSIVE";

function refused({ schema, table, limits }: WaitFor, because: string): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `no index was built on ${qualifiedName(schema, table)}: after ${formatDuration(limits.snapshotWaitMs)} ${because}`,
    "end them (SELECT pg_terminate_backend(pid)), or run this again when they are done",
  );
}

/**
 * As WaitForOlderSnapshots and WaitForLockers in PostgreSQL's indexcmds.c see it: sessions of this database with a snapshot,
 * and whoever wrote to the table in a transaction that is still open, prepared ones included. Autovacuum does not count.
 */
export async function sessionsInTheWay(
  client: Client,
  { schema, table }: Pick<WaitFor, "schema" | "table">,
  ageMs: number,
): Promise<readonly string[]> {
  const rows = await rowsOf(
    client,
    `WITH writers AS (
       SELECT l.pid, l.virtualtransaction FROM pg_locks l
       WHERE l.locktype = 'relation' AND l.granted AND l.relation = (${TABLE_ID})
         AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock'))
     SELECT format('pid %s (%s, %s, ', a.pid, coalesce(nullif(a.application_name, ''), a.usename), coalesce(a.state, a.backend_type)) AS who,
       round(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)) * 1000)::float8 AS age_ms
     FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
       AND a.backend_type NOT IN ('autovacuum worker', 'parallel worker')
       AND (a.backend_xmin IS NOT NULL OR a.pid IN (SELECT pid FROM writers))
       AND clock_timestamp() - coalesce(a.xact_start, a.backend_start) > make_interval(secs => $3::float8)
     UNION ALL
     SELECT format('prepared transaction %s (', x.gid), extract(epoch FROM clock_timestamp() - x.prepared)::float8 * 1000
     FROM pg_prepared_xacts x
     WHERE x.database = current_database() AND '-1/' || x.transaction::text IN (SELECT virtualtransaction FROM writers)
     ORDER BY 2 DESC`,
    [schema, table, ageMs / 1000],
  );
  return rows.map((row) => `${row["who"]}${formatDuration(numberOf(row, "age_ms"))})`);
}

/** Whose transactions a role without the right to see them cannot wait for: told, since the build will. */
export async function unseenSessions(client: Client): Promise<string | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE datname = current_database() AND query = '<insufficient privilege>'`,
  );
  const count = numberOf(row, "count");
  if (!(count > 0)) return undefined;
  return `the transactions of ${count} session${count === 1 ? "" : "s"} could not be seen (grant pg_read_all_stats)`;
}

const TABLE_ID =
  "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

/** Asks for the lock for a moment, and gives it back at once. */
async function canLock(
  client: Client,
  { schema, table, limits }: WaitFor,
  mode: LockMode,
): Promise<boolean> {
  await client.query("BEGIN");
  try {
    await client.query(`SET LOCAL lock_timeout = ${Math.min(LOCK_TRY_MS, limits.snapshotWaitMs)}`);
    await client.query(`LOCK TABLE ONLY ${qualifiedName(schema, table)} IN ${mode} MODE`);
    return true;
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return false;
    throw error;
  } finally {
    await client.query("ROLLBACK");
  }
}

async function lockHolders(client: Client, { schema, table }: WaitFor): Promise<readonly string[]> {
  const rows = await rowsOf(
    client,
    `SELECT format('pid %s (%s, %s)', l.pid, coalesce(nullif(a.application_name, ''), a.usename), l.mode) AS who
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.granted AND l.relation = (${TABLE_ID})
       AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')`,
    [schema, table],
  );
  return rows.length === 0 ? ["nobody any more"] : rows.map((row) => String(row["who"]));
}

/**
 * Runs a statement that needs a strong lock for a moment only. It is asked for in short tries, since everybody else queues
 * behind whoever waits for such a lock.
 */
export async function underShortLock(
  client: Client,
  sql: string,
  signal?: AbortSignal,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    if (signal) throwIfAborted(signal);
    await client.query(`SET lock_timeout = ${LOCK_TRY_MS}`);
    try {
      await client.query(sql);
      return;
    } catch (error) {
      if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
      if (tries === SHORT_TRIES) {
        throw new Error(
          `${messageOf(error)}, ${SHORT_TRIES} times: other transactions hold the table all the time`,
          { cause: error },
        );
      }
    } finally {
      await client.query("SET lock_timeout = 0");
    }
    await delay(tries * SHORT_PAUSE_MS);
  }
}
