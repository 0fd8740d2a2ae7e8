import { expect, test } from "vitest";
import { eventually } from "./client.ts";
import {
  describeModel,
  descriptionOf,
  L1,
  L2,
  statementsOf,
  useCacheWorld,
} from "./cache-world.ts";

const world = useCacheWorld("cache");
const { open, changeUnseen } = world;
const L3 = { CACHE_L2_TTL_MS: "0", CACHE_L3_TTL_MS: "600000" };
const ALL = { CACHE_L1_TTL_MS: "600000", CACHE_L2_TTL_MS: "600000", CACHE_L3_TTL_MS: "600000" };

test.each([
  ["l1", L1, 0],
  ["l2", L2, 0],
  ["l3", L3, 1],
])(
  "%s answers a search again, at the statements of its tier",
  async (tier, environment, statements) => {
    const registry = await open(environment);
    await registry.post("registered-models/create", { name: "m", description: "old" });
    const search = () => registry.get("registered-models/search", { filter: "name = 'm'" });
    const first = await search();
    // Storing is done in the background.
    await eventually(async () => (await statementsOf(registry, search)) === statements);
    await changeUnseen("UPDATE registered_models SET description = 'new'");
    expect(await search()).toEqual(first);
    expect(
      await registry.metric("registry_cache_hits_total", `tier="${tier}"`),
    ).toBeGreaterThanOrEqual(2);
    expect(
      await registry.metric("registry_cache_misses_total", `tier="${tier}"`),
    ).toBeGreaterThanOrEqual(1);
    if (tier === "l1")
      expect(await registry.metric("registry_cache_l1_bytes")).toBeGreaterThan(100);
  },
);

test("with every tier off nothing is looked up or stored", async () => {
  const registry = await open({ CACHE_L2_TTL_MS: "0" });
  await registry.post("registered-models/create", { name: "m", description: "old" });
  await descriptionOf(registry, "m");
  await changeUnseen("UPDATE registered_models SET description = 'new'");
  expect(await descriptionOf(registry, "m")).toBe("new");
  expect(await registry.metric("registry_cache_lookups_total")).toBe(0);
  expect(
    (await world.redis().keys("reg:*")).filter((key) => !key.startsWith("reg:v1:gen:")),
  ).toEqual([]);
});

test("keys follow the one scheme", async () => {
  const registry = await open(L2);
  await registry.post("registered-models/create", { name: "a b:c" });
  await registry.get("registered-models/get", { name: "a b:c" });
  await eventually(
    async () => (await world.redis().keys("reg:v1:registered-models/get:*")).length === 1,
  );
  const [key] = await world.redis().keys("reg:v1:registered-models/get:*");
  expect(key).toMatch(/^reg:v1:registered-models\/get:model=a%20b%3Ac:[\w-]{27}$/);
  expect(await world.redis().pttl(String(key))).toBeGreaterThan(0);
});

test.each([
  ["l2", L2],
  ["l3", L3],
])(
  "a write through one process is seen at once through another: %s",
  async (_tier, environment) => {
    const [writer, reader] = [await open(environment), await open(environment)];
    await writer.post("registered-models/create", { name: "m", description: "0" });
    for (let round = 1; round <= 20; round += 1) {
      const search = await reader.get("registered-models/search");
      expect(search.registered_models[0].description).toBe(String(round - 1));
      await descriptionOf(reader, "m");
      await describeModel(writer, "m", String(round));
      expect(await descriptionOf(reader, "m")).toBe(String(round));
      expect(await descriptionOf(writer, "m")).toBe(String(round));
    }
  },
);

test.each([
  ["l1", L1],
  ["all tiers", ALL],
])("a write through one process reaches the memory of another: %s", async (_tier, environment) => {
  const [writer, reader] = [await open(environment), await open(environment)];
  await writer.post("registered-models/create", { name: "m", description: "0" });
  for (let round = 1; round <= 20; round += 1) {
    await descriptionOf(reader, "m");
    await describeModel(writer, "m", String(round));
    // The writer's own readers see it at once, the others when the news arrives.
    expect(await descriptionOf(writer, "m")).toBe(String(round));
    await eventually(async () => (await descriptionOf(reader, "m")) === String(round));
  }
});

