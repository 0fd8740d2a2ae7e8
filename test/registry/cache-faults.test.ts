import { Client } from "pg";
import { expect, test } from "vitest";
import { NEWS_LATE_MAX_MS } from "../../src/registry/cache/news.ts";
import { traceReads } from "../../src/registry/cache/trace.ts";
import { eventually } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import {
  describeModel,
  descriptionOf,
  L1,
  L2,
  statementsOf,
  useCacheWorld,
} from "./cache-world.ts";

const world = useCacheWorld("faults");
const { open, changeUnseen } = world;

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
  const generation = await world.redis().get("reg:v1:gen:model=m");
  const blocker = new Client({ connectionString: world.databaseUrl() });
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
  expect(await world.redis().get("reg:v1:gen:model=m")).not.toBe(generation);
});

test("a Redis that was restored from its disk brings no old answers back", async () => {
  const registry = await open(L2);
  await registry.post("registered-models/create", { name: "m", description: "old" });
  await descriptionOf(registry, "m");
  await eventually(
    async () => (await world.redis().keys("reg:v1:registered-models/get:*")).length === 1,
  );
  await world.redis().save();
  await describeModel(registry, "m", "new");
  await world.stores().stopRedis();
  await world.stores().startRedis();
  await eventually(() => registry.backend.cache.redisAnswers());
  // Another one, which knows nothing of the server before.
  for (const each of [registry, await open(L2)]) expect(await descriptionOf(each, "m")).toBe("new");
  await world.redis().flushall();
  await world.redis().save();
}, 30_000);

test("a full Redis that evicts nothing still forgets what was written to", async () => {
  const all = { ...L1, ...L2 };
  const [writer, reader] = [await open(all), await open(L2)];
  await writer.post("registered-models/create", { name: "m", description: "0" });
  await world.redis().config("SET", "maxmemory-policy", "noeviction");
  for (let round = 1; round <= 10; round += 1) {
    await world.redis().config("SET", "maxmemory", "0");
    await descriptionOf(reader, "m");
    await eventually(
      async () => (await statementsOf(reader, () => descriptionOf(reader, "m"))) === 0,
    );
    await world.redis().config("SET", "maxmemory", "1");
    // The reads at the writer's own process fall between the refusal and what is done about it.
    const written = new AbortController();
    const reading = (async (): Promise<void> => {
      while (!written.signal.aborted) await descriptionOf(writer, "m");
    })();
    await describeModel(writer, "m", String(round));
    written.abort();
    expect(await descriptionOf(writer, "m")).toBe(String(round));
    expect(await descriptionOf(reader, "m")).toBe(String(round));
    await reading;
  }
  await world.redis().config("SET", "maxmemory", "0");
}, 30_000);

test("a read is not joined for long when no news can tell that it is old", async () => {
  const registry = await open(L2);
  await world.stores().stopRedis();
  await eventually(async () => !(await registry.backend.cache.redisAnswers()));
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: false };
  const finish = deferred();
  const slow = registry.backend.cache.read(what, () => finish.promise.then(() => "old"));
  const soon = registry.backend.cache.read(what, async () => "new");
  await new Promise((resolve) => setTimeout(resolve, NEWS_LATE_MAX_MS + 50));
  expect((await registry.backend.cache.read(what, async () => "new")).body).toBe("new");
  finish.resolve();
  expect([(await slow).body, (await soon).body]).toEqual(["old", "old"]);
  await world.stores().startRedis();
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
  await eventually(async () => (await world.redis().keys("reg:v1:test:*")).length === 1);
  events.length = 0;
  await traced.read(what, async () => "\u00e9");
  await expect(
    traced.read({ ...what, parameters: 2 }, () => Promise.reject(new Error("no"))),
  ).rejects.toThrow("no");
  expect(events).toEqual(["model=m", "hit true 2", "model=m", "miss"]);
});
