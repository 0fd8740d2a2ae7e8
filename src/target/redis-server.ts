/** One Redis (or Valkey) server of perfopt's own on a free loopback port, keeping nothing on disk. */
import { randomBytes } from "node:crypto";
import { access, constants, realpath, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { messageOf, PerfoptError, redactSecrets, throwIfAborted } from "../core/errors.ts";
import { freePort } from "./free-port.ts";
import { makeFolder, type Environment } from "./home.ts";
import { logTail, startProcess, stopProcess, type RunningProcess } from "./process.ts";

export const REDIS_PROGRAMS = ["redis-server", "valkey-server"] as const;
const START_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 5_000;
const SYNC_TIMEOUT_MS = 60_000;
const PORT_TRIES = 5;
const POLL_MS = 20;

export const REDIS_STOP = { signals: ["SIGTERM"], timeoutMs: 10_000 } as const;

export interface RedisServer {
  readonly process: RunningProcess;
  readonly url: string;
  readonly client: Redis;
  readonly stop: () => Promise<void>;
}

export interface StartRedis {
  /** Of this server alone: its configuration and log. */
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  readonly title: string;
  readonly resourceId?: string;
  /** Called as soon as the process exists. */
  readonly onProcess?: (process: RunningProcess) => Promise<void>;
}

/** The server program on the PATH. Throws PerfoptError that says what to install. */
export async function findRedis(environment: Environment): Promise<string> {
  for (const program of REDIS_PROGRAMS) {
    for (const folder of (environment["PATH"] ?? "").split(delimiter).filter(Boolean)) {
      if (await isProgram(join(folder, program))) return join(folder, program);
    }
  }
  throw new PerfoptError(
    "cannot-measure",
    "neither redis-server nor valkey-server is on the PATH",
    "install one: `sudo apt-get install redis-server`, `brew install redis` or `sudo dnf install valkey`",
  );
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startRedis(options: StartRedis): Promise<RedisServer> {
  const program = await findRedis(options.environment);
  await makeFolder(options.folder);
  // Rollback looks for it by its working directory, which is a real path.
  const folder = await realpath(options.folder);
  const password = randomBytes(18).toString("hex");
  for (let tries = 1; ; tries += 1) {
    throwIfAborted(options.signal);
    const port = await freePort();
    const running = await launch(options, program, folder, port, password);
    const url = `redis://:${password}@127.0.0.1:${port}`;
    const client = redisClient(url);
    const stop = async () => {
      client.disconnect();
      await stopProcess(running, REDIS_STOP);
    };
    try {
      await options.onProcess?.(running);
      await waitUntilReady(running, client, options.signal);
      return { process: running, url, client, stop };
    } catch (error) {
      await stop();
      const taken = /Address already in use/i.test(await logTail(running.logPath));
      if (!taken || tries === PORT_TRIES) throw error;
    }
  }
}

async function launch(
  options: StartRedis,
  program: string,
  folder: string,
  port: number,
  password: string,
): Promise<RunningProcess> {
  // A file rather than arguments: a password in arguments is seen by every user, and old versions split values at blanks.
  const settings: readonly (readonly [string, string])[] = [
    ["save", ""],
    ["appendonly", "no"],
    // A replica that joins is served at once; arms copy each other's contents.
    ["repl-diskless-sync-delay", "0"],
    ...Object.entries(options.settings),
    ["bind", "127.0.0.1"],
    ["port", String(port)],
    ["daemonize", "no"],
    ["dir", folder],
    ["requirepass", password],
  ];
  const path = join(folder, "redis.conf");
  const text = settings.map(([name, value]) => `${name} ${JSON.stringify(value)}\n`).join("");
  await writeFile(path, text, { mode: 0o600 });
  return startProcess({
    command: { program, args: [path], directory: folder },
    env: { PATH: options.environment["PATH"] },
    logPath: join(folder, "redis.log"),
    title: options.title,
    ...(options.resourceId === undefined ? {} : { resourceId: options.resourceId }),
  });
}

async function waitUntilReady(
  running: RunningProcess,
  client: Redis,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    throwIfAborted(signal);
    const ended = running.ended();
    if (ended !== undefined) throw await notReady(running, `ended with ${ended}`);
    try {
      if (client.status !== "ready") await client.connect();
      await client.ping();
      // Another server on a taken port knows no such password, so that the one that answers is this one.
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw await notReady(running, `did not answer (${messageOf(error)})`);
    }
    await delay(POLL_MS);
  }
}

async function notReady(running: RunningProcess, what: string): Promise<PerfoptError> {
  return new PerfoptError(
    "cannot-measure",
    `${running.title} ${what}; its log ends with:\n${await logTail(running.logPath)}`,
    "check redis.settings in the target file",
  );
}

/** A connection that fails at once rather than waiting for a server that is gone. */
export function redisClient(url: string): Redis {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: COMMAND_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectionName: "perfopt",
    // Its framing is known to the byte, for `Info`.
    protocol: 2,
  });
  // The command that was under way reports the failure; without a listener ioredis prints it.
  client.on("error", () => {});
  return client;
}

