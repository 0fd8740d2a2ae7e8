/**
 * A scratch copy of a database, data and all, on a server of perfopt's own of the same major version: read from the source
 * in one snapshot, as pg_dump does, and without a trace there.
 */
import { statfs } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Client } from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { qualifiedName, quoteName, quoteText } from "../core/index-definition.ts";
import type { DatabaseLocale, PlannerConnection } from "../core/planner.ts";
import { OWN_MARK } from "../core/sample.ts";
import { formatBytes } from "../core/units.ts";
import { openPlannerServer, type PlannerServerOptions } from "./planner-server.ts";
import { connect, numberOf, rowsOf, withConnection } from "./sql.ts";

export interface CopyOptions extends Omit<PlannerServerOptions, "major" | "settings"> {
  readonly sourceUrl: string;
  readonly locale: DatabaseLocale;
  /** Makes schemas, tables, keys, indexes and statistics objects in the empty database. */
  readonly makeSchema: (connection: PlannerConnection) => Promise<void>;
  /** PostgreSQL's settings that its sessions shall have: the source's planner settings, search_path. */
  readonly settings: Readonly<Record<string, string>>;
  /** Of tables on the source: more is refused. */
  readonly bytesMax: number;
}

export interface DataCopy {
  /** With a superuser. */
  readonly url: string;
  readonly dataFolder: string;
  /** Of the tables on the source. */
  readonly bytes: number;
  /** What is not as on the source. */
  readonly caveats: readonly string[];
}

const DATABASE = "verify";
/** Tables at a time: one reads while another one's pages are written. */
const AT_ONCE = 2;
const COPY_TIMEOUT_MS = 2 * 60 * 60_000;
/** The tables, their indexes with a sort, and as much again for what verification builds. */
const ROOM = 3;
/** Types below are PostgreSQL's own, with the same numbers everywhere (FirstNormalObjectId in transam.h). */
const FIRST_USER_OID = 16_384;

/** Measured like a server in earnest, but for durability: what is read comes from memory. */
const SERVER_SETTINGS = {
  shared_buffers: "256MB",
  wal_level: "minimal",
  max_wal_size: "8GB",
  maintenance_work_mem: "256MB",
  track_activities: "on",
  track_counts: "on",
} as const;

/** The copy is gone when `use` returns or throws. */
export async function withDataCopy<T>(
  options: CopyOptions,
  use: (copy: DataCopy) => Promise<T>,
): Promise<T> {
  const source = await connect(options.sourceUrl, { statementTimeoutMs: COPY_TIMEOUT_MS });
  try {
    const tables = await readTables(source);
    const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
    await checkSize(bytes, options);
    const major = await majorOf(source);
    const server = await openPlannerServer({ ...options, major, settings: SERVER_SETTINGS });
    try {
      const notes = await server.createDatabase(DATABASE, options.locale);
      const schema = await server.connect(DATABASE);
      try {
        await options.makeSchema(schema);
      } finally {
        await schema.close();
      }
      const url = server.adminUrl(DATABASE);
      const rejected = await applySettings(url, options.settings);
      const missing = await fill(url, source, tables, bytes, options);
      const { dataFolder } = server;
      return await use({ url, dataFolder, bytes, caveats: [...notes, ...rejected, ...missing] });
    } catch (error) {
      throwIfAborted(options.signal);
      throw error;
    } finally {
      await server.close();
    }
  } finally {
    await source.end().catch(() => {});
  }
}

interface SourceTable {
  readonly schema: string;
  readonly name: string;
  readonly bytes: number;
  readonly columns: readonly string[];
  /** The fast format, in which types that a user made are numbers that differ between servers. */
  readonly binary: boolean;
}

/** Opens the snapshot that everything is read in, and lists what holds rows, the largest first; extensions bring their own. */
async function readTables(source: Client): Promise<readonly SourceTable[]> {
  await source.query("SET idle_in_transaction_session_timeout = 0");
  await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const rows = await rowsOf(
    source,
    `SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid)::float8 AS bytes,
       coalesce((SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '[]')::text AS columns,
       NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         AND a.atttypid >= ${FIRST_USER_OID}) AS "binary"
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
       AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     ORDER BY 3 DESC`,
  );
  return rows.map((row) => {
    const columns: readonly string[] = JSON.parse(String(row["columns"]));
    return {
      schema: String(row["schema"]),
      name: String(row["name"]),
      bytes: numberOf(row, "bytes"),
      columns,
      binary: row["binary"] === true,
    };
  });
}

