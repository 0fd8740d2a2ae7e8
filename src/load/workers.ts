/** The threads that send, and those that do tasks: started when needed, kept warm between windows, asked one thing at a time. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { TaskCommand, TaskReply } from "./task-worker.ts";
import type { Failure } from "./thread.ts";
import type { WorkerCommand, WorkerReply } from "./worker.ts";

/** Measured: at 10,000 requests/s a thread uses 60 % of its core, and 70 % is where its own queueing begins to show. */
const REQUESTS_PER_SECOND_EACH = 8_000;

/**
 * Kept between windows for their compiled code alone: a thread that has run none yet is late by more than 100 ms at first. They hold
 * nothing of a window.
 */
const idle: Readonly<Record<Entry, Worker[]>> = { worker: [], "task-worker": [] };

/** The file that a thread begins with. */
type Entry = "worker" | "task-worker";

type Reply = WorkerReply | TaskReply;

export interface Limits {
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * As few threads as can send this rate in time: each further one takes a core from a service on the same machine, and wakes up for
 * its own arrivals. One core is left to the rest; a rate that is too high for the others fails the check of the generator's CPU.
 */
export function workersFor(
  requestsPerSecond: number,
  cores: number = availableParallelism(),
): number {
  const needed = Math.ceil(requestsPerSecond / REQUESTS_PER_SECOND_EACH);
  return Math.max(1, Math.min(needed, cores - 1));
}

export function takeWorkers(count: number, entry: Entry = "worker"): readonly Worker[] {
  return Array.from({ length: count }, () => idle[entry].pop() ?? startWorker(entry));
}

/** For the next window. A worker that failed, or was stopped in the middle of a window, is to be ended instead. */
export function giveBackWorkers(workers: readonly Worker[], entry: Entry = "worker"): void {
  for (const worker of workers) {
    // One that waits for the next window does not keep the process alive.
    worker.unref();
    idle[entry].push(worker);
  }
}

export async function endWorkers(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.terminate()));
}

/** Ends the workers that wait for the next window. A later window starts new ones. */
export async function closeLoad(): Promise<void> {
  await endWorkers(Object.values(idle).flatMap((workers) => workers.splice(0)));
}

/** Sends a command and resolves with the worker's answer; rejects when it fails, ends, or takes longer, and when `signal` aborts. */
export function askWorker<Kind extends Reply["kind"]>(
  worker: Worker,
  command: WorkerCommand | TaskCommand,
  expected: Kind,
  { limitMs, signal }: Limits,
): Promise<Extract<Reply, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const fail = (error: PerfoptError): void => {
      settle();
      reject(error);
    };
    const onReply = (reply: Reply | Failure): void => {
      if (reply.kind === "failed") fail(new PerfoptError(reply.code, reply.message, reply.hint));
      else if (isKind(reply, expected)) {
        settle();
        resolve(reply);
      } else fail(workerFailed(`answered ${reply.kind}`));
    };
    const onError = (cause: unknown): void => fail(workerFailed("failed", { cause }));
    const onExit = (): void => fail(workerFailed("ended"));
    const onAbort = (): void =>
      fail(new PerfoptError("interrupted", "the load was interrupted", "start the command again"));
    const timer = setTimeout(
      () => fail(workerFailed(`did not finish within ${Math.round(limitMs / 1_000)} s`)),
      limitMs,
    );
    function settle(): void {
      clearTimeout(timer);
      worker.off("message", onReply);
      worker.off("error", onError);
      worker.off("exit", onExit);
      signal.removeEventListener("abort", onAbort);
    }
    worker.on("message", onReply);
    worker.on("error", onError);
    worker.on("exit", onExit);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.postMessage(command);
  });
}

function isKind<Kind extends Reply["kind"]>(
  reply: Reply,
  kind: Kind,
): reply is Extract<Reply, { kind: Kind }> {
  return reply.kind === kind;
}

function startWorker(entry: Entry): Worker {
  // Node 20 does not read TypeScript: from source, a small script installs the loader first.
  const file = import.meta.url.endsWith(".ts") ? `./${entry}-source.mjs` : `./${entry}.js`;
  // The flags of this process are its own: some of them would keep a worker from starting.
  const worker = new Worker(new URL(file, import.meta.url), { execArgv: [] });
  const forget = (): void => {
    const position = idle[entry].indexOf(worker);
    if (position >= 0) idle[entry].splice(position, 1);
  };
  worker.on("error", forget);
  worker.on("exit", forget);
  return worker;
}

function workerFailed(what: string, options?: ErrorOptions): PerfoptError {
  const cause = options?.cause === undefined ? "" : `: ${messageOf(options.cause)}`;
  return new PerfoptError(
    "cannot-measure",
    `the load worker ${what}${cause}`,
    "check that the machine has memory and CPU left, and run again",
    options,
  );
}
