// Accepts a job that a client asks for, or refuses it when too many wait.

import type { Queryable } from "../database.ts";
import { TooBusyError } from "../errors.ts";
import { createAdmission } from "./admission.ts";
import type { JobsConfig } from "./config.ts";
import type { Depth } from "./depth.ts";
import type { NewJob } from "./job.ts";
import type { JobMetrics } from "./metrics.ts";
import { insertAdmitted } from "./store.ts";
import type { Ticket } from "./store.ts";

/** What must hold for a job to be accepted: a condition on $6 and following. */
export type SubjectCondition = { readonly condition: string; readonly values: readonly unknown[] };

/** Stores a job and has it served: its id, or undefined if its subject does not exist. Throws TooBusyError when too many wait. */
export type Accept = (job: NewJob, subject: SubjectCondition) => Promise<number | undefined>;

export type IntakeParts = {
  readonly settings: JobsConfig;
  readonly database: Queryable;
  readonly depth: Depth;
  readonly metrics: JobMetrics;
  readonly offsetMs: (job: NewJob) => number;
  readonly send: (tickets: readonly Ticket[]) => void;
  readonly wake: () => void;
  /** Lets jobs of the outbox in where there is room. */
  readonly admitHeld: () => void;
};

export function intakeOf({
  settings,
  database,
  depth,
  metrics,
  offsetMs,
  send,
  wake,
  admitHeld,
}: IntakeParts): Accept {
  const admission = createAdmission(settings.queueLimit, settings.priorities, () => {
    // Before clients have filled the queue again.
    if (depth.census().held > 0) admitHeld();
  });
  return async (job, subject) => {
    const waiting = depth.waiting();
    if (!admission.admits(job.class, waiting)) {
      metrics.rejected(job.kind, job.class);
      const { held, finishedPerSecond } = depth.census();
      throw new TooBusyError(
        `Too many jobs wait (${waiting}); send it again later.`,
        admission.retryAfterSeconds(job.class, { waiting, held, finishedPerSecond }),
      );
    }
    // Counted before it is stored: of many that come at once, no more are admitted than there is room for.
    depth.admitted(1);
    // Workers need a moment to wake up, in which the job is stored.
    wake();
    let ticket: Ticket | undefined;
    try {
      ticket = await insertAdmitted(database, job, offsetMs(job), settings.leaseMs, subject);
    } finally {
      if (ticket === undefined) depth.admitted(-1);
    }
    if (ticket === undefined) return undefined;
    metrics.accepted(job.kind);
    wake();
    send([ticket]);
    return ticket.jobId;
  };
}
