import { Redis } from "ioredis";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { NEWS_LATE_MAX_MS } from "../../src/registry/cache/news.ts";
import { traceReads } from "../../src/registry/cache/trace.ts";
import { eventually, openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let redis: Redis;
let databaseUrl = "";
let counter = 0;
const opened: TestRegistry[] = [];

const L1 = { CACHE_L1_TTL_MS: "600000", CACHE_L2_TTL_MS: "0" };
const L2 = { CACHE_L2_TTL_MS: "600000" };

beforeAll(async () => {
  stores = await startStores();
  redis = new Redis(stores.redisUrl);
  redis.on("error", () => undefined);
}, 60_000);

beforeEach(async () => {
  databaseUrl = await stores.createDatabase(`faults_${(counter += 1)}`);
  await redis.flushall();
});

afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.close();
});

afterAll(async () => {
  redis?.disconnect();
  await stores?.stop();
}, 60_000);

async function open(environment: Record<string, string>): Promise<TestRegistry> {
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
}

async function listens(registry: TestRegistry): Promise<boolean> {
  await registry.get("experiments/search");
  return (await registry.metric("registry_cache_misses_total", 'tier="l1"')) > 0;
}

async function describe(registry: TestRegistry, name: string, description: string): Promise<void> {
  const answer = await registry.ask("PATCH", "registered-models/update", { name, description });
  expect(answer.status).toBe(200);
}

const descriptionOf = async (registry: TestRegistry, name: string): Promise<string> =>
  (await registry.get("registered-models/get", { name })).registered_model.description;

async function statementsOf(registry: TestRegistry, work: () => Promise<unknown>): Promise<number> {
  const before = await registry.metric("registry_db_statements_total");
  await work();
  return (await registry.metric("registry_db_statements_total")) - before;
}

/** Changes the table behind the service's back, which no cache can know of. */
async function changeUnseen(sql: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(sql);
  await client.end();
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => resolvers.push(resolve));
  return { promise, resolve: () => resolvers.forEach((resolve) => resolve()) };
}

const missing = (registry: TestRegistry) => () =>
  registry.ask("GET", "registered-models/get", { name: "n" });

test.each([
  ["l1", { ...L1, CACHE_NEGATIVE_TTL_MS: "600000" }],
  ["l2", { ...L2, CACHE_NEGATIVE_TTL_MS: "600000" }],
])("what does not exist is kept too if asked, until it does: %s", async (_tier, environment) => {
  const [registry, other] = [await open(environment), await open(environment)];
  const ask = missing(registry);
  const first = await ask();
  expect(first.status).toBe(404);
  await eventually(async () => (await statementsOf(registry, ask)) === 0);
  expect(await ask()).toEqual(first);
  await other.post("registered-models/create", { name: "n" });
  await eventually(async () => (await ask()).status === 200);
});

test("what does not exist is asked for again as shipped, and after its own time to live", async () => {
  const shipped = await open(L2);
  await missing(shipped)();
  expect(await statementsOf(shipped, missing(shipped))).toBeGreaterThan(0);
  const registry = await open({ ...L1, CACHE_NEGATIVE_TTL_MS: "20" });
  await missing(registry)();
  await changeUnseen(
    "INSERT INTO registered_models (name, creation_timestamp, last_updated_timestamp) VALUES ('n', 1, 1)",
  );
  await eventually(async () => (await missing(registry)()).status === 200);
});

test("a write that lost its connection makes the reads it may concern new", async () => {
  const registry = await open(L2);
  await registry.post("registered-models/create", { name: "m", description: "old" });
  await descriptionOf(registry, "m");
  const generation = await redis.get("reg:v1:gen:model=m");
  const blocker = new Client({ connectionString: databaseUrl });
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("SELECT 1 FROM registered_models FOR UPDATE");
  const write = registry.ask("PATCH", "registered-models/update", {
    name: "m",
    description: "new",
  });
  await eventually(async () => {
    const { rowCount } = await blocker.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    );
    return rowCount === 1;
  });
  expect((await write).status).toBe(503);
  await blocker.query("COMMIT");
  await blocker.end();
  expect(await redis.get("reg:v1:gen:model=m")).not.toBe(generation);
});

