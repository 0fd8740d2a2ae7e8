/** How many jobs may wait: not a setting to guess but what a wait that is still acceptable and the measured rate of service give. */
import { formatDuration, significant } from "../../../core/units.ts";
import type { Overload } from "./overload.ts";

export interface ServiceRate {
  readonly jobsPerSecond: number;
  /** One phrase: `measured while 430 jobs waited on average`. */
  readonly how: string;
  /** False: the workers were never all busy, so that it is what they could do at most. */
  readonly measured: boolean;
}

export interface Crew {
  readonly workers: number;
  readonly processes: number;
  readonly serviceMeanMs: number | undefined;
}

/** Fewer than one waiting on average: the workers were idle now and then, and what got done was what came. */
const WAITING_LEAST = 1;

/**
 * Jobs a second that the workers get done when there is always one to do. Measured as jobs done over a window in which jobs
 * waited; whether the window was valid for latencies does not matter to it. Without such a window workers over the mean time of
 * an attempt, an upper bound: more jobs at once take longer each. Undefined when neither is known.
 */
export function serviceRateOf(overload: Overload, crew: Crew): ServiceRate | undefined {
  const { jobsPerSecond, depthMean } = overload;
  if (jobsPerSecond !== undefined && jobsPerSecond > 0 && (depthMean ?? 0) >= WAITING_LEAST) {
    const how = `measured under overload while ${significant(depthMean ?? 0)} jobs waited on average`;
    return { jobsPerSecond, how, measured: true };
  }
  const meanMs = overload.serviceMeanMs ?? crew.serviceMeanMs;
  if (meanMs === undefined || !(meanMs > 0)) return undefined;
  const workers = crew.workers * crew.processes;
  return {
    jobsPerSecond: (workers * 1_000) / meanMs,
    how: `${workers} workers over ${formatDuration(meanMs)} an attempt, at most, since no job had to wait even under overload`,
    measured: false,
  };
}

/** The jobs that may wait for nobody to wait longer than `waitTargetMs`, rounded down to two digits. At least 1. */
export function boundOf(rate: ServiceRate, waitTargetMs: number): number {
  const exact = (rate.jobsPerSecond * waitTargetMs) / 1_000;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, exact))) - 1);
  return Math.max(1, Math.floor(exact / unit) * unit);
}

/** How long the last job in a queue of so many waits. */
export function waitAtMs(bound: number, rate: ServiceRate): number {
  return (bound / rate.jobsPerSecond) * 1_000;
}

/** What a proposed bound would mean, and whether that is within the target: `1500 would mean a wait of 7.50 s: rejected ...`. */
export function presetInWords(preset: number, rate: ServiceRate, waitTargetMs: number): string {
  const waitMs = waitAtMs(preset, rate);
  const meaning = `the preset of ${preset} would mean a wait of up to ${formatDuration(waitMs)}`;
  return waitMs > waitTargetMs
    ? `${meaning}: rejected, above the ${formatDuration(waitTargetMs)} that a job may wait`
    : `${meaning}, within the ${formatDuration(waitTargetMs)} that a job may wait: it would do no harm`;
}
