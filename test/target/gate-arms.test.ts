import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/event.ts";
import type { EndpointCounters, Replay } from "../../src/core/replay.ts";
import type { TargetFile } from "../../src/core/target-file.ts";
import { cloneDatabase, dropClone } from "../../src/target/clone.ts";
import { openGateArms, type OpenGateArms } from "../../src/target/gate-arms.ts";
import { startRedis, type RedisServer } from "../../src/target/redis-server.ts";
import { startService, type ServiceProcess } from "../../src/target/service.ts";
import { openSolo } from "../../src/target/solo.ts";
import { openSource, type Source } from "../../src/target/source.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { openUrl, openUrlArms } from "../../src/target/url-arms.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";
import { fixtureReplay, loadOf } from "./load.ts";

const base = fixtureTarget();
const window = {
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant" as const,
  warmupMs: 100,
  windowMs: 500,
};
const request = { seed: 3, requestsPerEndpoint: 20, warmupPerEndpoint: 5 };

let home: string;
let source: Source;
let events: RunEvent[] = [];

beforeAll(async () => {
  home = await temporaryHome();
  source = await openSource({
    targetFile: base,
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    purpose: "bench",
    onProgress: () => {},
    signal: neverAborted,
  });
}, 60_000);

afterAll(async () => {
  await source.close();
  await rm(home, { recursive: true, force: true });
});

/** A version with other variables. */
function version(env: Readonly<Record<string, string>>): TargetFile {
  return { ...base, service: { ...base.service, env: { ...base.service.env, ...env } } };
}

function load() {
  return {
    signal: neverAborted,
    runLoad: loadOf(30),
    saturate: async () => 1,
    replay: fixtureReplay,
  };
}

function common() {
  events = [];
  return {
    ...load(),
    runId: "gate",
    folder: join(home, "arms", "gate"),
    source,
    environment: process.env,
    note: async (event: RunEvent) => void events.push(event),
  };
}

function armsOf(head: TargetFile, detail = false): Promise<OpenGateArms> {
  return openGateArms({
    ...common(),
    targets: { incumbent: base, candidate: head },
    values: { incumbent: {}, candidate: {} },
    detail,
  });
}

function leftOver(): readonly string[] {
  const there = new Set<string>();
  for (const event of events) {
    if (event.type === "resource-creating") there.add(event.resource.id);
    if (event.type === "resource-removed") there.delete(event.resourceId);
  }
  return [...there];
}

async function replays(
  arms: OpenGateArms,
): Promise<{ readonly base: Replay; readonly head: Replay }> {
  if (!arms.replay) throw new Error("these arms can replay");
  return {
    base: await arms.replay("incumbent", request),
    head: await arms.replay("candidate", request),
  };
}

function endpoint(replay: Replay, name: string): EndpointCounters {
  const found = replay.endpoints.find((each) => each.endpoint === name);
  if (!found) throw new Error(`${name} was replayed`);
  return found;
}

