/** Foreign keys, the server's own statistics and build times, against a real PostgreSQL. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ForeignKey, TableInfo } from "../../../src/advise/indexes/catalog.ts";
import type { PlanNode, WhatIf } from "../../../src/advise/indexes/what-if.ts";
import {
  readStatStatements,
  workloadOfStatements,
} from "../../../src/advise/indexes/workload/stat-statements.ts";
import {
  estimateBuild,
  measureBuildSpeed,
} from "../../../src/advise/indexes/writes/build-estimate.ts";
import { foreignKeyCosts, triggerSql } from "../../../src/advise/indexes/writes/foreign-keys.ts";
import type { PlannerConnection, Query } from "../../../src/core/planner.ts";
import type { Row } from "../../../src/core/workload.ts";
import { startStores } from "../../integration/stores.ts";
import type { Stores } from "../../integration/stores.ts";
import { catalogOf, tableOf } from "../workload/small-catalog.ts";

const SHOP = `
  CREATE EXTENSION pg_stat_statements;
  CREATE TABLE customers (id int PRIMARY KEY, code int NOT NULL UNIQUE);
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, note text);
  CREATE TABLE items (order_id int REFERENCES orders, pad text);
  CREATE TABLE wishes (a int, customer_id int REFERENCES customers ON DELETE SET NULL);
  CREATE TABLE visits (customer_id int REFERENCES customers, at date) PARTITION BY RANGE (at);
  CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2030-01-01');
  INSERT INTO customers SELECT g, g FROM generate_series(1, 2000) g;
  INSERT INTO orders SELECT g, g % 2000 + 1, 'x' FROM generate_series(1, 10000) g;
  INSERT INTO items SELECT g % 10000 + 1, repeat('x', 50) FROM generate_series(1, 10000) g;
  INSERT INTO wishes SELECT g, g % 2000 + 1 FROM generate_series(1, 5000) g;
  INSERT INTO visits SELECT g % 2000 + 1, '2024-05-05' FROM generate_series(1, 5000) g;
  ANALYZE`;

let stores: Stores;
let client: Client;
const query: Query = async (sql, parameters = []) =>
  (await client.query<Row>(sql, [...parameters])).rows;

beforeAll(async () => {
  stores = await startStores({ jit: "off" });
  client = new Client({ connectionString: stores.postgresUrl, statement_timeout: 20_000 });
  await client.connect();
  await client.query(SHOP);
}, 60_000);

afterAll(async () => {
  await client.end();
  await stores.stop();
});

const key = (
  name: string,
  columns: readonly string[],
  to: string,
  onDelete: ForeignKey["onDelete"],
): ForeignKey => ({
  name,
  columns,
  referencedSchema: "public",
  referencedTable: to,
  referencedColumns: ["id"],
  onDelete,
});

const withKeys = (
  name: string,
  rows: number,
  keys: readonly ForeignKey[],
  more: Partial<TableInfo> = {},
) => tableOf(name, rows, { id: {}, customer_id: {}, order_id: {} }, { foreignKeys: keys, ...more });

const toCustomers = (onDelete: ForeignKey["onDelete"]) =>
  key("of_customer", ["customer_id"], "customers", onDelete);

const catalog = catalogOf([
  tableOf("customers", 2_000, { id: {}, code: {} }),
  withKeys("orders", 10_000, [toCustomers("cascade")]),
  withKeys("items", 10_000, [key("of_order", ["order_id"], "orders", "no action")]),
  withKeys("wishes", 5_000, [toCustomers("set null")]),
  withKeys("visits", 5_000, [toCustomers("no action")], { kind: "partitioned" }),
  withKeys("visits_1", 5_000, [toCustomers("no action")], { partOf: "public.visits" }),
]);

const whatIf: Pick<WhatIf, "plan"> = {
  async plan({ sql }) {
    const root = await explained(sql);
    return { kind: "plan", plan: { cost: root["Total Cost"], indexes: [], root } };
  },
};

async function explained(sql: string): Promise<PlanNode> {
  const { rows } = await client.query<{ "QUERY PLAN": { Plan: PlanNode }[] }>(
    `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${sql}`,
  );
  const root = rows[0]?.["QUERY PLAN"][0]?.Plan;
  if (!root) throw new Error("no plan");
  return root;
}

const shapeOf = (node: PlanNode): string =>
  `${node["Node Type"]} ${node["Relation Name"] ?? ""}(${(node.Plans ?? []).map(shapeOf).join()})`;

const ran = (sql: string, calls: number, rows: number, totalMs: number) => ({
  queryId: sql,
  sql,
  calls,
  totalMs,
  rows,
  buffers: 0,
});

describe("foreign keys", () => {
  test("the statements are those that PostgreSQL's triggers run, and their plans are the same", async () => {
    const plans: { sql: string; shape: string }[] = [];
    client.on("notice", ({ message = "" }) => {
      const json = message.slice(message.indexOf("{"));
      if (!message.includes("plan:")) return;
      const read: { "Query Text": string; Plan: PlanNode } = JSON.parse(json);
      plans.push({ sql: read["Query Text"], shape: shapeOf(read.Plan) });
    });
    await client.query(
      "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_format = json; SET client_min_messages = log",
    );
    await client.query("BEGIN");
    await client.query(
      "DELETE FROM items WHERE order_id IN (SELECT id FROM orders WHERE customer_id = 7)",
    );
    await client.query("DELETE FROM visits WHERE customer_id = 7");
    await client.query("DELETE FROM customers WHERE id = 7");
    await client.query("ROLLBACK");
    await client.query("RESET client_min_messages; SET auto_explain.log_min_duration = -1");
    client.removeAllListeners("notice");

    // The others look parents up by their key, which always has an index.
    const fired = plans.filter(({ sql }) => sql.includes("$1 OPERATOR(pg_catalog.=)"));
    const { triggers, workload } = await foreignKeyCosts(
      await workloadOfStatements([ran("DELETE FROM customers WHERE id = $1", 1, 1, 1)], "x"),
      catalog,
      whatIf,
    );
    const mine = triggers.map(
      ({ id }) => workload.statements.find((statement) => statement.id === id)?.planSql ?? "",
    );
    expect(mine.toSorted()).toEqual([...new Set(fired.map(({ sql }) => sql))].toSorted());
    for (const { sql, shape } of fired) expect(shapeOf(await explained(sql)), sql).toBe(shape);
  });

  test("cascades go on to the children's children, with as many rows", async () => {
    const { triggers } = await foreignKeyCosts(
      await workloadOfStatements([ran("DELETE FROM customers WHERE id = $1", 100, 100, 1)], "x"),
      catalog,
      whatIf,
    );
    expect(new Map(triggers.map(({ table, rows }) => [table, rows]))).toEqual(
      new Map([
        ["public.orders", 100],
        ["public.wishes", 100],
        ["public.visits", 100],
        // Five orders a customer.
        ["public.items", 500],
      ]),
    );
  });

  test("their time is taken from the statement that fires them, by cost, and an index takes it away", async () => {
    const workload = await workloadOfStatements(
      [
        ran("DELETE FROM customers WHERE id = $1", 100, 100, 900),
        ran("SELECT * FROM orders WHERE id = $1", 5, 5, 100),
      ],
      "x",
    );
    const found = await foreignKeyCosts(workload, catalog, whatIf);
    const total = found.workload.statements.reduce((sum, each) => sum + (each.totalMs ?? 0), 0);
    expect(total).toBeCloseTo(1_000);
    const left = found.workload.statements.find(({ sql }) =>
      sql.startsWith("DELETE FROM customers"),
    );
    // Scans of whole children, against a lookup of one parent.
    expect(left?.totalMs).toBeLessThan(100);
    expect(found.triggers[0]?.table).toBe("public.items");
    const scan = found.triggers.find(({ table }) => table === "public.orders")?.cost ?? 0;
    await client.query("BEGIN; CREATE INDEX ON orders (customer_id)");
    const again = await foreignKeyCosts(workload, catalog, whatIf);
    await client.query("ROLLBACK");
    const lookup = again.triggers.find(({ table }) => table === "public.orders")?.cost ?? Infinity;
    expect(lookup).toBeLessThan(scan / 5);
  });

  test.each([
    ["UPDATE customers SET code = 1 WHERE id = $1", 0],
    ["UPDATE customers SET id = $2 WHERE id = $1", 3],
    ["INSERT INTO customers VALUES (1, 1)", 0],
    ["SELECT * FROM customers", 0],
  ])("%s fires %d", async (sql, expected) => {
    const workload = await workloadOfStatements([ran(sql, 1, 1, 1)], "x");
    const { triggers } = await foreignKeyCosts(workload, catalog, whatIf);
    expect(triggers).toHaveLength(expected);
  });

  test("what the workload has already is not added again", async () => {
    const [table] = catalog.tables.filter(({ name }) => name === "wishes");
    const sql = table ? triggerSql(table, toCustomers("set null"), true) : "";
    const workload = await workloadOfStatements(
      [ran("DELETE FROM customers WHERE id = $1", 1, 1, 1), ran(sql, 1, 1, 1)],
      "x",
    );
    const { triggers } = await foreignKeyCosts(workload, catalog, whatIf);
    expect(triggers.map(({ table: name }) => name)).not.toContain("public.wishes");
  });
});

test("pg_stat_statements of a real server", async () => {
  await client.query("SELECT pg_stat_statements_reset()");
  for (const id of [1, 2, 3]) {
    await client.query("SELECT * FROM orders WHERE customer_id = $1 ORDER BY id LIMIT $2", [id, 3]);
  }
  await client.query("UPDATE orders SET note = 'y' WHERE id = 5");
  await client.query("SELECT /* perfopt */ count(*) FROM orders");
  const { statements, source } = await readStatStatements(query);
  expect(source).toBe("pg_stat_statements of postgres");
  expect(new Map(statements.map(({ planSql, calls, rows }) => [planSql, [calls, rows]]))).toEqual(
    new Map([
      ["SELECT * FROM orders WHERE customer_id = $1 ORDER BY id LIMIT 3", [3, 9]],
      ["UPDATE orders SET note = $1 WHERE id = $2", [1, 1]],
    ]),
  );
});

