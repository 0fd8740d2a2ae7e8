import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { indexName, type IndexDefinition } from "../../src/core/index-definition.ts";
import { buildIndex, dropIndex, type IndexJob } from "../../src/target/safe-index.ts";
import {
  connect,
  queryDatabase,
  rowsOf,
  withConnection,
  withDatabase,
} from "../../src/target/sql.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";

const impatient = { snapshotAgeMs: 0, snapshotWaitMs: 300, buildTimeoutMs: 20_000 };
/** Lets a build begin although a snapshot is held, so that it waits in the middle. */
const patient = { snapshotAgeMs: 60_000, snapshotWaitMs: 60_000, buildTimeoutMs: 20_000 };

let stores: Stores;
let url: string;
let holder: Client;

beforeAll(async () => {
  stores = await startStores();
  url = withDatabase(stores.postgresUrl, "indexes");
  await withConnection(stores.postgresUrl, (client) => client.query("CREATE DATABASE indexes"));
  await withConnection(url, (client) =>
    client.query(`CREATE TABLE unrelated (id int);
      CREATE TABLE items AS SELECT g AS id, g % 100 AS owner, md5(g::text) AS title, g % 50 = 0 AS rare,
        jsonb_build_object('k', g % 1000) AS data, now() + g * interval '1 s' AS at FROM generate_series(1, 20000) g;
      CREATE TABLE parted (id int, owner int, at int) PARTITION BY RANGE (at);
      CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (10);
      CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (10) TO (20) PARTITION BY HASH (id);
      CREATE TABLE parted_b0 PARTITION OF parted_b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE parted_b1 PARTITION OF parted_b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      INSERT INTO parted SELECT g, g % 500, g % 20 FROM generate_series(1, 20000) g; ANALYZE;`),
  );
}, 60_000);
afterAll(() => stores.stop());

beforeEach(async () => {
  holder = await connect(url);
});
afterEach(async () => {
  await holder.end().catch(() => {});
  await withConnection(url, async (client) => {
    await client.query("DROP TABLE IF EXISTS parted_c");
    for (const table of ["items", "parted"]) {
      const names = Object.keys(await indexesThere()).filter((name) => name.includes(table));
      // The whole one first: those of its partitions go with it.
      for (const name of names) await client.query(`DROP INDEX IF EXISTS "${name}"`);
    }
  });
});

function on(table: string, rest: Partial<IndexDefinition>): IndexDefinition {
  const index = { schema: "public", table, columns: [{ name: "owner" }], ...rest };
  return { name: indexName(index), ...index };
}

function job(index: IndexDefinition, changes: Partial<IndexJob> = {}): IndexJob {
  return {
    url,
    index,
    limits: impatient,
    signal: neverAborted,
    dataFolder: undefined,
    own: false,
    beforeBuild: async () => {},
    ...changes,
  };
}

/** Every index of the tables here, with whether it is valid. */
async function indexesThere(): Promise<Record<string, unknown>> {
  const rows = await queryDatabase(
    url,
    "SELECT c.relname AS name, i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1",
  );
  return Object.fromEntries(rows.map((row) => [String(row["name"]), row["valid"]]));
}

