// Reads through the cache tiers: memory, Redis, stored results, then the database, one flight per key at a time.

import type { RegistryConfig } from "../config.ts";
import type { Database } from "../database.ts";
import { cacheKey } from "./keys.ts";
import type { Scope } from "./keys.ts";
import { createFlights } from "./flights.ts";
import { createMemoryTier } from "./memory.ts";
import { openSharedTier } from "./shared.ts";
import type { SharedTier } from "./shared.ts";
import { createStoredTier } from "./stored.ts";
import type { StoredTier } from "./stored.ts";

export type CachedRead = {
  /** The endpoint, as it appears in keys. */
  readonly entity: string;
  /** What the answer depends on: a write to any of these makes it old. */
  readonly scopes: readonly Scope[];
  readonly parameters: unknown;
  /** Whether the answer is worth a row of L3: it costs clearly more than the lookup of a key. */
  readonly costly: boolean;
};

export type Tier = "l1" | "l2" | "l3";

export type CacheObserver = {
  readonly lookup: () => void;
  readonly hit: (tier: Tier) => void;
  readonly miss: (tier: Tier) => void;
  readonly joined: () => void;
  readonly failed: (error: unknown) => void;
};

export type Cache = {
  /** The serialised answer, from the nearest tier that has it or from `load`. */
  readonly read: (what: CachedRead, load: () => Promise<string>) => Promise<string>;
  /** To be awaited after a commit and before the writer is answered. */
  readonly invalidate: (scopes: readonly Scope[]) => Promise<void>;
  readonly memoryBytes: () => number;
  readonly redisAnswers: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export function openCache(
  config: RegistryConfig,
  database: Database,
  observer: CacheObserver,
): Cache {
  const { cacheL1TtlMs, cacheL2TtlMs, cacheL3TtlMs } = config;
  const memory =
    cacheL1TtlMs > 0 ? createMemoryTier(cacheL1TtlMs, config.cacheL1MaxBytes) : undefined;
  const stored =
    cacheL3TtlMs > 0 ? createStoredTier(database, cacheL3TtlMs, observer.failed) : undefined;
  const flights = createFlights();
  const forget = (scopes: readonly Scope[]): void => {
    memory?.drop(scopes);
    flights.supersede((flight) => flight.scopes.some((scope) => scopes.includes(scope)));
  };
  const forgetAll = (): void => {
    memory?.clear();
    flights.supersede(() => true);
  };
  const shared = openSharedTier(config.redisUrl, {
    onNews: forget,
    onGap: forgetAll,
    onError: observer.failed,
  });
  const readFarTiers = farTiersReader(shared, cacheL2TtlMs, stored, observer);

  function read(what: CachedRead, load: () => Promise<string>): Promise<string> {
    if (memory === undefined && cacheL2TtlMs === 0 && stored === undefined) return load();
    observer.lookup();
    const key = cacheKey(what.entity, what.scopes, what.parameters);
    const useMemory = memory !== undefined && shared.listening();
    if (useMemory) {
      const value = memory.get(key);
      observer[value === undefined ? "miss" : "hit"]("l1");
      if (value !== undefined) return Promise.resolve(value);
    }
    const underway = flights.join(key);
    if (underway !== undefined) {
      observer.joined();
      return underway;
    }
    return flights.start(key, what.scopes, async (flight) => {
      const value = await readFarTiers(key, what, load);
      // A write that came while this flight was under way may be missing from its answer.
      if (useMemory && !flight.superseded) memory.set(key, what.scopes, value);
      return value;
    });
  }

  return {
    read,
    async invalidate(scopes) {
      forget(scopes);
      await shared.announce(scopes);
    },
    memoryBytes: () => memory?.sizeBytes() ?? 0,
    redisAnswers: shared.ping,
    async close() {
      stored?.close();
      await shared.close();
    },
  };
}

type Load = () => Promise<string>;

function farTiersReader(
  shared: SharedTier,
  ttlMs: number,
  stored: StoredTier | undefined,
  observer: CacheObserver,
): (key: string, what: CachedRead, load: Load) => Promise<string> {
  return async (key, what, load) => {
    const useStored = stored !== undefined && what.costly;
    if (ttlMs === 0 && !useStored) return load();
    // The stamp is taken before the database is read: what is stored under it is never older than it claims.
    const found = await shared.lookup(key, what.scopes);
    if (found === undefined) return load();
    if (ttlMs > 0) {
      observer[found.value === undefined ? "miss" : "hit"]("l2");
      if (found.value !== undefined) return found.value;
    }
    const kept = useStored ? await stored.get(key, found.stamp) : undefined;
    if (useStored) observer[kept === undefined ? "miss" : "hit"]("l3");
    const value = kept ?? (await load());
    if (ttlMs > 0) shared.store(key, found.stamp, value, ttlMs);
    if (useStored && kept === undefined) stored.put(key, found.stamp, value);
    return value;
  };
}