describe("two versions", () => {
  test("the same one twice: replays are equal to the last buffer, twice", async () => {
    const arms = await armsOf(base);
    try {
      const first = await replays(arms);
      expect(first.head).toEqual(first.base);
      expect(first.base.unmeasured).toEqual([]);
      const item = endpoint(first.base, "item");
      expect(item).toMatchObject({ requests: 20, errors: 0 });
      expect(item.responseBytes).toBeGreaterThan(1_000);
      expect(item.statements).toEqual([
        {
          sql: "SELECT id, owner, title FROM items WHERE owner = $1 ORDER BY title LIMIT $2",
          calls: 20,
          rows: expect.any(Number),
          buffers: expect.any(Number),
        },
      ]);
      // No command of perfopt's own, and none of the service's start.
      expect(item.redisCommands).toEqual({});
      // What is written after the answer belongs to the request that caused it.
      expect(endpoint(first.base, "visit").redisCommands).toEqual({ incr: 20 });
      const second = await replays(arms);
      expect(second.head).toEqual(second.base);
    } finally {
      await arms.close();
    }
    expect(leftOver()).toEqual([]);
  });

  test("one more statement and one more command are found on the endpoint that has them, and nowhere else", async () => {
    const arms = await armsOf(version({ EXTRA_QUERY: "1", EXTRA_COMMAND: "1" }));
    try {
      const { base: before, head } = await replays(arms);
      expect(endpoint(head, "count")).toEqual(endpoint(before, "count"));
      expect(endpoint(head, "visit")).toEqual(endpoint(before, "visit"));
      const [then, now] = [endpoint(before, "item"), endpoint(head, "item")];
      const known = new Set(then.statements?.map(({ sql }) => sql));
      expect(now.statements?.filter(({ sql }) => !known.has(sql))).toEqual([
        {
          sql: "SELECT max(title) FROM items WHERE owner = $1",
          calls: 20,
          rows: 20,
          buffers: expect.any(Number),
        },
      ]);
      expect(now.statements?.filter(({ sql }) => known.has(sql))).toEqual(then.statements);
      expect(now.redisCommands).toEqual({ incr: 20 });
      expect(now.responseBytes).toBe(then.responseBytes);
    } finally {
      await arms.close();
    }
  });

  test("a migration runs before each start, on its own version's database", async () => {
    const migrate = { ...base.service.start, args: ["fixture-migrate.mjs"] };
    const arms = await armsOf({ ...base, service: { ...base.service, migrate } });
    try {
      const tables = (letter: string) =>
        queryDatabase(
          withDatabase(source.adminUrl, `perfopt_gate_${letter}`),
          "SELECT count(*) AS tables FROM pg_tables WHERE tablename = 'migrated'",
        );
      expect(await tables("a")).toEqual([{ tables: 0 }]);
      expect(await tables("b")).toEqual([{ tables: 1 }]);
      await arms.restartArms?.();
      const starts = await queryDatabase(
        withDatabase(source.adminUrl, "perfopt_gate_b"),
        "SELECT count(DISTINCT port) AS ports, count(*) AS starts FROM migrated",
      );
      // The ports are swapped.
      expect(starts).toEqual([{ ports: 2, starts: 2 }]);
    } finally {
      await arms.close();
    }
  });

  test("a head that does not start is an error with its words, and nothing is left", async () => {
    const start = { ...base.service.start, args: ["no-such-file.mjs"] };
    await expect(armsOf({ ...base, service: { ...base.service, start } })).rejects.toThrow(
      /ended with exit code 1 before it was ready[\s\S]*Cannot find module/,
    );
    expect(leftOver()).toEqual([]);
  });

  test("a sample in detail says what each statement and command did, and what it covers", async () => {
    const arms = await armsOf(version({ EXTRA_COMMAND: "1" }), true);
    try {
      const { server, metrics } = await arms.sample({ role: "candidate", ...window });
      expect(server?.requests).toBe(30);
      expect(server?.statements?.map(({ calls }) => calls)).toEqual([30]);
      expect(server?.redisCommands).toEqual({ incr: 30 });
      expect(server?.unmeasured).toEqual([]);
      expect(metrics["db.rowsPerRequest"]).toBeCloseTo(5, 1);
      // *2 $4 incr $5 asked, and the number that it answers: 26 and 4 or 5 bytes.
      expect(metrics["redis.bytesPerRequest"]).toBeGreaterThanOrEqual(29);
      expect(metrics["redis.bytesPerRequest"]).toBeLessThanOrEqual(32);
    } finally {
      await arms.close();
    }
  });
}, 120_000);

test("one arm: samples, saturation, replays, and nothing left", async () => {
  const solo = await openSolo({
    ...common(),
    home,
    targetFile: base,
    baselineValues: {},
    detail: true,
  });
  const { valid, server } = await solo.sample(window);
  expect(valid).toBe(true);
  expect(server?.unmeasured).toEqual([]);
  expect(await solo.saturate(1)).toBe(1);
  const replay = await solo.replay?.(request);
  expect(replay?.endpoints.map((each) => each.endpoint)).toEqual(["item", "count", "visit"]);
  await solo.restart();
  await solo.close();
  await solo.close();
  expect(leftOver()).toEqual([]);
}, 60_000);

