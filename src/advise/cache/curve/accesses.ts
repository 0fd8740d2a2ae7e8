/** What the curves read of a trace: keys, the bytes of their entries, what was done. */

/** Rows in order of time. */
export interface Accesses {
  /** 0 to `keyCount` - 1. */
  readonly key: Uint32Array;
  /** By row: of the entry. An entry has the bytes of its latest row, in caches of every size. */
  readonly bytes: Float64Array | Uint32Array;
  readonly keyCount: number;
  /** Codes of core/cache-trace.ts; absent: all are gets. */
  readonly operation?: Uint8Array;
  /** Share of the keys that are here, chosen by hash; absent: 1. */
  readonly sampledShare?: number;
  /** Gets that there were, those of keys that are not here too; absent: not counted. */
  readonly getsOfAll?: number;
}
