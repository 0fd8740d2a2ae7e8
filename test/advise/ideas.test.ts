/** Which indexes a statement suggests, before any is costed: one line a case. */
import { describe, expect, test } from "vitest";
import { ideasOf } from "../../src/advise/indexes/ideas.ts";
import { index, shop } from "./catalog-fixture.ts";
import { limits, suggest } from "./suggest.ts";

describe("an index for", () => {
  test.each<[what: string, sql: string, index: string]>([
    ["one equality", "SELECT * FROM orders WHERE customer_id = $1", "orders (customer_id)"],
    ["the value first", "SELECT * FROM orders WHERE $1 = customer_id", "orders (customer_id)"],
    [
      "equalities, most distinct first",
      "SELECT * FROM orders WHERE status = $1 AND region = $2 AND customer_id = $3",
      "orders (customer_id, region, status)",
    ],
    [
      "equality, then one range",
      "SELECT * FROM orders WHERE placed_at >= $1 AND placed_at < $2 AND region = $3",
      "orders (region, placed_at)",
    ],
    [
      "equality, then BETWEEN",
      "SELECT * FROM orders WHERE total BETWEEN $1 AND $2 AND region = $3",
      "orders (region, total)",
    ],
    [
      "equality, then the order",
      "SELECT * FROM orders WHERE region = $1 ORDER BY placed_at, id LIMIT $2",
      "orders (region, placed_at, id)",
    ],
    [
      "an order downwards, read backwards",
      "SELECT * FROM orders WHERE region = $1 ORDER BY placed_at DESC LIMIT $2",
      "orders (region, placed_at)",
    ],
    [
      "an order of two directions",
      "SELECT * FROM orders WHERE region = $1 ORDER BY placed_at DESC, id ASC LIMIT $2",
      "orders (region, placed_at, id DESC)",
    ],
    [
      "an order that names a column twice",
      "SELECT * FROM orders WHERE region = $1 ORDER BY placed_at, placed_at DESC, id LIMIT $2",
      "orders (region, placed_at, id)",
    ],
    [
      "an order without a filter",
      "SELECT * FROM orders ORDER BY placed_at DESC, id DESC LIMIT $1",
      "orders (placed_at, id)",
    ],
    [
      "DISTINCT ON in a page that is sorted again",
      "SELECT p.* FROM (SELECT DISTINCT ON (region, status) * FROM orders WHERE region = ANY($1) ORDER BY region, status, id DESC) p ORDER BY p.total",
      "orders (region, status, id DESC)",
    ],
    [
      "an order by position",
      "SELECT total, id FROM orders WHERE region = $1 ORDER BY 1 LIMIT $2",
      "orders (region, total)",
    ],
    [
      "an order by output name",
      "SELECT placed_at AS since FROM orders WHERE region = $1 ORDER BY since LIMIT $2",
      "orders (region, placed_at)",
    ],
    [
      "IN, and then a range",
      "SELECT * FROM orders WHERE region IN ($1 /*, ... */) AND placed_at > $2",
      "orders (region, placed_at)",
    ],
    [
      "= ANY of an array",
      "SELECT * FROM orders WHERE customer_id = ANY($1::int[])",
      "orders (customer_id)",
    ],
    [
      "an OR on one column",
      "SELECT * FROM orders WHERE customer_id = $1 OR customer_id = $2",
      "orders (customer_id)",
    ],
    ["IS NULL", "SELECT * FROM orders WHERE placed_at IS NULL", "orders (placed_at)"],
    [
      "a flag beside an equality",
      "SELECT * FROM orders WHERE NOT paid AND region = $1",
      "orders (region, paid)",
    ],
    [
      "a pair of values",
      "SELECT * FROM orders WHERE (region, total) = ($1, $2)",
      "orders (total, region)",
    ],
    [
      "a page after a pair",
      "SELECT * FROM orders WHERE (placed_at, id) > ($1, $2) ORDER BY placed_at, id LIMIT $3",
      "orders (placed_at, id)",
    ],
    ["an alias", "SELECT o.* FROM orders AS o WHERE o.customer_id = $1", "orders (customer_id)"],
    [
      "a join",
      "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = $1",
      "orders (customer_id)",
    ],
    [
      "a join by comma",
      "SELECT * FROM customers c, orders o WHERE o.customer_id = c.id AND c.email = $1",
      "customers (email, id)",
    ],
    [
      "a join with USING",
      "SELECT * FROM items JOIN (SELECT id AS order_id FROM orders) o USING (order_id) WHERE product_id = $1",
      "items (product_id, order_id)",
    ],
    [
      "a left join with a filter",
      "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = $1",
      "orders (customer_id, status)",
    ],
    [
      "EXISTS, driven from inside",
      "SELECT * FROM orders o WHERE EXISTS (SELECT $2 FROM items i WHERE i.order_id = o.id AND i.product_id = $1)",
      "items (product_id, order_id)",
    ],
    [
      "IN a subquery",
      "SELECT * FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE joined_at > $1)",
      "orders (customer_id)",
    ],
    [
      "the subquery of an IN",
      "SELECT * FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE joined_at > $1)",
      "customers (joined_at)",
    ],
    [
      "a subquery in FROM",
      "SELECT * FROM (SELECT * FROM orders) o WHERE o.customer_id = $1",
      "orders (customer_id)",
    ],
    [
      "a common table expression",
      "WITH o AS (SELECT customer_id AS who, total FROM orders) SELECT * FROM o WHERE who = $1",
      "orders (customer_id)",
    ],
    [
      "a lateral subquery",
      "SELECT * FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id ORDER BY placed_at DESC LIMIT $1) last",
      "orders (customer_id)",
    ],
    [
      "unnested parameters",
      "SELECT o.* FROM unnest($1::int[]) AS wanted(id) JOIN orders o ON o.customer_id = wanted.id",
      "orders (customer_id)",
    ],
    [
      "a scalar subquery",
      "SELECT c.*, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) FROM customers c",
      "orders (customer_id)",
    ],
    [
      "both sides of a UNION",
      "SELECT id FROM orders WHERE region = $1 UNION SELECT id FROM orders WHERE total = $2",
      "orders (total)",
    ],
    [
      "the greatest value",
      "SELECT max(placed_at) FROM orders WHERE region = $1",
      "orders (region, placed_at)",
    ],
    [
      "a computed greatest value",
      "INSERT INTO orders (id) SELECT coalesce(max(total), $1) + $2 FROM orders WHERE region = $3",
      "orders (region, total)",
    ],
    ["groups", "SELECT region, sum(total) FROM orders GROUP BY region", "orders (region)"],
    [
      "an UPDATE's rows",
      "UPDATE orders SET status = $1 WHERE customer_id = $2",
      "orders (customer_id)",
    ],
    [
      "a DELETE's rows",
      "DELETE FROM orders USING customers c WHERE customer_id = c.id AND c.email = $1",
      "customers (email, id)",
    ],
    [
      "an equality without the few-valued one",
      "SELECT * FROM orders WHERE customer_id = $1 AND paid ORDER BY placed_at LIMIT $2",
      "orders (customer_id, placed_at)",
    ],
  ])("%s", async (_, sql, expected) => {
    expect((await suggest([sql])).plain).toContain(expected);
  });

  test("the table that the schema names", async () => {
    const { indexes, schemas } = await suggest([
      "SELECT * FROM archive.orders WHERE customer_id = $1",
    ]);
    expect([indexes, schemas]).toEqual([["orders (customer_id)"], ["archive"]]);
  });
});

