/** Reading statements: names and scopes that mislead, every kind of statement, and text that is none. */
import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import type { TableUse } from "../../src/advise/indexes/scope.ts";
import { readStatements } from "../../src/advise/indexes/ideas.ts";
import { shop } from "./catalog-fixture.ts";
import { statementOf, suggest } from "./suggest.ts";

async function usesOf(sql: string): Promise<readonly TableUse[]> {
  const { statements } = await readStatements([statementOf(sql)], shop);
  return statements[0]?.uses ?? [];
}

describe("names", () => {
  test.each<[what: string, sql: string, index: string]>([
    [
      "capitals, quotes and reserved words",
      'SELECT * FROM "Odd ""Table" WHERE "Mixed Case" = $1 AND "order" > $2',
      'Odd "Table ("Mixed Case", order)',
    ],
    [
      "a schema, which the alias leaves behind",
      "SELECT * FROM archive.orders WHERE orders.customer_id = $1",
      "orders (customer_id)",
    ],
    [
      "a schema before the column",
      "SELECT * FROM public.orders WHERE public.orders.region = $1",
      "orders (region)",
    ],
    [
      "columns renamed by an alias",
      "SELECT * FROM orders AS o (a, b, c) WHERE b = $1 AND region = $2",
      "orders (customer_id, region)",
    ],
    [
      "an alias that is another table's name",
      "SELECT * FROM orders AS customers WHERE customers.region = $1",
      "orders (region)",
    ],
    [
      "a join behind one name",
      "SELECT * FROM (customers c JOIN items i ON i.order_id = c.id) AS j WHERE j.product_id = $1",
      "items (product_id)",
    ],
    [
      "a column shared by USING",
      "SELECT * FROM items i JOIN (SELECT id AS order_id, region FROM orders) o USING (order_id) WHERE o.region = $1",
      "orders (region, id)",
    ],
    [
      "an outer query's column",
      "SELECT * FROM customers c WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id AND region = city)",
      "orders (customer_id, region)",
    ],
    [
      "a common table expression named like a table",
      "WITH orders AS (SELECT product_id AS region FROM items) SELECT * FROM orders WHERE region = $1",
      "items (product_id)",
    ],
    [
      "a recursive query",
      "WITH RECURSIVE up AS (SELECT id, region FROM orders WHERE region = $1 UNION ALL SELECT o.id, o.region FROM orders o JOIN up ON o.parcel_id = up.id) SELECT * FROM up",
      "orders (parcel_id)",
    ],
    [
      "an output renamed twice",
      "SELECT * FROM (SELECT x AS y FROM (SELECT region AS x FROM orders) a) b (z) WHERE z = $1",
      "orders (region)",
    ],
    [
      "a varchar compared as text",
      "SELECT * FROM customers WHERE (email)::text = 'x'::text",
      "customers (email)",
    ],
  ])("%s", async (_, sql, expected) => {
    const { plain } = await suggest([sql]);
    expect(plain).toContain(expected);
  });

  test.each<[what: string, sql: string, not: string]>([
    [
      "a name outside the search path",
      "SELECT * FROM orders WHERE region = $1 AND EXISTS (SELECT 1 FROM archive.orders WHERE id > 7)",
      "orders (id)",
    ],
    [
      "a name that an alias hides",
      "SELECT * FROM orders AS o (status) WHERE status = $1",
      "orders (status)",
    ],
    [
      "the side that an outer join keeps",
      "SELECT * FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.region = $1",
      "orders (region)",
    ],
    [
      "both sides of a full join",
      "SELECT * FROM orders o FULL JOIN items i ON o.id = i.order_id AND o.region = $1",
      "orders (region)",
    ],
    [
      "what NOT turns round",
      "SELECT * FROM orders WHERE NOT (region = $1 AND total = $2)",
      "orders (region)",
    ],
    [
      "a pattern turned round",
      "SELECT * FROM orders WHERE region NOT LIKE 'x%'",
      "orders (region text_pattern_ops)",
    ],
    [
      "what a subquery counts",
      "SELECT * FROM (SELECT region, count(*) AS total FROM orders GROUP BY status) o WHERE total > 5",
      "orders (total)",
    ],
    ["a value of the same row", "SELECT * FROM orders WHERE region = status", "orders (region)"],
    [
      "a value computed from the same row",
      "SELECT * FROM orders WHERE region = lower(status)",
      "orders (region)",
    ],
  ])("%s suggests nothing of it", async (_, sql, not) => {
    const { indexes, schemas } = await suggest([sql]);
    expect(indexes.filter((_each, at) => schemas[at] === "public")).not.toContain(not);
  });
});

