// The service processes that a supervisor keeps: started, started again when they end, and stopped.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { WORKER_ENV, portIn, stopMessage } from "./worker-process.ts";

export type ChildrenOptions = {
  readonly count: number;
  /** The program that each of them runs, this one as a rule. */
  readonly program: string;
  readonly onEvent: (event: ChildEvent) => void;
};

export type ChildEvent =
  | { readonly type: "ready"; readonly worker: string; readonly url: string; readonly pid: number }
  | { readonly type: "ended"; readonly worker: string; readonly how: string };

export type Children = {
  /** Where each is now; one that is starting is nowhere. */
  readonly all: () => readonly { readonly id: string; readonly url: string | undefined }[];
  /** Lets each drain for so long and end by itself, and kills those that are still there when both times are over. */
  readonly stop: (drainTimeoutMs: number, closeTimeoutMs: number) => Promise<void>;
};

export class ChildFailedError extends Error {
  override readonly name = "ChildFailedError";
  /** What the process ended with; undefined: a signal. */
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode: number | undefined) {
    super(message);
    this.exitCode = exitCode;
  }
}

const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 60_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 10_000;
/** A process that held out for so long failed for a new reason. */
const STEADY_MS = 30_000;

/** Resolves when all are ready. Rejects with ChildFailedError, and stops the others, when one ends before. */
export async function startChildren(options: ChildrenOptions): Promise<Children> {
  const ids = Array.from({ length: options.count }, (_, index) => String(index + 1));
  const kept = ids.map((id) => keepChild(id, options));
  const stop = async (drainTimeoutMs: number, closeTimeoutMs: number): Promise<void> => {
    await Promise.all(kept.map((child) => child.stop(drainTimeoutMs, closeTimeoutMs)));
  };
  try {
    await Promise.all(kept.map(({ first }) => first));
  } catch (error) {
    await stop(0, 0);
    throw error;
  }
  return {
    all: () => kept.map(({ id, url }) => ({ id, url: url() })),
    stop,
  };
}

type Kept = {
  readonly id: string;
  readonly url: () => string | undefined;
  /** Settles when it is ready for the first time, or is not going to be. */
  readonly first: Promise<void>;
  readonly stop: (drainTimeoutMs: number, closeTimeoutMs: number) => Promise<void>;
};

function keepChild(id: string, options: ChildrenOptions): Kept {
  let child: ChildProcess | undefined;
  let url: string | undefined;
  let stopping = false;
  let backoffMs = BACKOFF_FIRST_MS;
  let again: NodeJS.Timeout | undefined;
  const start = (ready: () => void, failed: (error: Error) => void): void => {
    const startMs = performance.now();
    const started = forkChild(id, options.program);
    child = started;
    const late = setTimeout(() => started.kill("SIGKILL"), START_TIMEOUT_MS);
    started.on("message", (message) => {
      const port = portIn(message);
      if (port === undefined || stopping) return;
      clearTimeout(late);
      url = `http://${HOST}:${port}`;
      options.onEvent({ type: "ready", worker: id, url, pid: started.pid ?? 0 });
      ready();
    });
    whenEnded(started, (how, exitCode) => {
      clearTimeout(late);
      const wasReady = url !== undefined;
      url = undefined;
      if (stopping) return;
      options.onEvent({ type: "ended", worker: id, how });
      if (!wasReady) failed(new ChildFailedError(`worker ${id} ${how}`, exitCode));
      if (performance.now() - startMs > STEADY_MS) backoffMs = BACKOFF_FIRST_MS;
      again = setTimeout(() => start(nothing, nothing), backoffMs);
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    });
  };
  const first = new Promise<void>(start);
  return {
    id,
    url: () => url,
    first,
    async stop(drainTimeoutMs, closeTimeoutMs) {
      stopping = true;
      clearTimeout(again);
      if (child === undefined) return;
      // One that is not ready yet does not listen to messages.
      const tell = url === undefined ? undefined : stopMessage(drainTimeoutMs);
      await stopChild(child, tell, drainTimeoutMs + closeTimeoutMs);
    },
  };
}

function nothing(): void {
  // A restart has nobody to tell: the event is enough.
}

function forkChild(id: string, program: string): ChildProcess {
  const env = { ...process.env, PROCESSES: "1", HOST, PORT: "0", [WORKER_ENV]: id };
  // Its log and its complaints are those of this program.
  return fork(program, [], { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

function whenEnded(
  child: ChildProcess,
  then: (how: string, exitCode: number | undefined) => void,
): void {
  let ended = false;
  const once = (how: string, exitCode?: number): void => {
    if (!ended) then(how, exitCode);
    ended = true;
  };
  child.once("error", (error) => once(`could not be started: ${error.message}`));
  child.once("exit", (code, signal) =>
    once(
      signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`,
      code ?? undefined,
    ),
  );
}

async function stopChild(
  child: ChildProcess,
  message: ReturnType<typeof stopMessage> | undefined,
  timeoutMs: number,
): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (message === undefined || !child.connected) child.kill("SIGTERM");
  else child.send(message, (error) => void (error === null || child.kill("SIGTERM")));
  const late = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await ended;
  clearTimeout(late);
}
