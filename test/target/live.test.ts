import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { once } from "node:events";
import type { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IndexDefinition } from "../../src/core/index-definition.ts";
import type { Change } from "../../src/core/knob.ts";
import { openTarget, presentValues, type LiveOptions } from "../../src/target/live.ts";
import { withRedis } from "../../src/target/redis-server.ts";
import {
  connect,
  queryDatabase,
  rowsOf,
  withConnection,
  withDatabase,
} from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, startStores, type Stores } from "../integration/stores.ts";

const MB = 1024 ** 2;
const limits = { snapshotAgeMs: 0, snapshotWaitMs: 300, buildTimeoutMs: 20_000 };
const index: IndexDefinition = {
  schema: 'odd "schema"',
  table: "Items",
  name: "perfopt items; drop",
  columns: [
    { name: "owner", descending: false },
    { name: "Title'", descending: true },
  ],
};
const createIndex: Change = { kind: "create-index", index };

let stores: Stores;
let url: string;
let holder: Client;

beforeAll(async () => {
  stores = await startStores();
  url = withDatabase(stores.postgresUrl, "live");
  await withConnection(stores.postgresUrl, (client) => client.query("CREATE DATABASE live"));
}, 60_000);
afterAll(() => stores.stop());

beforeEach(async () => {
  await withConnection(url, async (client) => {
    await client.query('DROP SCHEMA IF EXISTS "odd ""schema""" CASCADE');
    await client.query('CREATE SCHEMA "odd ""schema"""');
    await client.query(
      `CREATE TABLE "odd ""schema"""."Items" AS SELECT g AS id, g % 100 AS owner, md5(g::text) AS "Title'" FROM generate_series(1, 5000) g`,
    );
    await client.query("CREATE TABLE IF NOT EXISTS unrelated (id int)");
  });
  holder = await connect(url);
});
afterEach(() => holder.end());

let homes = 0;
async function liveTarget(changes: Partial<LiveOptions> = {}) {
  homes += 1;
  return openTarget({
    targetFile: fixtureTarget(),
    home: join(stores.home, `home ${homes}`),
    source: { id: "one", adminUrl: url, serviceUrl: url, server: undefined },
    environment: {},
    signal: neverAborted,
    indexLimits: limits,
    ...changes,
  });
}

function indexesThere() {
  return queryDatabase(
    url,
    "SELECT c.relname AS name, i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid WHERE t.relname = 'Items'",
  );
}

/** An open snapshot on a table that has nothing to do with the index: a concurrent build waits for it all the same. */
async function holdSnapshot(): Promise<number> {
  await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await holder.query("SELECT count(*) FROM unrelated");
  const [row] = await rowsOf(holder, "SELECT pg_backend_pid() AS pid");
  return Number(row?.["pid"]);
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 30));
  }
}

/** Starts a build that waits for the held snapshot, and kills the program that asked for it. */
async function killedBuild(home: string): Promise<void> {
  const script = resolve(import.meta.dirname, "fixture-apply.ts");
  const args = ["--import", "tsx", script, url, home, JSON.stringify(createIndex)];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const exit = once(child, "exit");
  await until(async () => (await indexesThere()).length === 1);
  child.kill("SIGKILL");
  await exit;
  expect(await indexesThere()).toEqual([{ name: index.name, valid: false }]);
}

