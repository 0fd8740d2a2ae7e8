/** What the cache advisor is asked: a trace, what is known of the cache, and what is wanted of it. */
import type { HttpAudit } from "../../core/cache-advice.ts";
import type { RedisPolicy } from "../../core/cache-curve.ts";
import type { CacheTrace } from "../../core/cache-trace.ts";
import type { Footprint } from "./redis/footprint.ts";

export interface CacheQuestion {
  readonly trace: CacheTrace;
  readonly footprint: Footprint;
  readonly goal?: { readonly hitRate: number; readonly from: string };
  /** As it is configured; absent parts are not known. */
  readonly present?: PresentCache;
  /** Of the service, that share one Redis and have an L1 each. */
  readonly processes: number;
  /** The policies to choose from; the present one is always among them. */
  readonly policies: readonly RedisPolicy[];
  readonly memoryMaxBytes?: number;
  /** Sizes are rounded up to a multiple of this. */
  readonly memoryStepBytes: number;
  /** The most stale reads, as a share of all, that a longer time to live may cause. */
  readonly staleShareMax: number;
  /** Changes a key and hour, for a trace that shows none. */
  readonly changesPerKeyHour?: number;
  readonly sampling: RedisSampling;
  /** By how much faster than in the trace the accesses come where the advice is for. */
  readonly speed?: number;
  readonly http?: HttpAudit;
  readonly seed: number;
  /** What the trace's source could not tell. */
  readonly caveats: readonly string[];
}

export interface PresentCache {
  /** Undefined: not known. 0: no limit, as Redis says it. */
  readonly maxmemoryBytes?: number;
  readonly policy?: RedisPolicy;
  readonly l1?: { readonly bytes: number; readonly ttlMs: number };
}

export interface RedisSampling {
  readonly samples?: number;
  readonly lfuLogFactor?: number;
  readonly lfuDecayMinutes?: number;
}