test("a Redis that was restored from its disk brings no old answers back", async () => {
  const registry = await open(L2);
  await registry.post("registered-models/create", { name: "m", description: "old" });
  await descriptionOf(registry, "m");
  await eventually(async () => (await redis.keys("reg:v1:registered-models/get:*")).length === 1);
  await redis.save();
  await describe(registry, "m", "new");
  await stores.stopRedis();
  await stores.startRedis();
  await eventually(() => registry.backend.cache.redisAnswers());
  // Another one, which knows nothing of the server before.
  for (const each of [registry, await open(L2)]) expect(await descriptionOf(each, "m")).toBe("new");
  await redis.flushall();
  await redis.save();
}, 30_000);

test("a full Redis that evicts nothing still forgets what was written to", async () => {
  const all = { ...L1, ...L2 };
  const [writer, reader] = [await open(all), await open(L2)];
  await writer.post("registered-models/create", { name: "m", description: "0" });
  await redis.config("SET", "maxmemory-policy", "noeviction");
  for (let round = 1; round <= 10; round += 1) {
    await redis.config("SET", "maxmemory", "0");
    await descriptionOf(reader, "m");
    await eventually(
      async () => (await statementsOf(reader, () => descriptionOf(reader, "m"))) === 0,
    );
    await redis.config("SET", "maxmemory", "1");
    // The reads at the writer's own process fall between the refusal and what is done about it.
    const written = new AbortController();
    const reading = (async (): Promise<void> => {
      while (!written.signal.aborted) await descriptionOf(writer, "m");
    })();
    await describe(writer, "m", String(round));
    written.abort();
    expect(await descriptionOf(writer, "m")).toBe(String(round));
    expect(await descriptionOf(reader, "m")).toBe(String(round));
    await reading;
  }
  await redis.config("SET", "maxmemory", "0");
}, 30_000);

test("a read is not joined for long when no news can tell that it is old", async () => {
  const registry = await open(L2);
  await stores.stopRedis();
  await eventually(async () => !(await registry.backend.cache.redisAnswers()));
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: false };
  const finish = deferred();
  const slow = registry.backend.cache.read(what, () => finish.promise.then(() => "old"));
  const soon = registry.backend.cache.read(what, async () => "new");
  await new Promise((resolve) => setTimeout(resolve, NEWS_LATE_MAX_MS + 50));
  expect((await registry.backend.cache.read(what, async () => "new")).body).toBe("new");
  finish.resolve();
  expect([(await slow).body, (await soon).body]).toEqual(["old", "old"]);
  await stores.startRedis();
}, 30_000);

test("each read is traced once, whatever tier answers, and writes with what they concern", async () => {
  const events: string[] = [];
  const registry = await open(L2);
  const tracer = {
    active: () => true,
    hit: (key: string, bytes: number) => void events.push(`hit ${key.length > 0} ${bytes}`),
    miss: () => void events.push("miss"),
    loaded: (_key: string, bytes: number, ttlMs: number, costMs = -1) =>
      void events.push(`loaded ${bytes} ${ttlMs} ${costMs >= 0}`),
    depends: (_key: string, scopes: readonly string[]) => void events.push(scopes.join()),
  };
  const traced = traceReads(registry.backend.cache, tracer, 1_000);
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: false };
  await Promise.all([
    traced.read(what, async () => "\u00e9"),
    traced.read(what, async () => "\u00e9"),
  ]);
  expect(events).toEqual(["model=m", "model=m", "miss", "loaded 2 1000 true", "hit true 2"]);
  await eventually(async () => (await redis.keys("reg:v1:test:*")).length === 1);
  events.length = 0;
  await traced.read(what, async () => "\u00e9");
  await expect(
    traced.read({ ...what, parameters: 2 }, () => Promise.reject(new Error("no"))),
  ).rejects.toThrow("no");
  expect(events).toEqual(["model=m", "hit true 2", "model=m", "miss"]);
});