/** Opens a connection for as long as `use` takes. */
export async function withRedis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = redisClient(url);
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    if (error instanceof PerfoptError) throw error;
    throw new PerfoptError(
      "cannot-measure",
      `Redis at ${redactSecrets(url)}: ${messageOf(error)}`,
      "check that the server runs, that the URL is right and that CONFIG is allowed",
      { cause: error },
    );
  } finally {
    client.disconnect();
  }
}

/** The value of one setting as Redis writes it; undefined for an unknown one. */
export async function readSetting(client: Redis, parameter: string): Promise<string | undefined> {
  const [, value] = await client.config("GET", parameter);
  return value;
}

/** Sets and reads back; Redis rounds nothing, so that any other value means that it did not take. */
export async function changeSetting(
  client: Redis,
  parameter: string,
  value: string,
): Promise<void> {
  await client.config("SET", parameter, value);
  const now = await readSetting(client, parameter);
  if (now === value) return;
  throw new PerfoptError(
    "cannot-measure",
    `Redis took CONFIG SET ${parameter} ${value}, yet the value is ${now ?? "missing"}`,
    "check the knob's parameter and unit in the target file",
  );
}

/** An answer to INFO, and what asking for it cost on the wire, so that it can be left out of what a window sent. */
export interface Info {
  readonly values: ReadonlyMap<string, string>;
  readonly questionBytes: number;
  readonly answerBytes: number;
}

/** INFO as name and value; `all` has every section. */
export async function askInfo(client: Redis, section?: "all"): Promise<Info> {
  const text = section === undefined ? await client.info() : await client.info(section);
  const values = new Map(
    text.split("\r\n").flatMap((line): [string, string][] => {
      const colon = line.indexOf(":");
      return line.startsWith("#") || colon < 0
        ? []
        : [[line.slice(0, colon), line.slice(colon + 1)]];
    }),
  );
  const words = section === undefined ? ["info"] : ["info", section];
  const length = Buffer.byteLength(text);
  return {
    values,
    // The protocol's framing: a count, and for each text its length and two line ends.
    questionBytes: `*${words.length}\r\n`.length + sum(words.map((word) => framed(word.length))),
    answerBytes: framed(length),
  };
}

function framed(length: number): number {
  return `$${length}\r\n`.length + length + "\r\n".length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Forgets everything that a server of perfopt's own holds. */
export async function emptyRedis(client: Redis): Promise<void> {
  await client.flushall("SYNC");
}

/** Makes one server's contents those of another, with their remaining lifetimes, by a moment as its replica. */
export async function copyContents(from: RedisServer, to: RedisServer): Promise<void> {
  const source = new URL(from.url);
  await to.client.config("SET", "masterauth", source.password);
  await to.client.replicaof(source.hostname, source.port);
  try {
    const deadline = performance.now() + SYNC_TIMEOUT_MS;
    while (!inSync((await askInfo(to.client)).values)) {
      if (performance.now() > deadline) {
        throw new PerfoptError(
          "cannot-measure",
          `the arms' Redis servers were not alike after ${SYNC_TIMEOUT_MS / 1000} s of copying`,
          `read ${to.process.logPath}`,
        );
      }
      await delay(POLL_MS);
    }
  } finally {
    await to.client.replicaof("NO", "ONE");
  }
}

function inSync(info: ReadonlyMap<string, string>): boolean {
  return info.get("master_link_status") === "up" && info.get("master_sync_in_progress") === "0";
}