test("a build is estimated from small ones, within a small factor of a real one", async () => {
  const connection: PlannerConnection = {
    query,
    async script(sql) {
      const answer: unknown = await client.query(sql);
      const results = Array.isArray(answer) ? answer : [answer];
      return results.map(({ rows }: { rows: readonly Row[] }) => rows);
    },
    close: () => Promise.resolve(),
  };
  const speed = await measureBuildSpeed(connection, () => performance.now());
  await client.query(
    "CREATE TABLE big AS SELECT hashint4(g) AS n FROM generate_series(1, 400000) g",
  );
  const before = performance.now();
  await client.query("CREATE INDEX big_n ON big (n)");
  const realMs = performance.now() - before;
  const [row] = await query("SELECT pg_relation_size('big')::float8 AS bytes");
  const table = { rows: 400_000, bytes: Number(row?.["bytes"]) };
  const index = { method: "btree", rows: 400_000, bytes: 9e6, text: false } as const;
  const { ms = 0, ...known } = estimateBuild(speed, table, index);
  expect(known).toEqual({ tableBytes: table.bytes, rows: 400_000 });
  // Other tests run on the same cores: an order of magnitude is what a machine under load can promise.
  expect(ms).toBeGreaterThan(realMs / 10);
  expect(ms).toBeLessThan(realMs * 10);
  expect(estimateBuild(undefined, table, index).ms).toBeUndefined();
  expect(estimateBuild(speed, table, { ...index, text: true }).ms ?? 0).toBeGreaterThan(0);
  expect(await query("SELECT relname FROM pg_class WHERE relname LIKE 'perfopt_build%'")).toEqual(
    [],
  );
}, 60_000);