describe("what is read", () => {
  test.each<[sql: string, read: string[]]>([
    ["SELECT o.total FROM orders o WHERE region = $1 ORDER BY id", ["id", "region", "total"]],
    ["SELECT count(*) FROM orders WHERE region = $1", ["region"]],
    [
      "SELECT sum(total) FILTER (WHERE paid) FROM orders GROUP BY status HAVING max(id) > 1",
      ["id", "paid", "status", "total"],
    ],
    ["SELECT 1 FROM orders o, items i WHERE o.id = i.order_id", ["id"]],
    [
      "SELECT c.id FROM customers c, LATERAL (SELECT o.total FROM orders o WHERE o.customer_id = c.id) x",
      ["id"],
    ],
    ["SELECT order_id FROM items JOIN customers ON order_id = id", ["order_id"]],
    ["SELECT rank() OVER (PARTITION BY region ORDER BY id) FROM orders", ["id", "region"]],
    [
      "SELECT (SELECT c.city FROM customers c WHERE c.id = o.customer_id) FROM orders o",
      ["customer_id"],
    ],
  ])("%s", async (sql, expected) => {
    const [use] = await usesOf(sql);
    expect([...(use?.read ?? [])].toSorted()).toEqual(expected);
  });

  test.each([
    "SELECT * FROM orders",
    "SELECT orders.* FROM orders, customers",
    "SELECT row_to_json(orders) FROM orders",
    "SELECT id FROM orders FOR SHARE",
    "UPDATE orders SET total = 1",
    "DELETE FROM orders",
  ])("all of it: %s", async (sql) => {
    const [use] = await usesOf(sql);
    expect(use?.read.size).toBe(use?.table.columns.length);
  });
});

describe("statements that write", () => {
  test.each<[sql: string, writes: string[], tables: string[]]>([
    ["INSERT INTO orders (id) VALUES ($1)", ["insert orders "], []],
    [
      "INSERT INTO orders (id) SELECT order_id FROM items WHERE quantity = $1",
      ["insert orders "],
      ["items"],
    ],
    [
      "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET total = excluded.total, status = $2 WHERE orders.region = $3",
      ["insert orders ", "update orders total,status"],
      [],
    ],
    ["INSERT INTO orders (id) VALUES ($1) ON CONFLICT DO NOTHING", ["insert orders "], []],
    [
      "UPDATE orders SET (total, status) = ($1, $2) WHERE id = $3",
      ["update orders total,status"],
      ["orders"],
    ],
    [
      "UPDATE orders o SET total = i.price FROM items i WHERE i.order_id = o.id",
      ["update orders total"],
      ["orders", "items"],
    ],
    [
      "DELETE FROM orders USING customers c WHERE customer_id = c.id",
      ["delete orders "],
      ["orders", "customers"],
    ],
    [
      "MERGE INTO orders o USING items i ON i.order_id = o.id WHEN MATCHED AND o.paid THEN UPDATE SET total = i.price WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (i.order_id)",
      ["update orders total", "delete orders ", "insert orders "],
      ["orders", "items"],
    ],
    [
      "WITH gone AS (DELETE FROM items WHERE quantity = $1 RETURNING order_id) UPDATE orders SET total = 0 WHERE id IN (SELECT order_id FROM gone)",
      ["delete items ", "update orders total"],
      ["items", "orders"],
    ],
  ])("%s", async (sql, writes, tables) => {
    const { statements } = await readStatements([statementOf(sql)], shop);
    const [read] = statements;
    expect(
      read?.writes.map(({ kind, table, columns }) => `${kind} ${table.name} ${columns.join()}`),
    ).toEqual(writes);
    expect(read?.uses.map(({ table }) => table.name)).toEqual(tables);
  });

  test("a MERGE that inserts keeps the rows of its source", async () => {
    const { plain } = await suggest([
      "MERGE INTO orders o USING items i ON i.order_id = o.customer_id AND i.product_id = $1 WHEN NOT MATCHED THEN DO NOTHING",
    ]);
    expect(plain).toContain("orders (customer_id)");
    expect(plain.join()).not.toContain("items (product_id");
  });
});