describe("no index", () => {
  test.each<[what: string, sql: string, reason: RegExp]>([
    [
      "a row found by its key",
      "SELECT * FROM orders WHERE id = $1 AND status = $2",
      /unique index orders_pkey finds the row/,
    ],
    ["a small table", "SELECT * FROM countries WHERE name = $1", /200 rows, fewer than 1000/],
    [
      "an index that exists",
      "SELECT * FROM customers WHERE city = $1",
      /existing index customers_city_idx begins/,
    ],
    [
      "the beginning of a key",
      "SELECT * FROM items WHERE order_id = $1",
      /existing index items_pkey begins/,
    ],
    [
      "a key's order backwards",
      "SELECT * FROM items WHERE order_id = $1 ORDER BY product_id DESC",
      /existing index items_pkey begins/,
    ],
    [
      "a type without an order",
      "SELECT * FROM orders WHERE note = $1",
      /type json, which a B-tree cannot order/,
    ],
    ["the order of wide values", "SELECT * FROM orders ORDER BY memo", /900 bytes on average/],
    ["a table never analysed", "SELECT * FROM fresh WHERE id = $1", /never analysed/],
  ])("for %s", async (_, sql, reason) => {
    const { indexes, rejected } = await suggest([sql]);
    expect(indexes).toEqual([]);
    expect(rejected.join("\n")).toMatch(reason);
  });

  test.each([
    ["inequality", "SELECT * FROM orders WHERE status <> $1"],
    ["NOT IN", "SELECT * FROM orders WHERE region NOT IN ($1 /*, ... */)"],
    ["a comparison within the row", "SELECT * FROM orders WHERE placed_at < total"],
    ["constants on both sides", "SELECT * FROM orders WHERE 1 = 1 AND $1 = $2"],
    ["the whole table", "SELECT count(*) FROM orders"],
    ["a plain INSERT", "INSERT INTO orders (id) VALUES ($1)"],
    ["an unknown table", "SELECT * FROM nowhere WHERE x = $1"],
  ])("for %s", async (_, sql) => {
    expect((await suggest([sql])).indexes).toEqual([]);
  });
});

