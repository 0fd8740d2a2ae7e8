// Settings of the asynchronous jobs: who does them, how many may wait, what happens to those that fail.

import { readOneOf, readWhole } from "../config-values.ts";
import type { Environment } from "../config-values.ts";

export type JobsConfig = {
  /** Jobs that this process works on at a time; 0: it only takes them in. */
  readonly workers: number;
  /** Jobs that may wait; more are refused with 503 and Retry-After. */
  readonly queueLimit: number;
  /** Whether classes of priority are served in order; else first come, first served. */
  readonly priorities: boolean;
  /** A job that waits so long is served as if it were of the next higher class; 0: never. */
  readonly ageingMs: number;
  /** Attempts before a job becomes a dead letter. */
  readonly attempts: number;
  /** Pause before the second attempt; doubled before each further one. */
  readonly backoffMs: number;
  /** Jobs that a worker takes from the queue at once. */
  readonly batch: number;
  /** A worker that gave no sign of life for so long is taken for dead, and its jobs for failed. */
  readonly leaseMs: number;
  readonly webhookTimeoutMs: number;
  /** Failures in a row that open the circuit of a receiver, and how long it stays open. */
  readonly breakerFailures: number;
  readonly breakerResetMs: number;
};

const HOUR_MS = 3_600_000;

export function readJobsConfig(environment: Environment, problems: string[]): JobsConfig {
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  return {
    workers: whole("JOB_WORKERS", 4, 0, 1_000),
    queueLimit: whole("JOB_QUEUE_LIMIT", 500, 1, 1_000_000),
    priorities:
      readOneOf(environment, "JOB_PRIORITIES", "false", ["true", "false"], problems) === "true",
    ageingMs: whole("JOB_AGEING_MS", 5_000, 0, HOUR_MS),
    attempts: whole("JOB_ATTEMPTS", 3, 1, 100),
    backoffMs: whole("JOB_BACKOFF_MS", 1_000, 0, HOUR_MS),
    batch: whole("JOB_BATCH", 1, 1, 1_000),
    leaseMs: whole("JOB_LEASE_MS", 15_000, 500, HOUR_MS),
    webhookTimeoutMs: whole("WEBHOOK_TIMEOUT_MS", 5_000, 1, HOUR_MS),
    breakerFailures: whole("BREAKER_FAILURES", 5, 1, 1_000),
    breakerResetMs: whole("BREAKER_RESET_MS", 10_000, 1, HOUR_MS),
  };
}