async function checkSize(bytes: number, { bytesMax, home }: CopyOptions): Promise<void> {
  if (bytes > bytesMax) {
    throw new PerfoptError(
      "bad-input",
      `the tables hold ${formatBytes(bytes)}, and a copy of at most ${formatBytes(bytesMax)} is allowed`,
      "allow more (--copy-max), or verify on a copy of your own (--verify-on URL)",
    );
  }
  const { bavail, bsize } = await statfs(home);
  if (bavail * bsize >= ROOM * bytes) return;
  throw new PerfoptError(
    "cannot-measure",
    `a copy of ${formatBytes(bytes)} needs ${formatBytes(ROOM * bytes)} with its indexes, and ${formatBytes(bavail * bsize)} are free`,
    `make room on the disk of ${home}, or set PERFOPT_HOME to another one`,
  );
}

async function majorOf(source: Client): Promise<number> {
  const [row] = await rowsOf(
    source,
    "SELECT current_setting('server_version_num')::int AS version",
  );
  return Math.floor(numberOf(row, "version") / 10_000);
}

/** A setting that only a whole server has, or that this version lacks, is told. */
function applySettings(url: string, settings: CopyOptions["settings"]): Promise<readonly string[]> {
  return withConnection(url, async (client) => {
    const rejected: string[] = [];
    for (const [name, value] of Object.entries(settings)) {
      try {
        // A list of schemas is a list; any other value is one.
        const list = name === "search_path" ? value : quoteText(value);
        await client.query(
          `ALTER DATABASE ${DATABASE} SET ${quoteName(name)} TO ${list === "" ? "''" : list}`,
        );
      } catch (error) {
        rejected.push(`${name} = ${value} is not set on the copy: ${messageOf(error)}`);
      }
    }
    return rejected;
  });
}

/** Data, then the indexes in one go, then statistics and the visibility map. */
async function fill(
  url: string,
  source: Client,
  tables: readonly SourceTable[],
  bytes: number,
  options: CopyOptions,
): Promise<readonly string[]> {
  const indexes = await withConnection(url, dropPlainIndexes);
  const [row] = await rowsOf(source, "SELECT pg_export_snapshot() AS id");
  const work: Work = {
    url,
    snapshot: String(row?.["id"]),
    waiting: [...tables],
    missing: [],
    options,
    bytes,
    copied: 0,
  };
  await copyAll(work);
  // The source's dead rows cannot be vacuumed while the snapshot is held, and verifying takes longer than copying.
  await source.end();
  options.onProgress?.("copied; building indexes and gathering statistics");
  const client = await connect(url, { statementTimeoutMs: COPY_TIMEOUT_MS });
  try {
    for (const sql of indexes) await client.query(sql);
    for (const { schema, name } of await keyedTables(client)) {
      await client.query(`REINDEX TABLE ${qualifiedName(schema, name)}`);
    }
    await client.query("VACUUM (ANALYZE)");
    await client.query("CHECKPOINT");
  } finally {
    await client.end().catch(() => {});
  }
  return work.missing;
}

/** The copy is wanted whole or not at all: the first failure ends the other reader too. */
async function copyAll(work: Work): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([work.options.signal, failed.signal]);
  const readers = Array.from({ length: AT_ONCE }, () =>
    copySome(work, signal).catch((error: unknown) => {
      failed.abort(error);
    }),
  );
  await Promise.all(readers);
  if (failed.signal.aborted) throw failed.signal.reason;
}

/** Built at the end they are faster made, and as dense as a build makes them. Those of keys and of partitions stay. */
async function dropPlainIndexes(client: Client): Promise<readonly string[]> {
  const rows = await rowsOf(
    client,
    `SELECT pg_get_indexdef(i.indexrelid) AS sql, n.nspname AS schema, c.relname AS name
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'i' AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)`,
  );
  for (const row of rows) {
    await client.query(`DROP INDEX ${qualifiedName(String(row["schema"]), String(row["name"]))}`);
  }
  return rows.map((row) => String(row["sql"]));
}

