/** Hit rates by size: what a cache of each size would have answered. Plain JSON. */

export interface HitCurve {
  /** Bytes, ascending. */
  readonly sizes: readonly number[];
  /** Of the gets, 0 to 1, at each size. */
  readonly hitRate: readonly number[];
  /** Of the bytes that were asked for. */
  readonly byteHitRate: readonly number[];
  /** Every key is simulated, or a sample of them by hash. */
  readonly method: "exact" | "sampled";
  /** Of a sample: the hit rate's spread over several of them (2 standard errors, 0 to 1), at each size. */
  readonly spread?: readonly number[];
  readonly samples?: number;
}

/** Why gets missed; each get that missed is in one of them. */
export interface MissClasses {
  /** Never stored before: no size, no time to live can help; only a warm-up can. */
  readonly compulsory: number;
  /** Had to make room for others. */
  readonly capacity: number;
  /** Had outlived its time to live. */
  readonly expired: number;
  /** Taken out because the data had changed. */
  readonly invalidated: number;
}

export const redisPolicies = [
  "noeviction",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
] as const;
export type RedisPolicy = (typeof redisPolicies)[number];