describe("indexes of several statements", () => {
  test("the same index is one idea that promises what they promise together", async () => {
    const { ideas, indexes } = await suggest([
      "SELECT * FROM orders WHERE region = $1",
      "SELECT *, 1 FROM orders WHERE region = $1",
    ]);
    expect(indexes).toEqual(["orders (region)"]);
    expect(ideas[0]?.statements).toHaveLength(2);
    expect(ideas[0]?.promise).toBeCloseTo(1);
  });

  test("equalities are also put in the order that serves both", async () => {
    const { ideas, plain } = await suggest([
      "SELECT * FROM orders WHERE region = $1",
      "SELECT * FROM orders WHERE customer_id = $1 AND region = $2",
    ]);
    expect(plain).toEqual([
      "orders (region, customer_id)",
      "orders (region)",
      "orders (customer_id, region)",
    ]);
    expect(ideas[0]?.statements).toHaveLength(2);
  });

  test("the heavier statement's comes first", async () => {
    const { read } = await suggest([
      "SELECT * FROM orders WHERE region = $1",
      "SELECT * FROM orders WHERE total = $1",
    ]);
    const weights = new Map(read.statements.map(({ id }, at) => [id, at === 1 ? 0.9 : 0.1]));
    const { ideas } = ideasOf(read, shop, weights, limits);
    expect(ideas.map(({ index: { columns } }) => columns[0]?.name)).toEqual(["total", "region"]);
  });

  test("beyond the limit they are rejected, not forgotten", async () => {
    const { read } = await suggest(["SELECT * FROM orders WHERE region = $1 ORDER BY placed_at"]);
    const { ideas, rejected } = ideasOf(read, shop, new Map(), { ...limits, ideasMax: 1 });
    expect(ideas).toHaveLength(1);
    expect(rejected.map(({ reason }) => reason)).toContain(
      "not among the 1 most promising, which are priced",
    );
  });

  test("none is wider than four keys", async () => {
    const { ideas, plain } = await suggest([
      "SELECT * FROM orders WHERE customer_id = $1 AND region = $2 AND total = $3 AND status = $4 AND placed_at > $5",
    ]);
    expect(plain).toContain("orders (total, customer_id, region, status)");
    expect(Math.max(...ideas.map((each) => each.index.columns.length))).toBe(4);
  });
});

/** Whether the ideas for a statement end at this index, the only one of orders. */
async function covers(existing: ReturnType<typeof index>, sql: string): Promise<boolean> {
  const tables = shop.tables.map((table) =>
    table.name === "orders" && table.schema === "public"
      ? { ...table, indexes: [existing] }
      : table,
  );
  const { rejected } = await suggest([sql], { ...shop, tables });
  return rejected.some((each) => each.includes("existing index there"));
}

describe("an existing index", () => {
  test.each<[what: string, existing: ReturnType<typeof index>, sql: string]>([
    [
      "begins with the keys in another order",
      index("there", ["region", "customer_id", "total"]),
      "SELECT * FROM orders WHERE customer_id = $1 AND region = $2",
    ],
    [
      "has the order backwards, nulls too",
      index("there", [{ name: "placed_at", descending: true, nullsFirst: true }]),
      "SELECT * FROM orders ORDER BY placed_at LIMIT 1",
    ],
    [
      "has the expression as PostgreSQL writes it",
      index("there", [{ expression: "lower((status)::text)" }]),
      "SELECT * FROM orders o WHERE lower(o.status) = 'x'",
    ],
    [
      "has the predicate as PostgreSQL writes it",
      index("there", ["customer_id"], {
        where: "((status)::text = ANY ((ARRAY['paid'::text, 'pending'::text])::text[]))",
      }),
      "SELECT * FROM orders WHERE customer_id = $1 AND status IN ('paid', 'pending')",
    ],
    [
      "carries what is read",
      index("there", ["region"], { included: ["total"] }),
      "SELECT total FROM orders WHERE region = $1",
    ],
  ])("is not proposed again when it %s", async (_, existing, sql) => {
    expect(await covers(existing, sql)).toBe(true);
  });

  test.each<[what: string, existing: ReturnType<typeof index>, sql: string]>([
    [
      "is invalid",
      index("there", ["customer_id"], { valid: false }),
      "SELECT * FROM orders WHERE customer_id = $1",
    ],
    [
      "has other operators",
      index("there", [
        { name: "customer_id", defaultOperators: false, operators: "text_pattern_ops" },
      ]),
      "SELECT * FROM orders WHERE customer_id = $1",
    ],
    [
      "is partial",
      index("there", ["customer_id"], { where: "(status = 'paid'::text)" }),
      "SELECT * FROM orders WHERE customer_id = $1",
    ],
    [
      "has nulls at the other end of the order",
      index("there", [{ name: "placed_at", nullsFirst: true }]),
      "SELECT * FROM orders ORDER BY placed_at LIMIT 1",
    ],
    [
      "is of another method",
      index("there", ["customer_id"], { method: "hash" }),
      "SELECT * FROM orders WHERE customer_id = $1",
    ],
    [
      "has the column in second place",
      index("there", ["region", "customer_id"]),
      "SELECT * FROM orders WHERE customer_id = $1",
    ],
  ])("does not stand in when it %s", async (_, existing, sql) => {
    expect(await covers(existing, sql)).toBe(false);
  });
});
