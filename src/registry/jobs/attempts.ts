// Works on jobs: claims them, does their work, and ends each together with its effect in one transaction.

import type { Scope } from "../cache/keys.ts";
import type { Queryable } from "../database.ts";
import { isOutcomeUnknown } from "../unknown-outcome.ts";
import type { Background } from "./background.ts";
import { backoffMs } from "./job.ts";
import type { Job, Outcome, Work } from "./job.ts";
import type { JobMetrics } from "./metrics.ts";
import { postponedMs } from "./postponement.ts";
import { bury, claim, markDone, putBack, renewLeases, retryLater } from "./store.ts";
import type { Failure } from "./store.ts";

export type Attempts = {
  /** Tries the jobs, one after the other, and returns when all are ended, to be retried, or dead. */
  readonly serve: (jobIds: readonly number[]) => Promise<void>;
  /** Ends an attempt as failed: another follows, or the job is dead. */
  readonly fail: (failure: Failure, kind: Job["kind"], delayMs?: number) => Promise<void>;
  readonly active: () => number;
  /** Gives back what is still under way, as if it had not been tried. */
  readonly abandon: () => Promise<void>;
  readonly close: () => void;
};

export type AttemptOptions = {
  readonly database: Background;
  /** Not the requests' own connections: while they wait for those, jobs under way must not be taken for dead, nor fail to be given back. */
  readonly keeper: Queryable;
  readonly work: Work;
  readonly metrics: JobMetrics;
  readonly attempts: number;
  readonly backoffMs: number;
  readonly leaseMs: number;
  readonly claimed: (jobs: number) => void;
  /** A job waits for its next attempt. */
  readonly retryIn: (delayMs: number) => void;
  readonly invalidate: (scopes: readonly Scope[]) => Promise<void>;
  readonly failed: (error: unknown) => void;
  /** In [0, 1). */
  readonly chance: () => number;
};

type Done = { readonly job: Job; readonly outcome: Outcome };
const RENEWALS_PER_LEASE = 3;

export function createAttempts(options: AttemptOptions): Attempts {
  const { database, keeper, leaseMs } = options;
  const active = new Map<number, Job>();
  const abort = new AbortController();
  const fail = failer(options);
  const lose = loser(options, fail);
  const renewing = setInterval(() => {
    if (active.size === 0) return;
    renewLeases(keeper, [...active.values()], leaseMs).catch(options.failed);
  }, leaseMs / RENEWALS_PER_LEASE);
  renewing.unref();

  /** All in one transaction; if one effect fails, each in its own, so that it fails alone. */
  async function endTogether(done: readonly Done[]): Promise<void> {
    try {
      await end(options, done);
    } catch (error) {
      if (done.length > 1) for (const each of done) await endTogether([each]);
      else for (const { job } of done) await lose(job, error);
    }
  }

  return {
    async serve(jobIds) {
      const jobs = await claim(database, jobIds, leaseMs);
      options.claimed(jobs.length);
      for (const job of jobs) active.set(job.jobId, job);
      try {
        const done: Done[] = [];
        for (const job of jobs) {
          const ended = await attempt(options, job, lose, abort.signal);
          if (ended !== undefined) done.push(ended);
          // Failed, or put back: its lease is not to be renewed.
          else if (!abort.signal.aborted) active.delete(job.jobId);
        }
        if (done.length > 0) await endTogether(done);
      } finally {
        for (const { jobId } of jobs) active.delete(jobId);
      }
    },
    fail,
    active: () => active.size,
    async abandon() {
      abort.abort();
      const left = [...active.values()];
      active.clear();
      await putBack(keeper, left, 0);
    },
    close: () => clearInterval(renewing),
  };
}

function failer(options: AttemptOptions): Attempts["fail"] {
  const { keeper, metrics } = options;
  return async (failure, kind, delayMs) => {
    if (failure.attempt >= options.attempts) {
      if (!(await bury(keeper, failure))) return;
      metrics.attemptFailed(kind);
      metrics.died(kind);
      return;
    }
    const pauseMs = delayMs ?? backoffMs(options.backoffMs, failure.attempt, options.chance());
    if (!(await retryLater(keeper, failure, pauseMs))) return;
    metrics.attemptFailed(kind);
    options.retryIn(pauseMs);
  };
}

type Lose = (job: Job, error: unknown) => Promise<"postponed" | "failed">;

/** Writes down that a claim came to nothing: as a failed attempt, or as none. */
function loser(options: AttemptOptions, fail: Attempts["fail"]): Lose {
  return async (job, error) => {
    const delayMs = postponedMs(job, error, options.chance());
    if (delayMs === undefined) {
      await fail(failureOf(job, error), job.kind);
      return "failed";
    }
    await putBack(options.keeper, [job], delayMs);
    options.retryIn(delayMs);
    return "postponed";
  };
}

/** Does a job's work. Undefined if it failed or was put back, which is written down by then; or if the process is about to end. */
async function attempt(
  options: AttemptOptions,
  job: Job,
  lose: Lose,
  signal: AbortSignal,
): Promise<Done | undefined> {
  const startedMs = performance.now();
  const elapsedSeconds = (): number => (performance.now() - startedMs) / 1_000;
  try {
    const outcome = await options.work(job, signal);
    options.metrics.tried(job, elapsedSeconds());
    return { job, outcome };
  } catch (error) {
    if (signal.aborted) return undefined;
    const seconds = elapsedSeconds();
    if ((await lose(job, error)) === "failed") options.metrics.tried(job, seconds);
    return undefined;
  }
}

/** Effects are made only of attempts that are still this process's own. */
async function end(options: AttemptOptions, done: readonly Done[]): Promise<void> {
  let marked: Awaited<ReturnType<typeof markDone>>;
  try {
    marked = await options.database.transaction(async (connection) => {
      const results = done.map(({ job, outcome }) => ({ job, result: outcome.result }));
      const own = await markDone(connection, results);
      for (const { job, outcome } of done) {
        if (own.has(job.jobId)) await outcome.effect?.(connection);
      }
      return own;
    });
  } catch (error) {
    // It may have been committed: what is done then is not found as one's own any more, and would stay old in the cache.
    if (isOutcomeUnknown(error)) await options.invalidate(scopesOf(done));
    throw error;
  }
  const ended = done.filter(({ job }) => marked.has(job.jobId));
  for (const { job } of ended) {
    options.metrics.completed(job, marked.get(job.jobId)?.finishedMs ?? Date.now());
  }
  const scopes = scopesOf(ended);
  if (scopes.length > 0) await options.invalidate(scopes);
}

function scopesOf(done: readonly Done[]): readonly Scope[] {
  return [...new Set(done.flatMap(({ outcome }) => outcome.scopes ?? []))];
}

function failureOf(job: Job, error: unknown): Failure {
  const known = error instanceof Error ? error : new Error(String(error));
  // The cause says more than the service's own words for it.
  const cause = known.cause instanceof Error ? ` (${known.cause.message})` : "";
  return {
    jobId: job.jobId,
    attempt: job.attempt,
    claim: job.claim,
    error: `${known.message}${cause}`,
    stack: known.stack ?? "",
  };
}