/** Tables with indexes that were there while rows came in. */
async function keyedTables(
  client: Client,
): Promise<readonly { readonly schema: string; readonly name: string }[]> {
  const rows = await rowsOf(
    client,
    `SELECT n.nspname AS schema, t.relname AS name FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE t.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
       AND EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = t.oid
         AND (c.relispartition OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)))`,
  );
  return rows.map((row) => ({ schema: String(row["schema"]), name: String(row["name"]) }));
}

interface Work {
  readonly url: string;
  readonly snapshot: string;
  /** The largest first; each is taken by whoever is free. */
  readonly waiting: SourceTable[];
  readonly missing: string[];
  readonly options: CopyOptions;
  readonly bytes: number;
  copied: number;
}

/** Both sides write values as text in the same way, whatever their databases are set to. */
const PLAIN_TEXT =
  "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3";

async function copySome(work: Work, signal: AbortSignal): Promise<void> {
  const source = await connectForCopy(work.options.sourceUrl);
  try {
    await source.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    await source.query(`SET TRANSACTION ${OWN_MARK} SNAPSHOT ${quoteText(work.snapshot)}`);
    // Rows in the order that they lie in; a row that a policy hides from this role is an error, not a gap.
    await source.query("SET LOCAL synchronize_seqscans = off");
    await source.query("SET LOCAL row_security = off");
    await source.query(PLAIN_TEXT);
    const target = await connectForCopy(work.url);
    try {
      // Neither foreign keys nor triggers: the source has checked and run them.
      await target.query("SET session_replication_role = replica");
      await target.query(PLAIN_TEXT);
      for (let table = work.waiting.shift(); table; table = work.waiting.shift()) {
        await copyTable(source, target, table, work, signal);
      }
    } finally {
      await target.end().catch(() => {});
    }
  } finally {
    await source.end().catch(() => {});
  }
}

/** The server's limit alone: node-postgres never takes back its own timer for a COPY, which would keep perfopt alive. */
async function connectForCopy(url: string): Promise<Client> {
  const client = await connect(url, { statementTimeoutMs: 0 });
  await client.query(`SET statement_timeout = ${COPY_TIMEOUT_MS}`);
  return client;
}

async function copyTable(
  source: Client,
  target: Client,
  table: SourceTable,
  work: Work,
  signal: AbortSignal,
): Promise<void> {
  throwIfAborted(work.options.signal);
  const name = qualifiedName(table.schema, table.name);
  const [there] = await rowsOf(target, "SELECT to_regclass($1) IS NOT NULL AS there", [name]);
  if (there?.["there"] !== true) {
    work.missing.push(`${table.schema}.${table.name} is not in the copy: it could not be modelled`);
    return;
  }
  const columns = table.columns.map(quoteName).join(", ");
  const format = table.binary ? "(FORMAT binary)" : "(FORMAT text)";
  const into = table.columns.length === 0 ? "" : ` (${columns})`;
  const counting = new Transform({
    transform(chunk: Uint8Array, _, done) {
      work.copied += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(
      source.query(
        copyTo(`COPY ${OWN_MARK} (SELECT ${columns} FROM ONLY ${name}) TO STDOUT ${format}`),
      ),
      counting,
      target.query(copyFrom(`COPY ${name}${into} FROM STDIN ${format}`)),
      { signal },
    );
  } catch (error) {
    throwIfAborted(work.options.signal);
    throw new PerfoptError(
      "cannot-measure",
      `table ${name} could not be copied: ${messageOf(error)}`,
      "read the message; perfopt needs SELECT on every table for a copy; or verify on a copy of your own (--verify-on URL)",
      { cause: error },
    );
  }
  work.options.onProgress?.(
    `copied ${table.schema}.${table.name} (${formatBytes(table.bytes)}); ${formatBytes(work.copied)} of about ${formatBytes(work.bytes)} so far`,
  );
}
