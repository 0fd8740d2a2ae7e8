/** What a statement must not suggest, what is said of it, and what foreign keys suggest without any condition. */
import { describe, expect, test } from "vitest";
import { shop } from "./catalog-fixture.ts";
import { statementOf, suggest } from "./suggest.ts";

describe("a partial index is not limited by", () => {
  test.each<[what: string, sql: string]>([
    ["a parameter", "SELECT * FROM orders WHERE status = $1 AND region = $2"],
    ["the common value", "SELECT * FROM orders WHERE status = 'done' AND region = $2"],
    ["an even value", "SELECT * FROM orders WHERE region = 'north' AND total = $1"],
    ["one of many values", "SELECT * FROM orders WHERE customer_id = 7 AND region = $1"],
    ["today", "SELECT * FROM orders WHERE placed_at < now() AND region = $1"],
    [
      "a condition of the side that an outer join keeps",
      "SELECT * FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND o.status = 'pending' WHERE o.region = $1",
    ],
    [
      "a null that an outer join makes",
      "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.region IS NULL",
    ],
    [
      "half of an excluded OR",
      "SELECT * FROM orders WHERE NOT (status = 'done' OR random() > 1) AND region = $1",
    ],
  ])("%s", async (_, sql) => {
    const { ideas } = await suggest([sql]);
    expect(ideas.flatMap(({ index }) => index.where ?? [])).toEqual([]);
  });

  test("a value that the advisor filled in for a parameter", async () => {
    const planSql = "SELECT * FROM orders WHERE status = 'pending' AND region = 'x' LIMIT 3";
    const sql = "SELECT * FROM orders WHERE status = $1 AND region = $2 LIMIT $3";
    for (const valuesFrom of ["statement", "statistics"] as const) {
      const { ideas } = await suggest([statementOf(sql, { planSql, valuesFrom })]);
      expect(ideas.flatMap(({ index }) => index.where ?? [])).toEqual([]);
    }
    const { ideas } = await suggest([statementOf(planSql.replace("'x'", "$1"), { planSql })]);
    expect(ideas.map(({ index }) => index.where)).toContain("status = 'pending'");
  });

  test("a beginning of text is known from a value that was filled in", async () => {
    const planSql = "SELECT * FROM customers WHERE email LIKE 'ann%'";
    const { indexes } = await suggest([
      statementOf("SELECT * FROM customers WHERE email LIKE $1", { planSql }),
    ]);
    expect(indexes).toContain("customers (email text_pattern_ops)");
  });
});

describe("an answer from the index alone is not proposed", () => {
  test.each<[what: string, sql: string]>([
    ["for *", "SELECT * FROM orders WHERE customer_id = $1"],
    ["for a whole row", "SELECT o FROM orders o WHERE customer_id = $1"],
    ["for a locked row", "SELECT total FROM orders WHERE customer_id = $1 FOR UPDATE"],
    ["for a changed row", "UPDATE orders SET total = 1 WHERE customer_id = $1"],
    ["with wide columns", "SELECT memo FROM orders WHERE customer_id = $1"],
  ])("%s", async (_, sql) => {
    const { ideas } = await suggest([sql]);
    expect(ideas.flatMap(({ index }) => index.include ?? [])).toEqual([]);
  });

  test("EXISTS reads nothing but what it compares", async () => {
    const { indexes } = await suggest([
      "SELECT 1 FROM countries k WHERE EXISTS (SELECT * FROM orders o WHERE o.region = k.code AND o.total > 5)",
    ]);
    expect(indexes).toContain("orders (region, total)");
    expect(indexes.some((each) => each.includes("INCLUDE (id"))).toBe(false);
  });
});

