/**
 * Makes and drops extended statistics on a database in use. They count from the ANALYZE after on, and whatever ends the work
 * in between takes them away again; the catalog is asked after every step.
 */
import type { Client } from "pg";
import { DirtyTargetError, messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { qualifiedName } from "../core/index-definition.ts";
import { createStatisticsSql, type StatisticsDefinition } from "../core/statistics-definition.ts";
import { formatDuration } from "../core/units.ts";
import { withIndexSession } from "./index-session.ts";
import { sqlStateOf } from "./index-state.ts";
import { underShortLock } from "./index-waits.ts";
import { cancelledOnAbort, numberOf, rowsOf } from "./sql.ts";

export interface StatisticsJob {
  readonly url: string;
  readonly statistics: StatisticsDefinition;
  readonly limits: {
    /** Of the ANALYZE. */
    readonly buildTimeoutMs: number;
    /** How long the ANALYZE waits for another one, or for a vacuum. */
    readonly snapshotWaitMs: number;
  };
  readonly signal: AbortSignal;
  /** Statistics of this name and definition are what an earlier perfopt left. */
  readonly own: boolean;
  /** Called when nothing speaks against them any more, right before they are made. */
  readonly beforeBuild: () => Promise<void>;
}

/** Another perfopt that works on this database is not waited for: it may build for hours. */
const BUILD_LOCK_WAIT_MS = 2_000;
const DROP_LOCK_WAIT_MS = 30_000;
const DROP_TIMEOUT_MS = 120_000;
const NAME_TAKEN: ReadonlySet<string | undefined> = new Set(["42710", "23505"]);
const NO_RIGHT = "42501";

/** Returns what was verified. Throws PerfoptError with nothing left behind; a DirtyTargetError, should something be left. */
export async function buildStatistics(job: StatisticsJob): Promise<string> {
  let building: number | undefined;
  const session = { statementTimeoutMs: job.limits.buildTimeoutMs, lockWaitMs: BUILD_LOCK_WAIT_MS };
  try {
    return await withIndexSession(job.url, session, async ({ client, pid }) => {
      const there = await readState(client, job.statistics);
      const signature = await checkedSignature(client, job.statistics);
      if (there && !(job.own && isSame(there, job.statistics, signature)))
        throw inTheWay(job, there);
      if (there?.filled) return `${words(job)} are there already, filled by the catalog`;
      throwIfAborted(job.signal);
      await job.beforeBuild();
      building = pid;
      const started = performance.now();
      if (!there) {
        await create(client, job).catch((error: unknown) => {
          // Made by somebody else in the meantime: theirs.
          if (NAME_TAKEN.has(sqlStateOf(error))) building = undefined;
          throw error;
        });
      }
      await analyse(client, job);
      return await verified(client, job, performance.now() - started);
    });
  } catch (error) {
    if (building === undefined) throw error instanceof PerfoptError ? error : failed(job, error);
    throw await cleanedUp(job, building, error);
  }
}

/** Drops them if they are there; idempotent. Ends the work on them that a killed perfopt left running. */
export function dropStatistics(
  job: Pick<StatisticsJob, "url" | "statistics">,
  endFirst?: number,
): Promise<string> {
  const session = {
    statementTimeoutMs: DROP_TIMEOUT_MS,
    lockWaitMs: DROP_LOCK_WAIT_MS,
    ...(endFirst === undefined ? {} : { endFirst }),
  };
  return withIndexSession(job.url, session, async ({ client }) => {
    if (!(await readState(client, job.statistics))) return `${words(job)} are not there`;
    const sql = `DROP STATISTICS IF EXISTS ${nameOf(job.statistics)}`;
    try {
      await underShortLock(client, sql);
    } catch (error) {
      throw stuck(`${words(job)} could not be dropped: ${messageOf(error)}`, sql, error);
    }
    if (await readState(client, job.statistics))
      throw stuck(`${words(job)} are still in the catalog after they were dropped`, sql);
    return `${words(job)} are dropped, and the catalog has them no more`;
  });
}

function create(client: Client, { statistics, signal }: StatisticsJob): Promise<void> {
  return underShortLock(client, createStatisticsSql(statistics), signal);
}

async function analyse(client: Client, job: StatisticsJob): Promise<void> {
  const { schema, table } = job.statistics;
  await client.query(`SET lock_timeout = ${job.limits.snapshotWaitMs}`);
  await cancelledOnAbort(client, job, () =>
    client.query(`ANALYZE ${qualifiedName(schema, table)}`),
  );
}

async function verified(client: Client, job: StatisticsJob, tookMs: number): Promise<string> {
  const state = await readState(client, job.statistics);
  if (!state) throw new Error("the catalog has no such statistics after they were made");
  if (state.filled === false)
    throw new Error(
      "ANALYZE found nothing to remember: the table is empty, or the columns are independent",
    );
  const filled = state.filled
    ? "filled by the catalog"
    : "in the catalog (this role may not see whether they are filled)";
  const { schema, table } = job.statistics;
  return `${words(job)} made and table ${qualifiedName(schema, table)} analysed in ${formatDuration(tookMs)}, ${filled}`;
}

interface StatisticsState {
  readonly table: string;
  readonly signature: string;
  /** Undefined where this role may not see it. */
  readonly filled: boolean | undefined;
}

/** Kinds, columns and expressions, without names. Expressions are there from PostgreSQL 14 on. */
function signatureSql(versionNumber: number): string {
  const expressions =
    versionNumber >= 140_000 ? "pg_get_statisticsobjdef_expressions(s.oid)::text" : "NULL";
  return `jsonb_build_array(s.stxkind::text, array(
    SELECT a.attname FROM unnest(s.stxkeys) k JOIN pg_attribute a ON a.attrelid = s.stxrelid AND a.attnum = k ORDER BY a.attnum),
    ${expressions})::text`;
}

/** Undefined when no statistics have this name. */
async function readState(
  client: Client,
  { schema, name }: Pick<StatisticsDefinition, "schema" | "name">,
): Promise<StatisticsState | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT s.oid::int8 AS id, c.relname AS "table", ${signatureSql(await versionOf(client))} AS signature
     FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN pg_class c ON c.oid = s.stxrelid
     WHERE n.nspname = $1 AND s.stxname = $2`,
    [schema, name],
  );
  return (
    row && {
      table: String(row["table"]),
      signature: String(row["signature"]),
      filled: await isFilled(client, numberOf(row, "id")),
    }
  );
}

/** The data themselves are a superuser's to read; their view shows an owner what is in them. */
async function isFilled(client: Client, id: number): Promise<boolean | undefined> {
  const version = await versionOf(client);
  const inData = ["stxdndistinct", "stxddependencies", "stxdmcv"].concat(
    version >= 140_000 ? ["stxdexpr"] : [],
  );
  try {
    const [row] = await rowsOf(
      client,
      `SELECT coalesce(bool_or(${isAnyThere(inData)}), false) AS filled FROM pg_statistic_ext_data WHERE stxoid = $1::int8::oid`,
      [id],
    );
    return row?.["filled"] === true;
  } catch (error) {
    if (sqlStateOf(error) !== NO_RIGHT) throw error;
  }
  const expressions =
    version >= 140_000
      ? "OR EXISTS (SELECT FROM pg_stats_ext_exprs e WHERE (e.statistics_schemaname, e.statistics_name) = (n.nspname, s.stxname))"
      : "";
  const [row] = await rowsOf(
    client,
    `SELECT bool_or(${isAnyThere(["v.n_distinct", "v.dependencies", "v.most_common_vals"])}) ${expressions} AS filled
     FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
       LEFT JOIN pg_stats_ext v ON (v.statistics_schemaname, v.statistics_name) = (n.nspname, s.stxname)
     WHERE s.oid = $1::int8::oid GROUP BY n.nspname, s.stxname`,
    [id],
  );
  // What the view does not show may be hidden from this role, or not be there.
  return row?.["filled"] === true ? true : undefined;
}

function isAnyThere(columns: readonly string[]): string {
  return columns.map((column) => `${column} IS NOT NULL`).join(" OR ");
}

async function versionOf(client: Client): Promise<number> {
  const [row] = await rowsOf(
    client,
    "SELECT current_setting('server_version_num')::int AS version",
  );
  return numberOf(row, "version");
}

/** The signature that they would have, from an empty temporary copy of the table; undefined where none may be made. */
async function checkedSignature(
  client: Client,
  statistics: StatisticsDefinition,
): Promise<string | undefined> {
  const { schema, table } = statistics;
  const version = await versionOf(client);
  const twin = { ...statistics, schema: "pg_temp", table: "perfopt_twin", name: "perfopt_twin" };
  await client.query("BEGIN");
  try {
    await client.query(
      `CREATE TEMPORARY TABLE perfopt_twin (LIKE ${qualifiedName(schema, table)})`,
    );
    await client.query(createStatisticsSql(twin));
    const [row] = await rowsOf(
      client,
      `SELECT ${signatureSql(version)} AS signature FROM pg_statistic_ext s WHERE s.stxrelid = 'pg_temp.perfopt_twin'::regclass`,
    );
    return String(row?.["signature"]);
  } catch (error) {
    if (sqlStateOf(error) === NO_RIGHT) return undefined;
    throw new PerfoptError(
      "bad-input",
      `PostgreSQL does not take statistics ${statistics.name}: ${messageOf(error)}`,
      "check that the table is as it was when they were advised, and that the database may be written to",
      { cause: error },
    );
  } finally {
    await client.query("ROLLBACK");
  }
}

function isSame(
  state: StatisticsState,
  statistics: StatisticsDefinition,
  signature: string | undefined,
): boolean {
  return (
    state.table === statistics.table && (signature === undefined || state.signature === signature)
  );
}

function inTheWay(job: StatisticsJob, { table }: StatisticsState): PerfoptError {
  const name = nameOf(job.statistics);
  return new PerfoptError(
    "cannot-measure",
    `statistics ${name} are there already, on ${table}, and ${job.own ? "they are other ones than these" : "perfopt did not make them"}`,
    `drop them first, if they should be measured: DROP STATISTICS ${name}`,
  );
}

/** The error to throw, after whatever was made is gone. */
async function cleanedUp(job: StatisticsJob, building: number, error: unknown): Promise<unknown> {
  try {
    await dropStatistics(job, building);
  } catch (undo) {
    return new DirtyTargetError(
      `${words(job)} could not be made (${messageOf(error)}), and what was left of them could not be dropped: ${messageOf(undo)}`,
      { cause: undo },
    );
  }
  throwIfAborted(job.signal);
  return error instanceof PerfoptError ? error : failed(job, error);
}

function failed(job: StatisticsJob, error: unknown): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `${words(job)} could not be made: ${messageOf(error)}; nothing of them is left`,
    "read the message; what ran into a time limit may succeed when the database is less busy",
    { cause: error },
  );
}

function stuck(what: string, sql: string, cause?: unknown): PerfoptError {
  return new PerfoptError(
    "dirty-target",
    what,
    `end what it waits for, then drop them by hand: ${sql}; or, after a run, by \`perfopt rollback\``,
    { cause },
  );
}

function words({ statistics }: Pick<StatisticsJob, "statistics">): string {
  return `statistics ${statistics.name}`;
}

function nameOf({ schema, name }: StatisticsDefinition): string {
  return qualifiedName(schema, name);
}
