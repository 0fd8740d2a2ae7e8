/** What the cache advisor found: plain JSON, for `--json` and the reports. Rates and shares are 0 to 1. */
import type { HitCurve, MissClasses, RedisPolicy } from "./cache-curve.ts";

export interface CacheAdvice {
  readonly format: "perfopt-cache-advice/1";
  /** The first line: one sentence. When the goal lies above the ceiling, it says so. */
  readonly headline: string;
  readonly verdict: "met" | "reachable" | "above-ceiling" | "no-goal" | "not-shown";
  readonly trace: TraceFacts;
  readonly coverage: Coverage;
  readonly goal?: { readonly hitRate: number; readonly from: string };
  readonly ceiling: Ceiling;
  /** What would move the ceiling, or take misses off the database without a hit; what gains most first. */
  readonly movers: readonly Mover[];
  /** As the cache is configured, where that is known. */
  readonly present?: CacheChoice;
  /** The smallest that reaches the goal by its lower bound; without one, or with a goal out of reach, the knee. */
  readonly recommended?: CacheChoice;
  /** One sentence each: why this size, this policy, this time to live. */
  readonly reasons: readonly string[];
  /** Memory against hit rate, stale reads and load of the database: none of them is beaten in all by another. */
  readonly pareto: readonly CacheChoice[];
  readonly policies: readonly PolicyCurve[];
  /** An exact LRU by entries' bytes, whatever the policy is, times to live left out; and byte hit rates. */
  readonly curve: HitCurve;
  /** By prefix, sharing one LRU of the sizes of `curve`; absent where there is one prefix, the busiest ones first. */
  readonly prefixCurves?: readonly PrefixCurveFacts[];
  readonly prefixes: readonly PrefixFacts[];
  /** Hit rate and staleness by time to live, memory unbounded. */
  readonly ttl: readonly TtlPoint[];
  readonly tiers?: TiersAdvice;
  readonly warmUp: readonly WarmUpPoint[];
  readonly memory: MemoryAdvice;
  readonly http?: HttpAudit;
  readonly verification?: CacheVerification;
  readonly caveats: readonly string[];
}

export interface TraceFacts {
  /** Where it came from, without secrets. */
  readonly source: string;
  readonly rows: number;
  readonly gets: number;
  readonly keys: number;
  readonly lengthMs: number;
  readonly getsPerSecond: number;
  readonly sampledShare: number;
  readonly processes: number;
  /** Of all keys, as the cache would hold them, entry overhead included. */
  readonly workingSetBytes: number;
  /** Where the trace says how gets ended. */
  readonly hitRateCaptured?: number;
}

/** Whether the trace is long enough to say anything. */
export interface Coverage {
  readonly enough: boolean;
  /** Time that a key stays unread before it is evicted at the recommended size; undefined when nothing is evicted. */
  readonly evictionAgeMs?: number;
  /** The longest time to live that many keys have; undefined without any. */
  readonly ttlMs?: number;
  /** Share of gets that were the first of their key in the last quarter of the trace: what keeps coming. */
  readonly newKeyShareAtEnd: number;
  /** One sentence each. */
  readonly words: readonly string[];
}

/** With unbounded memory. */
export interface Ceiling {
  /** With times to live and invalidation as they were. */
  readonly hitRate: number;
  /** If nothing ever expired. */
  readonly hitRateWithoutExpiry: number;
  /** 1 - compulsory misses: if nothing expired or changed either. */
  readonly hitRateOfAnyCache: number;
  /** Shares of the gets, at unbounded memory: capacity is 0. */
  readonly misses: MissClasses;
}

export interface Mover {
  readonly kind:
    | "longer-ttl"
    | "warm-up"
    | "negative-caching"
    | "single-flight"
    | "memory"
    | "policy"
    | "in-process"
    | "invalidation";
  /** Points of hit rate that it would add (0.02 is 2 points); undefined where it takes load off without a hit. */
  readonly gain?: number;
  /** Loads of the database that it would save, of all loads. */
  readonly loadsSaved?: number;
  readonly detail: string;
}

/** One configuration, and what it is predicted to do. */
export interface CacheChoice {
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  /** Factor of all times to live against those in the trace; 1: as they were. */
  readonly ttlFactor: number;
  /** In words, where times to live change: `models/get: 30 s -> 5 min`. */
  readonly ttlWords?: string;
  readonly l1?: { readonly bytes: number; readonly ttlMs: number };
  readonly hitRate: number;
  /** Bounds of the prediction: spread over seeds and samples, and the model's own error. */
  readonly low: number;
  readonly high: number;
  readonly byteHitRate?: number;
  /** Of the gets, how many were answered with what had changed meanwhile; undefined when the trace shows no writes. */
  readonly staleShare?: number;
  readonly loadsPerSecond: number;
  /** Time of loading that is saved against no cache at all, milliseconds a second; undefined without costs in the trace. */
  readonly loadMsSavedPerSecond?: number;
  readonly misses: MissClasses;
  /** Of the stores, how many failed because the memory was full and nothing might be evicted; absent: none. */
  readonly refused?: number;
  /** Hits a second that the last MB adds; undefined for the smallest. */
  readonly hitsPerExtraMb?: number;
}

