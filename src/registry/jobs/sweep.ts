// Looks after jobs that nobody else does: held for want of room, due for another attempt, of workers that died, lost by Redis. Rarely while there are none.

import type { Alertness } from "./alertness.ts";
import type { Background } from "./background.ts";
import type { Depth } from "./depth.ts";
import { createAdmission } from "./admission.ts";
import { CLASSES } from "./job.ts";
import type { Job } from "./job.ts";
import { keepRunning } from "./pace.ts";
import type { Attempts } from "./attempts.ts";
import { admitHeld, issueTickets, makeTicketedDue, prune, takeDue } from "./store.ts";
import type { DueJob, Ticket } from "./store.ts";
import type { Tickets } from "./tickets.ts";

export type Sweep = {
  /** Sweeps once `delayMs` is over, if no sweep comes before. */
  readonly soon: (delayMs: number) => void;
  /** Admits held jobs now while there is room. */
  readonly admitHeld: () => void;
  readonly close: () => Promise<void>;
};

export type SweepOptions = {
  readonly database: Background;
  readonly tickets: Tickets;
  readonly attempts: Pick<Attempts, "fail">;
  readonly depth: Depth;
  readonly alertness: Alertness;
  readonly limit: number;
  readonly priorities: boolean;
  readonly leaseMs: number;
  readonly admitted: (tickets: readonly (Ticket & Pick<Job, "kind">)[]) => void;
  readonly failed: (error: unknown) => void;
  /** In [0, 1). */
  readonly chance: () => number;
  /** After each count. */
  readonly counted: () => void;
};

const EVERY_MS = 1_000;
/** While asleep: processes elsewhere may have left jobs behind. Each process waits up to a quarter less or more, so that they spread. */
const ASLEEP_EVERY_MS = 60_000;
const COUNT_EVERY_MS = 500;
const PRUNE_EVERY_MS = 60_000;
const ASLEEP_PRUNE_EVERY_MS = 3_600_000;
const DUE_MAX = 200;
const HELD_MAX = 500;
/** Jobs and tickets are counted one after the other: only a gap seen so often in a row is one. */
const GAPS_TO_BELIEVE = 2;

export function startSweep(options: SweepOptions): Sweep {
  const { depth, alertness } = options;
  const noticeLoss = lossNoticer(options);
  const countNow = atMostEvery(COUNT_EVERY_MS, async () => {
    if (!(await depth.refresh())) return;
    alertness.saw(depth.census().open);
    options.counted();
    await noticeLoss();
  });
  let closed = false;
  // Apart from the sweeps: after many jobs it takes a while.
  const pruning = keepRunning(
    () => prune(options.database, () => !closed),
    () => Infinity,
    options.failed,
  );
  const pruneDue = atIntervals(() => (alertness.asleep() ? ASLEEP_PRUNE_EVERY_MS : PRUNE_EVERY_MS));
  const asleepEveryMs = ASLEEP_EVERY_MS * (0.75 + options.chance() / 2);
  const sweeping = keepRunning(
    async () => {
      await countNow();
      // What is done grows old after the last job, too, but that is no hurry.
      if (pruneDue()) pruning.soon(0);
      if (alertness.asleep()) return;
      const released = await lookAfterDue(options);
      if (released || depth.census().held > 0) admitting.soon(0);
    },
    () => (alertness.asleep() ? asleepEveryMs : EVERY_MS),
    options.failed,
  );
  const admitting = keepRunning(admitterOf(options), () => Infinity, options.failed);
  return {
    soon: sweeping.soon,
    admitHeld: () => admitting.soon(0),
    async close() {
      closed = true;
      await sweeping.close();
      await admitting.close();
      await pruning.close();
    },
  };
}

/** Whether jobs moved to the outbox: replayed ones whose time has come. */
async function lookAfterDue(options: SweepOptions): Promise<boolean> {
  const { database, tickets, leaseMs } = options;
  let released = false;
  for (;;) {
    const due = await takeDue(database, DUE_MAX, leaseMs);
    const waiting = due.filter(({ state, admitted }) => state === "waiting" && admitted);
    const ids = waiting.map(({ jobId }) => jobId);
    tickets.send(await issueTickets(database, ids));
    // One that cannot be failed now must not hold the others up: it is due again after a lease.
    for (const job of due)
      if (job.state === "active") await failLost(options, job).catch(options.failed);
    released ||= due.some(({ admitted }) => !admitted);
    if (due.length < DUE_MAX) return released;
  }
}

/** It may have been the job that ended its worker, so the attempt counts; but the job need not wait for the next one. */
function failLost(
  { attempts }: SweepOptions,
  { jobId, attempt, claim, kind }: DueJob,
): Promise<void> {
  const error = "The worker gave no sign of life any more while it worked on this job.";
  return attempts.fail({ jobId, attempt, claim, error, stack: "" }, kind, 0);
}

/** Each class up to its own share; where all have the same one, together, in the order in which they are served. */
function admitterOf(options: SweepOptions): () => Promise<void> {
  const { database, depth, leaseMs, limit, priorities } = options;
  const { roomForHeld } = createAdmission(limit, priorities);
  const groups = priorities ? CLASSES.map((each) => [each] as const) : [CLASSES];
  return async () => {
    for (const classes of groups) {
      for (let admitted = HELD_MAX; admitted === HELD_MAX;) {
        const room = Math.min(HELD_MAX, roomForHeld(classes[0], depth.waiting()));
        const jobs = room > 0 ? await admitHeld(database, classes, room, leaseMs) : [];
        options.admitted(jobs);
        admitted = jobs.length;
      }
    }
  };
}

/** Redis has fewer tickets than there are jobs said to be in the queue: it was emptied, or evicts. */
function lossNoticer({ database, tickets, depth }: SweepOptions): () => Promise<void> {
  let gaps = 0;
  return async () => {
    const { ticketed } = depth.census();
    const inQueue = ticketed === 0 ? 0 : await tickets.count();
    gaps = inQueue !== undefined && inQueue < ticketed ? gaps + 1 : 0;
    if (gaps < GAPS_TO_BELIEVE) return;
    gaps = 0;
    await makeTicketedDue(database);
  };
}

/** Whether it is time again; not at first. */
function atIntervals(everyMs: () => number): () => boolean {
  let lastMs = performance.now();
  return () => {
    if (performance.now() - lastMs < everyMs()) return false;
    lastMs = performance.now();
    return true;
  };
}

function atMostEvery(everyMs: number, work: () => Promise<void>): () => Promise<void> {
  let nextMs = 0;
  return async () => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + everyMs;
    await work();
  };
}
