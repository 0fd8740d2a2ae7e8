// The pool of CPU threads: hands tasks over, refuses those beyond the queue, and counts what the threads do.

import { setMaxListeners } from "node:events";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { RegistryError } from "../errors.ts";
import type { Compute, ComputeState } from "./compute.ts";
import type { ComputeConfig } from "./config.ts";
import { limitsOf, tooLarge, tooMany } from "./limits.ts";
import type { Done, Limits } from "./limits.ts";
import { digestOf } from "./tasks.ts";
import type { TaskName, Tasks } from "./tasks.ts";
import { createBudget, createTurns, reasonOf } from "./turns.ts";
import type { Turns } from "./turns.ts";
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
// What a task leaves on its thread's heap is some tens of MB (contents are outside of it): one that goes beyond ends alone, not the service.
const HEAP_MB_MAX = 256;

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
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  const alive = countAlive(pool);
  pool.on("error", (error: Error) => observer.threadFailed(error));
  const done = { tasks: 0, busySeconds: 0, waitSeconds: 0 };
  // The pool's own queue turns its order round for tasks that can be broken off, and forgets them when the last thread ends: it gets no more
  // than it has threads for.
  const turns = createTurns(config.threadsMax);
  const budget = createBudget(config.contentBytesMax);
  const closing = new AbortController();
  // Each task under way listens.
  setMaxListeners(0, closing.signal);
  let outstanding = 0;

  async function run<Name extends TaskName>(
    name: Name,
    input: Tasks[Name]["input"],
    signal?: AbortSignal,
  ): Promise<Tasks[Name]["result"]> {
    closing.signal.throwIfAborted();
    if (outstanding >= config.threadsMax + config.taskQueueLimit) {
      observer.refused();
      throw tooMany(config, done);
    }
    outstanding += 1;
    const order: Order<Name> = { name, input, askedNs: process.hrtime.bigint() };
    try {
      const limits = limitsOf(config, done, [closing.signal, signal], observer.refused);
      const delivery = await withinLimits(limits, turns, order, pool);
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
    check: (content, signature, publicKeyPem, signal) =>
      run("check", { content, signature, publicKeyPem }, signal),
    scan: (content, signal) => run("scan", { content }, signal),
    diff: (before, after, signal) => run("diff", { before, after }, signal),
    reserve(bytes) {
      const release = budget(bytes);
      if (release !== undefined) return release;
      observer.refused();
      throw tooLarge(config, done);
    },
    state: () => stateOf(alive(), outstanding, done),
    async close() {
      closing.abort(
        new RegistryError("TEMPORARILY_UNAVAILABLE", "The service is about to end; try again."),
      );
      await pool.destroy();
    },
  };
}

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

/** Hands the order over when it is its turn; the task's limits end with it. */
async function withinLimits<Name extends TaskName>(
  { signal, begun, end }: Limits,
  turns: Turns,
  order: Order<Name>,
  pool: Piscina,
): Promise<Delivery<Name>> {
  try {
    await turns.take(signal);
    try {
      begun();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what worker.ts returns for an order of this name
      return (await pool.run(order, { signal })) as Delivery<Name>;
    } catch (error) {
      throw signal.aborted ? reasonOf(signal) : error;
    } finally {
      turns.give();
    }
  } finally {
    end();
  }
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

/** Node 20 does not read TypeScript: from source, a small script installs the loader first. */
function threadFile(): string {
  const file = import.meta.url.endsWith(".ts") ? "./worker-source.mjs" : "./worker.js";
  return fileURLToPath(new URL(file, import.meta.url));
}
