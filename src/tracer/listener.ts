/** The socket of a process that can be traced: who connects says how, and gets rows until it disconnects. */
import { chmodSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

/** A client that does not say what it wants by then is sent away. */
const ASK_TIMEOUT_MS = 5_000;
const ASK_BYTES_MAX = 4_096;

export interface TraceRequest {
  readonly salt: string | undefined;
  readonly share: number;
}

export interface TraceListener {
  /** Removes the socket, without waiting. */
  close(): void;
}

/** Names that tracers of this process have taken; a second tracer gets `<pid>-2.sock`. */
const taken = new Set<string>();

/**
 * `onClient` takes the socket over, or says false when another is served already. Throws where the folder cannot be made; what goes
 * wrong later is `onError`'s. Nothing here keeps the process alive.
 */
export function listenForClients(
  folder: string,
  onClient: (socket: Socket, request: TraceRequest) => boolean,
  onError: () => void,
): TraceListener {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = freePath(folder);
  // Half open: who has heard enough ends its side, and gets the rows that are still here.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.unref();
    // A reader that goes away in the middle of a row is nothing that went wrong here.
    socket.on("error", () => socket.destroy());
    readRequest(socket, (request) => {
      if (request === undefined) socket.end('# expected one line like {"salt":"...","share":1}\n');
      else if (!onClient(socket, request)) socket.end("# busy: another reader is connected\n");
    });
  });
  server.on("error", onError);
  removeFile(path);
  listenPrivately(server, path);
  server.unref();
  return {
    close: () => {
      taken.delete(path);
      server.close();
      removeFile(path);
    },
  };
}

function freePath(folder: string): string {
  for (let number = 1; ; number += 1) {
    const path = join(folder, `${process.pid}${number === 1 ? "" : `-${number}`}.sock`);
    if (taken.has(path)) continue;
    taken.add(path);
    return path;
  }
}

/** The socket is made with the process' mask, so that there is no moment at which others may connect. */
function listenPrivately(server: Server, path: string): void {
  let mask: number | undefined;
  try {
    mask = process.umask(0o177);
  } catch {
    // Worker threads may not; the folder and the mode below protect it there.
  }
  try {
    // Exclusive: a worker of node:cluster would ask its primary to listen.
    server.listen({ path, exclusive: true });
  } finally {
    if (mask !== undefined) process.umask(mask);
  }
  server.once("listening", () => {
    try {
      chmodSync(path, 0o600);
    } catch {
      // Closed meanwhile.
    }
  });
}

function readRequest(socket: Socket, onRequest: (request: TraceRequest | undefined) => void): void {
  let text = "";
  const done = (request: TraceRequest | undefined): void => {
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("close", onClose);
    onRequest(request);
    // What else it sends is of no interest, but has to be read for its end to be seen.
    socket.resume();
  };
  const onData = (chunk: Buffer): void => {
    text += chunk.toString("latin1");
    const end = text.indexOf("\n");
    if (end >= 0) done(requestIn(text.slice(0, end)));
    else if (text.length > ASK_BYTES_MAX) done(undefined);
  };
  const onClose = (): void => clearTimeout(timer);
  const timer = setTimeout(() => done(undefined), ASK_TIMEOUT_MS);
  timer.unref();
  socket.on("data", onData);
  socket.on("close", onClose);
}

function requestIn(line: string): TraceRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { salt, share = 1 } = value as { readonly salt?: unknown; readonly share?: unknown };
  if (typeof share !== "number" || !(share > 0 && share <= 1)) return undefined;
  if (salt !== undefined && typeof salt !== "string") return undefined;
  return { salt, share };
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there.
  }
}
