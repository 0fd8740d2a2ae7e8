// How long one task may wait and run, and what its asker is told when it does neither.

import { RegistryError, TooBusyError } from "../errors.ts";
import type { ComputeConfig } from "./config.ts";
import { reasonOf } from "./turns.ts";

const RETRY_AFTER_SECONDS_MAX = 60;

/** Of the tasks that ended. */
export type Done = { tasks: number; busySeconds: number; waitSeconds: number };

export type Limits = {
  /** Aborts, with the error to answer as its reason, at the first of the signals and when the time is up. */
  readonly signal: AbortSignal;
  /** From here the time is the work's. */
  readonly begun: () => void;
  readonly end: () => void;
};

/** One time limit for the wait, and the same again for the work. */
export function limitsOf(
  config: ComputeConfig,
  done: Done,
  signals: readonly (AbortSignal | undefined)[],
  refused: () => void,
): Limits {
  const over = new AbortController();
  let waiting = true;
  const timer = setTimeout(() => {
    if (waiting) refused();
    over.abort(waiting ? waitedTooLong(config, done) : ranTooLong(config));
  }, config.taskTimeoutMs);
  const stops = signals.flatMap((signal) => {
    if (signal === undefined) return [];
    const stop = (): void => over.abort(reasonOf(signal));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    return [() => signal.removeEventListener("abort", stop)];
  });
  return {
    signal: over.signal,
    begun() {
      waiting = false;
      timer.refresh();
    },
    end() {
      clearTimeout(timer);
      for (const stop of stops) stop();
    },
  };
}

export function tooMany(config: ComputeConfig, done: Done): TooBusyError {
  return new TooBusyError(
    `${config.taskQueueLimit} tasks wait for a thread already (THREAD_QUEUE_LIMIT); try again later.`,
    retryAfterSeconds(config, done),
  );
}

export function tooLarge(config: ComputeConfig, done: Done): TooBusyError {
  return new TooBusyError(
    `What is under way holds ${config.contentBytesMax} bytes of content at most (THREAD_CONTENT_MB); try again later.`,
    retryAfterSeconds(config, done),
  );
}

function waitedTooLong(config: ComputeConfig, done: Done): TooBusyError {
  return new TooBusyError(
    `No thread was free within ${config.taskTimeoutMs} ms (THREAD_TASK_TIMEOUT_MS); try again later.`,
    retryAfterSeconds(config, done),
  );
}

function ranTooLong({ taskTimeoutMs }: ComputeConfig): RegistryError {
  return new RegistryError(
    "DEADLINE_EXCEEDED",
    `The work took longer than ${taskTimeoutMs} ms (THREAD_TASK_TIMEOUT_MS) and was ended.`,
  );
}

/** When the longest queue will have been worked off, judging by the tasks so far. */
function retryAfterSeconds({ threadsMax, taskQueueLimit }: ComputeConfig, done: Done): number {
  const secondsPerTask = done.tasks === 0 ? 0 : done.busySeconds / done.tasks;
  const seconds = Math.ceil((taskQueueLimit * secondsPerTask) / threadsMax);
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, seconds));
}
