/** Waits for the jobs that a window left in the service's queue, so that no window works off another one's. */
import { setTimeout as delay } from "node:timers/promises";
import type { ValidityCheck } from "../core/sample.ts";
import { scrape } from "./prometheus.ts";
import type { Subject } from "./window.ts";

const POLL_MS = 100;
/** An overload may fill a queue: what is still there after so long is said instead of waited for. */
const SETTLE_MS_MAX = 60_000;

/** Jobs that are left; `unknown` where the page never came. */
export type JobsLeft = number | "unknown";

/**
 * Jobs that are left when the time is up, 0 mostly. Returns at once for services that do not tell of a queue, and for those that
 * perfopt did not start: theirs may have other clients, and never be empty.
 */
export async function settleJobs(
  { process, sources: { metrics } }: Pick<Subject, "process" | "sources">,
  signal: AbortSignal,
): Promise<JobsLeft> {
  if (!process || !metrics || metrics.series.queueWaiting === undefined) return 0;
  const deadline = performance.now() + SETTLE_MS_MAX;
  let left: JobsLeft = "unknown";
  while (!signal.aborted && performance.now() < deadline) {
    // A page that does not come is that of a service with more to do than it can.
    const found = await scrape(metrics).catch(() => undefined);
    if (found) left = (found.queueWaiting ?? 0) + (found.queueActive ?? 0);
    if (found && left === 0) return 0;
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
  return left;
}

/** For a window that began with jobs of an earlier one; none for one that did not. */
export function backlogChecks(jobsLeft: JobsLeft): readonly ValidityCheck[] {
  if (jobsLeft === 0) return [];
  const seconds = SETTLE_MS_MAX / 1000;
  const known = jobsLeft !== "unknown";
  const detail = known
    ? `${jobsLeft} jobs of the window before were still there after ${seconds} s`
    : `the service did not say within ${seconds} s whether jobs of the window before were still there`;
  return [{ id: "no-backlog", ok: false, value: known ? jobsLeft : 0, limit: 0, detail }];
}
