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
    readonly metrics?: { readonly path: string; readonly series: SeriesMap };
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
