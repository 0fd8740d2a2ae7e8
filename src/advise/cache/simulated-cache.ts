/** A cache as simulations step it: keys are numbers, values have a size and nothing else. */
import type { MissClasses } from "../../core/cache-curve.ts";

/** What became of a get. */
export const HIT = 0;
/** Never stored. */
export const COLD = 1;
/** Evicted, and would still be alive. */
export const EVICTED = 2;
export const EXPIRED = 3;
export const INVALIDATED = 4;
export type GetOutcome =
  | typeof HIT
  | typeof COLD
  | typeof EVICTED
  | typeof EXPIRED
  | typeof INVALIDATED;

export interface SimulatedCache {
  /** Times may not go back. A hit refreshes recency or frequency, never the time to live. */
  get(key: number, timeMs: number): GetOutcome;
  /** Stores, or replaces, and evicts what has to go for it. `bytes` is the whole entry's. `ttlMs` 0: does not expire. */
  set(key: number, bytes: number, timeMs: number, ttlMs: number): void;
  delete(key: number, timeMs: number): void;
  /** Whether the key is there and alive, without refreshing anything. */
  has(key: number, timeMs: number): boolean;
  /** When the value that is there was stored; undefined without one. */
  storedAt(key: number): number | undefined;
  readonly usedBytes: () => number;
  readonly keys: () => number;
  readonly evictions: () => number;
}

/** Counts of gets by what became of them. */
export interface GetCounts extends MissClasses {
  readonly gets: number;
  readonly hits: number;
}
