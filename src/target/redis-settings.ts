/** What a Redis server's eviction depends on, beside its memory and policy. */
import type { Redis } from "ioredis";
import type { RedisSettings } from "../core/observation.ts";
import { isForbidden } from "./redis-access.ts";
import { askInfo, type Info } from "./redis-server.ts";

/** What INFO alone tells. */
export type ServerFacts = Pick<
  RedisSettings,
  "version" | "allocator" | "startupBytes" | "keysWithTtl"
>;

/** Undefined where CONFIG may not be read, as on most managed servers. Not to be called while a window counts commands. */
export async function readSettings(client: Redis, info?: Info): Promise<RedisSettings | undefined> {
  const facts = serverFacts(info ?? (await askInfo(client)));
  const values = await configOf(client, ["maxmemory-samples", "lfu-*"]);
  if (!values) return undefined;
  const number = (name: string, usual: number) => Number(values.get(name) ?? usual);
  return {
    ...facts,
    // What Redis has where nothing is configured (redis.conf).
    maxmemorySamples: number("maxmemory-samples", 5),
    lfuLogFactor: number("lfu-log-factor", 10),
    lfuDecayMinutes: number("lfu-decay-time", 1),
  };
}

/** Servers before 7.0 take one pattern at a time. */
async function configOf(
  client: Redis,
  patterns: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const values = new Map<string, string>();
  try {
    for (const pattern of patterns) {
      const answer = await client.config("GET", pattern);
      for (let at = 0; at + 1 < answer.length; at += 2) {
        values.set(String(answer[at]), String(answer[at + 1]));
      }
    }
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
  return values;
}

export function serverFacts({ values }: Info): ServerFacts {
  return {
    version: versionOf(values),
    allocator: values.get("mem_allocator") ?? "unknown",
    startupBytes: Number(values.get("used_memory_startup") ?? 0),
    keysWithTtl: [...values.keys()]
      .filter((name) => /^db\d+$/.test(name))
      .reduce((sum, name) => sum + keysOfDatabase(values, name).withTtl, 0),
  };
}

/** A Valkey says it: `valkey 8.1.0`. Its `redis_version` stays at the one that it is compatible with. */
function versionOf(values: Info["values"]): string {
  const valkey = values.get("valkey_version");
  return valkey === undefined ? (values.get("redis_version") ?? "unknown") : `valkey ${valkey}`;
}

/** `db0:keys=7,expires=2,avg_ttl=0`; a database without keys is not listed. */
export function keysOfDatabase(
  values: Info["values"],
  name: string,
): { readonly keys: number; readonly withTtl: number } {
  const line = values.get(name) ?? "";
  return {
    keys: Number(/\bkeys=(\d+)/.exec(line)?.[1] ?? 0),
    withTtl: Number(/\bexpires=(\d+)/.exec(line)?.[1] ?? 0),
  };
}
