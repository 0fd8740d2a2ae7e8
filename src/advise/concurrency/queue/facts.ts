/** What a window says of a queue of jobs, in the terms that its policies are decided by. */
import type { MetricValues } from "../../../core/sample.ts";

/** The settings of the queue, as far as the target has knobs for them. */
export interface QueueSettings {
  readonly workers: number | undefined;
  readonly processes: number;
  readonly priorities: boolean | undefined;
  readonly ageingMs: number | undefined;
  readonly attempts: number | undefined;
  readonly backoffMs: number | undefined;
  readonly batch: number | undefined;
}

export interface QueueFacts {
  readonly latencyP95Ms: number | undefined;
  readonly waitP95Ms: number | undefined;
  readonly waitHighP95Ms: number | undefined;
  readonly waitNormalP95Ms: number | undefined;
  readonly waitLowP95Ms: number | undefined;
  readonly serviceMeanMs: number | undefined;
  /** Share of the workers' time in which they work; undefined without the number of workers. */
  readonly busyShare: number | undefined;
  readonly retries: Retries | undefined;
  /** Of the service's processes, mean; workers that run in them wait for it too. */
  readonly loopBusyShare: number | undefined;
  /** Of polls; undefined when the service does not tell. */
  readonly depthMax: number | undefined;
}

/** Of one window; jobs that began before it or end after it make these near, not exact. */
export interface Retries {
  readonly jobs: number;
  readonly failedAttempts: number;
  readonly failureRatio: number;
  /** Undefined when the service does not tell: whether failures pass or last is not known then. */
  readonly deadLetters: number | undefined;
}

export function queueFactsOf(
  metrics: MetricValues,
  windowMs: number,
  settings: QueueSettings,
): QueueFacts {
  return {
    latencyP95Ms: metrics["queue.latencyP95Ms"],
    waitP95Ms: metrics["queue.waitP95Ms"],
    waitHighP95Ms: metrics["queue.waitHighP95Ms"],
    waitNormalP95Ms: metrics["queue.waitNormalP95Ms"],
    waitLowP95Ms: metrics["queue.waitLowP95Ms"],
    serviceMeanMs: metrics["queue.serviceMeanMs"],
    busyShare: busyShareOf(metrics, settings),
    retries: retriesOf(metrics, windowMs),
    loopBusyShare: metrics["service.eventLoopUtilization"],
    depthMax: metrics["queue.depthMax"],
  };
}

/** Utilisation law: attempts a second times their mean duration, over the workers. */
function busyShareOf(
  metrics: MetricValues,
  { workers, processes }: QueueSettings,
): number | undefined {
  const jobs = metrics["queue.jobsPerSecond"];
  const service = metrics["queue.serviceMeanMs"];
  if (jobs === undefined || service === undefined || workers === undefined || workers <= 0) {
    return undefined;
  }
  const failed = Math.min(0.99, metrics["queue.failureRatio"] ?? 0);
  return ((jobs / (1 - failed)) * service) / 1_000 / (workers * processes);
}

/** Each job done had one attempt that did not fail: attempts are jobs over the share that did not. */
function retriesOf(metrics: MetricValues, windowMs: number): Retries | undefined {
  const rate = metrics["queue.jobsPerSecond"];
  const failureRatio = metrics["queue.failureRatio"];
  if (rate === undefined || failureRatio === undefined || failureRatio >= 1) return undefined;
  const jobs = (rate * windowMs) / 1_000;
  return {
    jobs,
    failureRatio,
    failedAttempts: (jobs * failureRatio) / (1 - failureRatio),
    deadLetters: metrics["queue.deadLetters"],
  };
}
