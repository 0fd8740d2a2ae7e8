/** One PostgreSQL server of perfopt's own: made, started on a free port, stopped. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, chown, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { freePort } from "./free-port.ts";
import { checkReachable, isMissing, makeFolder, writeDurably, type Environment } from "./home.ts";
import { commandLineOf, startTicksOf } from "./proc.ts";
import { logTail, startProcess, stopProcess, type RunningProcess } from "./process.ts";
import { postgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { rowsOf, withConnection } from "./sql.ts";

const run = promisify(execFile);

/** perfopt's own role; the service has another, so that it never is a superuser. */
const ADMIN = "perfopt";
export const SERVICE_ROLE = "service";

const INITDB_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;
const PORT_TRIES = 5;
const POLL_MS = 50;

/** PostgreSQL's shutdown: fast (ends sessions), immediate (recovers at the next start), then SIGKILL. */
export const POSTGRES_STOP = {
  signals: ["SIGINT", "SIGQUIT"],
  timeoutMs: STOP_TIMEOUT_MS,
} as const;

export interface PostgresServer {
  readonly process: RunningProcess;
  readonly dataFolder: string;
  /** PostgreSQL's own version, for example 18.4. */
  readonly version: string;
  /** With perfopt's superuser. */
  adminUrl(database: string): string;
  /** With the service's role. */
  serviceUrl(database: string): string;
  readonly stop: () => Promise<void>;
}

export interface StartPostgres {
  readonly home: string;
  /** Holds `pgdata`, the passwords and the log. */
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Environment;
  readonly startTimeoutMs?: number;
  readonly signal: AbortSignal;
  /** Absent: those that are installed with perfopt. */
  readonly binaries?: PostgresBinaries;
  /** The settings as they are given, and nothing that counts statements: older majors do not know all that needs. */
  readonly bare?: boolean;
}

/** Comparing by code point on every platform alike. */
const CODE_POINTS: readonly string[] = [
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
];

/** Makes an empty cluster in UTF-8, with passwords for everyone. `options` are initdb's, for locale and files. */
export async function initialisePostgres(
  home: string,
  folder: string,
  given?: { readonly binaries: PostgresBinaries; readonly options: readonly string[] },
): Promise<void> {
  const binaries = given?.binaries ?? (await postgresBinaries(home));
  await makeFolder(folder);
  await checkReachable(folder);
  const data = join(folder, "pgdata");
  const passwords = {
    admin: randomBytes(18).toString("hex"),
    service: randomBytes(18).toString("hex"),
  };
  const passwordFile = join(folder, "initdb-password");
  // initdb makes the data folder itself, which needs a parent that its user may write to; so perfopt makes it.
  await makeFolder(data);
  await writeFile(passwordFile, `${passwords.admin}\n`, { mode: 0o600 });
  if (binaries.user) {
    await chown(data, binaries.user.uid, binaries.user.gid);
    await chown(passwordFile, binaries.user.uid, binaries.user.gid);
  }
  try {
    await initdb(binaries, data, [`--pwfile=${passwordFile}`, ...(given?.options ?? CODE_POINTS)]);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await writeDurably(join(folder, "passwords.json"), JSON.stringify(passwords), 0o600);
  await appendFile(join(data, "postgresql.conf"), "\ninclude_if_exists = 'perfopt.conf'\n");
}

async function initdb(
  binaries: PostgresBinaries,
  data: string,
  options: readonly string[],
): Promise<void> {
  const args = ["-D", data, "-U", ADMIN, "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"];
  try {
    await run(join(binaries.bin, "initdb"), [...args, ...options], {
      cwd: binaries.bin,
      env: { LC_ALL: "C" },
      timeout: INITDB_TIMEOUT_MS,
      ...binaries.user,
    });
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `initdb could not make a PostgreSQL cluster in ${data}: ${messageOf(error)}`,
      "check that the disk has room and that PERFOPT_HOME may be written to",
      { cause: error },
    );
  }
}

/** Starts the server of an initialised folder and waits until it answers; a port taken meanwhile is replaced. */
export async function startPostgres(options: StartPostgres): Promise<PostgresServer> {
  const binaries = options.binaries ?? (await postgresBinaries(options.home));
  await checkReachable(options.folder);
  await writeSettings(options, binaries);
  const passwords = await readPasswords(options.folder);
  for (let tries = 1; ; tries += 1) {
    throwIfAborted(options.signal);
    const port = await freePort();
    const running = await launch(options, binaries, port);
    const urls = urlsOf(port, passwords);
    try {
      const version = await waitUntilReady(running, urls.adminUrl("postgres"), options);
      return {
        process: running,
        dataFolder: join(options.folder, "pgdata"),
        version,
        ...urls,
        stop: () => stopProcess(running, POSTGRES_STOP),
      };
    } catch (error) {
      await stopProcess(running, POSTGRES_STOP);
      const taken = /Address already in use/.test(await logTail(running.logPath));
      if (!taken || tries === PORT_TRIES) throw error;
    }
  }
}

