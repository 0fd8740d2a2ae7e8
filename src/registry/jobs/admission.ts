// Decides whether one more job may wait: refuses at the bound until the queue has shrunk well below it, the lowest class first.

import { CLASSES } from "./job.ts";
import type { JobClass } from "./job.ts";

export type Admission = {
  /** Whether a job may join `waiting` others. */
  readonly admits: (jobClass: JobClass, waiting: number) => boolean;
  /** Seconds until the class is admitted again at this rate of service, for the header Retry-After. */
  readonly retryAfterSeconds: (
    jobClass: JobClass,
    waiting: number,
    finishedPerSecond: number,
  ) => number;
};

/** Of the bound, what each class may fill: the last tenth is kept for the highest class, the last fifth for the upper two. */
const SHARES: Readonly<Record<JobClass, number>> = { high: 1, normal: 0.9, low: 0.8 };
/** Refusing stops when the queue is this much of the bound below where it began: at 80 %, 70 % and 60 %. */
const HYSTERESIS = 0.2;
const RETRY_AFTER_MAX_S = 60;

export function createAdmission(limit: number, priorities: boolean): Admission {
  const refusing = new Set<JobClass>();
  const bounds = new Map(
    CLASSES.map((jobClass) => {
      const share = priorities ? SHARES[jobClass] : SHARES.high;
      const full = Math.max(1, Math.floor(limit * share));
      const resume = Math.min(full - 1, Math.floor(limit * (share - HYSTERESIS)));
      return [jobClass, { full, resume: Math.max(0, resume) }];
    }),
  );
  const boundsOf = (jobClass: JobClass): { full: number; resume: number } =>
    bounds.get(jobClass) ?? { full: limit, resume: 0 };
  return {
    admits(jobClass, waiting) {
      const { full, resume } = boundsOf(jobClass);
      if (waiting >= full) refusing.add(jobClass);
      else if (waiting <= resume) refusing.delete(jobClass);
      return !refusing.has(jobClass);
    },
    retryAfterSeconds(jobClass, waiting, finishedPerSecond) {
      const above = Math.max(1, waiting - boundsOf(jobClass).resume);
      const seconds = Math.ceil(above / finishedPerSecond);
      // Nothing was finished of late: there is no rate to go by.
      return Math.min(Math.max(1, seconds), RETRY_AFTER_MAX_S);
    },
  };
}
