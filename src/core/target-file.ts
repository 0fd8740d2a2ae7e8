/** What a target file says: how the service is started, probed, loaded and tuned, and where its stores are. */
import type { Knob } from "./knob.ts";
import type { WorkloadDefinition } from "./workload.ts";

/** A command as program and arguments, run without a shell in `directory`. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly directory: string;
}

/** Names of the service's own Prometheus series, for the metrics that only the service can know. */
export interface SeriesMap {
  readonly cacheLookups?: string;
  readonly cacheHitsL1?: string;
  readonly cacheHitsL2?: string;
  readonly cacheHitsL3?: string;
  readonly cacheMissesL1?: string;
  readonly cacheMissesL2?: string;
  readonly cacheMissesL3?: string;
  readonly poolTotal?: string;
  readonly poolIdle?: string;
  readonly poolWaiting?: string;
  readonly poolMax?: string;
  readonly poolWaitSecondsSum?: string;
  readonly poolWaitCount?: string;
  readonly eventLoopDelayP99Seconds?: string;
  readonly eventLoopUtilization?: string;
  /** Gauges: jobs accepted and not begun; jobs under way. */
  readonly queueWaiting?: string;
  readonly queueActive?: string;
  /** Counters of jobs: taken in, refused because the queue was full, done, given up on; and of attempts, all and failed ones. */
  readonly jobsAccepted?: string;
  readonly jobsRejected?: string;
  readonly jobsCompleted?: string;
  readonly jobsDead?: string;
  readonly jobAttempts?: string;
  readonly jobAttemptsFailed?: string;
  /** Of the pool of CPU threads. Gauge: threads alive. Counters: seconds, over all threads. */
  readonly threadsAlive?: string;
  readonly threadBusySeconds?: string;
  readonly threadAliveSeconds?: string;
  readonly threadWaitSecondsSum?: string;
  readonly threadWaitCount?: string;
  /** Counters of garbage collections. */
  readonly gcSeconds?: string;
  readonly gcCount?: string;
  /** Counter of those that mark and sweep the whole heap. */
  readonly gcMajorCount?: string;
  /** Gauges, bytes: of the JavaScript heap, and outside of it (external memory, array buffers included). */
  readonly heapUsedBytes?: string;
  readonly nonHeapBytes?: string;
  /** Counters of calls to other services. */
  readonly outgoingSecondsSum?: string;
  readonly outgoingCount?: string;
}

/** Names of the service's Prometheus histograms in seconds, labels allowed as in series; `_bucket`, `_sum` and `_count` are read. */
export interface HistogramMap {
  /** From a job's acceptance to its end. */
  readonly jobSeconds?: string;
  /** From a job's acceptance to the start of its first attempt: of all, and by class of priority. */
  readonly jobWaitSeconds?: string;
  readonly jobWaitHighSeconds?: string;
  readonly jobWaitNormalSeconds?: string;
  readonly jobWaitLowSeconds?: string;
  /** Of one attempt. */
  readonly jobServiceSeconds?: string;
  /** Of a tiny file operation that the service times now and then: how long libuv's threads let wait. */
  readonly fileProbeSeconds?: string;
  /** Of one garbage collection. */
  readonly gcPauseSeconds?: string;
  /** Of requests passed to workers, one set of buckets for each value of the label `worker`. */
  readonly workerSeconds?: string;
}

export interface TargetFile {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** Where the file lies, absolute. */
  readonly path: string;
  readonly service: {
    readonly start: Command;
    /** What makes the service from its sources, one after another; run by the gate in a checkout of each version. Absent: nothing to build. */
    readonly build?: readonly Command[];
    /** Run before each start with the service's environment: a version that changes the schema brings its own database up to date. */
    readonly migrate?: Command;
    /** Sent with every request of the load: credentials, best given as `${env:NAME}`. In no report or result. */
    readonly headers?: Readonly<Record<string, string>>;
    /** For load on an https URL: a file of authorities beside the system's (absolute), and whether certificates are verified. */
    readonly tls?: { readonly caPath?: string; readonly verify: boolean };
    /** Fixed environment; `${port}`, `${postgres.url}` and `${redis.url}` are filled in per arm. */
    readonly env: Readonly<Record<string, string>>;
    /** Path that answers 2xx when the service may be loaded. */
    readonly readyPath: string;
    readonly startTimeoutMs: number;
    readonly stopTimeoutMs: number;
    readonly metrics?: {
      readonly path: string;
      readonly series: SeriesMap;
      readonly histograms?: HistogramMap;
    };
  };
  readonly postgres:
    /** perfopt starts PostgreSQL from npm's binaries and seeds it once. */
    | {
        readonly kind: "embedded";
        readonly database: string;
        readonly settings: Readonly<Record<string, string>>;
      }
    /** The user's own server; `url` has its `${env:NAME}` filled in already. */
    | { readonly kind: "url"; readonly url: string }
    /** A service by its URL alone: nobody has said what stores it has. */
    | { readonly kind: "none" };
  readonly redis?:
    | { readonly kind: "local"; readonly settings: Readonly<Record<string, string>> }
    | { readonly kind: "url"; readonly url: string };
  readonly seed?: {
    readonly command: Command;
    readonly scales: readonly string[];
    readonly defaultScale: string;
    readonly quickScale: string;
  };
  readonly knobs: readonly Knob[];
  readonly workloads: readonly WorkloadDefinition[];
}
