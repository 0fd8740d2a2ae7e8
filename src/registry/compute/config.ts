// Settings of the pool of CPU threads. UV_THREADPOOL_SIZE is libuv's own and is read by it before anything else runs.

import { readWhole } from "../config-values.ts";
import type { Environment } from "../config-values.ts";

export type ComputeConfig = {
  readonly threadsMax: number;
  readonly threadsMin: number;
  /** An idle thread above the minimum ends after so long. */
  readonly threadIdleTimeoutMs: number;
  /** Tasks that may wait for a thread; more are refused. */
  readonly taskQueueLimit: number;
  /** A task that waits so long is refused; one that runs so long is ended with its thread. */
  readonly taskTimeoutMs: number;
  /** Of content that requests may hold at a time for the pool. */
  readonly contentBytesMax: number;
};

const HOUR_MS = 3_600_000;
const MB = 1024 * 1024;
// Two artifacts of the largest size: less, and they could never be compared.
const CONTENT_MB_MIN = 16;

export function readComputeConfig(environment: Environment, problems: string[]): ComputeConfig {
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  const config = {
    threadsMax: whole("THREADS_MAX", 16, 1, 1_024),
    threadsMin: whole("THREADS_MIN", 1, 0, 1_024),
    threadIdleTimeoutMs: whole("THREAD_IDLE_TIMEOUT_MS", 60_000, 0, HOUR_MS),
    taskQueueLimit: whole("THREAD_QUEUE_LIMIT", 1_000, 1, 1_000_000),
    taskTimeoutMs: whole("THREAD_TASK_TIMEOUT_MS", 30_000, 100, HOUR_MS),
    contentBytesMax: whole("THREAD_CONTENT_MB", 128, CONTENT_MB_MIN, 65_536) * MB,
  };
  if (config.threadsMin > config.threadsMax) {
    problems.push(
      `THREADS_MIN is ${config.threadsMin}, above THREADS_MAX (${config.threadsMax}); lower THREADS_MIN or raise THREADS_MAX.`,
    );
  }
  return config;
}
