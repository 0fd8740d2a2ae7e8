/**
 * Builds and drops an index on a database in use. A concurrent build that fails leaves an invalid index which costs every
 * write and serves no read, and `IF NOT EXISTS` then reports success; so the catalog is asked after every step.
 */
import { statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { IndexDefinition } from "../core/knob.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import { createIndexSql, indexName, readIndexState, tableName } from "./index-sql.ts";
import { APPLICATION_NAME, cancelledOnAbort, numberOf, rowsOf, withConnection } from "./sql.ts";

export interface IndexLimits {
  /** Transactions younger than this are everyday traffic, and a concurrent build waits for them by itself. */
  readonly snapshotAgeMs: number;
  /** How long to wait for older ones before refusing. */
  readonly snapshotWaitMs: number;
  readonly buildTimeoutMs: number;
}

export const defaultIndexLimits: IndexLimits = {
  snapshotAgeMs: 2_000,
  snapshotWaitMs: 30_000,
  buildTimeoutMs: 30 * 60_000,
};

export interface IndexJob {
  readonly url: string;
  readonly index: IndexDefinition;
  readonly limits: IndexLimits;
  readonly signal: AbortSignal;
  /** Of the server, when it is on this machine: its free space is checked. */
  readonly dataFolder: string | undefined;
  /** An invalid index of this name is what an earlier build of perfopt left. */
  readonly own: boolean;
  /** Called when nothing speaks against the build any more, right before it. */
  readonly beforeBuild: () => Promise<void>;
}

const POLL_MS = 200;
const CANCEL_WAIT_MS = 30_000;
/** Undoing must not wait for a forgotten transaction without end. */
const DROP_TIMEOUT_MS = 120_000;
/** Of a B-tree page that a build fills; the default fillfactor. */
const FILL_SHARE = 0.9;
/** Item pointer and tuple header of an index entry, aligned. */
const ENTRY_OVERHEAD_BYTES = 16;

/** Returns one sentence on what was verified. Throws PerfoptError with nothing left behind. */
export function buildIndex(job: IndexJob): Promise<string> {
  return withConnection(
    job.url,
    async (client) => {
      if (await isBuilt(client, job))
        return `index ${job.index.name} is there already, valid by the catalog`;
      await checkDisk(client, job);
      await waitForOldSnapshots(client, job);
      await job.beforeBuild();
      return build(client, job);
    },
    { statementTimeoutMs: job.limits.buildTimeoutMs },
  );
}

/** Drops an index if it is there; idempotent. Ends a build of it first that a killed perfopt left running. */
export function dropIndex(job: Pick<IndexJob, "url" | "index" | "limits">): Promise<string> {
  return withConnection(
    job.url,
    async (client) => {
      await endAbandonedBuild(client, job.index);
      if (!(await readIndexState(client, job.index))) return `index ${job.index.name} is not there`;
      await dropConcurrently(client, job.index);
      return `index ${job.index.name} is dropped, and the catalog has it no more`;
    },
    { statementTimeoutMs: job.limits.buildTimeoutMs },
  );
}

/** Whether perfopt has built it already; an invalid leftover of its own goes, and anybody else's index stays untouched. */
async function isBuilt(client: Client, { index, own }: IndexJob): Promise<boolean> {
  const state = await readIndexState(client, index);
  if (!state) return false;
  if (own && state.valid) return true;
  if (own) {
    await endAbandonedBuild(client, index);
    await dropConcurrently(client, index);
    return false;
  }
  throw new PerfoptError(
    "cannot-measure",
    `an ${state.valid ? "" : "invalid "}index ${indexName(index)} is there already, and perfopt did not make it`,
    state.valid
      ? "nothing has to be built; drop it first if it should be measured again"
      : `drop it yourself: DROP INDEX CONCURRENTLY ${indexName(index)}`,
  );
}

/** A build needs room for the index and for its sort. */
async function checkDisk(client: Client, { index, dataFolder }: IndexJob): Promise<void> {
  if (dataFolder === undefined) return;
  const estimate = await estimateBytes(client, index);
  const { bavail, bsize } = await statfs(dataFolder);
  const free = bavail * bsize;
  if (free >= 2 * estimate) return;
  throw new PerfoptError(
    "cannot-measure",
    `index ${index.name} needs about ${formatBytes(estimate)} and as much again while it is built, and ${formatBytes(free)} are free`,
    `make room on the disk of ${dataFolder}`,
  );
}

/** Rows times the width of an entry: the columns' mean widths by the planner's statistics. */
async function estimateBytes(client: Client, index: IndexDefinition): Promise<number> {
  const [row] = await rowsOf(
    client,
    `SELECT greatest(c.reltuples, 0)::float8 AS rows, pg_relation_size(c.oid) AS bytes,
       (SELECT coalesce(sum(s.avg_width), 0)::float8 FROM pg_stats s
        WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = ANY ($3::text[])) AS width
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [index.schema, index.table, textArray(index.columns.map((column) => column.name))],
  );
  if (!row) {
    throw new PerfoptError(
      "bad-input",
      `there is no table ${tableName(index)}`,
      "check that the run and its target belong together",
    );
  }
  const width = numberOf(row, "width");
  if (width === 0) return numberOf(row, "bytes");
  return (numberOf(row, "rows") * (width + ENTRY_OVERHEAD_BYTES)) / FILL_SHARE;
}

function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/(["\\])/g, "\\$1")}"`).join(",")}}`;
}

/** A concurrent build waits for every transaction that could still see the table without the index, without end. */
async function waitForOldSnapshots(client: Client, job: IndexJob): Promise<void> {
  const deadline = performance.now() + job.limits.snapshotWaitMs;
  for (;;) {
    throwIfAborted(job.signal);
    const holders = await oldSnapshots(client, job.limits.snapshotAgeMs);
    if (holders.length === 0) return;
    if (performance.now() > deadline) {
      throw new PerfoptError(
        "cannot-measure",
        `index ${job.index.name} was not built: after ${formatDuration(job.limits.snapshotWaitMs)} these transactions are still open, and a build would wait for them: ${holders.join("; ")}`,
        "end them (SELECT pg_terminate_backend(pid)), or run this again when they are done",
      );
    }
    await delay(POLL_MS);
  }
}

async function oldSnapshots(client: Client, ageMs: number): Promise<readonly string[]> {
  const sessions = await rowsOf(
    client,
    `SELECT pid, coalesce(nullif(application_name, ''), usename) AS who, state,
       round(extract(epoch FROM clock_timestamp() - xact_start) * 1000) AS age_ms
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
       AND xact_start IS NOT NULL
       AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR state LIKE 'idle in transaction%')
       AND clock_timestamp() - xact_start > make_interval(secs => $1::float8)
     ORDER BY xact_start`,
    [ageMs / 1000],
  );
  const prepared = await rowsOf(
    client,
    "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared",
  );
  return [
    ...sessions.map(
      (row) =>
        `pid ${row["pid"]} (${row["who"]}, ${row["state"]}, ${formatDuration(numberOf(row, "age_ms"))})`,
    ),
    ...prepared.map((row) => `prepared transaction ${row["gid"]}`),
  ];
}

async function build(client: Client, job: IndexJob): Promise<string> {
  const { index } = job;
  const started = performance.now();
  // A lock timeout is what leaves invalid indexes behind: the waits are bounded by the statement's own limit.
  await client.query("SET lock_timeout = 0");
  try {
    await cancelledOnAbort(client, job, () => client.query(createIndexSql(index, "concurrently")));
    const state = await readIndexState(client, index);
    if (!state?.valid)
      throw new Error(`the catalog calls it ${state ? "invalid" : "missing"} after the build`);
    const elapsed = formatDuration(performance.now() - started);
    await client.query(`ANALYZE ${tableName(index)}`);
    return `index ${index.name} on ${tableName(index)} built concurrently in ${elapsed}, valid and ready by the catalog, ${formatBytes(state.bytes)}; table analysed`;
  } catch (error) {
    await dropIndex(job);
    throwIfAborted(job.signal);
    throw new PerfoptError(
      "cannot-measure",
      `index ${index.name} could not be built: ${messageOf(error)}; nothing of it is left`,
      "read the message; a build that ran into its time limit may succeed when the database is less busy",
      { cause: error },
    );
  }
}

/** A killed perfopt's build goes on in the server, and holds the lock that dropping needs. */
async function endAbandonedBuild(client: Client, index: IndexDefinition): Promise<void> {
  const deadline = performance.now() + CANCEL_WAIT_MS;
  for (;;) {
    const builds = await rowsOf(
      client,
      `SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity a
         JOIN pg_stat_progress_create_index p ON p.pid = a.pid
         JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE a.datname = current_database() AND a.application_name = '${APPLICATION_NAME}'
         AND a.pid <> pg_backend_pid() AND n.nspname = $1 AND c.relname = $2`,
      [index.schema, index.table],
    );
    if (builds.length === 0) return;
    if (performance.now() > deadline) {
      throw new PerfoptError(
        "dirty-target",
        `an earlier build on ${tableName(index)} does not stop`,
        "end it with SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index, then `perfopt rollback`",
      );
    }
    await delay(POLL_MS);
  }
}

async function dropConcurrently(client: Client, index: IndexDefinition): Promise<void> {
  await client.query("SET lock_timeout = 0");
  await client.query(`SET statement_timeout = ${DROP_TIMEOUT_MS}`);
  try {
    await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${indexName(index)}`);
  } catch (error) {
    const holders = await oldSnapshots(client, 0);
    throw new PerfoptError(
      "dirty-target",
      `index ${indexName(index)} could not be dropped: ${messageOf(error)}${holders.length > 0 ? `; open transactions: ${holders.join("; ")}` : ""}`,
      "end what it waits for, then run `perfopt rollback`",
      { cause: error },
    );
  }
  if (!(await readIndexState(client, index))) return;
  throw new PerfoptError(
    "dirty-target",
    `index ${indexName(index)} is still in the catalog after it was dropped`,
    "look at it by hand, then run `perfopt rollback`",
  );
}
