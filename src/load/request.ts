/** What one window of load is asked for, and what a worker saw of it: plain data, which can cross threads and machines. */
import type { ResponseFacts, TraceEntry } from "../core/sample.ts";
import type { RateSegment } from "../core/scenario.ts";
import type { ParameterData, ThinkTime, WorkloadDefinition } from "../core/workload.ts";

export interface LoadRequest {
  /** Scheme, host and port; a path, if any, is put before every request's. */
  readonly baseUrl: string;
  readonly workload: WorkloadDefinition;
  readonly data: ParameterData;
  /** The same seed gives the same requests at the same times. */
  readonly seed: number;
  readonly arrivals: "constant" | "poisson";
  /** Of a workload of sessions: sessions that begin each second. Of users: not used. */
  readonly requestsPerSecond: number;
  /** The rate over the window where it changes; the lengths add up to `windowMs`, the mean is `requestsPerSecond`. */
  readonly segments?: readonly RateSegment[];
  /**
   * A closed loop instead of arrivals: so many users, each sending its next request (or session) when the last one is done and it
   * has thought. Its tail is not comparable with an open one's, since users that wait do not send.
   */
  readonly users?: { readonly count: number; readonly think: ThinkTime };
  /**
   * More than the service can do, on purpose. Answers of status 2xx and 3xx that are complete so long after their due time are counted,
   * and the window is not judged by what it measures: rate, errors and drops.
   */
  readonly overload?: { readonly withinMs: number };
  /** Requests due in the warm-up are sent and not recorded. */
  readonly warmupMs: number;
  readonly windowMs: number;
  /** From the moment the generator sends a request until its answer is complete. */
  readonly timeoutMs: number;
  /** Threads that send; their arrivals interleave evenly. By default as many as the rate needs, see workersFor. */
  readonly workers?: number;
  /** Cut the window's results into pieces of this length too. Absent: no timeline. */
  readonly timelineMs?: number;
  /**
   * Which of the workload's tasks one client does beside the requests, in the workload's order: all, or these by name. Requests go on
   * being sent, and are not measured, while a task goes on after the window's end. Absent: none.
   */
  readonly tasks?: "all" | readonly string[];
  /** Sent with every request, over those of its template; may hold secrets, and is in no result. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of https: authorities beside the system's, as PEM text, and whether certificates are verified, which they are by default. */
  readonly tls?: { readonly ca?: string; readonly verify: boolean };
  /**
   * How many requests can be with the service at once; further ones wait in the generator, and that time counts. By default 64, and 512
   * or more of an overload, see `overloadConnections`; at least one for each user.
   */
  readonly connections?: number;
  /** A request that is due while this many wait for answers is dropped, and a drop makes the sample invalid. 10,000 by default. */
  readonly outstandingMax?: number;
  /**
   * How late requests may leave (p99) in a valid sample, where 5 % of the median response is less. 1 by default. Lag adds to every
   * response time of both arms: it makes gains look smaller than they are, and a goal of 200 ms is not in doubt for 5 % of that.
   */
  readonly lagMsMax?: number;
  /** The greatest share of failed requests that a valid sample may have. */
  readonly errorRateMax: number;
  /**
   * False where the service or its stores run on this machine and this process did not start them: their work cannot be told from
   * that of strangers then, and host pressure is not judged. True by default.
   */
  readonly foreignWorkKnown?: boolean;
  /** Absent: a window during which the hypervisor gave CPU time to others is judged by that. */
  readonly stealJudged?: boolean;
  /** Whether the result lists the window's requests, and says what caches may do with the answers. */
  readonly trace: boolean;
}

/** With every default filled in. */
export type CompleteLoadRequest = LoadRequest &
  Required<Pick<LoadRequest, "workers" | "connections" | "outstandingMax" | "lagMsMax">>;

/** Counts and histograms of the requests due in one window. Records of several workers add up: every number is a sum or a histogram. */
export interface WindowRecord {
  /** Requests that were due. Each was dropped, answered, timed out or broken off. */
  readonly scheduled: number;
  readonly dropped: number;
  readonly answered: number;
  /** Of the answered, those whose answer came before the window's end plus a tenth of its length. */
  readonly answeredInTime: number;
  /** Of the answered, those of status 2xx and 3xx within the overload's limit; 0 without one. */
  readonly goodInTime: number;
  readonly timeouts: number;
  readonly brokenOff: number;
  /** Why the first of them was: `self-signed certificate`. */
  readonly brokenOffBecause: string | undefined;
  /** Timed out, broken off, or answered with a status that the request does not expect. */
  readonly errors: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** HdrHistogram V2 compressed, base64, microseconds. */
  readonly response: string;
  readonly service: string;
  readonly lag: string;
  readonly endpoints: readonly EndpointRecord[];
  /** The number of requests that were due and had not ended, summed over time as it changed: the other side of Little's law. */
  readonly outstandingMs: number;
  /** Of several threads, that of the busiest: each has a core of its own as its limit. */
  readonly cpu: GeneratorCpu;
  readonly trace: readonly TraceEntry[] | undefined;
  /** One an endpoint. */
  readonly responses?: readonly ResponseFacts[] | undefined;
  readonly timeline: readonly PieceRecord[] | undefined;
}

/** The requests due in one piece of the timeline. */
export interface PieceRecord {
  readonly requests: number;
  readonly errors: number;
  readonly response: string;
}

export interface EndpointRecord {
  readonly name: string;
  readonly requests: number;
  readonly answered: number;
  readonly errors: number;
  readonly responseBytes: number;
  readonly response: string;
}

export interface GeneratorCpu {
  /** CPU time over wall time while the window's requests were due; 1 is a whole core. */
  readonly share: number;
  /** `loop`: where the operating system does not count a thread's time, the share of time not spent waiting for the next request. */
  readonly source: "thread" | "loop";
}
