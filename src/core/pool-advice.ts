/** The pool advisor's answer: throughput by size with the law fitted to it, the limits that hold, the size to set, and why. */

/** What the sizes of a sweep count. */
export type PoolSubject =
  /** Connections of the pool, of one process: the knob itself was turned. */
  | "pool"
  /** Clients that hold one connection each, as pgbench's do: as many connections. */
  | "connections"
  /** Requests under way at a time on a service whose pool stayed as it is. */
  | "users";

/** One measurement of a sweep. */
export interface PoolMeasurement {
  readonly size: number;
  /** Completed per second. */
  readonly throughput: number;
  /** Requests that were under way all the time; the size itself where that is what was varied. */
  readonly underWay?: number;
  /** Mean response, to check it all by. */
  readonly responseMs?: number;
  readonly latencyP95Ms?: number;
  readonly latencyP99Ms?: number;
  /** Where it was read, for messages: `line 7`, `window 3`. */
  readonly from: string;
  /** Why it cannot be used, where that is known already. */
  readonly invalidBecause?: readonly string[];
  /** Whether other work on the machine is among the reasons. */
  readonly machineBusy?: boolean;
  /** Whether failed requests are. */
  readonly requestsFailed?: boolean;
  readonly inside?: PoolInside;
}

/** What service and database told of themselves meanwhile; what they did not tell is absent. */
export interface PoolInside {
  /** For a connection, mean. */
  readonly waitMs?: number;
  /** Connections taken from the pool, mean. */
  readonly inUse?: number;
  /** Backends that executed a statement at a time, mean: statements a second times their mean time. */
  readonly executing?: number;
  /** Cores that the database's backends kept busy, mean. */
  readonly dbCores?: number;
  /** Cores that the service's processes kept busy, mean. */
  readonly serviceCores?: number;
}

/** Everything measured at one size: medians. */
export interface PoolPoint {
  readonly size: number;
  readonly measurements: number;
  readonly throughput: number;
  readonly throughputLow: number;
  readonly throughputHigh: number;
  readonly latencyP95Ms?: number;
  readonly latencyP99Ms?: number;
  readonly responseMs?: number;
  readonly inside: PoolInside;
  /** Share of the best measured. */
  readonly shareOfBest: number;
  /** As the fitted law has it; absent without a fit. */
  readonly fitted?: number;
}

export interface PoolLeftOut {
  readonly size: number;
  readonly throughput: number;
  readonly from: string;
  readonly why: string;
}

/** Ends that are not known are absent. */
export interface PoolInterval {
  readonly low?: number;
  readonly high?: number;
}

export type UslFit =
  | { readonly kind: "too-few-points"; readonly because: string }
  | {
      readonly kind: "fitted";
      /** Throughput of one alone, per second. */
      readonly lambda: number;
      /** Share of the work that only one can do at a time. */
      readonly sigma: number;
      /** What each costs each other. */
      readonly kappa: number;
      /** Of throughput; can be below zero for a law that is worse than a mean. */
      readonly rSquared: number;
      /** Typical distance of a measurement from the curve, as a share of it. */
      readonly scatter: number;
      readonly points: number;
      /** N*, where the curve has its top; absent where it never turns down. */
      readonly peak?: number;
      readonly peakInterval: PoolInterval;
      /** At N*, per second; absent without one. */
      readonly peakThroughput?: number;
      readonly peakThroughputInterval: PoolInterval;
      /** Of the intervals. */
      readonly confidence: number;
      readonly refits: number;
      /** Whether N* lies beyond the largest size measured, or below the least. */
      readonly extrapolated: boolean;
      /** Whether the law may be used to explain; if not, why not. */
      readonly trusted: boolean;
      readonly problems: readonly string[];
    };

/** A pool below it can wait for itself for ever. */
export interface DeadlockFloor {
  readonly size: number;
  readonly threads: number;
  readonly connectionsEach: number;
}

/** What the database leaves to one pool. */
export interface ServerLimit {
  readonly size: number;
  readonly maxConnections: number;
  readonly reserved: number;
  readonly others: number;
  readonly processes: number;
  /** Pools of the same service that stand at a time: two while perfopt compares, or during a rolling deployment. */
  readonly copies: number;
}

/** What decides where the measured throughput does not: the size it would choose may not be set. */
export interface PoolBound {
  readonly by: "server-limit" | "deadlock-floor" | "setting";
  /** The least or the most that may be set, counted as the sizes are. */
  readonly size: number;
  /** What throughput alone would choose. */
  readonly unbounded: number;
  /** Of the best measured, lost by the chosen size; 0 to 1. */
  readonly costShare: number;
}

export interface IdleAdvice {
  /** Absent where no connection would be closed for idleness. */
  readonly idleTimeoutMs?: number;
  readonly reconnectsPerMinute: number;
  readonly reconnectsPerMinuteMax: number;
  /** Connections to keep open, so that bursts find them. */
  readonly minConnections: number;
  readonly observedMs: number;
  readonly arrivals: number;
  readonly words: readonly string[];
}

export interface PoolFormula {
  readonly name: string;
  readonly text: string;
  readonly size: number;
  /** Of the best measured: measured at that very size, or read off a trusted fit. */
  readonly share?: { readonly value: number; readonly how: "measured" | "fitted" };
}

export interface PoolAdvice {
  readonly format: "perfopt-pool-advice/1";
  readonly source: string;
  readonly subject: PoolSubject;
  /**
   * `sized`: measured on both sides. `bounded`: a limit decides, and not throughput. `edge`: the largest or smallest size was the best,
   * so a better one may lie beyond. `unclear`: what was measured does not carry an answer.
   */
  readonly verdict: "sized" | "bounded" | "edge" | "unclear";
  readonly headline: string;
  /** Of the pool of one process, where it is known. */
  readonly present?: number;
  /** Of the service. Only where sizes count the connections of all of them together; `floor` and `limit` are of one process always. */
  readonly processes?: number;
  /** The smallest size within 2 % of the best, within floor and limit. Absent where the verdict is unclear. */
  readonly recommended?: number;
  /** Of that, for the pool of each process; where sizes count all processes together. */
  readonly recommendedEach?: number;
  /** Where it decides. */
  readonly bound?: PoolBound;
  /** Of the verdict unclear: why. */
  readonly unclearBecause: readonly string[];
  readonly best: number;
  readonly points: readonly PoolPoint[];
  readonly leftOut: readonly PoolLeftOut[];
  readonly fit: UslFit;
  readonly floor?: DeadlockFloor;
  readonly limit?: ServerLimit;
  readonly idle?: IdleAdvice;
  readonly formulas: readonly PoolFormula[];
  /** Why this size, and not a larger or smaller one; with numbers. */
  readonly reasons: readonly string[];
  /** Cannot be known from what was measured. */
  readonly caveats: readonly string[];
}
