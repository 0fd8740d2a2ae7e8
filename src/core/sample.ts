/** A sample: what one measured window reported, with the checks that say whether it may be used. */
import type { MetricId } from "./metric.ts";

export type MetricValues = Readonly<Partial<Record<MetricId, number>>>;

export interface ValidityCheck {
  readonly id:
    | "rate-reached"
    | "generator-lag"
    | "generator-cpu"
    | "no-drops"
    | "errors"
    | "all-answered"
    | "littles-law"
    | "host-pressure"
    | "host-steal";
  readonly ok: boolean;
  readonly value: number;
  readonly limit: number;
  /** One sentence for a person: what was measured, against what. */
  readonly detail: string;
}

/**
 * Checks whose failure spoils times as a client sees them and nothing else: CPU time a request and counters of a window that only
 * these fail are as good as ever, provided that the requests were all sent and answered.
 */
const LATENCY_ONLY: ReadonlySet<ValidityCheck["id"]> = new Set([
  "generator-lag",
  "generator-cpu",
  "host-pressure",
  "host-steal",
]);

export function spoilsLatencyOnly(check: Pick<ValidityCheck, "id">): boolean {
  return LATENCY_ONLY.has(check.id);
}

export interface Histograms {
  /** HdrHistogram V2 compressed, base64, microseconds: from the intended start, from the send, and the pacer's lag. */
  readonly response: string;
  readonly service: string;
  readonly lag: string;
}

export interface EndpointResult {
  readonly name: string;
  readonly requests: number;
  readonly errors: number;
  readonly latencyP50Ms: number;
  readonly latencyP95Ms: number;
  readonly latencyP99Ms: number;
  /** Bytes of response bodies, mean. */
  readonly responseBytesMean: number;
  /** HdrHistogram V2 compressed, base64, microseconds from the intended start. */
  readonly response: string;
}

/** What the load engine alone saw of one window; plain data that merges exactly. */
export interface LoadResult {
  readonly requestsPerSecondTarget: number;
  readonly requestsPerSecondReached: number;
  readonly windowMs: number;
  readonly requests: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly dropped: number;
  /** Counts of responses by status code; socket errors under "error", timeouts under "timeout", answers without what a session needs of them under "no-capture". */
  readonly statuses: Readonly<Record<string, number>>;
  readonly latency: {
    readonly p50Ms: number;
    readonly p90Ms: number;
    readonly p95Ms: number;
    readonly p99Ms: number;
    readonly p999Ms: number;
    readonly maxMs: number;
    readonly meanMs: number;
  };
  readonly histograms: Histograms;
  readonly endpoints: readonly EndpointResult[];
  readonly generator: { readonly lagP99Ms: number; readonly cpuShare: number };
  /** What the machine of the generator went through meanwhile; a share that the system does not tell is absent. */
  readonly host?: HostUse;
  /** Only when asked for: the window cut into pieces of equal length, in order. */
  readonly timeline?: readonly TimelinePoint[];
  readonly checks: readonly ValidityCheck[];
  /** Only when asked for: the requests of the window, in order of arrival, for the study of repetition. */
  readonly trace?: readonly TraceEntry[];
}

export interface HostUse {
  /** Share of the window in which some task waited for a CPU (Linux PSI, cpu some). */
  readonly pressureShare?: number;
  /** Share of the machine's CPU time that the hypervisor gave to others. */
  readonly stealShare?: number;
  /** Share of the machine's CPU time used by programs that are neither perfopt nor started by it. */
  readonly foreignShare?: number;
}

/** Requests by the moment they were due (for users: sent). */
export interface TimelinePoint {
  /** Milliseconds from the window's start. */
  readonly atMs: number;
  readonly lengthMs: number;
  /** As scheduled, mean over the piece; for users, their number. */
  readonly target: number;
  readonly requests: number;
  readonly errors: number;
  /** Absent when nothing was due. */
  readonly latencyP50Ms?: number;
  readonly latencyP95Ms?: number;
  readonly latencyP99Ms?: number;
}

export interface TraceEntry {
  /** Milliseconds from the window's start. */
  readonly atMs: number;
  readonly endpoint: string;
  readonly method: string;
  /** A 53-bit hash of method, path and body: equal requests have equal keys. */
  readonly key: number;
  readonly responseBytes: number;
}

/**
 * Stands after the first word of every statement of perfopt's own that runs inside a measured window: pg_stat_statements
 * keeps comments there, and counting leaves such statements out. It does not keep those before the first word.
 */
export const OWN_MARK = "/* perfopt */";

/** Statements as pg_stat_statements counted them in the window. */
export interface StatementStats {
  readonly queryId: string;
  readonly sql: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly rows: number;
  readonly buffers: number;
}

/** What the stores did for a window, warm-up included, in detail: sums, not per request. */
export interface ServerSide {
  /** The costliest first; absent without pg_stat_statements. */
  readonly statements?: readonly StatementStats[];
  /** Calls by command; absent without Redis. */
  readonly redisCommands?: Readonly<Record<string, number>>;
  /** Requests that these sums cover. */
  readonly requests: number;
  /** What could not be read, and why: `service CPU: the service runs on another machine`. */
  readonly unmeasured: readonly string[];
}

export interface Sample {
  readonly load: LoadResult;
  readonly server?: ServerSide;
  /** Finite numbers only; what could not be measured is absent. */
  readonly metrics: MetricValues;
  readonly valid: boolean;
  /** Of the checks that failed, their details. */
  readonly invalidBecause: readonly string[];
}
