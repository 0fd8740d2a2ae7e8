/** What is said of statements that no index helps, one line a case, and of those that one does: nothing. */
import { describe, expect, test } from "vitest";
import { readStatements } from "../../../src/advise/indexes/ideas.ts";
import { findingsOf } from "../../../src/advise/indexes/findings/findings.ts";
import { statementsForFindings } from "../../../src/advise/indexes/findings/read.ts";
import { remedyOf } from "../../../src/advise/indexes/findings/remedies.ts";
import type { Catalog } from "../../../src/advise/indexes/catalog.ts";
import type { WorkloadStatement } from "../../../src/advise/indexes/statement.ts";
import { shop } from "../catalog-fixture.ts";
import { statementOf } from "../suggest.ts";

const AT = "2026-11-22T12:00:00Z";

async function findings(
  statements: readonly WorkloadStatement[],
  catalog: Catalog = shop,
): Promise<readonly string[]> {
  const read = await readStatements(statements, catalog);
  const input = {
    catalog,
    at: AT,
    statements: await statementsForFindings(read.statements, new Map()),
  };
  return findingsOf(input)
    .filter(({ statement }) => statement !== undefined)
    .map(({ kind, detail }) => `${kind}: ${detail}`);
}

const without: Catalog = { ...shop, extensions: [] };

describe("SQL that could be written so that an index serves", () => {
  test.each<[sql: string, said: RegExp]>([
    [
      "SELECT id FROM customers WHERE date_trunc('day', joined_at) = $1",
      /joined_at is compared inside an expression .*time zone/,
    ],
    [
      "SELECT id FROM customers WHERE joined_at::date = '2026-01-01'",
      /joined_at is compared inside .*time zone/,
    ],
    [
      "SELECT id FROM customers WHERE to_char(joined_at, 'YYYY') = '2026'",
      /to_char is not immutable/,
    ],
    [
      "SELECT id FROM customers WHERE now() - joined_at < interval '1 day'",
      /joined_at is calculated with \(-\).*other side/,
    ],
    ["SELECT id FROM orders WHERE customer_id + 1 = $1", /customer_id is calculated with \(\+\)/],
    [
      "SELECT id FROM customers WHERE born::timestamp > $1",
      /born is cast to timestamp without time zone/,
    ],
    [
      "UPDATE orders SET region = 'x' WHERE placed_at::integer = $1",
      /placed_at is cast to integer/,
    ],
    [
      "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.region = $1 OR c.city = $2",
      /an OR over columns of o and c/,
    ],
    [
      "SELECT id FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)",
      /NOT EXISTS is planned as an anti join/,
    ],
    ["SELECT id FROM orders WHERE customer_id <> ALL (SELECT id FROM customers)", /NOT EXISTS/],
    [
      "SELECT DISTINCT o.id, o.total FROM orders o JOIN items i ON i.order_id = o.id WHERE i.product_id = 5",
      /SELECT DISTINCT .* join with i.*EXISTS/,
    ],
    ["SELECT DISTINCT o.* FROM orders o, items i WHERE i.order_id = o.id", /SELECT DISTINCT/],
    ["SELECT id FROM orders ORDER BY random() LIMIT 5", /ORDER BY random\(\)/],
    ["SELECT count(*) FROM items", /counts all 100,000 rows of items/],
    ["SELECT a.n FROM (SELECT count(id) AS n FROM items) a", /counts all 100,000 rows/],
    [
      "SELECT id FROM orders WHERE region = 'a' UNION SELECT id FROM orders WHERE customer_id + 1 = 2",
      /customer_id is calculated with/,
    ],
  ])("%s", async (sql, said) => {
    expect((await findings([statementOf(sql)])).join("\n")).toMatch(said);
  });

  test.each([
    "SELECT id FROM customers WHERE date_trunc('day', seen_at) = $1",
    "SELECT id FROM customers WHERE email::text = 'x'",
    "SELECT id FROM customers WHERE joined_at > now() - interval '1 day'",
    "SELECT id FROM customers WHERE lower(email) = 'x'",
    "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.region = $1 OR o.status = $2",
    "SELECT id FROM orders WHERE customer_id NOT IN (1, 2, 3)",
    "SELECT id FROM orders o WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id)",
    "SELECT DISTINCT o.id, i.product_id FROM orders o JOIN items i ON i.order_id = o.id",
    "SELECT DISTINCT city FROM customers",
    "SELECT DISTINCT ON (o.customer_id) o.id FROM orders o JOIN items i ON i.order_id = o.id",
    "SELECT count(*) FROM customers",
    "SELECT count(*) FROM items WHERE product_id = 5",
    "SELECT name FROM countries WHERE code || '' = 'x' AND code::integer = 5",
    "SELECT id FROM orders ORDER BY placed_at DESC LIMIT 20",
    "SELECT id FROM customers WHERE email NOT LIKE '%@shop'",
  ])("nothing on %s", async (sql) => {
    expect(await findings([statementOf(sql)], without)).toEqual([]);
  });

  test.each([
    "SELECT id FROM customers WHERE email LIKE '%@shop'",
    "SELECT id FROM customers WHERE email ILIKE '%' || $1 || '%'",
  ])("pg_trgm where it is missing, for %s", async (sql) => {
    expect((await findings([statementOf(sql)], without)).join()).toMatch(
      /rewrite: email .*CREATE EXTENSION pg_trgm/,
    );
    expect(await findings([statementOf(sql)])).toEqual([]);
    expect(await findings([statementOf(sql.replace("'%", "'x%"))], without)).toEqual([]);
  });
});

