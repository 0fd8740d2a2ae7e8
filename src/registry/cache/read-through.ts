// Reads through the cache tiers: memory, Redis, stored results, then the database, one flight per key at a time.

import type { RegistryConfig } from "../config.ts";
import type { Database } from "../database.ts";
import { presentAnswer, taggedAnswer, toAbsence } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { cacheKey } from "./keys.ts";
import type { Scope } from "./keys.ts";
import { createFlights } from "./flights.ts";
import { createMemoryTier } from "./memory.ts";
import { NEWS_LATE_MAX_MS } from "./news.ts";
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
  /** This process wrote to these scopes, or heard that another did. */
  readonly written: (scopes: readonly Scope[]) => void;
  readonly failed: (error: unknown) => void;
};

export type Load = () => Promise<string>;

export type Cache = {
  /** The serialised answer, from the nearest tier that has it or from `load`. */
  readonly read: (what: CachedRead, load: Load) => Promise<Answer>;
  /** To be awaited after a commit and before the writer is answered. */
  readonly invalidate: (scopes: readonly Scope[]) => Promise<void>;
  readonly memoryBytes: () => number;
  /** Scopes that were written to and are not announced, since Redis cannot be reached. */
  readonly untold: () => number;
  /** Waits for Redis, but not for ever: what is read before it is there is not kept. */
  readonly started: () => Promise<void>;
  readonly redisAnswers: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export function openCache(
  config: RegistryConfig,
  database: Database,
  observer: CacheObserver,
): Cache {
  const { cacheL1TtlMs, cacheL2TtlMs, cacheL3TtlMs } = config;
  const memory = cacheL1TtlMs > 0 ? createMemoryTier(config.cacheL1MaxBytes) : undefined;
  const stored =
    cacheL3TtlMs > 0 ? createStoredTier(database, cacheL3TtlMs, observer.failed) : undefined;
  const flights = createFlights();
  const forget = (scopes: readonly Scope[]): void => {
    memory?.drop(scopes);
    flights.supersede((flight) => flight.scopes.some((scope) => scopes.includes(scope)));
    observer.written(scopes);
  };
  const forgetAll = (): void => {
    memory?.clear();
    flights.supersede(() => true);
  };
  const shared = openSharedTier(config.redisUrl, cacheL2TtlMs + cacheL3TtlMs, {
    onNews: forget,
    onGap: forgetAll,
    onError: observer.failed,
  });
  const ttlOf = ({ absent }: Answer, ttlMs: number): number =>
    absent ? Math.min(ttlMs, config.cacheNegativeTtlMs) : ttlMs;
  const readFarTiers = farTiersReader(shared, cacheL2TtlMs, ttlOf, stored, observer);

  function readTiers(what: CachedRead, load: () => Promise<Answer>): Promise<Answer> {
    if (memory === undefined && cacheL2TtlMs === 0 && stored === undefined) return load();
    observer.lookup();
    const key = cacheKey(what.entity, what.scopes, what.parameters);
    const listening = shared.listening();
    const useMemory = memory !== undefined && listening;
    if (useMemory) {
      const answer = memory.get(key);
      observer[answer === undefined ? "miss" : "hit"]("l1");
      if (answer !== undefined) return Promise.resolve(answer);
    }
    // Without news a flight may have begun before a write of another process that was answered long ago.
    const underway = flights.join(key, listening ? Infinity : NEWS_LATE_MAX_MS);
    if (underway !== undefined) {
      observer.joined();
      return underway;
    }
    return flights.start(key, what.scopes, async (flight) => {
      const answer = await readFarTiers(key, what, load);
      // A write that came while this flight was under way may be missing from its answer.
      if (useMemory && !flight.superseded)
        memory.set(key, what.scopes, answer, ttlOf(answer, cacheL1TtlMs));
      return answer;
    });
  }

  return {
    read: answerReader(config, readTiers),
    async invalidate(scopes) {
      forget(scopes);
      await shared.announce(scopes);
    },
    untold: shared.untold,
    memoryBytes: () => memory?.sizeBytes() ?? 0,
    started: shared.started,
    redisAnswers: shared.ping,
    async close() {
      stored?.close();
      await shared.close();
    },
  };
}

type ReadTiers = (what: CachedRead, load: () => Promise<Answer>) => Promise<Answer>;

/** Makes answers of what is loaded: tags are computed once, and absences are answers too when they are kept. */
function answerReader(config: RegistryConfig, readTiers: ReadTiers): Cache["read"] {
  const toAnswer = config.httpEtag ? taggedAnswer : (body: string): Answer => ({ body });
  if (config.cacheNegativeTtlMs === 0)
    return (what, load) => readTiers(what, async () => toAnswer(await load()));
  return async (what, load) => {
    const loadOrMiss = (): Promise<Answer> =>
      load().then(toAnswer, (error: unknown) => {
        const absence = toAbsence(error);
        if (absence === undefined) throw error;
        return absence;
      });
    return presentAnswer(await readTiers(what, loadOrMiss));
  };
}

function farTiersReader(
  shared: SharedTier,
  ttlMs: number,
  ttlOf: (answer: Answer, ttlMs: number) => number,
  stored: StoredTier | undefined,
  observer: CacheObserver,
): (key: string, what: CachedRead, load: () => Promise<Answer>) => Promise<Answer> {
  return async (key, what, load) => {
    const useStored = stored !== undefined && what.costly;
    if (ttlMs === 0 && !useStored) return load();
    // The stamp is taken before the database is read: what is stored under it is never older than it claims.
    const found = await shared.lookup(key, what.scopes);
    if (found === undefined) return load();
    if (ttlMs > 0) {
      observer[found.answer === undefined ? "miss" : "hit"]("l2");
      if (found.answer !== undefined) return found.answer;
    }
    const kept = useStored ? await stored.get(key, found.stamp) : undefined;
    if (useStored) observer[kept === undefined ? "miss" : "hit"]("l3");
    const answer = kept ?? (await load());
    if (ttlMs > 0) shared.store(key, found.stamp, answer, ttlOf(answer, ttlMs));
    if (useStored && kept === undefined && !answer.absent) stored.put(key, found.stamp, answer);
    return answer;
  };
}
