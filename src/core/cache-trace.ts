/** A trace of cache accesses, in columns: what every simulation of a cache reads. Keys are known by number only. */

/** What a row of a trace did; the code of each is its place here. */
export const cacheOperations = ["get", "set", "delete", "write"] as const;
export type CacheOperation = (typeof cacheOperations)[number];

/** Read. On a miss the value is loaded and stored: the store that follows a miss is part of its get, not a row of its own. */
export const GET = 0;
/** Stored without a miss before it: written through, or refreshed. What the cache has is then current. */
export const SET = 1;
/** Invalidated: the data changed, and the cache was told. */
export const DELETE = 2;
/** The data changed, and the cache was not told: what it has is stale until it is stored again. */
export const WRITE = 3;

/** How a get ended when it was captured, in `CacheTrace.outcome`. */
export const OUTCOME_UNKNOWN = 0;
export const OUTCOME_HIT = 1;
export const OUTCOME_MISS = 2;

export interface CacheTrace {
  /** For people, without secrets: `w106.csv.gz`, `MONITOR of redis://cache:6379`. */
  readonly source: string;
  readonly rows: number;
  /** Of all arrays below that have one entry a row, this is the length. Milliseconds from the first row, ascending. */
  readonly timeMs: Float64Array;
  /** 0 to `keyCount` - 1. */
  readonly key: Uint32Array;
  readonly keyCount: number;
  readonly operation: Uint8Array;
  /** Of the value; 0 where nothing is known. */
  readonly valueBytes: Uint32Array;
  /** Time to live that the value was stored with; 0: none. Absent: no row has one. */
  readonly ttlMs?: Uint32Array;
  /** What loading the value after a miss takes, in milliseconds; 0: unknown. Absent: no row has one. */
  readonly costMs?: Float32Array;
  readonly outcome?: Uint8Array;
  /** Of the service, which process; absent: not known. */
  readonly process?: Uint8Array;
  /** How many there are; 1 where it is not known. */
  readonly processes: number;
  /** By key: bytes of its name; 0: unknown. */
  readonly keyBytes: Uint16Array;
  /** By key: its place in `prefixes`. */
  readonly prefixOf: Uint16Array;
  /** What the names of keys begin with, ids removed; at least one, "" where none is known. */
  readonly prefixes: readonly string[];
  /** Share of the keys that the trace has, chosen by hash: 0.1 is every tenth key, with all of its rows. 1: all of them. */
  readonly sampledShare: number;
  /** Gets that there were, those of keys outside the sample too; undefined where that was not counted. */
  readonly getsOfAll?: number;
  /** What was guessed, left out or lost on the way, one sentence each. */
  readonly caveats?: readonly string[];
}
