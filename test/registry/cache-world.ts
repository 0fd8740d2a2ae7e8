/** Registries on stores of their own, an empty database and an empty Redis for each test: what the tests of the cache work in. */
import { Redis } from "ioredis";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { eventually, openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

export const L1 = { CACHE_L1_TTL_MS: "600000", CACHE_L2_TTL_MS: "0" };
export const L2 = { CACHE_L2_TTL_MS: "600000" };

export interface CacheWorld {
  readonly stores: () => Stores;
  readonly redis: () => Redis;
  readonly databaseUrl: () => string;
  /** Closed after the test. */
  readonly open: (environment: Record<string, string>) => Promise<TestRegistry>;
  /** Changes the table behind the service's back, which no cache can know of. */
  readonly changeUnseen: (sql: string) => Promise<void>;
}

/** To be called once a file, beside its tests. */
export function useCacheWorld(name: string): CacheWorld {
  let stores: Stores;
  let redis: Redis;
  let databaseUrl = "";
  let counter = 0;
  const opened: TestRegistry[] = [];

  beforeAll(async () => {
    stores = await startStores();
    redis = new Redis(stores.redisUrl);
    redis.on("error", () => undefined);
  }, 60_000);

  beforeEach(async () => {
    databaseUrl = await stores.createDatabase(`${name}_${(counter += 1)}`);
    await redis.flushall();
  });

  afterEach(async () => {
    for (const registry of opened.splice(0)) await registry.close();
  });

  afterAll(async () => {
    redis?.disconnect();
    await stores?.stop();
  }, 60_000);

  return {
    stores: () => stores,
    redis: () => redis,
    databaseUrl: () => databaseUrl,
    async open(environment) {
      const registry = await openRegistry({
        DATABASE_URL: databaseUrl,
        REDIS_URL: stores.redisUrl,
        ...environment,
      });
      opened.push(registry);
      // L1 is used once news arrive.
      await eventually(() => registry.backend.cache.redisAnswers());
      if (environment["CACHE_L1_TTL_MS"] !== undefined) await eventually(() => listens(registry));
      return registry;
    },
    async changeUnseen(sql) {
      const client = new Client({ connectionString: databaseUrl });
      await client.connect();
      await client.query(sql);
      await client.end();
    },
  };
}

async function listens(registry: TestRegistry): Promise<boolean> {
  await registry.get("experiments/search");
  return (await registry.metric("registry_cache_misses_total", 'tier="l1"')) > 0;
}

export async function describeModel(
  registry: TestRegistry,
  name: string,
  description: string,
): Promise<void> {
  const answer = await registry.ask("PATCH", "registered-models/update", { name, description });
  expect(answer.status).toBe(200);
}

export async function descriptionOf(registry: TestRegistry, name: string): Promise<string> {
  return (await registry.get("registered-models/get", { name })).registered_model.description;
}

export async function statementsOf(
  registry: TestRegistry,
  work: () => Promise<unknown>,
): Promise<number> {
  const before = await registry.metric("registry_db_statements_total");
  await work();
  return (await registry.metric("registry_db_statements_total")) - before;
}
