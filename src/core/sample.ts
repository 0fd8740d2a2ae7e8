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
    | "all-answered";
  readonly ok: boolean;
  readonly value: number;
  readonly limit: number;
  /** One sentence for a person: what was measured, against what. */
  readonly detail: string;
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
  /** Counts of responses by status code; socket errors under "error", timeouts under "timeout". */
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
  readonly checks: readonly ValidityCheck[];
  /** Only when asked for: the requests of the window, in order of arrival, for the study of repetition. */
  readonly trace?: readonly TraceEntry[];
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

export interface Sample {
  readonly load: LoadResult;
  /** Finite numbers only; what could not be measured is absent. */
  readonly metrics: MetricValues;
  readonly valid: boolean;
  /** Of the checks that failed, their details. */
  readonly invalidBecause: readonly string[];
}