test("each kind of write makes the reads it concerns new", async () => {
  const registry = await open(ALL);
  const { experiment_id } = await registry.post("experiments/create", { name: "e" });
  const { run } = await registry.post("runs/create", { experiment_id, start_time: 1 });
  const run_id: string = run.info.run_id;
  await registry.post("registered-models/create", { name: "m" });
  await registry.post("model-versions/create", { name: "m", source: "s" });
  const reads = {
    model: () => registry.get("registered-models/get", { name: "m" }),
    models: () => registry.get("registered-models/search"),
    latest: () => registry.get("registered-models/get-latest-versions", { name: "m" }),
    version: () => registry.get("model-versions/get", { name: "m", version: 1 }),
    versions: () => registry.get("model-versions/search"),
    alias: () => registry.ask("GET", "registered-models/alias", { name: "m", alias: "a" }),
    experiments: () => registry.get("experiments/search"),
    run: () => registry.get("runs/get", { run_id }),
    runs: () => registry.post("runs/search", { experiment_ids: [experiment_id] }),
    history: () => registry.get("metrics/get-history", { run_id, metric_key: "k" }),
  };
  const version = "1";
  const writes: [() => Promise<unknown>, (keyof typeof reads)[]][] = [
    [
      () => registry.post("registered-models/set-tag", { name: "m", key: "k", value: "v" }),
      ["model", "models"],
    ],
    [
      () => registry.ask("DELETE", "registered-models/delete-tag", { name: "m", key: "k" }),
      ["model", "models"],
    ],
    [
      () => registry.post("registered-models/alias", { name: "m", alias: "a", version }),
      ["model", "models", "alias", "version", "versions", "latest"],
    ],
    [
      () => registry.post("model-versions/set-tag", { name: "m", version, key: "k", value: "v" }),
      ["model", "version", "versions", "alias"],
    ],
    [
      () =>
        registry.post("model-versions/transition-stage", { name: "m", version, stage: "Staging" }),
      ["model", "latest", "version", "versions"],
    ],
    [
      () => registry.post("model-versions/create", { name: "m", source: "t" }),
      ["model", "models", "latest", "versions"],
    ],
    [
      () => registry.post("runs/log-metric", { run_id, key: "k", value: 1, timestamp: 1 }),
      ["run", "runs", "history"],
    ],
    [() => registry.post("runs/set-tag", { run_id, key: "k", value: "v" }), ["run", "runs"]],
    [() => registry.post("runs/update", { run_id, status: "FAILED" }), ["run", "runs"]],
    [() => registry.post("runs/create", { experiment_id }), ["runs"]],
    [() => registry.post("experiments/create", { name: "f" }), ["experiments"]],
    [
      () => registry.post("registered-models/rename", { name: "m", new_name: "n" }),
      ["models", "versions"],
    ],
  ];
  for (const [write, concerned] of writes) {
    const before = await Promise.all(concerned.map((read) => reads[read]()));
    await write();
    const after = await Promise.all(concerned.map((read) => reads[read]()));
    for (const [index, read] of concerned.entries())
      expect(after[index], `${String(write)} ${read}`).not.toEqual(before[index]);
  }
  expect((await registry.ask("GET", "registered-models/get", { name: "m" })).status).toBe(404);
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => resolvers.push(resolve));
  return { promise, resolve: () => resolvers.forEach((resolve) => resolve()) };
}

test("a read that began before a write and ends after it leaves nothing old behind", async () => {
  const [writer, reader] = [await open(ALL), await open(ALL)];
  await writer.post("registered-models/create", { name: "m", description: "old" });
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: true };
  const begin = deferred();
  const finish = deferred();
  const slowRead = reader.backend.cache.read(what, async () => {
    begin.resolve();
    await finish.promise;
    return "old";
  });
  await begin.promise;
  await describeModel(writer, "m", "new");
  await describeModel(reader, "m", "newer");
  // One who asks after the write does not join the read that began before it.
  expect((await reader.backend.cache.read(what, async () => "new")).body).toBe("new");
  finish.resolve();
  expect((await slowRead).body).toBe("old");
  for (const registry of [reader, writer]) {
    expect((await registry.backend.cache.read(what, async () => "new")).body).toBe("new");
  }
});