describe("other statements", () => {
  test.each([
    "CREATE TABLE x AS SELECT * FROM orders WHERE region = $1",
    "DECLARE c CURSOR FOR SELECT * FROM orders WHERE region = $1",
    "SELECT * INTO x FROM orders WHERE region = $1",
    "(SELECT id FROM orders WHERE region = $1) EXCEPT (SELECT id FROM customers) ORDER BY 1 LIMIT 2",
    "VALUES ((SELECT id FROM orders WHERE region = $1)), (2)",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM orders WHERE region = $1) THEN 1 END",
    "SELECT * FROM customers c, ROWS FROM (generate_series(1, (SELECT count(*) FROM orders WHERE region = $1)), unnest(c.tags)) AS f (a, b)",
    "SELECT * FROM customers TABLESAMPLE system (1), orders WHERE region = $1",
    "SELECT * FROM orders NATURAL JOIN (SELECT region FROM orders) o WHERE region = $1",
  ])("%s", async (sql) => {
    const { indexes } = await suggest([sql]);
    expect(indexes.join()).toMatch(/orders \(region/);
  });

  test.each<[sql: string, because: RegExp]>([
    ["BEGIN", /not analysed/],
    ["SET work_mem = '1GB'", /not analysed/],
    ["SELECT 1", /uses no table/],
    ["SELECT * FROM pg_class", /pg_class is no plain table/],
    ["SELECT * FROM orders WHERE", /syntax error/],
    ["SELECT 1; SELECT 2", /not one statement/],
    ["", /cannot be empty/],
  ])("%s is left out, and it says why", async (sql, because) => {
    const { leftOut } = await suggest([sql]);
    expect(leftOut.join()).toMatch(because);
  });

  test("nesting beyond the stack is one statement less", async () => {
    const deep = `SELECT * FROM orders WHERE region = ${"(".repeat(900)}$1${")".repeat(900)}`;
    const wide = `SELECT * FROM orders WHERE ${Array.from({ length: 3_000 }, (_, n) => `total = ${n}`).join(" OR ")}`;
    const sums = `SELECT * FROM orders WHERE total = ${Array.from({ length: 3_000 }, () => "1").join(" + ")}`;
    const { read, leftOut } = await suggest([
      deep,
      wide,
      sums,
      "SELECT * FROM orders WHERE total = 1",
    ]);
    expect(read.statements.length + leftOut.length).toBe(4);
    expect(read.statements.map(({ id }) => id)).toContain("SELECT * FROM orders WHERE total = 1");
  });
});

