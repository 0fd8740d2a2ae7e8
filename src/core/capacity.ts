/** How much a target carries: users within the SLO, and what becomes of requests and jobs at more than its capacity. */
import type { LimitResult } from "./result.ts";
import type { Slo } from "./slo.ts";
import type { ThinkTime } from "./workload.ts";

/** What a persona wants to know of it. */
export interface CapacityPlan {
  readonly users?: UsersPlan;
  readonly overload?: OverloadPlan;
}

export interface UsersPlan {
  readonly think: ThinkTime;
  /** At least one; all have to hold. */
  readonly slos: readonly Slo[];
  readonly windowMs: number;
  /** The most windows of one search. */
  readonly windowsMax: number;
}

/** Load beyond what the service can do, on purpose: in a capacity block, or as the load of a phase. */
export interface OverloadPlan {
  /** Of the baseline's saturation rate: 2 is twice what it can do. The same for before and after. */
  readonly factor: number;
  readonly windowMs: number;
  /** A good answer counts when it is complete so long after the request was due; absent: when it came before the window's end or soon after. */
  readonly withinMs?: number;
}

/** A part that could not be measured is absent; `unmeasured` says why. */
export interface CapacityResult {
  readonly users?: LimitResult;
  readonly overload?: OverloadResult;
  readonly unmeasured?: readonly string[];
}

/** One window of open-loop load beyond the capacity. */
export interface OverloadResult {
  readonly requestsPerSecondOffered: number;
  /** Answers of status 2xx and 3xx that came in time: a backlog that is answered after the window is no goodput of it. */
  readonly goodputPerSecond: number;
  /** Within which time of its due time an answer counted; absent: by the window's end or soon after. */
  readonly withinMs?: number;
  /** Good answers that came later than that, over all; absent where it is. */
  readonly lateShare?: number;
  /** What a closed loop got through of the same configuration, or of the baseline where that was more: the peak that goodput is held against. */
  readonly peakPerSecond: number;
  /** Answers 429 and 503 over all. */
  readonly rejectedShare: number;
  /** Timeouts, socket errors, other statuses than the above, and requests that found too many waiting already, over all. */
  readonly failedShare: number;
  /** Jobs that waited in the service's queue at most, and how long they did; absent where the service has no queue that it tells of. */
  readonly queueDepthMax?: number;
  readonly queueWaitP95Ms?: number;
  /** Jobs that were accepted and given up on in the window. */
  readonly deadLetters?: number;
  readonly latencyP95Ms: number;
  /** Why the generator may not have sent what it should; absent: it did. */
  readonly doubts?: readonly string[];
}
