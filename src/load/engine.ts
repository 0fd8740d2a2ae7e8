/** One measured window of open-model load, sent by a worker thread: plain data in, plain data out. */
import { Worker } from "node:worker_threads";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { LoadResult } from "../core/sample.ts";
import { LAG_MS_MAX } from "./checks.ts";
import { loadResult } from "./result.ts";
import type { CompleteLoadRequest, LoadRequest, WindowRecord } from "./request.ts";
import type { WorkerReply } from "./worker.ts";

export type { LoadRequest } from "./request.ts";

const WORKERS = 1;
const CONNECTIONS = 64;
const OUTSTANDING_MAX = 10_000;
/** On top of warm-up, window and time limit: for starting the worker and sending the request's data to it. */
const WORKER_GRACE_MS = 15_000;

/**
 * Kept between windows for its compiled code alone: a thread that has run none yet is late by more than 100 ms at first. It holds
 * nothing of a window.
 */
let idleWorker: Worker | undefined;

/**
 * Sends the workload at its rate and reports what came of it. Rejects with bad-input for a workload that cannot be filled,
 * interrupted when `signal` aborts (at once, all connections closed), and cannot-measure when the worker fails. A service that
 * fails or is slow does not reject: the result's checks say so.
 */
export async function runWindow(request: LoadRequest, signal: AbortSignal): Promise<LoadResult> {
  throwIfAborted(signal);
  const complete = {
    workers: WORKERS,
    connections: CONNECTIONS,
    outstandingMax: OUTSTANDING_MAX,
    lagMsMax: LAG_MS_MAX,
    ...request,
  };
  checkRequest(complete);
  const worker = idleWorker ?? startWorker();
  idleWorker = undefined;
  const limitMs = request.warmupMs + request.windowMs + request.timeoutMs + WORKER_GRACE_MS;
  try {
    const record = await askWorker(worker, complete, limitMs, signal);
    worker.unref();
    if (idleWorker === undefined) idleWorker = worker;
    else await worker.terminate();
    return loadResult(complete, record);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

/** Ends the worker that waits for the next window. A later window starts a new one. */
export async function closeLoad(): Promise<void> {
  const worker = idleWorker;
  idleWorker = undefined;
  await worker?.terminate();
}

function startWorker(): Worker {
  // Node 20 does not read TypeScript: from source, a small script installs the loader first.
  const entry = import.meta.url.endsWith(".ts")
    ? new URL("./worker-source.mjs", import.meta.url)
    : new URL("./worker.js", import.meta.url);
  // The flags of this process are its own: some of them would keep a worker from starting.
  const worker = new Worker(entry, { execArgv: [] });
  worker.on("error", () => {
    if (idleWorker === worker) idleWorker = undefined;
  });
  return worker;
}

function askWorker(
  worker: Worker,
  request: CompleteLoadRequest,
  limitMs: number,
  signal: AbortSignal,
): Promise<WindowRecord> {
  return new Promise((resolve, reject) => {
    const fail = (error: PerfoptError): void => {
      settle();
      reject(error);
    };
    const onReply = (reply: WorkerReply): void => {
      settle();
      if (reply.kind === "record") resolve(reply.record);
      else reject(new PerfoptError(reply.code, reply.message, reply.hint));
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
    worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.postMessage(request);
  });
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

function checkRequest(request: CompleteLoadRequest): void {
  const { requestsPerSecond, warmupMs, windowMs, timeoutMs, connections, outstandingMax } = request;
  const atLeastOne = { windowMs, timeoutMs, connections, outstandingMax };
  const wrong = [
    ...Object.entries(atLeastOne).filter(([, value]) => !Number.isFinite(value) || value < 1),
    ...Object.entries({ warmupMs }).filter(([, value]) => !Number.isFinite(value) || value < 0),
    ...Object.entries({ requestsPerSecond }).filter(
      ([, value]) => !Number.isFinite(value) || value <= 0,
    ),
  ].map(([name, value]) => `${name} ${value}`);
  if (wrong.length > 0) {
    throw new PerfoptError(
      "bad-input",
      `the load cannot be sent with ${wrong.join(", ")}`,
      "give positive numbers; only the warm-up may be 0",
    );
  }
  if (!URL.canParse(request.baseUrl)) {
    throw new PerfoptError(
      "bad-input",
      `the load's base URL "${request.baseUrl}" is not a URL`,
      "give one such as http://127.0.0.1:8080",
    );
  }
}
