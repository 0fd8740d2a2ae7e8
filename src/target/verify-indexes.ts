/**
 * A database in which proposed indexes are built for real and statements are timed with some of them hidden: a scratch copy
 * of perfopt's own, or a copy that the user gave (staging), where everything is taken away again at the end.
 */
import type { Client } from "pg";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import {
  createIndexSql,
  qualifiedName,
  shortName,
  type IndexDefinition,
} from "../core/index-definition.ts";
import type { VerifyPlan, VerifyRun, VerifyStand, VerifyStatement } from "../core/verification.ts";
import { planStatement, runStatement } from "./explain.ts";
import { withIndexSession } from "./index-session.ts";
import { readIndexState, sqlStateOf } from "./index-state.ts";
import { underShortLock } from "./index-waits.ts";
import { buildIndex, dropIndex, type IndexLimits } from "./safe-index.ts";
import { cancelledOnAbort, rowsOf } from "./sql.ts";

export interface StandOptions {
  readonly url: string;
  /** `scratch`: a copy of perfopt's own, that nobody else uses and that is dropped afterwards. `given`: the user's. */
  readonly place: "scratch" | "given";
  readonly indexes: readonly IndexDefinition[];
  readonly limits: IndexLimits;
  /** Of the server, when it is on this machine. */
  readonly dataFolder: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** Begins the names of indexes that are there for a verification only: whatever is named so may be dropped. */
const PREFIX = "perfopt_verify_";
/** Another verification in the same database would be measured along. */
const LOCK_WAIT_MS = 2_000;
/** In a database that the user gave, others may write: a wait for their locks is nothing of the statement's own. */
const RUN_LOCK_WAIT_MS = 2_000;
const QUERY_CANCELED = "57014";
const LOCK_NOT_AVAILABLE = "55P03";

/** Builds the indexes for as long as `use` takes. Ends statements and drops the indexes also when it is interrupted. */
export function withVerifyStand<T>(
  options: StandOptions,
  use: (stand: VerifyStand) => Promise<T>,
): Promise<T> {
  const session = {
    purpose: "verifying indexes" as const,
    statementTimeoutMs: options.limits.buildTimeoutMs,
    lockWaitMs: LOCK_WAIT_MS,
  };
  return withIndexSession(options.url, session, async ({ client }) => {
    await sweep(client);
    try {
      const built: BuiltForProof[] = [];
      for (const index of options.indexes) built.push(await build(client, index, options));
      const stand = await standOf(client, built, options);
      return await cancelledOnAbort(client, options, () => use(stand));
    } finally {
      await cleanUp(client, options);
    }
  });
}

function nameForProof(proposed: IndexDefinition): IndexDefinition {
  return { ...proposed, name: shortName(`${PREFIX}${proposed.name}`) };
}

/** What a killed verification has left, in a database that the user gave. */
async function sweep(client: Client): Promise<void> {
  const rows = await rowsOf(
    client,
    `SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'I' AS partitioned
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('i', 'I') AND NOT c.relispartition AND starts_with(c.relname, $1) ORDER BY 3 DESC`,
    [PREFIX],
  );
  for (const row of rows) {
    const name = qualifiedName(String(row["schema"]), String(row["name"]));
    if (row["partitioned"] === true) await underShortLock(client, `DROP INDEX ${name}`);
    else await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  }
}

/** Goes on although the user interrupts, and although one cannot be dropped: that is when it is needed most. */
async function cleanUp(client: Client, { url, place, indexes }: StandOptions): Promise<void> {
  const left: { readonly name: string; readonly because: string }[] = [];
  for (const index of indexes.map(nameForProof)) {
    const name = qualifiedName(index.schema, index.name);
    // The whole copy goes anyway, and with it whatever a lost connection leaves.
    if (place === "scratch") await client.query(`DROP INDEX IF EXISTS ${name}`).catch(() => {});
    else {
      await dropIndex({ url, index }).catch((error: unknown) => {
        left.push({ name, because: messageOf(error) });
      });
    }
  }
  if (left.length === 0) return;
  throw new PerfoptError(
    "dirty-target",
    `${left.length} of the indexes that were built to be timed may still be there: ${left.map(({ because }) => because).join("; ")}`,
    `drop them: ${left.map(({ name }) => `DROP INDEX CONCURRENTLY IF EXISTS ${name}`).join("; ")}; or verify there again, which begins by dropping them`,
  );
}

interface BuiltForProof {
  readonly name: string;
  /** As built: the same under a name that tells what it is for. */
  readonly index: IndexDefinition;
  readonly bytes: number;
  readonly buildMs: number;
  /** Of the index and of its partitions' indexes, which plans name. */
  readonly ids: readonly string[];
  readonly names: readonly string[];
  /** Quoted, `"schema"."table"`. */
  readonly tables: readonly string[];
  readonly tableIds: readonly string[];
}

async function build(
  client: Client,
  proposed: IndexDefinition,
  options: StandOptions,
): Promise<BuiltForProof> {
  throwIfAborted(options.signal);
  const index = nameForProof(proposed);
  options.onProgress(`building ${proposed.name}`);
  const { bytes, buildMs } =
    options.place === "scratch"
      ? await buildPlainly(client, index, options)
      : await buildIndex({ ...options, index, own: true, beforeBuild: async () => {} });
  const rows = await rowsOf(
    client,
    `SELECT c.oid::text AS id, c.relname AS name, t.oid::text AS table_id, n.nspname AS schema, t.relname AS "table"
     FROM pg_class r JOIN pg_namespace n0 ON n0.oid = r.relnamespace
       CROSS JOIN LATERAL (SELECT r.oid UNION SELECT relid FROM pg_partition_tree(r.oid)) AS p (id)
       JOIN pg_class c ON c.oid = p.id JOIN pg_index i ON i.indexrelid = c.oid
       JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE n0.nspname = $1 AND r.relname = $2`,
    [index.schema, index.name],
  );
  return {
    name: proposed.name,
    index,
    bytes,
    buildMs: buildMs ?? 0,
    ids: rows.map((row) => String(row["id"])),
    names: rows.map((row) => String(row["name"])),
    tables: rows.map((row) => qualifiedName(String(row["schema"]), String(row["table"]))),
    tableIds: rows.map((row) => String(row["table_id"])),
  };
}

/** Nobody else is there, so that nobody has to be spared. */
async function buildPlainly(
  client: Client,
  index: IndexDefinition,
  { url, signal }: StandOptions,
): Promise<{ readonly bytes: number; readonly buildMs: number }> {
  const started = performance.now();
  await cancelledOnAbort(client, { url, signal }, () =>
    client.query(createIndexSql(index, "plain")),
  );
  const buildMs = performance.now() - started;
  // Expressions have statistics from now on.
  await client.query(`ANALYZE ${qualifiedName(index.schema, index.table)}`);
  const state = await readIndexState(client, index);
  return { bytes: state?.bytes ?? 0, buildMs };
}

async function standOf(
  client: Client,
  built: readonly BuiltForProof[],
  options: StandOptions,
): Promise<VerifyStand> {
  const hiding = await hidingOf(client);
  const stage: Stage = { client, hiding, built, unvacuumed: new Set(), writers: new Set() };
  return {
    design: designOf(hiding, options.place),
    ...(options.place === "given" ? { elsewhere: true } : {}),
    sizes: built.map(({ name, bytes, buildMs }) => ({ name, bytes, buildMs })),
    plan: (statement, visible) => {
      throwIfAborted(options.signal);
      return plan(stage, statement, visible, options.signal);
    },
    run: (statement, visible, timeoutMs) => {
      throwIfAborted(options.signal);
      return run(stage, statement, visible, timeoutMs, options.signal);
    },
  };
}

interface Stage {
  readonly client: Client;
  readonly hiding: Hiding;
  readonly built: readonly BuiltForProof[];
  /** Tables that were written to since they were vacuumed, and the statements that write. */
  readonly unvacuumed: Set<string>;
  readonly writers: Set<string>;
}

/** A superuser may change the catalog in a transaction that is rolled back; who is none drops indexes in one. */
type Hiding = "catalog" | "drop";

async function hidingOf(client: Client): Promise<Hiding> {
  const [row] = await rowsOf(client, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user");
  return row?.["rolsuper"] === true ? "catalog" : "drop";
}

function designOf(hiding: Hiding, place: StandOptions["place"]): string {
  const where = place === "scratch" ? "a scratch copy of the data" : "the database that was given";
  const hidden =
    hiding === "catalog"
      ? "hidden in the catalog"
      : "dropped (which locks their tables for that long)";
  return (
    `in ${where}, with the indexes built for real; each statement in turns with them and with them ${hidden}, in one session, ` +
    "every run in a transaction that is rolled back; the time is the server's own for the execution (EXPLAIN ANALYZE " +
    "without timing of nodes), without planning and without sending rows, from warm caches"
  );
}

/** For the rest of the transaction. Who waits for a strong lock stops everybody else who wants the table. */
async function limitLockWait(client: Client, waitMs: number): Promise<void> {
  await client.query(`SET LOCAL lock_timeout = ${Math.max(1, Math.round(waitMs))}`);
}

/**
 * Neither read nor maintained, nor in the way of updates in place (HOT), for the rest of the transaction. The list of a
 * table's indexes is cached with the table (RelationGetIndexList in PostgreSQL's relcache.c), and forgotten when its own
 * row changes.
 */
async function hideAllBut(
  { client, hiding, built }: Stage,
  visible: readonly string[],
): Promise<void> {
  const hidden = built.filter(({ name }) => !visible.includes(name));
  if (hidden.length === 0) return;
  if (hiding === "drop") {
    const names = hidden.map(({ index }) => qualifiedName(index.schema, index.name));
    await client.query(`DROP INDEX ${names.join(", ")}`);
    return;
  }
  const ids = hidden.flatMap((each) => each.ids);
  const tables = new Set(hidden.flatMap(({ tableIds }) => tableIds));
  await client.query(
    `UPDATE pg_catalog.pg_index SET indisvalid = false, indisready = false, indislive = false WHERE indexrelid IN (${ids.join(", ")});
     UPDATE pg_catalog.pg_class SET relname = relname WHERE oid IN (${[...tables].join(", ")})`,
  );
}

async function plan(
  stage: Stage,
  statement: VerifyStatement,
  visible: readonly string[],
  signal: AbortSignal,
): Promise<VerifyPlan> {
  const { client, built, writers } = stage;
  try {
    const { shape, indexes, writes } = await planStatement(client, statement.sql, async () => {
      await limitLockWait(client, RUN_LOCK_WAIT_MS);
      await hideAllBut(stage, visible);
    });
    if (writes.length > 0) writers.add(statement.id);
    const namesIn = (of: (each: BuiltForProof) => boolean) =>
      built.filter(of).map(({ name }) => name);
    return {
      kind: "plan",
      shape,
      writes: writes.length > 0,
      reads: namesIn(({ names }) => indexes.some((name) => names.includes(name))),
      maintains: namesIn(({ tables }) => writes.some((table) => tables.includes(table))),
    };
  } catch (error) {
    throwIfAborted(signal);
    return { kind: "failed", because: reasonOf(error) };
  }
}

async function run(
  stage: Stage,
  statement: VerifyStatement,
  visible: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<VerifyRun> {
  const { client, unvacuumed, writers } = stage;
  try {
    if (!writers.has(statement.id)) await vacuum(client, unvacuumed);
    const { executionMs, writes } = await runStatement(client, statement.sql, async () => {
      await limitLockWait(client, RUN_LOCK_WAIT_MS);
      await hideAllBut(stage, visible);
      // Below the statement's own limit, so that a wait is never taken for a slow statement.
      await limitLockWait(client, Math.min(RUN_LOCK_WAIT_MS, timeoutMs / 2));
      await client.query(`SET LOCAL statement_timeout = ${Math.max(1, Math.round(timeoutMs))}`);
    });
    for (const table of writes) unvacuumed.add(table);
    if (executionMs === undefined) return { kind: "failed", because: "EXPLAIN gave no time" };
    return { kind: "ran", ms: executionMs };
  } catch (error) {
    throwIfAborted(signal);
    if (sqlStateOf(error) === QUERY_CANCELED) return { kind: "timeout" };
    return { kind: "failed", because: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) return message;
  return `another session held a lock that it needs: ${message}`;
}

/** What undone writes leave behind would slow down who reads an index only. */
async function vacuum(client: Client, tables: Set<string>): Promise<void> {
  for (const table of tables) await client.query(`VACUUM ${table}`);
  tables.clear();
}