describe("paging", () => {
  test("by OFFSET is told the condition that its order asks for", async () => {
    const sql = "SELECT id FROM orders ORDER BY placed_at DESC, id DESC LIMIT 20 OFFSET 40000";
    expect((await findings([statementOf(sql)])).join()).toMatch(
      /^paging: OFFSET reads 40,000 rows and throws them away.*WHERE \(placed_at, id\) < the last row's values/,
    );
  });

  test("by a parameter is said to be slow for deep pages only", async () => {
    const sql = "SELECT id FROM orders ORDER BY placed_at, region DESC LIMIT $1 OFFSET $2";
    expect((await findings([statementOf(sql)])).join()).toMatch(
      /^paging: .*deep pages take long.*WHERE with the last row's values/,
    );
  });

  test.each([
    "SELECT id FROM orders ORDER BY id LIMIT 20 OFFSET 100",
    "SELECT id FROM orders ORDER BY id LIMIT 20 OFFSET 0",
    "SELECT id FROM orders ORDER BY id LIMIT 20",
  ])("nothing on %s", async (sql) => {
    expect(await findings([statementOf(sql)])).toEqual([]);
  });
});

describe("the same lookup again and again", () => {
  const lookup = "SELECT * FROM customers WHERE id = $1";
  const other = statementOf("SELECT id FROM orders WHERE region = $1", {
    calls: 5_000,
    rows: 5_000,
  });
  const often = { calls: 20_000, totalMs: 900, rows: 19_800 };

  test("is said to be a possible N+1, with its share of the calls", async () => {
    const said = await findings([statementOf(lookup, often), other]);
    expect(said.join()).toMatch(
      /^n-plus-one: 20,000 calls, 80 % .*one row of customers by its key.*WHERE id = ANY/,
    );
  });

  test.each<[what: string, sql: string, counts: Partial<WorkloadStatement>]>([
    ["few calls", lookup, { calls: 900, totalMs: 40, rows: 900 }],
    ["slow calls", lookup, { calls: 20_000, totalMs: 200_000, rows: 20_000 }],
    ["several rows a call", "SELECT * FROM items WHERE order_id = $1", { ...often, rows: 60_000 }],
    ["no unique key", "SELECT * FROM orders WHERE region = $1", often],
    [
      "a join",
      "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = $1",
      often,
    ],
    ["calls that are not known", lookup, { calls: undefined, totalMs: undefined, rows: undefined }],
  ])("not with %s", async (_, sql, counts) => {
    const said = await findings([statementOf(sql, counts), other]);
    expect(said.filter((each) => each.startsWith("n-plus-one"))).toEqual([]);
  });

  test("not when others are called far more", async () => {
    const busy = { ...other, calls: 2_000_000 };
    expect(await findings([statementOf(lookup, often), busy])).toEqual([]);
  });
});

test("a statement that returns most of a table is told so by its measured rows", async () => {
  const sql = "SELECT id, total FROM orders WHERE region <> $1";
  const [said] = await findings([statementOf(sql, { calls: 10, rows: 450_000 })]);
  expect(said).toMatch(/^rewrite: a call returns 45,000 rows, about 90 % of orders: no index/);
  expect(await findings([statementOf(sql, { calls: 10, rows: 4_500 })])).toEqual([]);
  expect(await findings([statementOf(sql, { calls: undefined, rows: undefined })])).toEqual([]);
});

test("remedyOf is all remedies of one statement as sentences", async () => {
  const sql = "SELECT id FROM orders WHERE customer_id + 1 = 5 ORDER BY id LIMIT 5 OFFSET 5000";
  const read = await readStatements([statementOf(sql), statementOf("SELECT 1 FROM orders")], shop);
  const statements = await statementsForFindings(read.statements, new Map());
  const [first, second] = statements.map((each) => remedyOf(each, { catalog: shop, statements }));
  expect(first).toMatch(/^OFFSET .*column\. customer_id is calculated .*serves\.$/);
  expect(second).toBeUndefined();
});
