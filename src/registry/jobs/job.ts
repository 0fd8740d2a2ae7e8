// What a job is, and in which order waiting jobs are served.

import type { Queryable } from "../database.ts";
import type { Scope } from "../cache/keys.ts";

export const KINDS = ["validate", "scan", "report", "webhook"] as const;
export type Kind = (typeof KINDS)[number];

/** The most urgent first. */
export const CLASSES = ["high", "normal", "low"] as const;
export type JobClass = (typeof CLASSES)[number];

export type Payload = Readonly<Record<string, unknown>>;

/** A job that this process works on. */
export type Job = {
  readonly jobId: number;
  readonly kind: Kind;
  readonly class: JobClass;
  readonly payload: Payload;
  /** From 1; one that was postponed is not counted. */
  readonly attempt: number;
  /** The fencing token: every claim of a job has a higher one, and only the holder of the last can end the job. */
  readonly claim: number;
  readonly acceptedMs: number;
  readonly startedMs: number;
};

/** A job to be stored. */
export type NewJob = {
  readonly kind: Kind;
  readonly class: JobClass;
  readonly payload: Payload;
};

/** What a job came to: nothing is written before `effect` runs, in the transaction that marks the job as done. */
export type Outcome = {
  readonly result: Readonly<Record<string, unknown>>;
  readonly effect?: (connection: Queryable) => Promise<unknown>;
  /** What the effect makes old in the cache. */
  readonly scopes?: readonly Scope[];
};

export type Work = (job: Job, signal: AbortSignal) => Promise<Outcome>;

/** The job could not even be tried now: it is tried again later, and this was no attempt. */
export class PostponedError extends Error {
  override readonly name = "PostponedError";
  readonly delayMs: number;

  constructor(message: string, delayMs: number) {
    super(message);
    this.delayMs = delayMs;
  }
}

export type Order = { readonly priorities: boolean; readonly ageingMs: number };

/** BullMQ's own bound on priorities. */
const PRIORITY_MAX = 2 ** 21 - 1;
/** Jobs accepted within it may be served in either order; PRIORITY_MAX of them are an epoch of 37 hours. */
export const RANK_UNIT_MS = 64;
/** Stands for "after all jobs of the class above": above every time of day, and three of them are still exact. */
const WITHOUT_AGEING_MS = 1e14;

/**
 * What is added to the time of acceptance for a job's rank; the lowest rank is served first. A job of a lower class comes before those
 * of the next higher one that are accepted `ageingMs` after it, so nothing starves and nothing needs to be moved while it waits.
 */
export function rankOffsetMs(jobClass: JobClass, { priorities, ageingMs }: Order): number {
  if (!priorities) return 0;
  return CLASSES.indexOf(jobClass) * (ageingMs === 0 ? WITHOUT_AGEING_MS : ageingMs);
}

/** BullMQ's priority of a rank: 1 is the most urgent, equal ones are served first come, first served; 0 is BullMQ's plain queue. */
export function priorityOf(rankMs: number, nowMs: number, { priorities, ageingMs }: Order): number {
  if (!priorities) return 0;
  if (ageingMs === 0) return 1 + Math.floor(rankMs / WITHOUT_AGEING_MS);
  const unit = Math.floor(rankMs / RANK_UNIT_MS);
  const epochs = Math.floor(unit / PRIORITY_MAX) - Math.floor(nowMs / RANK_UNIT_MS / PRIORITY_MAX);
  // A rank of the last epoch is older than all of this one; one of the next epoch is younger.
  if (epochs !== 0) return epochs < 0 ? 1 : PRIORITY_MAX;
  return 1 + (unit % PRIORITY_MAX);
}

/**
 * The pause before the attempt that follows `attempt`: doubled each time, and within its upper half at random, so that jobs that failed
 * together do not come back together. `chance` is in [0, 1).
 */
export function backoffMs(baseMs: number, attempt: number, chance: number): number {
  const wholeMs = Math.min(baseMs * 2 ** (attempt - 1), BACKOFF_MAX_MS);
  return Math.round(wholeMs * (0.5 + chance / 2));
}

const BACKOFF_MAX_MS = 600_000;
