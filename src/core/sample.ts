/** A sample: what one measured window reported, with the checks that say whether it may be used. */
import type { MetricId } from "./metric.ts";
import type { TaskKind } from "./workload.ts";

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
    | "no-backlog"
    | "tasks-done"
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
  /** Only of overload: answers of status 2xx and 3xx that came within its limit, from the due time. */
  readonly goodInTime?: number;
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
  /** Only when asked for: what became of the workload's tasks, in its order; those that were not begun have no durations. */
  readonly tasks?: readonly TaskResult[];
  /** With tasks: how long after the window's end the last one ended. Requests went on at the rate of its end, and count nowhere. */
  readonly overtimeMs?: number;
  readonly checks: readonly ValidityCheck[];
  /** Only when asked for: the requests of the window, in order of arrival, for the study of repetition. */
  readonly trace?: readonly TraceEntry[];
  /** With the trace: of each endpoint's answers, what decides whether and how caches between service and client keep them. */
  readonly responses?: readonly ResponseFacts[];
}

export interface TaskResult {
  readonly name: string;
  readonly kind: TaskKind;
  /** Of each answer that was a success, from the request's start to the last byte, in order. Tasks begun in the warm-up are not among them. */
  readonly durationsMs: readonly number[];
  /** Of those answers together. */
  readonly records: number;
  readonly responseBytes: number;
  readonly failed: number;
  /** Of the first failure: the status, or what went wrong on the way; never a body. */
  readonly failure?: string;
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
  /** Absent when no answer came. */
  readonly status?: number;
  /**
   * A 53-bit hash of the answer's body: equal bodies have equal ones. Of a 304, that of the body which the client held, where it is
   * known. Absent when no answer came.
   */
  readonly body?: number;
}

/**
 * Of one endpoint's answers, what caches decide by. Never the value of a header that may be a secret: of Set-Cookie, Cookie and
 * Authorization only that they were there, of validators only how they changed.
 */
export interface ResponseFacts {
  readonly endpoint: string;
  readonly method: string;
  /** Answers that were looked at. */
  readonly samples: number;
  /** Distinct combinations of headers, the most frequent first. */
  readonly variants: readonly ResponseVariant[];
  /** Answers with combinations beyond those kept. */
  readonly others: number;
  /** How many of the requests sent such a header. */
  readonly sent: {
    readonly authorization: number;
    readonly cookie: number;
    readonly acceptEncoding: number;
  };
  readonly validators: ValidatorFacts;
  /** Of requests that carried the validator of an earlier answer; absent when there was none. */
  readonly conditional?: ConditionalFacts;
  /** The greatest that an Age header said, in seconds: a cache in front of the service was measured. */
  readonly ageSecondsMax?: number;
  /** The least time from Last-Modified to the answer. */
  readonly sinceModifiedSecondsMin?: number;
}

/** One combination of what an answer said to caches. Texts are in lower case, as they came otherwise. */
export interface ResponseVariant {
  readonly count: number;
  readonly status: number;
  readonly cacheControl?: string;
  /** CDN-Cache-Control (RFC 9213): goes before Cache-Control, for shared caches only. */
  readonly cdnCacheControl?: string;
  readonly etag: "none" | "weak" | "strong";
  readonly lastModified: boolean;
  /** Expires less Date, to two digits; `invalid` where it is no date, which means that it has expired. */
  readonly expiresSeconds?: number | "invalid";
  readonly age: boolean;
  readonly vary?: string;
  readonly setCookie: boolean;
  readonly pragma?: string;
  readonly contentEncoding?: string;
  /** Without parameters. */
  readonly contentType?: string;
}

/** Of answers of status 200 with an ETag whose request had been answered so before: what became of ETag and body since. */
export interface ValidatorFacts {
  /** Both the same. */
  readonly steady: number;
  /** The same body under another ETag: clients fetch again what they have. */
  readonly unstable: number;
  /** Another body under the same strong ETag: clients keep what is out of date. */
  readonly wrong: number;
  /** Another body under the same weak ETag: allowed, where the difference means nothing. */
  readonly loose: number;
  /** Both others. */
  readonly changed: number;
}

/** Of conditional requests, what came back. */
export interface ConditionalFacts {
  readonly sent: number;
  /** 304. */
  readonly notModified: number;
  /** 200 with the very body that the client had: the validator was ignored. */
  readonly ignored: number;
  /** 200 with another body. */
  readonly changed: number;
}

/** Of one endpoint, what a few requests after the window showed: whether validators are honoured, and answers compressed. */
export interface ValidatorProbe {
  readonly endpoint: string;
  /** Different URLs that were asked for. */
  readonly urls: number;
  /** Of them, those that answered 200; the others say nothing. */
  readonly answered: number;
  /** With If-None-Match. */
  readonly etag: ConditionalFacts;
  /** With If-Modified-Since, where there was no ETag. */
  readonly modified: ConditionalFacts;
  /** With Accept-Encoding: gzip. */
  readonly gzip: GzipProbe;
}

export interface GzipProbe {
  /** URLs that answered 200 both with and without. */
  readonly answered: number;
  /** Of them, those that came compressed. */
  readonly compressed: number;
  /** Of the compressed, those whose Vary did not name Accept-Encoding. */
  readonly withoutVary: number;
  /** Of the compressed, those with the strong ETag of the answer that was not. */
  readonly sameStrongEtag: number;
  /** With If-None-Match and the ETag of the compressed answer. */
  readonly etag: ConditionalFacts;
  /** Mean, of bodies as they came. */
  readonly plainBytes: number;
  readonly gzipBytes: number;
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

/** Of a window that never was: the service did not start, or died. */
export function unmeasuredSample(
  request: { readonly requestsPerSecond: number; readonly windowMs: number },
  because: string,
): Sample {
  const none = { p50Ms: 0, p90Ms: 0, p95Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0, meanMs: 0 };
  return {
    load: {
      requestsPerSecondTarget: request.requestsPerSecond,
      requestsPerSecondReached: 0,
      windowMs: request.windowMs,
      requests: 0,
      errors: 0,
      timeouts: 0,
      dropped: 0,
      statuses: {},
      latency: none,
      histograms: { response: "", service: "", lag: "" },
      endpoints: [],
      generator: { lagP99Ms: 0, cpuShare: 0 },
      checks: [],
    },
    metrics: {},
    valid: false,
    invalidBecause: [because],
  };
}