describe("services that perfopt did not start", () => {
  let redis: RedisServer;
  let service: ServiceProcess;
  let databaseUrl: string;
  const database = "perfopt_url_test";
  beforeAll(async () => {
    await cloneDatabase(source, database);
    databaseUrl = withDatabase(source.adminUrl, database);
    redis = await startRedis({
      folder: join(home, "redis of others"),
      settings: {},
      environment: process.env,
      signal: neverAborted,
      title: "Redis of others",
    });
    service = await startService({
      targetFile: base,
      values: {},
      postgresUrl: databaseUrl,
      redisUrl: redis.url,
      environment: process.env,
      logPath: join(home, "others.log"),
      signal: neverAborted,
    });
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await redis.stop();
    await dropClone(source.adminUrl, database);
  });

  function side(changes: Partial<TargetFile>) {
    return { baseUrl: `${service.baseUrl}/`, targetFile: { ...base, ...changes } };
  }
  const stores = () =>
    side({
      postgres: { kind: "url", url: databaseUrl },
      redis: { kind: "url", url: redis.url },
    });

  test("load and the service's own metrics, and a phrase for everything else", async () => {
    const solo = await openUrl(side({}), { ...load(), detail: true });
    const { valid, metrics, server } = await solo.sample(window);
    await solo.close();
    expect(valid).toBe(true);
    expect(metrics["api.latencyP50Ms"]).toBe(1);
    expect(metrics["cache.hitRate"]).toBe(0);
    expect(solo.replay).toBeUndefined();
    for (const id of ["service.cpuMsPerRequest", "db.statementsPerRequest", "redis.usedBytes"]) {
      expect(metrics).not.toHaveProperty([id]);
    }
    expect(server?.unmeasured.map((phrase) => phrase.split(":")[0])).toEqual([
      "SQL statements, rows and buffers",
      "Redis",
      "CPU time and memory of the service",
    ]);
  });

  test("stores named by URL are counted, as the whole database's; a database that does not count says why", async () => {
    const before = await openUrl(stores(), { ...load(), detail: true });
    const { server, metrics } = await before.sample(window);
    await before.close();
    expect(metrics["redis.commandsPerRequest"]).toBe(0);
    expect(metrics).not.toHaveProperty(["db.statementsPerRequest"]);
    expect(server?.unmeasured).toContain(
      "SQL statements, rows and buffers: the database has no extension pg_stat_statements",
    );
    await withConnection(databaseUrl, (client) =>
      client.query("CREATE EXTENSION pg_stat_statements"),
    );
    const arms = await openUrlArms({
      ...load(),
      detail: true,
      sides: { incumbent: stores(), candidate: stores() },
    });
    try {
      const sample = await arms.sample({ role: "candidate", ...window });
      expect(sample.metrics["db.statementsPerRequest"]).toBe(1);
      expect(sample.server?.unmeasured.join("\n")).toMatch(/whole database[\s\S]*whole server/);
      await arms.restartArms?.();
      const { base: one, head: two } = await replays(arms);
      expect(endpoint(one, "item").statements?.map(({ calls }) => calls)).toEqual([20]);
      expect(endpoint(two, "count")).toEqual(endpoint(one, "count"));
      expect(one.unmeasured.join("\n")).toContain("perfopt did not start this service");
    } finally {
      await arms.close();
    }
  });

  test("a store that cannot be reached is named, without its password", async () => {
    const solo = await openUrl(
      side({
        postgres: { kind: "url", url: "postgres://me:secret@127.0.0.1:1/x" },
        redis: { kind: "url", url: "redis://:secret@127.0.0.1:1" },
      }),
      { ...load(), detail: true },
    );
    const { server } = await solo.sample(window);
    await solo.close();
    const said = server?.unmeasured.join("\n") ?? "";
    expect(said).toMatch(/no connection to PostgreSQL at postgres:\/\/\*\*\*@127/);
    expect(said).toMatch(/^Redis: /m);
    expect(said).not.toContain("secret");
  });
}, 60_000);