async function launch(
  options: StartPostgres,
  binaries: PostgresBinaries,
  port: number,
): Promise<RunningProcess> {
  const logPath = join(options.folder, "postgres.log");
  await rm(logPath, { force: true });
  return startProcess({
    command: {
      program: join(binaries.bin, "postgres"),
      args: ["-D", join(options.folder, "pgdata"), "-p", String(port)],
      directory: binaries.bin,
    },
    env: { LC_ALL: "C", PATH: options.environment["PATH"] },
    logPath,
    title: "PostgreSQL",
    ...(binaries.user ? { user: binaries.user } : {}),
  });
}

/** Waits for the first query that is answered; returns the server's version. */
async function waitUntilReady(
  running: RunningProcess,
  url: string,
  options: StartPostgres,
): Promise<string> {
  const timeoutMs = options.startTimeoutMs ?? 60_000;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    throwIfAborted(options.signal);
    const ended = running.ended();
    if (ended !== undefined) throw await notReady(running, `ended with ${ended}`);
    try {
      // Whoever holds a taken port may accept the connection and say nothing: the server's end comes first then.
      return await Promise.race([readVersion(url), rejectAtEnd(running)]);
    } catch (error) {
      if (performance.now() > deadline) {
        throw await notReady(
          running,
          `did not answer within ${timeoutMs / 1000} s (${messageOf(error)})`,
        );
      }
    }
    await delay(POLL_MS);
  }
}

async function readVersion(url: string): Promise<string> {
  const [row] = await withConnection(url, (client) => rowsOf(client, "SHOW server_version"));
  return String(row?.["server_version"]).split(" ")[0] ?? "unknown";
}

async function rejectAtEnd(running: RunningProcess): Promise<never> {
  throw new Error(`it ended with ${await running.ending}`);
}

async function notReady(running: RunningProcess, what: string): Promise<PerfoptError> {
  return new PerfoptError(
    "cannot-measure",
    `PostgreSQL ${what}; its log ends with:\n${await logTail(running.logPath)}`,
    `read ${running.logPath}; \`perfopt target clean\` removes a damaged cluster, to be seeded again`,
  );
}

/** Later settings win in PostgreSQL's files: a target file's own over perfopt's, but never what keeps the server private. */
async function writeSettings(options: StartPostgres, binaries: PostgresBinaries): Promise<void> {
  const settings = {
    max_connections: "200",
    ...options.settings,
    ...(options.bare ? {} : countingStatements(options.settings["shared_preload_libraries"])),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    logging_collector: "off",
    log_destination: "stderr",
  };
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`,
  );
  const path = join(options.folder, "pgdata", "perfopt.conf");
  await writeFile(path, `${lines.join("\n")}\n`);
  if (binaries.user) await chown(path, binaries.user.uid, binaries.user.gid);
}

function countingStatements(preload: string | undefined): Readonly<Record<string, string>> {
  return {
    shared_preload_libraries: preload ? `${preload},pg_stat_statements` : "pg_stat_statements",
    compute_query_id: "on",
  };
}

interface Passwords {
  readonly admin: string;
  readonly service: string;
}

async function readPasswords(folder: string): Promise<Passwords> {
  const passwords: Passwords = JSON.parse(await readFile(join(folder, "passwords.json"), "utf8"));
  return passwords;
}

/** The service's password, for the role that seeding makes. */
export async function servicePassword(folder: string): Promise<string> {
  return (await readPasswords(folder)).service;
}

function urlsOf(
  port: number,
  passwords: Passwords,
): Pick<PostgresServer, "adminUrl" | "serviceUrl"> {
  const url = (user: string, password: string, database: string) =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
  return {
    adminUrl: (database) => url(ADMIN, passwords.admin, database),
    serviceUrl: (database) => url(SERVICE_ROLE, passwords.service, database),
  };
}

/**
 * A perfopt that was killed leaves its server running, and a killed server leaves postmaster.pid. Whoever calls this
 * holds the folder's lock, so that nobody uses that server any more.
 */
export async function stopLeftover(folder: string): Promise<void> {
  const data = join(folder, "pgdata");
  const path = join(data, "postmaster.pid");
  let pid: number;
  try {
    pid = Number.parseInt(await readFile(path, "utf8"), 10);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const startTicks = await startTicksOf(pid);
  if (startTicks !== undefined && (await commandLineOf(pid)).includes(data)) {
    await stopProcess({ pid, startTicks }, POSTGRES_STOP);
  }
  await rm(path, { force: true });
}
