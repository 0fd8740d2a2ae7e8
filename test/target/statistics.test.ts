import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join, resolve } from "node:path";
import type { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Change } from "../../src/core/knob.ts";
import {
  createStatisticsSql,
  type StatisticsDefinition,
} from "../../src/core/statistics-definition.ts";
import { writeApplied } from "../../src/target/applied.ts";
import { openTarget } from "../../src/target/live.ts";
import { connect, queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, startStores, type Stores } from "../integration/stores.ts";

const limits = { snapshotAgeMs: 0, snapshotWaitMs: 20_000, buildTimeoutMs: 20_000 };
const statistics: StatisticsDefinition = {
  schema: 'odd "schema"',
  table: "Items",
  name: "perfopt items; drop",
  kinds: ["ndistinct", "dependencies", "mcv"],
  columns: ["owner", "Title'"],
};
const change: Change = { kind: "create-statistics", statistics };
/** ANALYZE asks this function for a value of every row, and so waits for whoever holds the lock. */
const slow: StatisticsDefinition = {
  ...statistics,
  kinds: [],
  columns: ["owner"],
  expressions: ["held(id)"],
};

let stores: Stores;
let url: string;
let ownerUrl: string;
let holder: Client;

beforeAll(async () => {
  stores = await startStores();
  url = withDatabase(stores.postgresUrl, "stats");
  await withConnection(stores.postgresUrl, async (client) => {
    await client.query("CREATE DATABASE stats");
    await client.query("CREATE ROLE owner LOGIN PASSWORD 'pass'");
  });
  await withConnection(url, (client) =>
    client.query(`CREATE FUNCTION held(v int) RETURNS int LANGUAGE sql IMMUTABLE AS
      'SELECT v FROM (SELECT pg_advisory_xact_lock_shared(7)) AS held'`),
  );
  const owned = new URL(url);
  owned.username = "owner";
  owned.password = "pass";
  ownerUrl = owned.href;
}, 60_000);
afterAll(() => stores.stop());

beforeEach(async () => {
  await withConnection(url, async (client) => {
    await client.query('DROP SCHEMA IF EXISTS "odd ""schema""" CASCADE');
    await client.query('CREATE SCHEMA "odd ""schema""" AUTHORIZATION owner');
    await client.query(
      `CREATE TABLE "odd ""schema"""."Items" AS SELECT g AS id, g % 10 AS owner, 't' || g % 10 AS "Title'" FROM generate_series(1, 200) g`,
    );
    await client.query('ALTER TABLE "odd ""schema"""."Items" OWNER TO owner');
  });
  holder = await connect(url);
});
afterEach(() => holder.end());

function targetOf({
  home = join(stores.home, randomUUID()),
  admin = url,
  signal = neverAborted,
} = {}) {
  return openTarget({
    targetFile: fixtureTarget({ knobs: [] }),
    home,
    source: { id: "one", adminUrl: admin, serviceUrl: admin, server: undefined },
    environment: {},
    signal,
    indexLimits: limits,
  });
}

async function there(): Promise<readonly unknown[]> {
  const rows = await queryDatabase(url, "SELECT stxname AS name FROM pg_statistic_ext");
  return rows.map((row) => row["name"]);
}

function onDatabase(sql: string) {
  return withConnection(url, (client) => client.query(sql));
}

const beside =
  'CREATE STATISTICS "odd ""schema"""."perfopt items; drop" ON id, owner FROM "odd ""schema"""."Items"';

function missing(changes: Partial<StatisticsDefinition>): Change {
  return { kind: "create-statistics", statistics: { ...statistics, ...changes } };
}