const corpus = [
  "SELECT DISTINCT ON (o.region) o.*, lower(c.email) AS e FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.city LIKE 'x%' WHERE o.status IN ('pending', $1) AND (o.total > 5 OR o.paid IS NOT TRUE) ORDER BY o.region, o.placed_at DESC NULLS LAST LIMIT $2 OFFSET 3",
  "WITH RECURSIVE a (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a WHERE x < 5), b AS MATERIALIZED (UPDATE orders SET total = total + 1 WHERE id = ANY($1) RETURNING *) SELECT count(*) FILTER (WHERE b.paid), sum(b.total) OVER w FROM a, b WINDOW w AS (PARTITION BY b.region ORDER BY b.id ROWS 3 PRECEDING)",
  "MERGE INTO orders AS o USING (SELECT order_id, max(price) AS p FROM items GROUP BY 1) i ON o.id = i.order_id WHEN MATCHED AND o.paid THEN UPDATE SET total = i.p WHEN NOT MATCHED THEN INSERT (id) VALUES (i.order_id)",
  "SELECT profile -> 'a' ->> 'b', tags[1], (visits * tstzrange(now(), NULL)), words @@ to_tsquery('a & b') FROM customers WHERE profile @> '{\"a\": 1}' AND tags && ARRAY['x'] AND NOT (city ~* '^ab?c' OR email ILIKE $1) AND (id, city) > ($2, $3) AND joined_at AT TIME ZONE 'UTC' < current_date",
  "INSERT INTO orders (id, total) SELECT id, CASE WHEN city = 'a' THEN 1 ELSE coalesce(max(id) + 1, 0) END FROM customers GROUP BY GROUPING SETS ((id, city), ()) ON CONFLICT (id) WHERE paid DO UPDATE SET total = excluded.total WHERE orders.total <> excluded.total RETURNING *",
  'SELECT * FROM "Odd ""Table" t (a), LATERAL (SELECT * FROM orders o WHERE o.customer_id = t.a UNION ALL SELECT * FROM archive.orders) x NATURAL FULL JOIN (items i CROSS JOIN countries) AS j WHERE EXISTS (SELECT FROM events WHERE at BETWEEN SYMMETRIC $1 AND $2) FOR UPDATE OF t SKIP LOCKED',
  "SELECT * FROM json_table($1, '$[*]' COLUMNS (id int PATH '$.id')) jt JOIN orders o ON o.id = jt.id, xmltable('/r' PASSING $2 COLUMNS a int) x, events TABLESAMPLE bernoulli (5) WHERE o.total = 1 IS NOT UNKNOWN AND o.region COLLATE \"C\" > 'a' AND row(o.id, 1) IN (SELECT 1, 2)",
];
const tokens = [
  ...new Set(corpus.flatMap((sql) => sql.match(/\w+|"[^"]*"|'[^']*'|[^\s\w]/g) ?? [])),
];

function words(sql: string): readonly string[] {
  return sql.match(/\w+|"[^"]*"|'[^']*'|\s+|[^\s\w]/g) ?? [];
}

test("no text makes the reader throw, and every idea can be written as SQL", async () => {
  const mutation = fc.record({
    sql: fc.constantFrom(...corpus),
    edits: fc.array(
      fc.record({
        at: fc.nat(200),
        drop: fc.nat(3),
        insert: fc.array(fc.constantFrom(...tokens), { maxLength: 2 }),
      }),
      { maxLength: 3 },
    ),
  });
  let readable = 0;
  await fc.assert(
    fc.asyncProperty(mutation, async ({ sql, edits }) => {
      const parts = [...words(sql)];
      for (const { at, drop, insert } of edits) {
        parts.splice(at % parts.length, drop, ...insert.map((token) => ` ${token} `));
      }
      const { ideas, read, leftOut } = await suggest([parts.join("")]);
      expect(read.statements.length + leftOut.length).toBe(1);
      expect(leftOut.join()).not.toMatch(/could not be read/);
      readable += read.statements.length;
      for (const { index, because } of ideas) {
        expect(index.columns.length).toBeGreaterThan(0);
        expect(index.columns.length).toBeLessThanOrEqual(4);
        expect(because).not.toMatch(/undefined|NaN/);
        expect(JSON.stringify(index)).not.toMatch(/\$\d/);
      }
    }),
    { numRuns: 800, seed: 20_261 },
  );
  // Otherwise the mutations would only test the parser.
  expect(readable).toBeGreaterThan(60);
}, 30_000);
