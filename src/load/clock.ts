/** One time for all threads: `performance.now()` counts from each thread's own start. */
import { performance } from "node:perf_hooks";

/** Milliseconds of the machine's monotonic clock, the same in every thread. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What `performance.now()` says in this thread at a moment of the shared clock. */
export function localTime(sharedMs: number): number {
  return performance.now() + (sharedMs - sharedNow());
}
