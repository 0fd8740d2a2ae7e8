/** The index advisor on a real PostgreSQL: one line a case, SQL in, index out, or none and why. */
import { rm } from "node:fs/promises";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adviseIndexes } from "../../src/advise/indexes/advise.ts";
import { openClone, type Clone } from "../../src/advise/indexes/clone/open.ts";
import { adviseObserved } from "../../src/advise/indexes/observed.ts";
import { readSnapshot } from "../../src/advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../../src/advise/indexes/snapshot/snapshot.ts";
import { workloadOfStatements } from "../../src/advise/indexes/workload/stat-statements.ts";
import type { IndexAdvice } from "../../src/core/advice.ts";
import { PerfoptError } from "../../src/core/errors.ts";
import { describeIndex } from "../../src/core/index-definition.ts";
import type { DatabaseView } from "../../src/core/observation.ts";
import type { StatementStats } from "../../src/core/sample.ts";
import { openPlannerServer, type OpenPlannerServer } from "../../src/target/planner-server.ts";
import { neverAborted, temporaryHome } from "../integration/stores.ts";
import { startStores } from "../registry/stores.ts";
import type { Stores } from "../registry/stores.ts";
import { viewOf } from "./database.ts";

const SHOP = `
  CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, city text NOT NULL, joined_on date NOT NULL, profile json);
  INSERT INTO customers SELECT g, 'c' || g || '@shop', 'city ' || g % 50, date '2020-01-01' + g % 1500, '{}' FROM generate_series(1, 20000) g;
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, placed_at timestamptz NOT NULL, total numeric NOT NULL);
  INSERT INTO orders SELECT g, g * 7919 % 20000 + 1, (ARRAY['new', 'paid', 'sent', 'back'])[g % 4 + 1], timestamptz '2024-01-01' + g * interval '1 minute', g % 997
    FROM generate_series(1, 60000) g;
  CREATE TABLE items (order_id int, product_id int, quantity int NOT NULL, PRIMARY KEY (order_id, product_id));
  INSERT INTO items SELECT g / 2 + 1, g % 2 * 500 + g % 499, g % 9 FROM generate_series(1, 90000) g ON CONFLICT DO NOTHING;
  CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
  INSERT INTO countries SELECT 'c' || g, 'country ' || g FROM generate_series(1, 200) g;
  CREATE INDEX customers_city_idx ON customers (city);
  CREATE INDEX customers_city_joined_idx ON customers (city, joined_on);
  CREATE INDEX customers_joined_idx ON customers (joined_on);
  CREATE INDEX customers_joined_twin ON customers (joined_on);
  CREATE VIEW paid_orders AS SELECT * FROM orders WHERE status = 'paid'`;

let stores: Stores;
let home: string;
let database: DatabaseView;
let server: OpenPlannerServer;
let clone: Clone;
let snapshot: Snapshot;

beforeAll(async () => {
  stores = await startStores();
  const url = await stores.createDatabase("shop");
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(SHOP);
  await client.query("CREATE INDEX CONCURRENTLY orders_wreck ON orders (total)");
  // What an interrupted CREATE INDEX CONCURRENTLY leaves.
  await client.query(
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_wreck'::regclass",
  );
  await client.query("VACUUM ANALYZE");
  await client.end();
  home = await temporaryHome();
  database = viewOf(url, home);
  snapshot = await database.together((query) =>
    readSnapshot(query, { redact: "nothing", now: Date.now }),
  );
  server = await openPlannerServer({
    home,
    major: 18,
    signal: neverAborted,
    environment: process.env,
  });
  clone = await openClone(server, snapshot);
}, 60_000);

afterAll(async () => {
  await clone.close();
  await server.close();
  await stores.stop();
  await rm(home, { recursive: true, force: true });
});

function ran(sql: string, calls = 100, rows = 10, meanMs = 5): StatementStats {
  return { queryId: sql, sql, calls, totalMs: calls * meanMs, rows: calls * rows, buffers: 0 };
}