async function hold(sql: string): Promise<number> {
  await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await holder.query(sql);
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

async function isThere(name: string): Promise<boolean> {
  return name in (await indexesThere());
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** A perfopt of its own that builds. */
function startBuild(of: IndexJob): Running {
  const script = resolve(import.meta.dirname, "fixture-build.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(of)]);
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then(([code]) => ({ code, output }));
  return { child, ended };
}

async function buildingSessions() {
  return queryDatabase(
    url,
    "SELECT p.pid FROM pg_stat_progress_create_index p WHERE p.pid <> pg_backend_pid()",
  );
}

describe("every kind of index", { timeout: 60_000 }, () => {
  const kinds: readonly (readonly [string, IndexDefinition, string])[] = [
    [
      "an expression",
      on("items", { columns: [{ expression: "lower(title)" }] }),
      "SELECT id FROM items WHERE lower(title) = $1",
    ],
    [
      "a partial one",
      on("items", { columns: [{ name: "id" }], where: "rare" }),
      "SELECT id FROM items WHERE rare AND id = 50",
    ],
    ["INCLUDE", on("items", { include: ["title"] }), "SELECT title FROM items WHERE owner = 7"],
    [
      "GIN",
      on("items", { method: "gin", columns: [{ name: "data", operators: "jsonb_path_ops" }] }),
      `SELECT id FROM items WHERE data @> '{"k": 7}'`,
    ],
    [
      "an operator class",
      on("items", { columns: [{ name: "title", operators: "text_pattern_ops" }] }),
      "SELECT id FROM items WHERE title LIKE 'abc%'",
    ],
    [
      "hash",
      on("items", { method: "hash", columns: [{ name: "title" }] }),
      "SELECT id FROM items WHERE title = 'x'",
    ],
    [
      "BRIN",
      on("items", { method: "brin", columns: [{ name: "at" }] }),
      "SELECT id FROM items WHERE at < now() - interval '1 day'",
    ],
    [
      "both directions",
      on("items", {
        columns: [{ name: "owner", descending: true, nullsFirst: false }, { name: "id" }],
      }),
      "SELECT id FROM items WHERE owner = $1 ORDER BY id LIMIT 1",
    ],
  ];

  test.each(kinds)("%s is built, read, known again and dropped", async (_, index, sql) => {
    const statements = [{ id: "q1", sql }];
    const built = await buildIndex(job(index, { statements }));
    expect(built).toMatchObject({
      built: true,
      use: { readBy: ["q1"], notReadBy: [], failed: [] },
    });
    expect(built.detail).toContain("read by the plans of q1");
    expect(built.bytes).toBeGreaterThan(8_000);
    expect(await buildIndex(job(index, { own: true }))).toMatchObject({
      built: false,
      bytes: built.bytes,
    });
    expect(await dropIndex({ url, index })).toContain("is dropped");
    expect(await indexesThere()).toEqual({});
    expect(await dropIndex({ url, index })).toContain("is not there");
  });

  test("one that no plan reads is reported, and so is a statement that cannot be planned", async () => {
    const statements = [
      { id: "scan", sql: "SELECT count(*) FROM items" },
      { id: "two", sql: "SELECT 1; DROP TABLE items" },
    ];
    const built = await buildIndex(job(on("items", {}), { statements }));
    expect(built.use).toMatchObject({ readBy: [], notReadBy: ["scan"], failed: [{ id: "two" }] });
    expect(built.detail).toMatch(/NO plan of the 2 statements .* reads it; 1 could not be planned/);
    expect(await queryDatabase(url, "SELECT count(*) AS n FROM items")).toEqual([{ n: 20_000 }]);
  });

  test("a definition that PostgreSQL refuses leaves nothing, and nothing is recorded", async () => {
    let recorded = false;
    const refused = job(on("items", { columns: [{ expression: "at::date" }] }), {
      beforeBuild: async () => void (recorded = true),
    });
    await expect(buildIndex(refused)).rejects.toThrow(/does not take .* IMMUTABLE/);
    expect(recorded).toBe(false);
    expect(await indexesThere()).toEqual({});
  });

  test("another index of the same name is no success, not even perfopt's own", async () => {
    const index = on("items", {});
    await buildIndex(job(index));
    const other = { ...index, columns: [{ name: "id" }] };
    await expect(buildIndex(job(other, { own: true }))).rejects.toThrow(
      /it is another one than this/,
    );
    expect(await indexesThere()).toEqual({ [index.name]: true });
  });
});

describe("what stands in the way", { timeout: 60_000 }, () => {
  const index = on("items", {});

  test("a table locked by another session: a bounded wait that names it, and nothing left", async () => {
    const pid = await hold("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    await expect(buildIndex(job(index))).rejects.toThrow(new RegExp(`pid ${pid} \\(perfopt`));
    await holder.query("ROLLBACK");
    expect(await indexesThere()).toEqual({});
    // The same when the lock is not a writer's: a lock of maintenance alone.
    await hold("LOCK TABLE items IN SHARE UPDATE EXCLUSIVE MODE");
    const limits = { ...impatient, snapshotAgeMs: 60_000 };
    await expect(buildIndex(job(index, { limits }))).rejects.toThrow(
      /it is locked by pid \d+ \(perfopt, ShareUpdateExclusiveLock\)/,
    );
    await holder.query("ROLLBACK");
    expect((await buildIndex(job(index))).built).toBe(true);
  });

  test("an open transaction that wrote to the table is in the way, one that read elsewhere is not", async () => {
    await holder.query("BEGIN");
    await holder.query("SELECT count(*) FROM unrelated");
    await buildIndex(job(index));
    await dropIndex({ url, index });
    await holder.query("INSERT INTO items (id) VALUES (1)");
    await expect(buildIndex(job(index))).rejects.toThrow(/still open.*idle in transaction/);
    await holder.query("ROLLBACK");
    expect(await indexesThere()).toEqual({});
  });

  test("a snapshot in another database is not in the way", async () => {
    await withConnection(stores.postgresUrl, async (client) => {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
      expect((await buildIndex(job(index))).built).toBe(true);
    });
  });

  test("sessions whose transactions the role may not see are told", async () => {
    await withConnection(url, (client) =>
      client.query(
        "CREATE ROLE plain LOGIN PASSWORD 'plain'; CREATE TABLE plain_items (owner int); ALTER TABLE plain_items OWNER TO plain; GRANT CREATE ON SCHEMA public TO plain",
      ),
    );
    const as = new URL(url);
    [as.username, as.password] = ["plain", "plain"];
    const built = await buildIndex(job(on("plain_items", {}), { url: as.href }));
    expect(built.detail).toMatch(/the transactions of \d+ sessions? could not be seen/);
    await withConnection(url, (client) => client.query("DROP TABLE plain_items"));
  });

  test("a disk with less than twice the estimate of the advice is refused", async () => {
    const folder = { dataFolder: stores.home, estimatedBytes: 1e18 };
    await expect(buildIndex(job(index, folder))).rejects.toThrow(
      /needs about 9\d* TB|needs about \d+ TB/,
    );
    const enough = await buildIndex(job(index, { dataFolder: stores.home }));
    expect(enough.detail).toMatch(/of disk free/);
  });
});

describe("a second perfopt at the same time", { timeout: 60_000 }, () => {
  const index = on("items", {});

  test("one wins, the other says so, and the winner's index is whole", async () => {
    await hold("SELECT count(*) FROM unrelated");
    const first = startBuild(job(index, { limits: patient }));
    await until(() => isThere(index.name));
    await expect(buildIndex(job(index, { own: true, limits: patient }))).rejects.toThrow(
      new RegExp(`another perfopt is building .*perfopt ${first.child.pid}\\.`),
    );
    await holder.query("ROLLBACK");
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(await indexesThere()).toEqual({ [index.name]: true });
  });

  test("killed -9, its build goes on in the server: the next one ends it, repairs what it left, and builds", async () => {
    await hold("SELECT count(*) FROM unrelated");
    const first = startBuild(job(index, { limits: patient }));
    await until(() => isThere(index.name));
    first.child.kill("SIGKILL");
    await first.ended;
    expect(await buildingSessions()).toHaveLength(1);
    await expect(buildIndex(job(index, { own: true }))).rejects.toThrow(/still open/);
    expect(await buildingSessions()).toEqual([]);
    await holder.query("ROLLBACK");
    expect((await buildIndex(job(index, { own: true }))).built).toBe(true);
    expect(await indexesThere()).toEqual({ [index.name]: true });
  });
});

describe("a partitioned table", { timeout: 60_000 }, () => {
  const index = on("parted", {});
  const whole = {
    perfopt_parted_owner: true,
    perfopt_parted_owner_parted_a: true,
    perfopt_parted_owner_parted_b: true,
    perfopt_parted_owner_parted_b_parted_b0: true,
    perfopt_parted_owner_parted_b_parted_b1: true,
  };

  test("gets an index on each partition, attached up to the top, and loses them all", async () => {
    const statements = [{ id: "q", sql: "SELECT id FROM parted WHERE owner = $1 AND at = $2" }];
    const built = await buildIndex(job(index, { statements }));
    expect(built.use?.readBy).toEqual(["q"]);
    expect(await indexesThere()).toEqual(whole);
    expect(await buildIndex(job(index, { own: true }))).toMatchObject({ built: false });
    // A partition made later has it too, which is what the parent's index is for.
    await withConnection(url, (client) =>
      client.query("CREATE TABLE parted_c PARTITION OF parted FOR VALUES FROM (20) TO (30)"),
    );
    expect(Object.keys(await indexesThere())).toHaveLength(6);
    expect(await dropIndex({ url, index })).toContain("with those of its partitions");
    expect(await indexesThere()).toEqual({});
  });

  test("a build that fails half way leaves nothing", async () => {
    await hold("SELECT count(*) FROM unrelated");
    const limits = { ...patient, buildTimeoutMs: 700 };
    await expect(buildIndex(job(index, { limits }))).rejects.toThrow(
      /statement timeout; nothing of it is left/,
    );
    await holder.query("ROLLBACK");
    expect(await indexesThere()).toEqual({});
  });

  test.each([
    ["a table", "CREATE TABLE", "(id int)", /already exists; nothing of it is left/],
    [
      "an index",
      "CREATE INDEX",
      "ON unrelated (id)",
      /is there already, and perfopt did not make it/,
    ],
  ])(
    "%s gets a partition's name in the meantime: it stays, and what was built before it goes",
    async (_, create, what, message) => {
      const name = "perfopt_parted_owner_parted_b_parted_b1";
      const taken = async () =>
        queryDatabase(url, `SELECT to_regclass('${name}')::oid::text AS id`);
      let theirs: unknown;
      const beforeBuild = async () => {
        await withConnection(url, (client) => client.query(`${create} ${name} ${what}`));
        theirs = await taken();
      };
      await expect(buildIndex(job(index, { beforeBuild }))).rejects.toThrow(message);
      expect(await taken()).toEqual(theirs);
      const kind = create.replace("CREATE", "DROP");
      await withConnection(url, (client) => client.query(`${kind} ${name}`));
      expect(await indexesThere()).toEqual({});
    },
  );

  test("killed -9 half way: the next one goes on and completes it", async () => {
    await hold("SELECT count(*) FROM unrelated");
    const first = startBuild(job(index, { limits: patient }));
    await until(() => isThere("perfopt_parted_owner_parted_a"));
    first.child.kill("SIGKILL");
    await first.ended;
    await holder.query("ROLLBACK");
    expect((await buildIndex(job(index, { own: true }))).built).toBe(true);
    expect(await indexesThere()).toEqual(whole);
  });

  test("is never held up for long: the short lock is given up while somebody writes, and then taken", async () => {
    await holder.query("BEGIN");
    await holder.query("INSERT INTO parted VALUES (1, 1, 1)");
    const building = buildIndex(job(index, { limits: { ...patient } }));
    await until(async () => {
      const waiting = await queryDatabase(url, "SELECT 1 AS x FROM pg_locks WHERE NOT granted");
      return waiting.length > 0;
    });
    await withConnection(url, (client) =>
      client.query("SET statement_timeout = 5000; INSERT INTO parted VALUES (2, 2, 2)"),
    );
    await holder.query("COMMIT");
    await building;
    expect(await indexesThere()).toEqual(whole);
  });

  test("with a partition elsewhere is refused", async () => {
    await withConnection(url, (client) =>
      client.query(`CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
        CREATE FOREIGN TABLE parted_f PARTITION OF parted FOR VALUES FROM (90) TO (99) SERVER nowhere`),
    );
    await expect(buildIndex(job(index))).rejects.toThrow(/"parted_f" is a foreign table/);
    await withConnection(url, (client) =>
      client.query("DROP FOREIGN DATA WRAPPER nothing CASCADE"),
    );
    expect(await indexesThere()).toEqual({});
  });
});

describe("the server ends the build", { timeout: 60_000 }, () => {
  const index = on("items", {});

  async function whileBuilding(end: (pid: number) => Promise<void>): Promise<void> {
    await hold("SELECT count(*) FROM unrelated");
    const building = buildIndex(job(index, { limits: patient }));
    const refused = expect(building).rejects.toThrow(
      /could not be built: .*; nothing of it is left/,
    );
    await until(async () => (await isThere(index.name)) && (await buildingSessions()).length === 1);
    const [session] = await buildingSessions();
    await end(Number(session?.["pid"]));
    await holder.query("ROLLBACK").catch(() => {});
    await refused;
    expect(await indexesThere()).toEqual({});
  }

  test("its session terminated: nothing is left", async () => {
    await whileBuilding((pid) =>
      withConnection(
        url,
        async (client) => void (await client.query(`SELECT pg_terminate_backend(${pid})`)),
      ),
    );
  });

  test("its process killed -9, so that the whole server restarts: nothing is left", async () => {
    await whileBuilding(async (pid) => void process.kill(pid, "SIGKILL"));
  });
});
