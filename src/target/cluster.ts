/** The seeded PostgreSQL cluster of a target: made once, kept on disk, started for every run. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { quoteName } from "../core/index-definition.ts";
import type { TargetFile } from "../core/target-file.ts";
import { fingerprint } from "./fingerprint.ts";
import { isMissing, targetFolder, writeDurably, type Environment } from "./home.ts";
import { takeLock, type Lock } from "./lock.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import {
  initialisePostgres,
  SERVICE_ROLE,
  servicePassword,
  startPostgres,
  stopLeftover,
  type PostgresServer,
} from "./postgres-server.ts";
import { runSeed } from "./seed.ts";
import { numberOf, rowsOf, withConnection } from "./sql.ts";

const run = promisify(execFile);
const SYNC_TIMEOUT_MS = 10 * 60_000;
const MARKER = "seeded.json";

/** A crash while seeding costs a new seeding and nothing else, so nothing is synced before the end. */
const SEED_SETTINGS = {
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "off",
  autovacuum: "off",
  max_wal_size: "4GB",
} as const;

export interface ClusterOptions {
  readonly targetFile: TargetFile;
  readonly home: string;
  readonly scale: string;
  readonly seed: number;
  readonly environment: Environment;
  /** Over the target file's own settings. */
  readonly settings: Readonly<Record<string, string>>;
  /** Of the lock's holder, for others to read. */
  readonly command: string;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What seeding left behind. */
interface SeedFacts {
  readonly scale: string;
  readonly rowsByTable: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
  readonly seconds: number;
}

export interface Cluster {
  /** Its folder's name: the scale and a hash of what it was made by. */
  readonly key: string;
  readonly server: PostgresServer;
  readonly lock: Lock;
  readonly facts: SeedFacts;
  readonly close: () => Promise<void>;
}

/** Seeds the cluster unless that is done, and starts it. Throws PerfoptError when another perfopt works with it. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const key = await clusterKey(options);
  const folder = join(targetFolder(options.home, options.targetFile.name), key);
  const lock = await takeLock(folder, options.command);
  try {
    await stopLeftover(folder);
    const facts = (await readMarker(folder)) ?? (await seedCluster(folder, options));
    const server = await startPostgres({ ...options, folder, settings: settingsOf(options) });
    try {
      await dropLeftovers(server);
    } catch (error) {
      await server.stop();
      throw error;
    }
    const close = async () => {
      try {
        await server.stop();
      } finally {
        await lock.release();
      }
    };
    return { key, server, lock, facts, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function clusterKey(options: ClusterOptions): Promise<string> {
  const { command } = seedOf(options.targetFile);
  const { version } = await postgresBinaries(options.home);
  const hash = createHash("sha256")
    .update(JSON.stringify([command.program, command.args, options.scale, options.seed, version]))
    .update(await fingerprint(command))
    .digest("hex");
  return `${options.scale}-${hash.slice(0, 12)}`;
}

function seedOf(targetFile: TargetFile): NonNullable<TargetFile["seed"]> {
  if (targetFile.seed) return targetFile.seed;
  throw new PerfoptError(
    "bad-input",
    `${targetFile.path}: an embedded PostgreSQL starts empty, and the target has no seed`,
    "add a seed section, or give a database that is filled: postgres.url",
  );
}

function settingsOf(options: ClusterOptions): Record<string, string> {
  const { postgres } = options.targetFile;
  return { ...options.settings, ...(postgres.kind === "embedded" ? postgres.settings : {}) };
}

async function readMarker(folder: string): Promise<SeedFacts | undefined> {
  try {
    const facts: SeedFacts = JSON.parse(await readFile(join(folder, MARKER), "utf8"));
    return facts;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** From nothing to a marker on disk; whatever fails on the way leaves no cluster. */
async function seedCluster(folder: string, options: ClusterOptions): Promise<SeedFacts> {
  const data = join(folder, "pgdata");
  await rm(data, { recursive: true, force: true });
  try {
    options.onProgress(`making a PostgreSQL cluster in ${folder}`);
    await initialisePostgres(options.home, folder);
    const settings = { ...settingsOf(options), ...SEED_SETTINGS };
    const server = await startPostgres({ ...options, folder, settings });
    let facts: SeedFacts;
    try {
      facts = await fill(server, folder, options);
    } finally {
      await server.stop();
    }
    await syncToDisk(options.home, data);
    await writeDurably(join(folder, MARKER), JSON.stringify(facts));
    return facts;
  } catch (error) {
    await rm(data, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  server: PostgresServer,
  folder: string,
  options: ClusterOptions,
): Promise<SeedFacts> {
  const { postgres } = options.targetFile;
  const database = postgres.kind === "embedded" ? postgres.database : "postgres";
  const password = await servicePassword(folder);
  await withConnection(server.adminUrl("postgres"), async (client) => {
    await client.query(`CREATE ROLE ${quoteName(SERVICE_ROLE)} LOGIN PASSWORD '${password}'`);
    await client.query(`CREATE DATABASE ${quoteName(database)} OWNER ${quoteName(SERVICE_ROLE)}`);
  });
  const started = performance.now();
  await runSeed({
    ...options,
    command: seedOf(options.targetFile).command,
    databaseUrl: server.serviceUrl(database),
    onLine: options.onProgress,
  });
  options.onProgress("vacuuming and analysing");
  const seconds = () => (performance.now() - started) / 1000;
  return withConnection(
    server.adminUrl(database),
    async (client) => {
      await client.query("VACUUM (FREEZE, ANALYZE)");
      const tables = await rowsOf(
        client,
        `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
      );
      const rowsByTable: Record<string, number> = {};
      for (const { schema, name } of tables) {
        const table = `${quoteName(String(schema))}.${quoteName(String(name))}`;
        const [row] = await rowsOf(client, `SELECT count(*) AS rows FROM ${table}`);
        rowsByTable[schema === "public" ? String(name) : `${schema}.${name}`] = numberOf(
          row,
          "rows",
        );
      }
      const [size] = await rowsOf(client, "SELECT pg_database_size(current_database()) AS bytes");
      return {
        scale: options.scale,
        rowsByTable,
        databaseBytes: numberOf(size, "bytes"),
        seconds: seconds(),
      };
    },
    { statementTimeoutMs: SYNC_TIMEOUT_MS },
  );
}

/** Seeding ran without fsync: the marker may only follow once every file is on disk. */
async function syncToDisk(home: string, data: string): Promise<void> {
  const binaries = await postgresBinaries(home);
  try {
    await run(join(binaries.bin, "initdb"), ["--sync-only", "-D", data], {
      cwd: binaries.bin,
      env: { LC_ALL: "C" },
      timeout: SYNC_TIMEOUT_MS,
      ...binaries.user,
    });
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `the seeded cluster could not be written to disk: ${messageOf(error)}`,
      "check that the disk has room",
      { cause: error },
    );
  }
}

/** Arms of runs that were killed: whoever holds the lock is the only perfopt on this cluster. */
async function dropLeftovers(server: PostgresServer): Promise<void> {
  await withConnection(server.adminUrl("postgres"), async (client) => {
    const rows = await rowsOf(
      client,
      "SELECT datname FROM pg_database WHERE datname LIKE 'perfopt\\_%'",
    );
    for (const row of rows) {
      await client.query(
        `DROP DATABASE IF EXISTS ${quoteName(String(row["datname"]))} WITH (FORCE)`,
      );
    }
  });
}