describe("it says why not", () => {
  test.each<[what: string, sql: string, note: RegExp]>([
    [
      "a time zone that is the session's",
      "SELECT * FROM customers WHERE joined_at::date = $1",
      /joined_at cannot be indexed: a cast .* depends on the session's time zone/,
    ],
    [
      "date_trunc of a time with a zone",
      "SELECT * FROM customers WHERE date_trunc('day', joined_at) = $1",
      /date_trunc of a timestamp with time zone/,
    ],
    [
      "a function that changes",
      "SELECT * FROM customers WHERE to_char(seen_at, 'YYYY') = $1",
      /to_char is not immutable/,
    ],
    [
      "words without a language",
      "SELECT * FROM customers WHERE to_tsvector(city) @@ to_tsquery($1)",
      /without a configuration/,
    ],
    [
      "a key that is a parameter",
      "SELECT * FROM customers WHERE profile ->> $1 = $2",
      /constants are not known/,
    ],
    [
      "a value in an array the wrong way round",
      "SELECT * FROM customers WHERE $1 = ANY (tags)",
      /tags @> ARRAY\[value\] can, by GIN/,
    ],
    [
      "a long text in another case",
      "SELECT * FROM orders WHERE lower(memo) = $1",
      /cannot be indexed: memo holds 900 bytes on average/,
    ],
    ["a short pattern", "SELECT * FROM customers WHERE email LIKE '%ab%'", /no 3 letters in a row/],
    [
      "IS NOT DISTINCT FROM",
      "SELECT * FROM orders WHERE total IS NOT DISTINCT FROM $1",
      /IS NOT DISTINCT FROM cannot use/,
    ],
    [
      "an OR that no index finds",
      "SELECT * FROM orders o, customers c WHERE o.total = $1 OR c.city = $2",
      /OR over several tables/,
    ],
    [
      "an unknown view",
      "SELECT * FROM recent_orders WHERE id = $1 AND 1 IN (SELECT 1 FROM orders)",
      /recent_orders is no plain table/,
    ],
  ])("%s", async (_, sql, note) => {
    const { indexes, notes } = await suggest([sql]);
    expect(notes.join("\n")).toMatch(note);
    expect(indexes).toEqual([]);
  });

  test("a trigram index without the extension", async () => {
    const { indexes, rejected } = await suggest(
      ["SELECT * FROM customers WHERE email LIKE '%ann%'"],
      { ...shop, extensions: [] },
    );
    expect(indexes).toEqual([]);
    expect(rejected.join("\n")).toMatch(/gin_trgm_ops\): it needs the extension pg_trgm/);
  });

  test("an OR of hundreds of arms is read as a few", async () => {
    const arms = Array.from({ length: 300 }, (_, n) => `(region = 'r${n}' AND total > ${n})`);
    const { ideas } = await suggest([
      `SELECT * FROM orders WHERE status = $1 AND (${arms.join(" OR ")} OR customer_id = 7)`,
    ]);
    expect(ideas.length).toBeGreaterThan(0);
    expect(ideas.length).toBeLessThan(40);
  });

  test("every idea has one sentence, every rejection a reason", async () => {
    const { ideas, rejected } = await suggest([
      "SELECT total FROM orders WHERE status = 'pending' AND region = $1 AND note = $2 ORDER BY placed_at",
      "SELECT * FROM countries WHERE name = $1",
    ]);
    expect(ideas.length).toBeGreaterThan(3);
    for (const { because, promise } of ideas) {
      expect(because).toMatch(/^[A-Z].*\.$/);
      expect(promise).toBeGreaterThan(0);
    }
    for (const reason of rejected) expect(reason).toMatch(/: \w.{10,}/);
  });
});

describe("a foreign key", () => {
  test("without an index is an idea when rows that it looks for are deleted", async () => {
    const { ideas } = await suggest(["DELETE FROM customers WHERE id = $1"]);
    expect(ideas).toMatchObject([
      {
        index: { table: "orders", columns: [{ name: "customer_id" }] },
        statements: ["DELETE FROM customers WHERE id = $1"],
        because: expect.stringMatching(/orders_customer_id_fkey, which no index serves; no plan/),
        foreignKey: { name: "orders_customer_id_fkey" },
      },
    ]);
  });

  test.each([
    ["an UPDATE of its key", "UPDATE customers SET id = $1 WHERE email = $2", true],
    [
      "a MERGE that deletes",
      "MERGE INTO customers c USING items i ON c.id = i.order_id WHEN MATCHED THEN DELETE",
      true,
    ],
    ["an UPDATE of something else", "UPDATE customers SET city = $1 WHERE id = $2", false],
    ["an INSERT", "INSERT INTO customers (id) VALUES ($1)", false],
    ["a DELETE elsewhere", "DELETE FROM items WHERE product_id = $1", false],
  ])("by %s", async (_, sql, expected) => {
    const { indexes } = await suggest([sql]);
    expect(indexes.includes("orders (customer_id)")).toBe(expected);
  });
});