describe("extended statistics on the real database", () => {
  test.each(["a superuser", "the table's owner"])(
    "are made by %s, filled, and dropped again; both twice without harm",
    async (who) => {
      const target = await targetOf({ admin: who === "a superuser" ? url : ownerUrl });
      expect(await target.revert(change)).toContain("nothing to undo");
      expect(await target.apply(change)).toMatch(
        /made and table .* analysed in .*, filled by the catalog/,
      );
      const filled =
        "SELECT stxdndistinct IS NOT NULL AS distincts, stxddependencies IS NOT NULL AS dependencies, stxdmcv IS NOT NULL AS mcv FROM pg_statistic_ext_data";
      expect(await queryDatabase(url, filled)).toEqual([
        { distincts: true, dependencies: true, mcv: true },
      ]);
      expect(await target.apply(change)).toContain("there already");
      expect(await target.revert(change)).toContain("dropped");
      expect(await there()).toEqual([]);
      expect(await target.revert(change)).toContain("nothing to undo");
    },
  );

  test("an expression alone has statistics of its own", async () => {
    const lower: Change = {
      kind: "create-statistics",
      statistics: { ...statistics, kinds: [], columns: [], expressions: ['upper("Title\'")'] },
    };
    const target = await targetOf({ admin: ownerUrl });
    expect(await target.apply(lower)).toContain("filled by the catalog");
    expect(await target.apply(lower)).toContain("there already");
  });

  test("a name that somebody else has is refused, with this definition or another; theirs stay", async () => {
    for (const sql of [beside, createStatisticsSql(statistics)]) {
      await onDatabase(sql);
      const target = await targetOf();
      await expect(target.apply(change)).rejects.toThrow(
        /there already.*perfopt did not make them/,
      );
      expect(await target.revert(change)).toContain("nothing to undo");
      expect(await there()).toEqual([statistics.name]);
      await onDatabase('DROP STATISTICS "odd ""schema"""."perfopt items; drop"');
    }
  });

  test("a table without rows, a missing column and a missing table leave nothing", async () => {
    await onDatabase('TRUNCATE "odd ""schema"""."Items"');
    const target = await targetOf();
    await expect(target.apply(change)).rejects.toThrow(
      /nothing to remember.*nothing of them is left/,
    );
    expect(await target.revert(change)).toMatch(/are not there/);
    await expect(target.apply(missing({ columns: ["owner", "none"] }))).rejects.toThrow(
      /does not take statistics.*none/,
    );
    await expect(target.apply(missing({ table: "None" }))).rejects.toThrow(/None.* does not exist/);
    expect(await there()).toEqual([]);
  });

  test("an interrupt between making and analysing leaves nothing", async () => {
    await holder.query("SELECT pg_advisory_lock(7)");
    const controller = new AbortController();
    const target = await targetOf({ signal: controller.signal });
    const applying = target.apply({ kind: "create-statistics", statistics: slow });
    applying.catch(() => {});
    await until(async () => (await analysing()).length === 1);
    expect(await there()).toEqual([statistics.name]);
    controller.abort();
    await expect(applying).rejects.toMatchObject({ code: "interrupted" });
    expect(await there()).toEqual([]);
  });

  test("an ANALYZE that is locked out gives up in time, and leaves nothing", async () => {
    await holder.query("SELECT pg_advisory_lock(7)");
    const target = await openTarget({
      targetFile: fixtureTarget({ knobs: [] }),
      home: join(stores.home, randomUUID()),
      source: { id: "one", adminUrl: url, serviceUrl: url, server: undefined },
      environment: {},
      signal: neverAborted,
      indexLimits: { ...limits, snapshotWaitMs: 300 },
    });
    await expect(target.apply({ kind: "create-statistics", statistics: slow })).rejects.toThrow(
      /lock timeout; nothing of them is left/,
    );
    expect(await there()).toEqual([]);
  });
}, 60_000);

describe("after a kill", () => {
  test.each([
    ["before the record", false, undefined, "nothing to undo"],
    ["between the record and the statistics", true, undefined, "not there"],
    ["before the ANALYZE", true, createStatisticsSql(statistics), "dropped"],
  ])("%s", async (_, recorded, sql, words) => {
    const home = join(stores.home, randomUUID());
    const { schema, name } = statistics;
    if (recorded) {
      const own = [{ database: "one", schema, name }];
      await writeApplied(home, "fixture", {
        values: {},
        indexes: [],
        statistics: own,
        settings: [],
      });
    }
    if (sql !== undefined) await onDatabase(sql);
    const target = await targetOf({ home });
    expect(await target.revert(change)).toContain(words);
    expect(await there()).toEqual([]);
    expect(await target.revert(change)).toContain("nothing to undo");
    // And forward instead of back.
    expect(await target.apply(change)).toContain("filled");
  });

  test("the ANALYZE that goes on in the server is ended, and its statistics go", async () => {
    await holder.query("SELECT pg_advisory_lock(7)");
    const home = join(stores.home, randomUUID());
    const script = resolve(import.meta.dirname, "fixture-apply.ts");
    const text = JSON.stringify({ kind: "create-statistics", statistics: slow });
    const child = spawn(process.execPath, ["--import", "tsx", script, url, home, text], {
      stdio: "inherit",
    });
    const exit = once(child, "exit");
    await until(async () => (await analysing()).length === 1);
    child.kill("SIGKILL");
    await exit;
    const target = await targetOf({ home });
    expect(await target.revert({ kind: "create-statistics", statistics: slow })).toContain(
      "dropped",
    );
    expect(await there()).toEqual([]);
    expect(await analysing()).toEqual([]);
  });
}, 60_000);

function analysing(): Promise<readonly unknown[]> {
  return queryDatabase(
    url,
    "SELECT pid FROM pg_stat_activity WHERE query LIKE 'ANALYZE%' AND state = 'active' AND wait_event = 'advisory'",
  );
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 30));
  }
}
