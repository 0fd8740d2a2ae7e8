/** The databases that the planner clone is measured against: the bundled registry, with a few tables of other types made from its rows. */
import { access, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadWorld, tableSources } from "../../src/registry/seed/load.ts";
import { SCALES, type ScaleName } from "../../src/registry/seed/scales.ts";
import { createWorld } from "../../src/registry/seed/world.ts";
import type { PlannerConnection, Query } from "../../src/core/planner.ts";
import { readSnapshot } from "../../src/advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../../src/advise/indexes/snapshot/snapshot.ts";
import { binariesOfMajor } from "../../src/target/postgres-majors.ts";
import { initialisePostgres, startPostgres } from "../../src/target/postgres-server.ts";
import { connect, openPlainConnection } from "../../src/target/sql.ts";

/** Debian's, which has HypoPG beside it when postgresql-15-hypopg is installed. */
const DEBIAN = "/usr/lib/postgresql/15/bin";
const HYPOPG = "/usr/share/postgresql/15/extension/hypopg.control";
const SEED = 42;
const LIMITS = { statementTimeoutMs: 10 * 60_000 } as const;

export interface Source {
  readonly major: number;
  /** As superuser; one for the whole time. */
  readonly connection: PlannerConnection;
  readonly hypopg: boolean;
  snapshot(): Promise<Snapshot>;
  stop(): Promise<void>;
}

export async function openSource(
  major: number,
  scale: ScaleName,
  home: string,
  signal: AbortSignal,
): Promise<Source> {
  const folder = await mkdtemp(join(home, `source-${major}-`));
  await chmod(folder, 0o755);
  const debian = major === 15 && (await exists(join(DEBIAN, "initdb")));
  const binaries = await binariesOfMajor({
    home,
    major,
    folder,
    signal,
    environment: process.env,
    ...(debian ? { binariesFolder: DEBIAN } : {}),
  });
  const cluster = join(folder, "cluster");
  const locale = ["--encoding=UTF8", "--locale=C.UTF-8"];
  await initialisePostgres(home, cluster, { binaries, options: locale });
  const server = await startPostgres({
    home,
    folder: cluster,
    settings: { fsync: "off", autovacuum: "off", max_wal_size: "4GB" },
    environment: process.env,
    signal,
    binaries,
    bare: true,
  });
  const url = server.adminUrl("postgres");
  const stop = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const hypopg = debian && (await exists(HYPOPG));
    await fill(url, scale, hypopg);
    const connection = await openPlainConnection(url, LIMITS);
    return {
      major,
      connection,
      hypopg,
      snapshot: () => takeSnapshot(connection.query),
      stop: async () => {
        await connection.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A folder that PostgreSQL's unprivileged user can enter. */
export async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "perfopt-planner-clone-"));
  await chmod(home, 0o755);
  return home;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function fill(url: string, scale: ScaleName, hypopg: boolean): Promise<void> {
  const client = await connect(url, LIMITS);
  try {
    await loadWorld(client, tableSources(SEED, createWorld(SEED, SCALES[scale])), () => {});
    for (const statement of MORE_TABLES) await client.query(statement);
    if (hypopg) await client.query("CREATE EXTENSION hypopg");
    await client.query("VACUUM (ANALYZE)");
  } finally {
    await client.end();
  }
}

async function takeSnapshot(query: Query): Promise<Snapshot> {
  await query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    return await readSnapshot(query, { redact: "nothing", now: () => Date.now() });
  } finally {
    await query("ROLLBACK");
  }
}

/** The registry has plain columns alone: documents, arrays, words, times, partitions and known correlations are made from its rows. */
const MORE_TABLES: readonly string[] = [
  "CREATE EXTENSION pg_trgm",
  `CREATE TABLE run_documents AS
     SELECT r.run_id, r.status, to_timestamp(r.start_time / 1000.0) AS started, p.params, p.keys
     FROM runs r JOIN (SELECT run_id, jsonb_object_agg(key, value) AS params, array_agg(key ORDER BY key) AS keys FROM params GROUP BY run_id) p USING (run_id)`,
  "ALTER TABLE run_documents ADD PRIMARY KEY (run_id)",
  `CREATE TABLE metric_log (at timestamptz NOT NULL, run_id text NOT NULL, key text NOT NULL, value float8 NOT NULL) PARTITION BY HASH (run_id)`,
  "CREATE TABLE metric_log_0 PARTITION OF metric_log FOR VALUES WITH (MODULUS 3, REMAINDER 0)",
  "CREATE TABLE metric_log_1 PARTITION OF metric_log FOR VALUES WITH (MODULUS 3, REMAINDER 1)",
  "CREATE TABLE metric_log_2 PARTITION OF metric_log FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
  "INSERT INTO metric_log SELECT to_timestamp(timestamp / 1000.0), run_id, key, value FROM metrics ORDER BY timestamp",
  "CREATE TABLE metric_times AS SELECT to_timestamp(timestamp / 1000.0) AS at, run_id, key, step, value FROM metrics ORDER BY timestamp",
  "CREATE STATISTICS tag_pairs (ndistinct, dependencies, mcv) ON key, value FROM model_version_tags",
];
