/** How the tiers of a cache are arranged, and what came of a trace that was played through them. */
import type { MissClasses } from "../../../core/cache-curve.ts";
import type { SimulatedCache } from "../simulated-cache.ts";
import type { EvictionListener } from "./lru-cache.ts";
import type { Quantiles } from "./quantiles.ts";

export interface TierSetup {
  readonly processes: number;
  /** In each process. */
  readonly l1?: L1Setup | undefined;
  /** Shared by all processes. */
  readonly l2?: L2Setup | undefined;
  /** Results kept in the database: as many as there are. */
  readonly l3?: L3Setup | undefined;
  /** A DELETE or SET reaches the other processes' L1; false: theirs are stale until their time is over. Default: true. */
  readonly invalidatesL1?: boolean | undefined;
  /** Loads take their time, and gets of the same key and process join the one that is under way. */
  readonly singleFlight?: SingleFlightSetup | undefined;
  /** Of the draw that spreads gets over processes, where the trace does not say which asked. */
  readonly seed?: number | undefined;
  /** By row: gets with 0 are played, but not counted. */
  readonly counted?: Uint8Array | undefined;
}

export interface L1Setup {
  /** Of one process, and of all keys, in a sampled trace too. */
  readonly bytesMax: number;
  /** 0: as the value was stored with. */
  readonly ttlMs: number;
  /** An entry's beside its key and value; the bundled service's unless given. */
  readonly entryOverheadBytes?: number;
}

export interface L2Setup {
  /** Of a sampled trace, a cache as small as the sample; it may tell of evictions, for their ages. */
  readonly make: (onEvict: EvictionListener) => SimulatedCache;
  /** Of the times to live in the trace. */
  readonly ttlFactor?: number;
  /** In place of the times to live in the trace; 0: none. */
  readonly ttlOf?: (key: number) => number;
}

export interface L3Setup {
  /** 0: for ever. */
  readonly ttlMs: number;
  /** Only keys of these; all without. */
  readonly prefixes?: readonly string[];
}

export interface SingleFlightSetup {
  /** Where the trace does not say what a load takes. */
  readonly loadMs: number;
}

export interface TierCounts {
  readonly gets: number;
  readonly l1Hits: number;
  readonly l2Hits: number;
  readonly l3Hits: number;
  readonly loads: number;
  /** Gets that waited for a load under way instead of starting their own: loads saved, and no hits. */
  readonly joined: number;
  readonly staleReads: number;
  /** Of all loads together; undefined when neither the trace nor the setup says. */
  readonly costMs?: number;
  /** Loads by why the last tier did not have the value. */
  readonly misses: MissClasses;
  /** Of the gets, answered by any tier. */
  readonly hitRate: number;
  /** Of the gets; undefined when the trace shows no changes. */
  readonly staleShare?: number;
}

export interface PrefixCounts extends TierCounts {
  readonly prefix: string;
}

export interface TierOutcome extends TierCounts {
  /** In the order of the trace's prefixes. */
  readonly byPrefix: readonly PrefixCounts[];
  /** At hits, since the value was loaded from its source. */
  readonly hitAgeMs?: Quantiles;
  /** At evictions of L1 and of L2, where it tells: how long the entry had not been read. */
  readonly l1EvictionAgeMs?: Quantiles;
  readonly l2EvictionAgeMs?: Quantiles;
}
