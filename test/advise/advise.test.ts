/** The index advisor on a real PostgreSQL: one line a case, SQL in, index out, or none and why. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adviceLimits, adviseIndexes } from "../../src/advise/indexes/advise.ts";
import type { IndexAdvice } from "../../src/advise/indexes/advise.ts";
import { describeIndex } from "../../src/advise/indexes/name.ts";
import type { DatabaseView } from "../../src/core/observation.ts";
import type { StatementStats } from "../../src/core/sample.ts";
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
let database: ReturnType<typeof viewOf>;

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
  database = viewOf(url);
}, 60_000);

afterAll(() => stores.stop());

function ran(sql: string, calls = 100, rows = 10, meanMs = 5): StatementStats {
  return { queryId: sql, sql, calls, totalMs: calls * meanMs, rows: calls * rows, buffers: 0 };
}

function names(advice: IndexAdvice): string[] {
  return advice.selected.map((each) => describeIndex(each.index.table, each.index.columns));
}

function reasons(advice: IndexAdvice): string {
  return advice.rejected
    .map((each) => `${describeIndex(each.table, each.columns)}: ${each.reason}`)
    .join("\n");
}

describe("SQL in, index out", () => {
  test.each<[sql: string, rows: number, expected: string[]]>([
    ["SELECT * FROM orders WHERE customer_id = $1", 3, ["orders (customer_id)"]],
    [
      "SELECT * FROM orders WHERE customer_id = $1 AND status = $2 ORDER BY placed_at DESC LIMIT $3",
      3,
      ["orders (customer_id)"],
    ],
    [
      "SELECT * FROM orders WHERE status = $1 ORDER BY placed_at DESC LIMIT $2 OFFSET $3",
      20,
      ["orders (status, placed_at)"],
    ],
    ["SELECT * FROM orders ORDER BY placed_at DESC, id DESC LIMIT $1", 20, ["orders (placed_at)"]],
    [
      "SELECT c.id, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = $1",
      3,
      ["orders (customer_id)", "customers (email)"],
    ],
    [
      "SELECT max(placed_at) FROM orders WHERE customer_id = $1",
      1,
      ["orders (customer_id, placed_at)"],
    ],
    [
      "UPDATE orders SET status = $1 WHERE customer_id = $2 AND status = $3",
      3,
      ["orders (customer_id)"],
    ],
    ["SELECT * FROM customers WHERE email = ANY($1::text[])", 2, ["customers (email)"]],
    [
      "SELECT o.id FROM orders o WHERE EXISTS (SELECT $2 FROM items i WHERE i.order_id = o.id AND i.product_id = $1) ORDER BY o.id LIMIT $3",
      20,
      ["items (product_id, order_id)"],
    ],
    [
      "WITH mine AS (SELECT * FROM orders) SELECT * FROM mine WHERE customer_id = $1",
      3,
      ["orders (customer_id)"],
    ],
  ])("%s", async (sql, rows, expected) => {
    const advice = await adviseIndexes(database, [ran(sql, 100, rows)]);
    expect(names(advice), reasons(advice)).toEqual(expected);
    for (const each of advice.selected) {
      expect(each.sizeBytes).toBeGreaterThan(0);
      expect(each.statements[0]!.costAfter).toBeLessThan(each.statements[0]!.costBefore);
    }
    expect(advice.savedMs).toBeGreaterThan(0.03 * advice.totalMs);
  });

  test("the column with the most values comes first, and one that adds nothing is left off", async () => {
    const advice = await adviseIndexes(database, [
      ran("SELECT * FROM orders WHERE status = $1 AND customer_id = $2 AND total = $3"),
    ]);
    expect(names(advice)).toEqual(["orders (customer_id)"]);
    expect(reasons(advice)).toMatch(
      /orders \(customer_id, total, status\): its last column saves too little/,
    );
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
      "the beginning of an index",
      "SELECT * FROM customers WHERE city = $1",
      /existing index customers_city/,
    ],
    [
      "groups that need every row",
      "SELECT status, sum(total) FROM orders GROUP BY status",
      /orders \(status\): no plan uses it/,
    ],
    [
      "a type without an order",
      "SELECT * FROM customers WHERE profile = $1",
      /profile is of type json/,
    ],
  ])("for %s", async (_, sql, reason) => {
    const advice = await adviseIndexes(database, [ran(sql, 10, 60_000)]);
    expect(names(advice)).toEqual([]);
    expect(reasons(advice)).toMatch(reason);
  });

  test("for statements that PostgreSQL cannot parse or plan, and it says so", async () => {
    const advice = await adviseIndexes(database, [
      ran("SELECT * FROM orders WHERE placed_at > now() - interval $1"),
      ran("SELECT no_such_function(customer_id) FROM orders WHERE customer_id = $1"),
      ran("SELECT * FROM orders WHERE customer_id ="),
    ]);
    expect(advice.selected).toEqual([]);
    expect(advice.statements.map((each) => each.notes.join())).toEqual([
      expect.stringMatching(/EXPLAIN: syntax error/),
      expect.stringMatching(/EXPLAIN: .*no_such_function/),
      expect.stringMatching(/PostgreSQL's parser/),
    ]);
  });

  test("on a server that cannot plan without values, and it says so", async () => {
    const old: DatabaseView = {
      ...database,
      query: async (sql, parameters) =>
        sql.includes("server_version_num")
          ? [{ version: 150_004 }]
          : database.query(sql, parameters),
    };
    const advice = await adviseIndexes(old, [ran("SELECT * FROM orders WHERE customer_id = $1")]);
    expect(advice.skipped).toMatch(/PostgreSQL 15 cannot plan/);
    expect(reasons(advice)).toMatch(/orders \(customer_id\): not costed/);
  });

  test("when the scratch database fails, and it says so", async () => {
    const broken: DatabaseView = {
      ...database,
      withScratch: () => Promise.reject(new Error("disk full")),
    };
    const advice = await adviseIndexes(broken, [
      ran("SELECT * FROM orders WHERE customer_id = $1"),
    ]);
    expect(advice.skipped).toMatch(/disk full/);
  });
});

describe("a workload", () => {
  const slow = "SELECT * FROM orders WHERE customer_id = $1";
  const rare = "SELECT * FROM items WHERE quantity = $1 AND product_id = $2";

  test("statements weigh by their time: what saves too little of it is left out", async () => {
    const advice = await adviseIndexes(database, [ran(slow, 10_000, 3), ran(rare, 1, 10)]);
    expect(names(advice)).toEqual(["orders (customer_id)"]);
    expect(reasons(advice)).toMatch(
      /items \(product_id, quantity\): is expected to save .* less than/,
    );
  });

  test("each index names the statements that gain, and what writes keep it up to date", async () => {
    const advice = await adviseIndexes(database, [
      ran(slow, 300, 3),
      ran("INSERT INTO orders (id, customer_id) VALUES ($1, $2)", 40),
      ran("UPDATE orders SET status = $1 WHERE id = $2", 30),
      ran("UPDATE orders SET customer_id = $1 WHERE id = $2", 20),
      ran("DELETE FROM orders WHERE id = $1", 10),
    ]);
    expect(advice.selected).toHaveLength(1);
    const [index] = advice.selected;
    expect(index!.statements.map((each) => [each.queryId, each.calls])).toEqual([[slow, 300]]);
    expect(index!.writes).toEqual({ inserts: 40, updates: 50, deletes: 10, updatesOfColumns: 20 });
  });

  test("no more candidates are built than the limit, and the rest say so", async () => {
    const advice = await adviseIndexes(database, [ran(slow, 10_000, 3), ran(rare, 1_000)], {
      ...adviceLimits,
      candidatesMax: 1,
    });
    expect(names(advice)).toEqual(["orders (customer_id)"]);
    expect(reasons(advice)).toMatch(/items .*: not among the 1 most promising/);
  });

  test("what exists is reported: duplicate, redundant, unused and invalid, and nothing of the keys", async () => {
    const advice = await adviseIndexes(database, []);
    const kinds = Object.fromEntries(advice.findings.map((each) => [each.index, each.kind]));
    expect(kinds).toEqual({
      customers_city_idx: "redundant",
      customers_city_joined_idx: "unused",
      customers_joined_idx: "unused",
      customers_joined_twin: "duplicate",
      orders_wreck: "invalid",
    });
  });

  test("the observation is plain JSON, and the target is as it was", async () => {
    const before = await database.query("SELECT count(*) FROM pg_class");
    const advice = await adviseIndexes(database, [ran(slow)]);
    expect(JSON.parse(JSON.stringify(advice))).toEqual(advice);
    expect(await database.query("SELECT count(*) FROM pg_class")).toEqual(before);
    expect(await database.scratchLeft()).toBe(0);
  });
});