describe("an index on the real database", () => {
  test("is built, verified, and dropped again; both twice without harm", async () => {
    const target = await liveTarget();
    expect(await target.revert(createIndex)).toContain("nothing to undo");
    expect(await target.apply(createIndex)).toMatch(
      /built concurrently .* valid and ready by the catalog/,
    );
    expect(await indexesThere()).toEqual([{ name: index.name, valid: true }]);
    const [plan] = await queryDatabase(
      url,
      `SELECT pg_get_indexdef(c.oid) AS definition FROM pg_class c WHERE relname = $1`,
      [index.name],
    );
    expect(plan?.["definition"]).toMatch(/\(owner, "Title'" DESC\)$/);
    expect(await target.apply(createIndex)).toContain("there already");
    expect(await target.revert(createIndex)).toContain("dropped");
    expect(await indexesThere()).toEqual([]);
    expect(await target.revert(createIndex)).toContain("nothing to undo");
  });

  test("a held snapshot is refused with its process id, and nothing is left", async () => {
    const pid = await holdSnapshot();
    const target = await liveTarget();
    await expect(target.apply(createIndex)).rejects.toThrow(
      new RegExp(`still open.*pid ${pid} \\(perfopt, idle in`),
    );
    expect(await indexesThere()).toEqual([]);
    await holder.query("ROLLBACK");
    await target.apply(createIndex);
    expect(await indexesThere()).toEqual([{ name: index.name, valid: true }]);
  });

  test("a build that runs out of time leaves no invalid index", async () => {
    await holdSnapshot();
    const patient = { snapshotAgeMs: 60_000, snapshotWaitMs: 60_000, buildTimeoutMs: 700 };
    const target = await liveTarget({ indexLimits: patient });
    await expect(target.apply(createIndex)).rejects.toThrow(
      /statement timeout; nothing of it is left/,
    );
    expect(await indexesThere()).toEqual([]);
  });

  test("an interrupt cancels the build in the server and leaves nothing", async () => {
    await holdSnapshot();
    const controller = new AbortController();
    const target = await liveTarget({
      signal: controller.signal,
      indexLimits: { ...limits, snapshotAgeMs: 60_000 },
    });
    const applying = target.apply(createIndex);
    const refused = expect(applying).rejects.toMatchObject({ code: "interrupted" });
    await until(async () => (await indexesThere()).length === 1);
    controller.abort();
    await refused;
    expect(await indexesThere()).toEqual([]);
    await target.revert(createIndex);
  });

  test("kill -9 in the middle of a build: revert ends the build and leaves nothing", async () => {
    await holdSnapshot();
    const home = join(stores.home, "killed");
    await killedBuild(home);
    const target = await liveTarget({ home });
    expect(await target.revert(createIndex)).toContain("dropped");
    expect(await indexesThere()).toEqual([]);
    expect(await queryDatabase(url, "SELECT 1 AS x FROM pg_stat_progress_create_index")).toEqual(
      [],
    );
  });

  test("kill -9 in the middle of a build: the next one starts over from its invalid leftover", async () => {
    await holdSnapshot();
    const home = join(stores.home, "killed twice");
    await killedBuild(home);
    await withConnection(url, (client) =>
      client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index"),
    );
    await holder.query("ROLLBACK");
    const target = await liveTarget({ home });
    expect(await target.apply(createIndex)).toContain("valid and ready");
    expect(await indexesThere()).toEqual([{ name: index.name, valid: true }]);
  });

  test("somebody else's index of the same name is neither taken nor dropped", async () => {
    await withConnection(url, (client) =>
      client.query(`CREATE INDEX "perfopt items; drop" ON "odd ""schema"""."Items" (id)`),
    );
    const target = await liveTarget();
    await expect(target.apply(createIndex)).rejects.toThrow(/perfopt did not make it/);
    expect(await target.revert(createIndex)).toContain("nothing to undo");
    expect(await indexesThere()).toEqual([{ name: index.name, valid: true }]);
  });

  test("a disk without room and a table that does not exist are refused before anything is recorded", async () => {
    // /proc is a file system whose free space is always 0.
    const server = { dataFolder: "/proc" };
    const target = await liveTarget({
      source: { id: "one", adminUrl: url, serviceUrl: url, server },
    });
    await expect(target.apply(createIndex)).rejects.toThrow(/needs about .* 0 B are free/);
    const missing: Change = { kind: "create-index", index: { ...index, table: "None" } };
    await expect(target.apply(missing)).rejects.toThrow(/there is no table/);
    expect(await target.revert(createIndex)).toContain("nothing to undo");
    expect(await indexesThere()).toEqual([]);
  });
}, 60_000);

describe("knobs", () => {
  test("are kept on disk for the next start, and set back", async () => {
    const home = join(stores.home, "knobs");
    const change: Change = { kind: "set-knob", knob: "pool-max", from: 5, to: 30 };
    const target = await liveTarget({ home });
    expect(target.baselineValues).toEqual({
      "pool-max": 5,
      "cache-ttl": 0,
      "redis-memory": 64 * MB,
    });
    expect(await target.apply(change)).toMatch(/^POOL_MAX=30 from the next start on, read back/);
    expect((await presentValues(fixtureTarget(), home, { environment: {} }))["pool-max"]).toBe(30);
    expect((await liveTarget({ home })).baselineValues["pool-max"]).toBe(30);
    await target.revert(change);
    await target.revert(change);
    expect((await presentValues(fixtureTarget(), home, { environment: {} }))["pool-max"]).toBe(5);
  });

  test("outside the domain are refused", async () => {
    const target = await liveTarget();
    await expect(
      target.apply({ kind: "set-knob", knob: "pool-max", from: 5, to: 51 }),
    ).rejects.toThrow(/outside 0 to 50/);
  });

  test("a damaged record of them is an error, not the defaults", async () => {
    const home = join(stores.home, "damaged");
    await (
      await liveTarget({ home })
    ).apply({ kind: "set-knob", knob: "pool-max", from: 5, to: 6 });
    await writeFile(join(home, "targets", "fixture", "applied.json"), "{");
    await expect(presentValues(fixtureTarget(), home, { environment: {} })).rejects.toThrow(
      /applied.json is damaged/,
    );
  });

  test("of the user's own Redis are read from it, set live, and restored", async () => {
    const targetFile = fixtureTarget({ redis: { kind: "url", url: stores.redisUrl } });
    const maxmemory = () =>
      withRedis(stores.redisUrl, (client) => client.config("GET", "maxmemory"));
    await withRedis(stores.redisUrl, (client) => client.config("SET", "maxmemory", String(7 * MB)));
    const target = await liveTarget({ targetFile });
    expect(target.baselineValues["redis-memory"]).toBe(7 * MB);
    const change: Change = { kind: "set-knob", knob: "redis-memory", from: 7 * MB, to: 9 * MB };
    expect(await target.apply(change)).toContain(`maxmemory is ${9 * MB} by CONFIG GET`);
    expect(await maxmemory()).toContain(String(9 * MB));
    await target.revert(change);
    expect(await maxmemory()).toContain(String(7 * MB));
  });
}, 60_000);
