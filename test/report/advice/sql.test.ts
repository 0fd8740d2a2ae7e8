/** The migration files on a real PostgreSQL: up builds all and stops at a wreck, down leaves nothing. */
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { adviceSql } from "../../../src/report/advice/sql.ts";
import { startStores, type Stores } from "../../registry/stores.ts";
import { adviceOf, events, orders } from "./fixture.ts";

const SHOP = `
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int, placed_at timestamptz, email text, "select" int);
  INSERT INTO orders SELECT g, g % 50, now(), 'E' || g, g FROM generate_series(1, 500) g;
  CREATE TABLE events (at date, kind text, done_at date) PARTITION BY RANGE (at);
  CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  INSERT INTO events SELECT date '2025-06-01' + g, 'k' || g % 5 FROM generate_series(1, 400) g;`;

const odd = {
  ...orders,
  index: {
    schema: "public",
    table: "orders",
    name: "it\"s 'odd'; DROP TABLE orders; --",
    columns: [
      { expression: "lower(email)" },
      { name: "select", descending: true, nullsFirst: false },
    ],
    include: ["id"],
    where: "customer_id <> 7",
  },
  because: "lines\nbreak; DROP TABLE orders; */ --",
  gaining: [{ id: "x\ny", costBefore: 2, costAfter: 1 }],
};
const advice = adviceOf({ selected: [orders, events, odd], statements: [] });

let stores: Stores;
let client: Client;
let count = 0;

beforeAll(async () => {
  stores = await startStores();
}, 60_000);

afterAll(async () => {
  await client.end();
  await stores.stop();
});

beforeEach(async () => {
  if (count > 0) await client.end();
  count += 1;
  client = new Client({
    connectionString: await stores.createDatabase(`shop_${count}`),
    statement_timeout: 20_000,
  });
  await client.connect();
  await client.query(SHOP);
});

/** As psql does: statements end at a semicolon at a line's end, comments are left out, each is sent alone. */
async function run(sql: string): Promise<void> {
  const bare = sql
    .split("\n")
    .filter((line) => !line.startsWith("--"))
    .join("\n");
  for (const statement of bare.split(/;\n/)) {
    if (statement.trim() !== "") await client.query(statement);
  }
}

async function indexes(): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END AS name
     FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

describe("up and down", () => {
  test("up builds every index valid, down takes all of them back, and may be repeated", async () => {
    const before = await indexes();
    const { up, down } = adviceSql(advice);
    await run(up);
    const built = await indexes();
    expect(built).toContain(odd.index.name);
    expect(built).toContain(events.index.name);
    expect(built.filter((name) => name.endsWith(" invalid"))).toEqual([]);
    expect(built).toHaveLength(before.length + 5);
    await run(down);
    await run(down);
    expect(await indexes()).toEqual(before);
  });

  test("nothing of what they say is SQL: every line is a comment, or one of their own statements", () => {
    const { up, down } = adviceSql(advice);
    const lines = `${up}${down}`
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("--"));
    for (const line of lines)
      expect(line).toMatch(
        /^(CREATE INDEX|ALTER INDEX|DROP INDEX|SET|RESET|SELECT 1 \/|ANALYZE) ?.*;$/,
      );
    expect(up).not.toMatch(/IF NOT EXISTS "/);
  });

  test("up stops at an invalid index instead of taking it for success", async () => {
    const { up } = adviceSql(adviceOf({ selected: [orders] }));
    const [before, after] = up.split(/(?=SELECT 1 \/)/);
    await run(before ?? "");
    // What an interrupted CREATE INDEX CONCURRENTLY leaves.
    await client.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '${orders.index.name}'::regclass`,
    );
    await expect(run(after ?? "")).rejects.toThrow(/division by zero/);
    await expect(run(up)).rejects.toThrow(/already exists/);
  });

  test("down cleans up after an up that stopped half way through the partitions", async () => {
    const before = await indexes();
    const { up, down } = adviceSql(adviceOf({ selected: [events] }));
    await run(up.slice(0, up.indexOf("ALTER INDEX")));
    expect(await indexes()).toHaveLength(before.length + 2);
    await run(down);
    expect(await indexes()).toEqual(before);
  });

  test("a short lock timeout is never in force while an index is built concurrently", () => {
    let timeout = "";
    for (const line of adviceSql(advice).up.split("\n")) {
      if (line.startsWith("SET lock_timeout")) timeout = line;
      if (line.startsWith("CREATE INDEX CONCURRENTLY"))
        expect(timeout).toBe("SET lock_timeout = 0;");
      if (/^(ALTER INDEX|CREATE INDEX (?!CONCURRENTLY))/.test(line))
        expect(timeout).toBe("SET lock_timeout = '2s';");
    }
    expect(timeout).not.toBe("");
  });
});
