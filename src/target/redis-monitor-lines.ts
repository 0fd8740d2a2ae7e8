/** MONITOR on a connection of its own: what the server runs, line by line as it comes. */
import { once } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf } from "../core/errors.ts";
import { redisUrl } from "./redis-access.ts";

const ANSWER_TIMEOUT_MS = 5_000;
const PORT = 6379;
const LINE_END = 10;
const CARRIAGE_RETURN = 13;
/** A line holds the value that was set, escaped: a longer one is left out and counted. */
const LINE_BYTES_MAX = 8 * 1024 * 1024;
const CLOSED = "the server closed the connection";

export interface MonitorConnection {
  /** By which CLIENT LIST names it; undefined where CLIENT ID is refused. */
  readonly clientId: number | undefined;
  readonly bytes: () => number;
  readonly linesTooLong: () => number;
  /** Why it ended by itself; undefined while it is open. */
  readonly ended: () => string | undefined;
  readonly close: () => void;
}

export interface MonitorOptions {
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Throws what the server answered when it refuses. */
export async function openMonitor(
  url: string,
  { onLine, signal }: MonitorOptions,
): Promise<MonitorConnection> {
  const server = serverOf(url);
  const socket = await connectTo(server, signal);
  let ended: string | undefined;
  let bytes = 0;
  /** While commands are answered, lines are the answers. */
  let onAnswer: ((line: string) => void) | undefined;
  const lines = createLines((line) => {
    if (onAnswer) onAnswer(line);
    else onLine(line.slice(1));
  }, LINE_BYTES_MAX);
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    lines.add(chunk);
  });
  socket.on("error", (error) => (ended ??= messageOf(error)));
  socket.on("close", () => (ended ??= CLOSED));
  const ask = (words: readonly string[]) =>
    answered(socket, words, signal, (listener) => (onAnswer = listener));
  try {
    if (server.login.length > 0) accepted(await ask(["AUTH", ...server.login]));
    const id = /^:(\d+)$/.exec(await ask(["CLIENT", "ID"]))?.[1];
    accepted(await ask(["MONITOR"]));
    return {
      clientId: id === undefined ? undefined : Number(id),
      bytes: () => bytes,
      linesTooLong: lines.tooLong,
      ended: () => ended,
      close: () => {
        socket.removeAllListeners("data");
        socket.destroy();
      },
    };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly login: readonly string[];
}

function serverOf(url: string): ServerAddress {
  const parsed = redisUrl(url);
  const user = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  return {
    // The brackets of an IPv6 address are the URL's.
    host: parsed.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: Number(parsed.port || PORT),
    tls: parsed.protocol === "rediss:",
    login: password === "" ? [] : user === "" ? [password] : [user, password],
  };
}

async function connectTo({ host, port, tls }: ServerAddress, signal: AbortSignal): Promise<Socket> {
  // A certificate is asked for by name; an address is none.
  const named = isIP(host) === 0 ? { servername: host } : {};
  const socket = tls ? connectTls({ host, port, ...named }) : connectTcp({ host, port });
  try {
    await once(socket, tls ? "secureConnect" : "connect", {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** One command and its answer of one line. */
function answered(
  socket: Socket,
  words: readonly string[],
  signal: AbortSignal,
  listen: (listener: ((line: string) => void) | undefined) => void,
): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error(limit.aborted ? "no answer in time" : CLOSED));
    limit.addEventListener("abort", fail, { once: true });
    socket.once("close", fail);
    listen((line) => {
      // What follows at once, in the same chunk, is no answer any more.
      listen(undefined);
      limit.removeEventListener("abort", fail);
      socket.off("close", fail);
      resolve(line);
    });
    socket.write(commandOf(words));
  });
}

/** An answer that begins with a minus is a refusal. */
function accepted(answer: string): void {
  if (answer.startsWith("-")) throw new Error(answer.slice(1));
}

function commandOf(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

interface Lines {
  readonly add: (chunk: Buffer) => void;
  readonly tooLong: () => number;
}

/**
 * Lines with the protocol's first character, without their ends. Redis escapes everything but printable ASCII (sdscatrepr in
 * sds.c), so that a line end is one, and a byte a character.
 */
export function createLines(onLine: (line: string) => void, lineBytesMax: number): Lines {
  let parts: Buffer[] = [];
  let held = 0;
  let tooLong = 0;
  const hold = (part: Buffer) => {
    held += part.length;
    // What is too long is not kept, but its end is waited for.
    if (held > lineBytesMax) parts = [];
    else parts.push(part);
  };
  const finish = () => {
    if (held > lineBytesMax) tooLong += 1;
    else {
      const line = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      if (line && line.length > 1) onLine(textOf(line));
    }
    parts = [];
    held = 0;
  };
  return {
    add: (chunk) => {
      let from = 0;
      for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
        hold(chunk.subarray(from, end));
        finish();
        from = end + 1;
      }
      if (from < chunk.length) hold(chunk.subarray(from));
    },
    tooLong: () => tooLong,
  };
}

function textOf(line: Buffer): string {
  return line.toString(
    "latin1",
    0,
    line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length,
  );
}
