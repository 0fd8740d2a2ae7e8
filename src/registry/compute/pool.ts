// The pool of CPU threads: hands tasks over, refuses those beyond the queue, and counts what the threads do.

import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { RegistryError, TooBusyError } from "../errors.ts";
import type { Compute, ComputeState } from "./compute.ts";
import type { ComputeConfig } from "./config.ts";
import { digestOf } from "./tasks.ts";
import type { TaskName, Tasks } from "./tasks.ts";
import type { Delivery, Order } from "./worker.ts";

export type ComputeObserver = {
  /** A task waited so long for a thread. */
  readonly waited: (seconds: number) => void;
  readonly refused: () => void;
  /** A thread failed outside a task. */
  readonly threadFailed: (error: Error) => void;
};

const NOBODY: ComputeObserver = { waited() {}, refused() {}, threadFailed() {} };

// Measured (docs/registry-compute.md): up to here hashing holds the event loop up for no longer than handing the content over would.
const INLINE_DIGEST_BYTES_MAX = 64 * 1024;
const RETRY_AFTER_SECONDS_MAX = 60;

/** Opens the pool with its least number of threads. */
export function openCompute(config: ComputeConfig, observer: ComputeObserver = NOBODY): Compute {
  const pool = new Piscina({
    filename: threadFile(),
    // The flags of this process are its own: some of them would keep a thread from starting.
    execArgv: [],
    minThreads: config.threadsMin,
    maxThreads: config.threadsMax,
    idleTimeout: config.threadIdleTimeoutMs,
    recordTiming: false,
  });
  const alive = countAlive(pool);
  pool.on("error", (error: Error) => observer.threadFailed(error));
  const done = { tasks: 0, busySeconds: 0, waitSeconds: 0 };
  let outstanding = 0;
  let closed = false;

  async function run<Name extends TaskName>(
    name: Name,
    input: Tasks[Name]["input"],
  ): Promise<Tasks[Name]["result"]> {
    if (closed)
      throw new RegistryError("TEMPORARILY_UNAVAILABLE", "The service is about to end; try again.");
    if (outstanding >= config.threadsMax + config.taskQueueLimit) {
      observer.refused();
      throw tooBusy(config, done);
    }
    outstanding += 1;
    try {
      const order: Order<Name> = { name, input, askedNs: process.hrtime.bigint() };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what worker.ts returns for an order of this name
      const delivery = (await pool.run(order)) as Delivery<Name>;
      done.busySeconds += delivery.runSeconds;
      done.waitSeconds += delivery.waitSeconds;
      observer.waited(delivery.waitSeconds);
      if ("error" in delivery.outcome) throw delivery.outcome.error;
      return delivery.outcome.result;
    } finally {
      outstanding -= 1;
      done.tasks += 1;
    }
  }

  return {
    digest: async (content) =>
      content.byteLength <= INLINE_DIGEST_BYTES_MAX
        ? digestOf(content)
        : run("digest", { content }),
    verify: (content, signature, publicKeyPem) =>
      run("verify", { content, signature, publicKeyPem }),
    check: (content, signature, publicKeyPem) => run("check", { content, signature, publicKeyPem }),
    scan: (content) => run("scan", { content }),
    diff: (before, after) => run("diff", { before, after }),
    state: () => stateOf(alive(), outstanding, done),
    async close() {
      closed = true;
      await pool.destroy();
    },
  };
}

type Done = { tasks: number; busySeconds: number; waitSeconds: number };
type Alive = { readonly threads: number; readonly seconds: number };

function stateOf({ threads, seconds }: Alive, outstanding: number, done: Done): ComputeState {
  return {
    threadsAlive: threads,
    // A thread has one task at a time, so whatever is more than there are threads waits.
    tasksWaiting: Math.max(0, outstanding - threads),
    aliveSeconds: seconds,
    ...done,
  };
}

/** Threads are counted from being ready (those of the minimum from their creation) until they are told to end: events, not samples. */
function countAlive(pool: Piscina): () => Alive {
  let threads = 0;
  let seconds = 0;
  let sinceMs = performance.now();
  const settle = (): void => {
    const nowMs = performance.now();
    seconds += (threads * (nowMs - sinceMs)) / 1000;
    sinceMs = nowMs;
  };
  pool.on("workerCreate", () => {
    settle();
    threads += 1;
  });
  pool.on("workerDestroy", () => {
    settle();
    // One that failed before it was ready was never counted.
    threads = Math.max(0, threads - 1);
  });
  return () => {
    settle();
    return { threads, seconds };
  };
}

/** Comes back when the queue of now will have been worked off, judging by the tasks so far. */
function tooBusy({ threadsMax, taskQueueLimit }: ComputeConfig, done: Done): TooBusyError {
  const secondsPerTask = done.tasks === 0 ? 0 : done.busySeconds / done.tasks;
  const seconds = Math.ceil((taskQueueLimit * secondsPerTask) / threadsMax);
  return new TooBusyError(
    `${taskQueueLimit} tasks wait for a thread already (THREAD_QUEUE_LIMIT); try again later.`,
    Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, seconds)),
  );
}

/** Node 20 does not read TypeScript: from source, a small script installs the loader first. */
function threadFile(): string {
  const file = import.meta.url.endsWith(".ts") ? "./worker-source.mjs" : "./worker.js";
  return fileURLToPath(new URL(file, import.meta.url));
}