async function advise(stats: readonly StatementStats[]): Promise<IndexAdvice> {
  return adviseIndexes({
    snapshot,
    workload: await workloadOfStatements(stats, "the test"),
    engine: {
      kind: "planner-clone",
      version: server.version,
      whatIf: clone,
      caveats: [],
      buildSpeed: undefined,
    },
    limits: {
      widthMax: 4,
      explainsMax: 500,
      timeMsMax: 60_000,
      gainLeast: 0.01,
      regressionMax: 1.05,
      statementsMax: 50,
    },
    values: "generic",
    seed: 1,
    now: () => performance.now(),
  });
}

function names(advice: IndexAdvice): string[] {
  return advice.selected.map((each) => describeIndex(each.index));
}

function reasons(advice: IndexAdvice): string {
  return advice.rejected.map((each) => `${describeIndex(each.index)}: ${each.reason}`).join("\n");
}

describe("SQL in, index out", () => {
  test.each<[sql: string, rows: number, expected: (string | RegExp)[]]>([
    ["SELECT * FROM orders WHERE customer_id = $1", 3, ["orders (customer_id)"]],
    [
      "SELECT * FROM orders WHERE customer_id = $1 AND status = $2 ORDER BY placed_at DESC LIMIT $3",
      3,
      [/^orders \(customer_id/],
    ],
    [
      "SELECT * FROM orders WHERE status = $1 ORDER BY placed_at DESC LIMIT $2 OFFSET $3",
      20,
      [/^orders \((?:status, )?placed_at/],
    ],
    ["SELECT * FROM orders ORDER BY placed_at DESC, id DESC LIMIT $1", 20, [/^orders \(placed_at/]],
    [
      "SELECT c.id, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = $1",
      3,
      [
        /^(?:orders \(customer_id|customers \(email)/,
        /^(?:orders \(customer_id|customers \(email)/,
      ],
    ],
    ["SELECT max(placed_at) FROM orders WHERE customer_id = $1", 1, [/^orders \(customer_id/]],
    [
      "UPDATE orders SET status = $1 WHERE customer_id = $2 AND status = $3",
      3,
      [/^orders \(customer_id/],
    ],
    ["SELECT * FROM customers WHERE email = ANY($1::text[])", 2, ["customers (email)"]],
    [
      "SELECT o.id FROM orders o WHERE EXISTS (SELECT $2 FROM items i WHERE i.order_id = o.id AND i.product_id = $1) ORDER BY o.id LIMIT $3",
      20,
      [/^items \(product_id/],
    ],
    [
      "WITH mine AS (SELECT * FROM orders) SELECT * FROM mine WHERE customer_id = $1",
      3,
      ["orders (customer_id)"],
    ],
    ["SELECT * FROM customers WHERE lower(email) = $1", 1, ["customers ((lower(email)))"]],
    ["SELECT id FROM paid_orders WHERE customer_id = $1", 3, [/^orders \(customer_id/]],
  ])("%s", async (sql, rows, expected) => {
    const advice = await advise([ran(sql, 100, rows)]);
    expect(names(advice), reasons(advice)).toEqual(
      expected.map((each) => (typeof each === "string" ? each : expect.stringMatching(each))),
    );
    for (const each of advice.selected) {
      expect(each.bytes).toBeGreaterThan(0);
      expect(each.gain).toBeGreaterThan(0.01);
      expect(each.gaining[0]!.costAfter).toBeLessThan(each.gaining[0]!.costBefore);
      expect(each.because).not.toBe("");
    }
    expect(advice.totals.relativeCost).toBeLessThan(0.97);
  });
});

describe("no index", () => {
  test.each<[what: string, sql: string, reason: RegExp]>([
    [
      "a row found by its key",
      "SELECT * FROM orders WHERE id = $1",
      /unique index orders_pkey finds the row/,
    ],
    [
      "a small table",
      "SELECT * FROM countries WHERE name = $1",
      /countries \(name\): the table has 200 rows/,
    ],
    [
      "an index that exists",
      "SELECT * FROM customers WHERE city = $1 AND joined_on > $2",
      /existing index customers_city_joined_idx/,
    ],
    [
      "groups that need every row",
      "SELECT status, sum(total) FROM orders GROUP BY status",
      /orders \(status\)/,
    ],
    [
      "a type without an order",
      "SELECT * FROM customers WHERE profile = $1",
      /profile is of type json/,
    ],
  ])("for %s", async (what, sql, reason) => {
    const advice = await advise([ran(sql, 10, 60_000)]);
    if (what !== "groups that need every row") expect(names(advice)).toEqual([]);
    else expect(names(advice)).not.toContain("orders (status)");
    expect(reasons(advice)).toMatch(reason);
  });

  test("for statements that PostgreSQL cannot parse or plan, and it says so", async () => {
    const advice = await advise([
      ran("SELECT no_such_function(customer_id) FROM orders WHERE customer_id = $1"),
      ran("SELECT * FROM orders WHERE customer_id ="),
    ]);
    expect(advice.selected).toEqual([]);
    const notes = advice.statements.map((each) => each.notes.join()).join("\n");
    expect(notes).toMatch(/no_such_function/);
    expect(notes).toMatch(/cut off/);
  });

  test("when the database cannot be rebuilt, and it says so", async () => {
    const broken: DatabaseView = {
      ...database,
      withPlanner: () =>
        Promise.reject(new PerfoptError("cannot-measure", "disk full", "make room")),
    };
    const advice = await adviseObserved(broken, [
      ran("SELECT * FROM orders WHERE customer_id = $1"),
    ]);
    expect(advice.skipped).toMatch(/disk full/);
    expect(advice.selected).toEqual([]);
  });
});

describe("a workload", () => {
  const slow = "SELECT * FROM orders WHERE customer_id = $1";
  const rare = "SELECT * FROM items WHERE quantity = $1 AND product_id = $2";

  test("statements weigh by their time: what saves too little of it is left out", async () => {
    const advice = await advise([ran(slow, 10_000, 3), ran(rare, 1, 10)]);
    expect(names(advice)).toEqual(["orders (customer_id)"]);
    expect(reasons(advice)).toMatch(/items .*: saves .* less than \d\.\d %/);
  });

  test("each index names the statements that gain, and what writes keep it up to date", async () => {
    const advice = await advise([
      ran(slow, 300, 3),
      ran("INSERT INTO orders (id, customer_id) VALUES ($1, $2)", 40, 1),
      ran("UPDATE orders SET status = $1 WHERE id = $2", 30, 1),
      ran("UPDATE orders SET customer_id = $1 WHERE id = $2", 20, 1),
      ran("DELETE FROM orders WHERE id = $1", 10, 1),
    ]);
    expect(names(advice)).toEqual(["orders (customer_id)"]);
    const [index] = advice.selected;
    const gained = new Set(index!.gaining.map((each) => each.id));
    const gaining = advice.statements.filter((each) => gained.has(each.id));
    expect(gaining.map(({ sql, calls }) => [sql, calls])).toEqual([[slow, 300]]);
    expect(index!.writes).toMatchObject({ inserts: 40, updates: 20, deletes: 10, hotLost: 20 });
    expect(index!.writes.cost).toBeGreaterThan(0);
  });

  test("what exists is reported: duplicate, redundant and invalid, and nothing of the keys", async () => {
    const advice = await advise([ran(slow)]);
    const kinds = advice.findings.flatMap((each) =>
      each.index === undefined ? [] : [[each.index, each.kind]],
    );
    expect(Object.fromEntries(kinds)).toMatchObject({
      customers_city_idx: "redundant",
      customers_joined_twin: "duplicate",
      orders_wreck: "invalid",
    });
    expect(kinds.map(([index]) => index).join()).not.toMatch(/pkey/);
  });

  test("the observation is plain JSON, and the target is as it was", async () => {
    const before = await database.query("SELECT count(*) FROM pg_class");
    const advice = await adviseObserved(database, [ran(slow)]);
    expect(JSON.parse(JSON.stringify(advice))).toEqual(advice);
    expect(await database.query("SELECT count(*) FROM pg_class")).toEqual(before);
  });
});
