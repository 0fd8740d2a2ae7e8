/** The threads that send: started when needed, kept warm between windows, asked one thing at a time. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { WorkerCommand, WorkerReply } from "./worker.ts";

/** Measured: at 10,000 requests/s a thread uses 60 % of its core, and 70 % is where its own queueing begins to show. */
const REQUESTS_PER_SECOND_EACH = 8_000;

/**
 * Kept between windows for their compiled code alone: a thread that has run none yet is late by more than 100 ms at first. They hold
 * nothing of a window.
 */
const idle: Worker[] = [];

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

export function takeWorkers(count: number): readonly Worker[] {
  return Array.from({ length: count }, () => idle.pop() ?? startWorker());
}

/** For the next window. A worker that failed, or was stopped in the middle of a window, is to be ended instead. */
export function giveBackWorkers(workers: readonly Worker[]): void {
  for (const worker of workers) {
    // One that waits for the next window does not keep the process alive.
    worker.unref();
    idle.push(worker);
  }
}

export async function endWorkers(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.terminate()));
}

/** Ends the workers that wait for the next window. A later window starts new ones. */
export async function closeLoad(): Promise<void> {
  await endWorkers(idle.splice(0));
}

/** Sends a command and resolves with the worker's answer; rejects when it fails, ends, or takes longer, and when `signal` aborts. */
export function askWorker<Kind extends WorkerReply["kind"]>(
  worker: Worker,
  command: WorkerCommand,
  expected: Kind,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<Extract<WorkerReply, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const fail = (error: PerfoptError): void => {
      settle();
      reject(error);
    };
    const onReply = (reply: WorkerReply): void => {
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

function isKind<Kind extends WorkerReply["kind"]>(
  reply: WorkerReply,
  kind: Kind,
): reply is Extract<WorkerReply, { kind: Kind }> {
  return reply.kind === kind;
}

function startWorker(): Worker {
  // Node 20 does not read TypeScript: from source, a small script installs the loader first.
  const entry = import.meta.url.endsWith(".ts")
    ? new URL("./worker-source.mjs", import.meta.url)
    : new URL("./worker.js", import.meta.url);
  // The flags of this process are its own: some of them would keep a worker from starting.
  const worker = new Worker(entry, { execArgv: [] });
  const forget = (): void => {
    const position = idle.indexOf(worker);
    if (position >= 0) idle.splice(position, 1);
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
