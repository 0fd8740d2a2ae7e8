/** What the doctor reads of Redis: its counters, the number of slow commands, and how long a PING takes. */
import type { Redis } from "ioredis";
import { redisCounters, type RedisCounters } from "./counters.ts";
import { askInfo } from "./redis-server.ts";

export interface RedisReading {
  readonly counters: RedisCounters;
  /** Slow commands ever logged; undefined where SLOWLOG may not be read. */
  readonly slow: number | undefined;
}

/** A hit rate of fewer look-ups is chance. */
const LOOKUPS_LEAST = 100;

export async function readRedis(redis: Redis): Promise<RedisReading> {
  return { counters: redisCounters(await askInfo(redis)), slow: await slowCount(redis) };
}

/** Entries are numbered from 0, whether they are still kept or not. */
async function slowCount(redis: Redis): Promise<number | undefined> {
  try {
    const answer: unknown = await redis.call("SLOWLOG", "GET", "1");
    if (!Array.isArray(answer)) return undefined;
    const [entry]: readonly unknown[] = answer;
    if (entry === undefined) return 0;
    return Array.isArray(entry) && typeof entry[0] === "number" ? entry[0] + 1 : undefined;
  } catch {
    return undefined;
  }
}

export interface RedisWindow {
  readonly evictionsPerSecond: number;
  readonly hitRate: number | undefined;
  readonly slowPerSecond: number | undefined;
}

export function redisBetween(
  before: RedisReading,
  after: RedisReading,
  elapsedMs: number,
): RedisWindow {
  const grown = (of: "evicted" | "hits" | "misses") => after.counters[of] - before.counters[of];
  const lookups = grown("hits") + grown("misses");
  const slow =
    before.slow === undefined || after.slow === undefined ? undefined : after.slow - before.slow;
  return {
    evictionsPerSecond: (grown("evicted") * 1_000) / elapsedMs,
    hitRate: lookups < LOOKUPS_LEAST ? undefined : grown("hits") / lookups,
    slowPerSecond: slow === undefined ? undefined : (slow * 1_000) / elapsedMs,
  };
}

/** Milliseconds from the question to the answer. */
export async function ping(redis: Redis): Promise<number> {
  const asked = performance.now();
  await redis.ping();
  return performance.now() - asked;
}