test("a thousand requests for one thing make one read", async () => {
  const registry = await open(ALL);
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: true };
  let reads = 0;
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () =>
      registry.backend.cache.read(what, async () => {
        reads += 1;
        return registry.backend.database.query("SELECT 1").then(() => "answer");
      }),
    ),
  );
  expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(["answer"]));
  expect(reads).toBe(1);
  expect(await registry.metric("registry_cache_joined_total")).toBe(999);
});

test("a read that fails fails those who wait for it, and is tried again by the next", async () => {
  const registry = await open(ALL);
  const what = { entity: "test", scopes: ["model=m"], parameters: 1, costly: false };
  const failing = () => registry.backend.cache.read(what, () => Promise.reject(new Error("no")));
  const outcomes = await Promise.allSettled([failing(), failing()]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await registry.backend.cache.read(what, async () => "answer")).body).toBe("answer");
});

test("memory is bounded in bytes and drops what was used least lately", async () => {
  const registry = await open({ ...L1, CACHE_L1_MAX_BYTES: "20000" });
  const read = (parameters: number) =>
    registry.backend.cache.read(
      { entity: "test", scopes: ["x"], parameters, costly: false },
      async () => "y".repeat(1000),
    );
  for (let index = 0; index < 100; index += 1) await read(index);
  const bytes = await registry.metric("registry_cache_l1_bytes");
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(20_000);
});

test("Redis loses everything: what was written meanwhile is not forgotten", async () => {
  const registry = await open(L2);
  await registry.post("registered-models/create", { name: "m", description: "1" });
  await descriptionOf(registry, "m");
  await world.redis().flushall();
  expect(await descriptionOf(registry, "m")).toBe("1");
  await describeModel(registry, "m", "2");
  // An eviction may take a generation and leave the answers that hung on it.
  await descriptionOf(registry, "m");
  await world.redis().del("reg:v1:gen:model=m");
  await changeUnseen("UPDATE registered_models SET description = '3'");
  expect(await descriptionOf(registry, "m")).toBe("3");
});

test("without Redis requests are answered, and memory is left alone until it is back", async () => {
  const registry = await open(ALL);
  await registry.post("registered-models/create", { name: "m", description: "1" });
  await descriptionOf(registry, "m");
  await world.stores().stopRedis();
  await eventually(async () => !(await registry.backend.cache.redisAnswers()));
  await describeModel(registry, "m", "2");
  expect(await descriptionOf(registry, "m")).toBe("2");
  await changeUnseen("UPDATE registered_models SET description = '3'");
  expect(await descriptionOf(registry, "m")).toBe("3");
  const ready = await fetch(`${registry.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: "ready", postgresql: true, redis: false },
  ]);
  await world.stores().startRedis();
  await eventually(() => registry.backend.cache.redisAnswers());
  expect(await descriptionOf(registry, "m")).toBe("3");
  await describeModel(registry, "m", "4");
  expect(await descriptionOf(registry, "m")).toBe("4");
}, 30_000);

test("warming up makes the first requests hits", async () => {
  const first = await open(L2);
  await first.post("registered-models/create", { name: "m" });
  await first.post("model-versions/create", { name: "m", source: "s" });
  await first.post("registered-models/alias", { name: "m", alias: "champion", version: "1" });
  const warm = await open({ ...L2, CACHE_WARM_UP: "true" });
  const statements = await statementsOf(warm, async () => {
    await warm.get("registered-models/get", { name: "m" });
    await warm.get("registered-models/alias", { name: "m", alias: "champion" });
    await warm.get("registered-models/search");
  });
  expect(statements).toBe(0);
});
