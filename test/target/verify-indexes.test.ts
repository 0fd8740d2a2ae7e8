import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { indexName, type IndexDefinition } from "../../src/core/index-definition.ts";
import type { VerifyStatement } from "../../src/core/verification.ts";
import { withDataCopy, type CopyOptions } from "../../src/target/data-copy.ts";
import { buildIndex, defaultIndexLimits } from "../../src/target/safe-index.ts";
import { connect, queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { withVerifyStand, type StandOptions } from "../../src/target/verify-indexes.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('calm', 'odd');
  CREATE TABLE items (id int PRIMARY KEY, owner int, note text, twice int GENERATED ALWAYS AS (owner * 2) STORED);
  CREATE INDEX items_note ON items (note);
  CREATE TABLE moods (id int REFERENCES items, moods mood[], data jsonb, at timestamptz, amount numeric(10, 3));
  CREATE TABLE parted (id int, owner int) PARTITION BY RANGE (id);
  CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (5000);
  CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (5000) TO (10000);
  CREATE INDEX parted_id ON parted (id);`;

let stores: Stores;
let url: string;

beforeAll(async () => {
  stores = await startStores();
  url = withDatabase(stores.postgresUrl, "shop");
  await withConnection(stores.postgresUrl, async (client) => {
    await client.query("CREATE DATABASE shop");
    await client.query("CREATE ROLE plain LOGIN PASSWORD 'plain'");
  });
  await withConnection(url, async (client) => {
    await client.query(SCHEMA);
    await client.query(`
      INSERT INTO items (id, owner, note) SELECT g, g % 500, repeat('n', 50) FROM generate_series(1, 20000) g;
      INSERT INTO moods SELECT g, ARRAY['odd', NULL]::mood[], '{"k": [1, null]}', now() + g * interval '1 h', g / 8.0 FROM generate_series(1, 500) g;
      INSERT INTO parted SELECT g, g % 100 FROM generate_series(0, 9999) g;`);
    await client.query("VACUUM (ANALYZE)");
  });
}, 60_000);
afterAll(() => stores.stop());

function on(table: string, ...columns: readonly string[]): IndexDefinition {
  const index = { schema: "public", table, columns: columns.map((name) => ({ name })) };
  return { ...index, name: indexName(index) };
}

function statement(sql: string, id = "q"): VerifyStatement {
  return { id, sql, valuesFrom: "statement", weight: 1, estimated: undefined };
}

function options(
  indexes: readonly IndexDefinition[],
  changes: Partial<StandOptions> = {},
): StandOptions {
  return {
    url,
    place: "scratch",
    indexes,
    limits: defaultIndexLimits,
    dataFolder: undefined,
    signal: neverAborted,
    onProgress: () => {},
    ...changes,
  };
}

async function indexesLeft(): Promise<readonly string[]> {
  const rows = await queryDatabase(
    url,
    "SELECT relname AS name FROM pg_class WHERE relkind IN ('i', 'I') AND relname LIKE 'perfopt%' ORDER BY 1",
  );
  return rows.map((row) => String(row["name"]));
}

const byOwner = on("items", "owner");
const both = [byOwner.name, on("parted", "owner").name];

describe("a stand", { timeout: 60_000 }, () => {
  test("shows exactly the indexes that it is asked to, partitions' too, and leaves none", async () => {
    const indexes = [byOwner, on("parted", "owner")];
    await withVerifyStand(options(indexes), async (stand) => {
      expect(stand.sizes.map(({ name }) => name)).toEqual(both);
      expect(Math.min(...stand.sizes.map(({ bytes }) => bytes))).toBeGreaterThan(50_000);
      const reads = async (sql: string, visible: readonly string[]) => {
        const plan = await stand.plan(statement(sql), visible);
        return plan.kind === "plan" ? plan.reads : plan.because;
      };
      expect(await reads("SELECT note FROM items WHERE owner = 7", both)).toEqual([both[0]]);
      expect(await reads("SELECT note FROM items WHERE owner = 7", [both[1] ?? ""])).toEqual([]);
      expect(await reads("SELECT id FROM parted WHERE owner = 7", both)).toEqual([both[1]]);
      expect(await reads("SELECT id FROM parted WHERE owner = 7", [])).toEqual([]);
      expect(await reads("SELECT note FROM items WHERE owner = $1", both)).toEqual([both[0]]);
      expect(await reads("SELECT 1; DROP TABLE items", both)).toMatch(/multiple commands/);
    });
    expect(await indexesLeft()).toEqual([]);
  });

  test("a hidden index is not maintained either, nor in the way of updates in place; nothing that runs remains", async () => {
    await withVerifyStand(options([byOwner]), async (stand) => {
      const inPlace = async (visible: readonly string[]) => {
        await stand.run(
          statement("UPDATE items SET owner = owner + 1 WHERE id = 20000"),
          visible,
          5_000,
        );
        await stand.run(statement("SELECT pg_stat_force_next_flush()"), visible, 5_000);
        await stand.run(statement("SELECT 1"), visible, 5_000);
        const [row] = await queryDatabase(
          url,
          "SELECT n_tup_hot_upd AS n FROM pg_stat_user_tables WHERE relname = 'items'",
        );
        return Number(row?.["n"]);
      };
      const atFirst = await inPlace([byOwner.name]);
      expect(await inPlace([])).toBe(atFirst + 1);
      expect(await inPlace([byOwner.name])).toBe(atFirst + 1);
      const plan = await stand.plan(statement("UPDATE items SET owner = 1 WHERE id = 5"), []);
      expect(plan).toMatchObject({ writes: true, maintains: [byOwner.name], reads: [] });
      const before = await queryDatabase(url, "SELECT sum(owner) AS s, count(*) AS n FROM items");
      // Hidden, so many rows can be inserted without one more page in the index.
      const insert =
        "INSERT INTO items (id, owner) SELECT g, g FROM generate_series(100000, 120000) g";
      const size = () =>
        queryDatabase(
          url,
          "SELECT pg_relation_size(c.oid) AS bytes FROM pg_class c WHERE relname LIKE 'perfopt_verify_%'",
        );
      const [empty] = await size();
      await stand.run(statement(insert), [], 20_000);
      expect(await size()).toEqual([empty]);
      await stand.run(statement(insert), [byOwner.name], 20_000);
      expect(Number((await size())[0]?.["bytes"])).toBeGreaterThan(Number(empty?.["bytes"]));
      expect(await queryDatabase(url, "SELECT sum(owner) AS s, count(*) AS n FROM items")).toEqual(
        before,
      );
    });
  });

  test("a statement that is too slow, or wrong, is told from one that ran", async () => {
    await withVerifyStand(options([byOwner]), async (stand) => {
      const run = (sql: string, timeoutMs: number) => stand.run(statement(sql), [], timeoutMs);
      expect(await run("SELECT pg_sleep(5)", 100)).toEqual({ kind: "timeout" });
      expect(await run("SELECT 1 / 0", 5_000)).toEqual({
        kind: "failed",
        because: "division by zero",
      });
      const ran = await run("SELECT pg_sleep(0.02)", 5_000);
      expect(ran.kind === "ran" && ran.ms).toBeGreaterThan(19);
    });
  });
});

describe("on a copy that the user gave", { timeout: 60_000 }, () => {
  test("a row that another session holds is no slowness of the statement, whatever its limit", async () => {
    await withVerifyStand(options([byOwner], { place: "given" }), async (stand) => {
      const holder = await connect(url);
      await holder.query("BEGIN; UPDATE items SET note = note WHERE id = 7");
      const update = statement("UPDATE items SET note = 'x' WHERE id = 7");
      for (const timeoutMs of [60_000, 400]) {
        expect(await stand.run(update, [], timeoutMs)).toEqual({
          kind: "failed",
          because: expect.stringMatching(
            /^another session held a lock that it needs: .*lock timeout/,
          ),
        });
      }
      await holder.end();
      expect((await stand.run(update, [], 5_000)).kind).toBe("ran");
    });
  });

  test("indexes that were there are untouched, and what is built is gone, also when use fails", async () => {
    const applied = on("parted", "owner");
    const job = {
      url,
      index: applied,
      limits: defaultIndexLimits,
      signal: neverAborted,
      dataFolder: undefined,
      own: false,
    };
    await buildIndex({ ...job, beforeBuild: async () => {} });
    const there = await indexesLeft();
    const failing = withVerifyStand(options([applied, byOwner], { place: "given" }), async () => {
      expect((await indexesLeft()).length).toBe(2 * there.length + 1);
      throw new Error("stop");
    });
    await expect(failing).rejects.toThrow("stop");
    expect(await indexesLeft()).toEqual(there);
    await withConnection(url, (client) => client.query(`DROP INDEX ${applied.name}`));
  });

  test("Ctrl-C ends the statement that runs, and takes the indexes away", async () => {
    const controller = new AbortController();
    const given = options([byOwner], { place: "given", signal: controller.signal });
    const running = withVerifyStand(given, (stand) => {
      setTimeout(() => controller.abort(), 100);
      return stand.run(statement("SELECT pg_sleep(30)"), [], 60_000);
    });
    await expect(running).rejects.toMatchObject({ code: "interrupted" });
    expect(await indexesLeft()).toEqual([]);
  });

  test("what a killed verification has left is taken away by the next", async () => {
    await withConnection(url, (client) =>
      client.query(
        "CREATE INDEX perfopt_verify_left ON items (id); CREATE INDEX perfopt_verify_parted ON parted (owner)",
      ),
    );
    await withVerifyStand(options([byOwner], { place: "given" }), async () => {
      expect(await indexesLeft()).toEqual([`perfopt_verify_${byOwner.name}`]);
    });
    expect(await indexesLeft()).toEqual([]);
  });

  test("a second verification at the same time is refused", async () => {
    await withVerifyStand(options([byOwner]), async () => {
      await expect(withVerifyStand(options([byOwner]), async () => {})).rejects.toThrow(
        /another perfopt is verifying indexes/,
      );
    });
  });

  test("whoever is no superuser drops in a transaction instead of hiding, and the design says so", async () => {
    await withConnection(url, (client) =>
      client.query(
        "CREATE TABLE own AS SELECT g AS id, g % 500 AS owner FROM generate_series(1, 20000) g; ALTER TABLE own OWNER TO plain; GRANT CREATE ON SCHEMA public TO plain",
      ),
    );
    const as = new URL(url);
    [as.username, as.password] = ["plain", "plain"];
    const index = on("own", "owner");
    await withVerifyStand(options([index], { url: as.href, place: "given" }), async (stand) => {
      expect(stand.design).toContain("dropped");
      expect(stand.elsewhere).toBe(true);
      const q = statement("SELECT count(id) FROM own WHERE owner = 7");
      expect(await stand.plan(q, [index.name])).toMatchObject({ reads: [index.name] });
      expect(await stand.plan(q, [])).toMatchObject({ reads: [] });
      expect(await stand.plan(q, [index.name])).toMatchObject({ reads: [index.name] });
      expect((await stand.run(q, [], 5_000)).kind).toBe("ran");
      // A transaction that holds the table is not waited for at length: everybody else would queue behind.
      const holder = await connect(url);
      await holder.query("BEGIN; LOCK TABLE own IN ACCESS SHARE MODE");
      expect(await stand.run(q, [], 60_000)).toMatchObject({
        kind: "failed",
        because: expect.stringContaining("lock timeout"),
      });
      await holder.end();
    });
    await withConnection(url, (client) => client.query("DROP TABLE own"));
    expect(await indexesLeft()).toEqual([]);
  });

  test("an index that cannot be dropped keeps none of the others, and is named with what to do", async () => {
    await withConnection(url, (client) =>
      client.query(
        "CREATE TABLE first (owner int); CREATE TABLE second (owner int); ALTER TABLE first OWNER TO plain; ALTER TABLE second OWNER TO plain; GRANT CREATE ON SCHEMA public TO plain",
      ),
    );
    const as = new URL(url);
    [as.username, as.password] = ["plain", "plain"];
    const indexes = [on("first", "owner"), on("second", "owner")];
    const failing = withVerifyStand(options(indexes, { url: as.href, place: "given" }), () =>
      withConnection(url, (client) => client.query("ALTER TABLE first OWNER TO CURRENT_USER")),
    );
    await expect(failing).rejects.toMatchObject({
      code: "dirty-target",
      message: expect.stringContaining("must be owner of index"),
      hint: expect.stringContaining(
        'DROP INDEX CONCURRENTLY IF EXISTS "public"."perfopt_verify_perfopt_first_owner"',
      ),
    });
    expect(await indexesLeft()).toEqual(["perfopt_verify_perfopt_first_owner"]);
    await withConnection(url, (client) => client.query("DROP TABLE first, second"));
  });
});

const content = (client: Client) =>
  client.query(`SELECT (SELECT md5(string_agg(i::text, '|' ORDER BY ctid)) FROM items i) AS items,
    (SELECT md5(string_agg(m::text, '|' ORDER BY ctid)) FROM moods m) AS moods,
    (SELECT count(*) || ' ' || sum(id) FROM parted) AS parted, current_setting('work_mem') AS work_mem`);

const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

const copyOptions = (changes: Partial<CopyOptions> = {}): CopyOptions => ({
  home: stores.home,
  sourceUrl: url,
  locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "libc" },
  makeSchema: async (connection) => void (await connection.script(SCHEMA)),
  settings: { work_mem: "7MB", search_path: '"$user", public', shared_buffers: "1GB" },
  bytesMax: 1024 ** 3,
  environment: process.env,
  signal: neverAborted,
  ...changes,
});
describe("a copy of the data", { timeout: 90_000 }, () => {
  test("has every row in its place, its settings and indexes, as of one moment; the source has no trace of it", async () => {
    const holder = await connect(url);
    const expected = (await content(holder)).rows[0];
    const lines: string[] = [];
    const timersBefore = timers();
    await withDataCopy(copyOptions({ onProgress: (line) => lines.push(line) }), async (copy) => {
      await withConnection(copy.url, async (client) => {
        expect((await content(client)).rows[0]).toEqual({ ...expected, work_mem: "7MB" });
        const { rows } = await client.query(
          "SELECT c.relname AS name, reltuples::int AS rows FROM pg_class c WHERE relname IN ('items', 'items_note', 'items_pkey', 'parted_a_id_idx') ORDER BY 1",
        );
        expect(rows).toEqual([
          { name: "items", rows: 20_000 },
          { name: "items_note", rows: 20_000 },
          { name: "items_pkey", rows: 20_000 },
          { name: "parted_a_id_idx", rows: 5_000 },
        ]);
      });
      const held = await queryDatabase(
        url,
        "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'perfopt' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()",
      );
      expect(held).toEqual([]);
      expect(copy.caveats).toHaveLength(1);
      expect(copy.caveats[0]).toMatch(/^shared_buffers = 1GB is not set on the copy/);
      await withVerifyStand({ ...options([byOwner]), url: copy.url }, async (stand) => {
        const plan = await stand.plan(statement("SELECT note FROM items WHERE owner = 7"), [
          byOwner.name,
        ]);
        expect(plan).toMatchObject({ reads: [byOwner.name] });
      });
    });
    expect(lines.join("\n")).toMatch(/copied public\.items/);
    // A timer that goes on would keep perfopt from ending.
    expect(timers()).toBeLessThan(timersBefore + 2);
    expect(await indexesLeft()).toEqual([]);
    await holder.end();
  });

  test("is refused above the bound, which is said", async () => {
    await expect(withDataCopy(copyOptions({ bytesMax: 100_000 }), async () => {})).rejects.toThrow(
      /the tables hold [\d.]+ MB, and a copy of at most 97.7 kB is allowed/,
    );
  });

  test("a table that its schema lacks is told; one that may not be read ends it with its name", async () => {
    const without = SCHEMA.replace(/CREATE TABLE moods.*/, "");
    const partly = copyOptions({
      makeSchema: async (c) => void (await c.script(without)),
      settings: {},
    });
    await withDataCopy(partly, async ({ caveats }) => {
      expect(caveats).toContain("public.moods is not in the copy: it could not be modelled");
    });
    const as = new URL(url);
    [as.username, as.password] = ["plain", "plain"];
    await expect(withDataCopy(copyOptions({ sourceUrl: as.href }), async () => {})).rejects.toThrow(
      /table "public"\."\w+" could not be copied: permission denied/,
    );
  });
});
