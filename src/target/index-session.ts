/**
 * A connection that builds or drops indexes: one at a time in a database, over all perfopts everywhere. The lock is the
 * server's, so it ends with the connection; who holds it is known by the connection's name, also when that perfopt was killed.
 */
import { createHash } from "node:crypto";
import { readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { startTicksOf } from "./proc.ts";
import { APPLICATION_NAME, connect, rowsOf } from "./sql.ts";

/** An advisory lock's two numbers: "perf", and what is done under it. */
const LOCK_CLASS = 0x70657266;
const LOCKS = { "building or dropping an index": 1, "verifying indexes": 2 } as const;
const POLL_MS = 200;
/** A server that restarts after a crash refuses connections for a while. */
const RESTART_WAIT_MS = 60_000;
/** Of a name that PostgreSQL cuts after 63 bytes. */
const HOST_LENGTH_MAX = 14;
const PLACE_LENGTH = 8;
/** When a process started, where the system does not tell. */
const UNKNOWN = "unknown";
const END_WAIT_MS = 30_000;

export interface SessionOptions {
  /** What only one perfopt does at a time. Absent: building or dropping an index. */
  readonly purpose?: keyof typeof LOCKS;
  readonly statementTimeoutMs: number;
  /** How long to wait for another perfopt that builds or drops. */
  readonly lockWaitMs: number;
  /** A connection of this perfopt that failed: its statement is ended first, should it still run. */
  readonly endFirst?: number;
}

export interface IndexSession {
  readonly client: Client;
  readonly pid: number;
}

export async function withIndexSession<T>(
  url: string,
  options: SessionOptions,
  use: (session: IndexSession) => Promise<T>,
): Promise<T> {
  const client =
    options.endFirst === undefined ? await connect(url, options) : await connectAgain(url, options);
  try {
    await client.query("SELECT set_config('application_name', $1, false)", [await ownName()]);
    if (options.endFirst !== undefined) await endSession(client, options.endFirst);
    await takeLock(client, options);
    const [own] = await rowsOf(client, "SELECT pg_backend_pid() AS pid");
    return await use({ client, pid: Number(own?.["pid"]) });
  } finally {
    await client.end().catch(() => {});
  }
}

/** After a failure the server itself may be the cause: it is tried for as long as it may take to come back. */
async function connectAgain(url: string, options: SessionOptions): Promise<Client> {
  const deadline = performance.now() + RESTART_WAIT_MS;
  for (;;) {
    try {
      return await connect(url, options);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(POLL_MS);
  }
}

/** `perfopt <process>.<when it started>@<machine>`: which process it is of, so that another perfopt can tell whether it lives. */
async function ownName(): Promise<string> {
  const started = (await startTicksOf(process.pid)) ?? UNKNOWN;
  return `${APPLICATION_NAME} ${process.pid}.${started.replaceAll(/\W+/g, "_")}@${await ownPlace()}`;
}

/**
 * Where this perfopt sees processes: machines may be named alike in the beginning, as those of one deployment are, and
 * containers on the host's network are named like the host and cannot see each other's processes.
 */
async function ownPlace(): Promise<string> {
  const processes = await readlink("/proc/self/ns/pid").catch(() => "");
  const whole = `${hostname()} ${processes}`;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, PLACE_LENGTH);
  return `${hostname()
    .replaceAll(/[^\w.-]+/g, "_")
    .slice(0, HOST_LENGTH_MAX)}.${hash}`;
}

async function takeLock(client: Client, options: SessionOptions): Promise<void> {
  const purpose = options.purpose ?? "building or dropping an index";
  const deadline = performance.now() + options.lockWaitMs;
  for (;;) {
    const [row] = await rowsOf(
      client,
      `SELECT pg_try_advisory_lock(${LOCK_CLASS}, ${LOCKS[purpose]}) AS got`,
    );
    if (row?.["got"] === true) return;
    const holder = await findHolder(client, LOCKS[purpose]);
    if (holder && (await isDead(holder.name))) await endSession(client, holder.pid);
    else if (performance.now() > deadline) throw lockIsHeld(purpose, holder);
    await delay(POLL_MS);
  }
}

function lockIsHeld(purpose: keyof typeof LOCKS, holder: Holder | undefined): PerfoptError {
  const what = `another perfopt is ${purpose} in this database`;
  if (holder) {
    return new PerfoptError(
      "cannot-measure",
      `${what}: session ${holder.pid} (${holder.name})`,
      `wait until it is done; if that perfopt is gone, end its session: SELECT pg_terminate_backend(${holder.pid})`,
    );
  }
  // A prepared transaction holds locks without a session.
  return new PerfoptError(
    "cannot-measure",
    `${what}, or its lock is held by a transaction without a session`,
    `try again; if it stays so, look for it: SELECT * FROM pg_locks WHERE locktype = 'advisory' AND classid = ${LOCK_CLASS}, and SELECT * FROM pg_prepared_xacts (ROLLBACK PREPARED ends one)`,
  );
}

interface Holder {
  readonly pid: number;
  readonly name: string;
}

async function findHolder(client: Client, lock: number): Promise<Holder | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT a.pid, a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.classid = ${LOCK_CLASS} AND l.objid = $1 AND l.objsubid = 2
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [lock],
  );
  return row && { pid: Number(row["pid"]), name: String(row["name"]) };
}

/** Only of processes that would be seen from here can be said that they are gone. */
async function isDead(name: string): Promise<boolean> {
  const match = /^perfopt (\d+)\.(\w+)@(.*)$/.exec(name);
  if (!match || match[2] === UNKNOWN || match[3] !== (await ownPlace())) return false;
  const pid = Number(match[1]);
  const startTicks = (await startTicksOf(pid))?.replaceAll(/\W+/g, "_");
  return startTicks !== match[2];
}

/** A killed perfopt's build goes on in the server, and holds the locks that others need. */
async function endSession(client: Client, pid: number): Promise<void> {
  const deadline = performance.now() + END_WAIT_MS;
  for (;;) {
    const rows = await rowsOf(
      client,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE pid = $1 AND datname = current_database() AND application_name LIKE '${APPLICATION_NAME} %'`,
      [pid],
    ).catch((error: unknown) => {
      throw stillThere(pid, messageOf(error));
    });
    if (rows.length === 0) return;
    if (performance.now() > deadline) throw stillThere(pid, "it does not stop");
    await delay(POLL_MS);
  }
}

function stillThere(pid: number, because: string): PerfoptError {
  return new PerfoptError(
    "dirty-target",
    `session ${pid} of an earlier perfopt could not be ended: ${because}`,
    `end it with SELECT pg_terminate_backend(${pid}), then do this again (after a run: \`perfopt rollback\`)`,
  );
}
