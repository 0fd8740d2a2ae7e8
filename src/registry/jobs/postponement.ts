// Tells failures of what a job needs (connections, threads, locks) from failures of the job: the former are no attempts.

import { TooBusyError, toRegistryError } from "../errors.ts";
import { PostponedError } from "./job.ts";
import type { Job } from "./job.ts";
import { ReceiverError } from "./receivers.ts";

/** A job that found no way to be tried for so long is tried, and fails: it is not to wait for ever. */
const POSTPONED_MAX_MS = 3_600_000;
const PAUSE_MS = 1_000;

/**
 * After how many milliseconds a job is to be tried again as if it had not been; undefined if the attempt counts. `chance`, in [0, 1),
 * moves the pause within its upper half.
 */
export function postponedMs(
  job: Pick<Job, "acceptedMs" | "startedMs">,
  error: unknown,
  chance: number,
): number | undefined {
  if (job.startedMs - job.acceptedMs > POSTPONED_MAX_MS) return undefined;
  if (error instanceof PostponedError) return error.delayMs;
  if (error instanceof TooBusyError) return spread(error.retryAfterSeconds * 1_000, chance);
  return isOfInfrastructure(error) ? spread(PAUSE_MS, chance) : undefined;
}

/** No connection in time or a lost one, a deadlock, a serialisation failure: what a client of the API is told to send again. */
function isOfInfrastructure(error: unknown): boolean {
  // A receiver that refuses connections looks like a database that does.
  if (error instanceof ReceiverError) return false;
  const { code } = toRegistryError(error);
  return code === "TEMPORARILY_UNAVAILABLE" || code === "RESOURCE_CONFLICT";
}

function spread(wholeMs: number, chance: number): number {
  return Math.round(wholeMs * (0.5 + chance / 2));
}