export interface PolicyCurve {
  readonly policy: RedisPolicy;
  readonly sizes: readonly number[];
  readonly hitRate: readonly number[];
  /** Two standard errors and the model's own error. */
  readonly error: readonly number[];
  /** Of the keys, that were simulated: 1 is all of them. */
  readonly simulatedShare: number;
  /** Of the rows, the first ones, that were simulated; absent: all of them. */
  readonly rowsShare?: number;
}

export interface PrefixCurveFacts {
  readonly prefix: string;
  readonly gets: number;
  /** Of the prefix' gets, at each size of the whole cache. */
  readonly hitRate: readonly number[];
  readonly byteHitRate: readonly number[];
}

export interface PrefixFacts {
  readonly prefix: string;
  readonly gets: number;
  readonly keys: number;
  readonly bytes: number;
  /** At the recommended size, or the present one. */
  readonly hitRate: number;
  readonly ceiling: number;
  readonly misses: MissClasses;
  /** Median of those that were stored; undefined without. */
  readonly ttlMs?: number;
  readonly ttlProposedMs?: number;
  /** Changes a key and hour; undefined when the trace shows no writes. */
  readonly writesPerKeyHour?: number;
  readonly staleShare?: number;
  readonly costMs?: number;
}

export interface TtlPoint {
  /** "" for all. */
  readonly prefix: string;
  readonly ttlMs: number;
  readonly hitRate: number;
  readonly staleShare?: number;
  /** Held at the most. */
  readonly bytes: number;
}

export interface TiersAdvice {
  readonly processes: number;
  /** The first is without an L1. */
  readonly options: readonly TierOption[];
  readonly words: readonly string[];
}

export interface TierOption {
  readonly l1?: { readonly bytes: number; readonly ttlMs: number };
  readonly l1HitRate: number;
  /** Of what L1 does not answer. */
  readonly l2HitRate: number;
  /** Of what L2 does not answer; absent without an L3. */
  readonly l3HitRate?: number;
  /** Of all gets, answered by any tier. */
  readonly hitRate: number;
  readonly staleShare?: number;
  readonly loadsPerSecond: number;
}

export interface WarmUpPoint {
  /** The most asked for first. */
  readonly keys: number;
  readonly bytes: number;
  /** Of the gets of the second half, those of keys that were on top in the first half. */
  readonly covered: number;
}

export interface MemoryAdvice {
  readonly footprint: FootprintFacts;
  /** For the recommended size: of the container, with what a save by fork may need beside. */
  readonly containerBytes?: number;
  readonly words: readonly string[];
}

export interface FootprintFacts {
  /** Calibrated on a running server, or the formula's defaults. */
  readonly from: "calibrated" | "formula";
  readonly serverVersion?: string;
  /** Mean bytes of an entry beside its key and value. */
  readonly overheadBytesMean: number;
  /** Calibrated: the largest error of a shape, as a share. */
  readonly residual?: number;
}

/** What caches between the service and its users could keep. */
export interface HttpAudit {
  readonly requests: number;
  readonly endpoints: readonly HttpEndpoint[];
  /** Of all requests, that a shared cache at the edge would answer. */
  readonly edge: readonly EdgePoint[];
  /** As the headers are now. */
  readonly edgeHitRateNow: number;
  readonly words: readonly string[];
}

export interface HttpEndpoint {
  readonly name: string;
  readonly method: string;
  readonly requests: number;
  readonly bytesMean: number;
  /** As the headers allow now. */
  readonly edge: "stored" | "revalidated" | "not stored";
  readonly browser: "stored" | "revalidated" | "not stored";
  readonly because: string;
  /** Requests whose answer was the same as the last one of the same URL, of those that repeated one. */
  readonly unchangedShare?: number;
  readonly findings: readonly HttpFinding[];
}

export interface HttpFinding {
  readonly kind:
    | "no-validator"
    | "validator-ignored"
    | "no-cache-control"
    | "contradiction"
    | "cookie"
    | "vary"
    | "private-data"
    | "heuristic"
    | "post-read"
    | "uncompressed"
    | "unstable-validator";
  readonly detail: string;
  /** What to send instead. */
  readonly remedy: string;
}

export interface EdgePoint {
  readonly ttlMs: number;
  /** Of all requests. */
  readonly hitRate: number;
  /** Answers that had changed meanwhile, of all requests. */
  readonly staleShare: number;
  /** Of bodies, the most that were held and not out of date. */
  readonly bytes: number;
  /** Of all requests, those that the edge passes on with a validator and that come back as 304, without a body. */
  readonly revalidatedShare?: number;
  /** Of the bytes of all bodies, those that the service need not send: of hits and of 304s. */
  readonly bytesSavedShare?: number;
}

/** The trace played against a real server. */
export interface CacheVerification {
  readonly design: string;
  readonly serverVersion: string;
  readonly results: readonly {
    readonly maxmemoryBytes: number;
    readonly policy: RedisPolicy;
    readonly predicted: number;
    readonly measured: number;
    /** Within what was promised. */
    readonly ok: boolean;
    readonly note?: string;
  }[];
}
