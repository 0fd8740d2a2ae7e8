// The connections to one worker: opened when all others are in use, and kept for further requests.

import { ask, endIfSilent, openConnection } from "./connection.ts";
import type { Connection, Question } from "./connection.ts";

export type WorkerPool = {
  /** Tells the question's sink of the answer, or how it failed; the connection is for pauseAnswer and abandon. */
  readonly ask: (question: Question) => Connection;
  /** Requests under way fail. */
  readonly close: () => void;
};

export type PoolOptions = {
  readonly connectTimeoutMs: number;
  /** A worker that is silent for so long has failed its request. */
  readonly answerTimeoutMs: number;
};

// Below the 72 s of the workers, or a request could be sent on a connection that is being closed.
const KEPT_MAX_MS = 60_000;
/** What a worker says of its own patience is cut by this: its clock started when it sent its answer. */
const KEPT_MARGIN_MS = 2_000;
// One timer for all requests, of a tenth of what it waits for: a timer a request costs more than it tells.
const LOOK_SHARE = 0.1;
const LOOK_MAX_MS = 1_000;

export function openPool(url: string, options: PoolOptions): WorkerPool {
  const { hostname, port } = new URL(url);
  const place = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
  const all = new Set<Connection>();
  let idle: Connection[] = [];
  const events = {
    free(connection: Connection, keptMs = KEPT_MAX_MS + KEPT_MARGIN_MS) {
      const forMs = Math.min(KEPT_MAX_MS, keptMs - KEPT_MARGIN_MS);
      connection.keptUntilMs = connection.movedMs + forMs;
      idle.push(connection);
    },
    closed: (connection: Connection) => void all.delete(connection),
  };
  const look = (): void => {
    const nowMs = performance.now();
    idle = idle.filter((connection) => isUsable(connection, nowMs));
    for (const connection of all) endIfSilent(connection, nowMs, options.answerTimeoutMs);
  };
  const timer = setInterval(look, Math.min(LOOK_MAX_MS, LOOK_SHARE * options.answerTimeoutMs));
  timer.unref();
  const take = (): Connection => {
    const nowMs = performance.now();
    // The one used last: those that are not needed grow old.
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop())
      if (isUsable(kept, nowMs)) return kept;
    const opened = openConnection(place, options.connectTimeoutMs, events);
    all.add(opened);
    return opened;
  };
  return {
    ask(question) {
      const connection = take();
      ask(connection, question);
      return connection;
    },
    close() {
      clearInterval(timer);
      idle = [];
      for (const { socket } of all) socket.destroy();
    },
  };
}

/** One that has grown too old is closed. */
function isUsable({ socket, keptUntilMs }: Connection, nowMs: number): boolean {
  if (!socket.destroyed && nowMs >= keptUntilMs) socket.destroy();
  return !socket.destroyed;
}
