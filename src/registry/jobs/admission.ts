// Decides whether one more job may wait: refuses at the bound until the queue has shrunk well below it, the lowest class first.

import { CLASSES } from "./job.ts";
import type { JobClass } from "./job.ts";

export type Admission = {
  /** Whether a job may join `waiting` others. */
  readonly admits: (jobClass: JobClass, waiting: number) => boolean;
  /**
   * How many jobs of these classes the outbox may add to `waiting` others: none above the mark at which refusing stops, so that a long
   * outbox does not keep clients out, and from there half of what the class may still fill, so that clients do not keep the outbox out.
   */
  readonly roomForHeld: (jobClass: JobClass, waiting: number) => number;
  /** Seconds until the class is admitted again at this rate of service, for the header Retry-After; `held` jobs wait in the outbox. */
  readonly retryAfterSeconds: (jobClass: JobClass, state: QueueState) => number;
};

export type QueueState = {
  readonly waiting: number;
  readonly held: number;
  readonly finishedPerSecond: number;
};

/** Of the bound, what each class may fill: the last tenth is kept for the highest class, the last fifth for the upper two. */
const SHARES: Readonly<Record<JobClass, number>> = { high: 1, normal: 0.9, low: 0.8 };
/** Refusing stops when the queue is this much of the bound below where it began: at 80 %, 70 % and 60 %. */
const HYSTERESIS = 0.2;
const RETRY_AFTER_MAX_S = 60;

type Bounds = { readonly full: number; readonly resume: number; readonly heldUpTo: number };

/** `reopened` is told when a class is admitted again. */
export function createAdmission(
  limit: number,
  priorities: boolean,
  reopened: () => void = () => {},
): Admission {
  const refusing = new Set<JobClass>();
  const bounds = new Map(
    CLASSES.map((jobClass) => {
      const share = priorities ? SHARES[jobClass] : SHARES.high;
      const full = Math.max(1, Math.floor(limit * share));
      const resume = Math.max(0, Math.min(full - 1, Math.floor(limit * (share - HYSTERESIS))));
      return [jobClass, { full, resume, heldUpTo: Math.ceil((full + resume) / 2) }];
    }),
  );
  const boundsOf = (jobClass: JobClass): Bounds =>
    bounds.get(jobClass) ?? { full: limit, resume: 0, heldUpTo: limit };
  return {
    admits(jobClass, waiting) {
      const { full, resume } = boundsOf(jobClass);
      if (waiting >= full) refusing.add(jobClass);
      else if (waiting <= resume && refusing.delete(jobClass)) reopened();
      return !refusing.has(jobClass);
    },
    roomForHeld(jobClass, waiting) {
      const { resume, heldUpTo } = boundsOf(jobClass);
      return waiting <= resume ? heldUpTo - waiting : 0;
    },
    retryAfterSeconds(jobClass, { waiting, held, finishedPerSecond }) {
      const { resume, heldUpTo } = boundsOf(jobClass);
      // Those of the outbox that are let in before this client is back.
      const above = Math.max(1, waiting - resume + Math.min(held, heldUpTo - resume));
      const seconds = Math.ceil(above / finishedPerSecond);
      // Nothing was finished of late: there is no rate to go by.
      return Math.min(Math.max(1, seconds), RETRY_AFTER_MAX_S);
    },
  };
}
