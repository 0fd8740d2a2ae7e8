/** How many jobs may wait: not a setting to guess but what a wait that is still acceptable and the measured rate of service give. */
import { formatDuration, significant } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";
import type { Overload } from "./overload.ts";

export interface ServiceRate {
  readonly jobsPerSecond: number;
  /** One phrase: `measured while 430 jobs waited on average`. */
  readonly how: string;
  /** `at-least`: the workers were idle now and then; `at-most`: no job waited, so that it is what they could do in theory. */
  readonly kind: "measured" | "at-least" | "at-most";
}

export interface Crew {
  readonly workers: number;
  readonly processes: number;
  readonly serviceMeanMs: number | undefined;
}

/** Fewer than one waiting on average: what got done was what came. */
const WAITING_LEAST = 1;
/** Several waiting for each worker on average: none of them was ever idle for long. */
const WAITING_EACH = 2;
/** Above this utilisation what got done is what the workers can do, nearly. */
const BUSY_LEAST = 0.9;

/**
 * Jobs a second that the workers get done when there is always one to do. Measured as jobs done over a window in which jobs waited
 * and the workers were busy nearly all of the time; whether the window was valid for latencies does not matter to it. Jobs done while
 * workers were idle now and then are a lower bound. Where none waited, workers over the mean time of an attempt, an upper bound: more
 * jobs at once take longer each. Undefined when none of these is known.
 */
export function serviceRateOf(overload: Overload, crew: Crew): ServiceRate | undefined {
  const { jobsPerSecond = 0, depthMean } = overload;
  const workers = crew.workers * crew.processes;
  if (jobsPerSecond > 0 && depthMean === undefined) {
    const how = "at least, since how many jobs waited under overload was not measured";
    return { jobsPerSecond, how, kind: "at-least" };
  }
  if (jobsPerSecond > 0 && depthMean !== undefined && depthMean >= WAITING_LEAST) {
    const waited = `${significant(depthMean)} jobs waited on average`;
    if (depthMean >= WAITING_EACH * workers || busyShareOf(overload, workers) >= BUSY_LEAST) {
      return { jobsPerSecond, how: `measured under overload while ${waited}`, kind: "measured" };
    }
    const how = `at least, since under overload ${waited}, too few to keep ${countOf(workers, "worker")} busy all the time`;
    return { jobsPerSecond, how, kind: "at-least" };
  }
  const meanMs = overload.serviceMeanMs ?? crew.serviceMeanMs;
  if (meanMs === undefined || !(meanMs > 0)) return undefined;
  return {
    jobsPerSecond: (workers * 1_000) / meanMs,
    how: `${countOf(workers, "worker")} over ${formatDuration(meanMs)} an attempt, at most, since ${depthMean === undefined ? "no job done was measured under overload" : "hardly a job had to wait even under overload"}`,
    kind: "at-most",
  };
}

/** Utilisation law: attempts a second times their mean duration, over the workers. 0 where that is not known. */
function busyShareOf(overload: Overload, workers: number): number {
  const { jobsPerSecond = 0, serviceMeanMs = 0, failureRatio = 0 } = overload;
  const attempts = jobsPerSecond / (1 - Math.min(0.99, failureRatio));
  return (attempts * serviceMeanMs) / 1_000 / workers;
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
  const most = { measured: "up to", "at-least": "at most", "at-most": "at least" }[rate.kind];
  const meaning = `the preset of ${preset} would mean a wait of ${most} ${formatDuration(waitMs)}`;
  const target = formatDuration(waitTargetMs);
  // Of a bound for the rate, only what holds on its side of the target is known.
  if (formatDuration(waitMs) === target) return `${meaning}: what a job may wait`;
  if (waitMs > waitTargetMs) {
    return rate.kind === "at-least"
      ? `${meaning}: whether within the ${target} that a job may wait is not known`
      : `${meaning}: rejected, above the ${target} that a job may wait`;
  }
  return rate.kind === "at-most"
    ? `${meaning}: whether within the ${target} that a job may wait is not known`
    : `${meaning}, within the ${target} that a job may wait: it would do no harm`;
}
