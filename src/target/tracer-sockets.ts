/** What a service asks its caches for, as its tracers (perfopt/tracer) tell it over UNIX sockets. */
import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isMissing } from "./home.ts";

const LOOK_EVERY_MS = 100;
/** The tracer sends its header after 200 ms at the latest. */
const ANSWER_TIMEOUT_MS = 1_000;
/** For the rows that a process still has when it is told that nobody listens any more. */
const FLUSH_TIMEOUT_MS = 1_000;
/** Some three million rows; until they are read, they are held in memory. */
const BYTES_MAX = 256 * 1024 ** 2;

export interface ListenOptions {
  /** Hashes of keys are made with it: traces of different salts cannot be compared. */
  readonly salt: string;
  /** Of the keys, chosen by their hashes in the process. */
  readonly share: number;
  readonly signal: AbortSignal;
  /** The bytes of one process, in their order; lines end anywhere. A process that is connected to anew begins anew. */
  readonly onChunk: (pid: number, bytes: Uint8Array, connection: number) => void;
  /** Of all processes together; then nobody is listened to any more. */
  readonly bytesMax?: number;
}

export interface TracersHeard {
  /** That had a tracer. */
  readonly processes: number;
  readonly bytes: number;
  /** There was more than fits; the trace ends early. */
  readonly full: boolean;
}

export interface TracerListener {
  readonly stop: () => Promise<TracersHeard>;
}

/**
 * Listens to every process that has a socket in the folder, now or later. Returns when those that were there answer or
 * have had their time: at once for a folder without sockets.
 */
export async function listenToTracers(
  folder: string,
  options: ListenOptions,
): Promise<TracerListener> {
  const hearing: Hearing = {
    sockets: new Map(),
    heard: new Set(),
    connections: 0,
    bytes: 0,
    full: false,
  };
  const stopping = new AbortController();
  const { signal } = stopping;
  await look(folder, hearing, options);
  const looking = (async () => {
    for (;;) {
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted || options.signal.aborted || hearing.full) return;
      await look(folder, hearing, options);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await looking;
      await Promise.all([...hearing.sockets.values()].map(ended));
      const { heard, bytes, full } = hearing;
      return { processes: heard.size, bytes, full };
    },
  };
}

interface Hearing {
  /** By path; open ones only. */
  readonly sockets: Map<string, Socket>;
  readonly heard: Set<number>;
  connections: number;
  bytes: number;
  full: boolean;
}

/** Connects to what is new. A socket that nobody listens on is of a process that was killed, or that is not ready yet. */
async function look(folder: string, hearing: Hearing, options: ListenOptions): Promise<void> {
  const fresh = (await namesIn(folder)).flatMap((name) => {
    // A process with two tracers has two sockets, the second one `<pid>-2.sock`.
    const pid = /^(\d+)(?:-\d+)?\.sock$/.exec(name)?.[1];
    const path = join(folder, name);
    return pid === undefined || hearing.sockets.has(path) ? [] : [{ path, pid: Number(pid) }];
  });
  await Promise.all(fresh.map(({ path, pid }) => hear(path, pid, hearing, options)));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Resolves when the process answers, which is when it traces; or when it is refused or has had its time. */
function hear(
  path: string,
  pid: number,
  hearing: Hearing,
  { salt, share, onChunk, bytesMax = BYTES_MAX }: ListenOptions,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const connection = (hearing.connections += 1);
    hearing.sockets.set(path, socket);
    const late = setTimeout(() => {
      if (socket.connecting) socket.destroy();
      resolve();
    }, ANSWER_TIMEOUT_MS);
    socket.once("connect", () => {
      hearing.heard.add(pid);
      socket.write(`${JSON.stringify({ salt, share })}\n`);
    });
    socket.once("data", () => {
      clearTimeout(late);
      resolve();
    });
    socket.on("data", (chunk: Buffer) => {
      if (hearing.full) return;
      hearing.bytes += chunk.length;
      if (hearing.bytes <= bytesMax) return onChunk(pid, chunk, connection);
      hearing.full = true;
      for (const each of hearing.sockets.values()) each.destroy();
    });
    // What failed is closed too, and tried again by the next look.
    socket.on("error", () => {});
    socket.once("close", () => {
      clearTimeout(late);
      hearing.sockets.delete(path);
      resolve();
    });
  });
}

/** Says that nobody listens any more, and takes what the process still had. */
async function ended(socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.end();
  const late = setTimeout(() => socket.destroy(), FLUSH_TIMEOUT_MS);
  await closed;
  clearTimeout(late);
}
