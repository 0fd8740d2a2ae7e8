// The connection to Redis: whether it answers, which server it reaches, and since when its answers can be believed.

import type { Redis } from "ioredis";

export type Line = {
  /** Whether commands are worth sending. */
  readonly answers: () => boolean;
  /** The server whose answers can be believed; undefined while there is none. */
  readonly server: () => string | undefined;
  /** Waits until there is one, or START_MAX_MS. */
  readonly started: () => Promise<void>;
  /** A command failed: unless Redis refused it, requests leave Redis alone until a probe of this module is answered. */
  readonly failed: (error: unknown) => void;
  readonly close: () => void;
};

const COMMAND_TIMEOUT_MS = 250;
const PROBE_MS = 200;
// The other processes lose Redis and find it again when this one does: in this time they announce what they wrote meanwhile.
const SETTLE_MS = 1_000;
const START_MAX_MS = 3_000;
const SERVER_ID_LENGTH = 12;

/** `onTurn` is called as soon as Redis answers, and then regularly while it does. */
export function watchLine(
  client: Redis,
  onError: (error: Error) => void,
  onTurn: () => void,
): Line {
  let server: string | undefined;
  // A Redis that was never lost is believed at once.
  let believedFromMs = 0;
  let probing = false;
  let waiting: { readonly untilMs: number; readonly resolve: () => void }[] = [];
  const believed = (): string | undefined =>
    performance.now() >= believedFromMs ? server : undefined;
  const lost = (): void => {
    server = undefined;
    believedFromMs = Infinity;
  };
  const failed = (error: unknown): void => {
    if (!isRefusal(error)) lost();
    onError(error instanceof Error ? error : new Error(String(error)));
  };

  async function probe(): Promise<void> {
    if (probing || client.status !== "ready") return;
    probing = true;
    try {
      server = readServerId(await inTime(client.info("server")));
      if (believedFromMs > 0) believedFromMs = performance.now() + SETTLE_MS;
    } catch (error) {
      failed(error);
    } finally {
      probing = false;
    }
  }

  async function turn(): Promise<void> {
    if (server === undefined) await probe();
    if (server !== undefined) onTurn();
    const isOver = believed() !== undefined;
    const nowMs = performance.now();
    for (const { untilMs, resolve } of waiting) if (isOver || nowMs >= untilMs) resolve();
    waiting = isOver ? [] : waiting.filter(({ untilMs }) => nowMs < untilMs);
  }

  client.on("ready", () => void turn());
  client.on("close", lost);
  const timer = setInterval(() => void turn(), PROBE_MS).unref();
  return {
    answers: () => server !== undefined,
    server: believed,
    started: () =>
      new Promise((resolve) => {
        waiting.push({ untilMs: performance.now() + START_MAX_MS, resolve });
        void turn();
      }),
    failed,
    close: () => clearInterval(timer),
  };
}

/** Fails when Redis has not answered in time. ioredis' own time-outs fail commands that were answered while this process was busy. */
export function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void =>
      reject(new Error(`Redis did not answer within ${COMMAND_TIMEOUT_MS} ms.`));
    // An answer that has arrived is read between a timer and an immediate.
    const timer = setTimeout(() => setImmediate(late), COMMAND_TIMEOUT_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Redis answered, with an error: full, not allowed, a replica. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

/** A new one at every start of Redis: what a server loads from its disk, or what a replica has, may be older than the last writes. */
function readServerId(info: string): string {
  const [, id] = /^run_id:(\w+)/m.exec(info) ?? [];
  if (id === undefined) throw new Error("Redis does not tell its run_id in INFO.");
  return id.slice(0, SERVER_ID_LENGTH);
}
