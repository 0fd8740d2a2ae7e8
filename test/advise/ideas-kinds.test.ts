/** Indexes beyond plain B-trees: one line a kind, statement in, index out. */
import { describe, expect, test } from "vitest";
import { shop } from "./catalog-fixture.ts";
import { suggest } from "./suggest.ts";

describe("an index for", () => {
  test.each<[what: string, sql: string, index: string]>([
    [
      "rare rows of a skewed column",
      "SELECT * FROM orders WHERE status = 'pending' AND region = $1",
      "orders (region) WHERE status = 'pending'",
    ],
    [
      "rare rows alone",
      "SELECT * FROM orders WHERE status = 'pending'",
      "orders (status) WHERE status = 'pending'",
    ],
    [
      "all but the common value",
      "SELECT * FROM orders WHERE status <> 'done' ORDER BY placed_at LIMIT $1",
      "orders (placed_at) WHERE status <> 'done'",
    ],
    [
      "a list of rare values",
      "SELECT * FROM orders WHERE status IN ('pending', 'odd') AND customer_id = $1",
      "orders (customer_id) WHERE status IN ('pending', 'odd')",
    ],
    [
      "a rare flag, even beside parameters",
      "SELECT * FROM orders WHERE NOT paid AND region = $1",
      "orders (region) WHERE NOT (paid)",
    ],
    [
      "rows that have a value",
      "SELECT * FROM orders WHERE deleted_at IS NOT NULL AND region = $1",
      "orders (region) WHERE deleted_at IS NOT NULL",
    ],
    [
      "a sparse column, since an equality proves that it is not null",
      "SELECT * FROM orders WHERE parcel_id = $1",
      "orders (parcel_id) WHERE parcel_id IS NOT NULL",
    ],
    [
      "two rare conditions together",
      "SELECT * FROM orders WHERE NOT paid AND status = 'pending' AND region = $1",
      "orders (region) WHERE status = 'pending' AND NOT (paid)",
    ],
    [
      "the optional side of an outer join, limited by its condition",
      "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'pending'",
      "orders (customer_id) WHERE status = 'pending'",
    ],
    [
      "an answer from the index alone",
      "SELECT total FROM orders WHERE customer_id = $1",
      "orders (customer_id) INCLUDE (total)",
    ],
    [
      "an aggregate from the index alone",
      "SELECT product_id, sum(quantity) FROM items GROUP BY product_id",
      "items (product_id) INCLUDE (quantity)",
    ],
    ["a narrow part of a wide table", "SELECT avg(total) FROM orders", "orders (total)"],
    ["lower(x)", "SELECT * FROM customers WHERE lower(email) = $1", "customers ((lower(email)))"],
    [
      "lower(x) beside a column",
      "SELECT * FROM customers c WHERE lower(c.email) = lower($1) AND city = $2",
      "customers ((lower(email)), city)",
    ],
    [
      "a key of a document",
      "SELECT * FROM customers WHERE profile ->> 'plan' = $1",
      "customers ((profile ->> 'plan'))",
    ],
    [
      "a key of a document as a number",
      "SELECT * FROM customers WHERE (profile ->> 'age')::int > $1",
      "customers ((CAST(profile ->> 'age' AS int)))",
    ],
    [
      "days of a timestamp without a zone",
      "SELECT date_trunc('day', seen_at), count(*) FROM customers GROUP BY 1",
      "customers ((date_trunc('day', seen_at)))",
    ],
    [
      "days in a named zone",
      "SELECT * FROM customers WHERE date_trunc('day', joined_at AT TIME ZONE 'UTC') = $1",
      "customers ((date_trunc('day', joined_at AT TIME ZONE 'UTC')))",
    ],
    ["a cast", "SELECT * FROM customers WHERE seen_at::date = $1", "customers ((seen_at::date))"],
    ["arithmetic", "SELECT * FROM items WHERE quantity * price > $1", "items ((quantity * price))"],
    [
      "an order by an expression",
      "SELECT * FROM customers ORDER BY lower(email) DESC, id LIMIT $1",
      "customers ((lower(email)), id DESC)",
    ],
    [
      "a join by an expression",
      "SELECT * FROM countries k JOIN customers c ON lower(c.city) = k.name",
      "customers ((lower(city)))",
    ],
    [
      "a beginning of text",
      "SELECT * FROM customers WHERE email LIKE 'ann%'",
      "customers (email text_pattern_ops)",
    ],
    [
      "a beginning beside an equality",
      "SELECT * FROM customers WHERE city = $1 AND email LIKE 'ann%'",
      "customers (city, email text_pattern_ops)",
    ],
    [
      "a beginning in a regular expression",
      "SELECT * FROM customers WHERE email ~ '^ann'",
      "customers (email text_pattern_ops)",
    ],
    [
      "a beginning of text that is compared bytewise",
      "SELECT * FROM customers WHERE slug LIKE 'ann%'",
      "customers (slug)",
    ],
    [
      "a beginning of a lowered text",
      "SELECT * FROM customers WHERE lower(email) LIKE 'ann%'",
      "customers ((lower(email)) text_pattern_ops)",
    ],
    [
      "a pattern without wildcards, which is an equality",
      "SELECT * FROM customers WHERE email LIKE 'ann\\_'",
      "customers (email)",
    ],
    [
      "a part of text",
      "SELECT * FROM customers WHERE email LIKE '%ann%'",
      "customers USING gin (email gin_trgm_ops)",
    ],
    [
      "a beginning of text too wide for a B-tree",
      "SELECT * FROM orders WHERE memo LIKE 'dear%'",
      "orders USING gin (memo gin_trgm_ops)",
    ],
    [
      "a part in any case",
      "SELECT * FROM customers WHERE email ILIKE 'ann%'",
      "customers USING gin (email gin_trgm_ops)",
    ],
    [
      "a regular expression",
      "SELECT * FROM customers WHERE email ~* 'ann.*lee'",
      "customers USING gin (email gin_trgm_ops)",
    ],
    [
      "a pattern that is not known",
      "SELECT * FROM customers WHERE email LIKE $1",
      "customers USING gin (email gin_trgm_ops)",
    ],
    [
      "documents that contain one",
      "SELECT * FROM customers WHERE profile @> $1",
      "customers USING gin (profile jsonb_path_ops)",
    ],
    [
      "documents that have a key",
      "SELECT * FROM customers WHERE profile ? 'plan'",
      "customers USING gin (profile)",
    ],
    [
      "documents within documents",
      "SELECT * FROM customers WHERE profile -> 'roles' ?| array['a', 'b']",
      "customers USING gin ((profile -> 'roles'))",
    ],
    [
      "arrays that contain, said from the right",
      "SELECT * FROM customers WHERE ARRAY['x'] <@ tags",
      "customers USING gin (tags)",
    ],
    ["arrays that share", "SELECT * FROM customers WHERE tags && $1", "customers USING gin (tags)"],
    [
      "a column of words",
      "SELECT * FROM customers WHERE words @@ to_tsquery('english', $1)",
      "customers USING gin (words)",
    ],
    [
      "words of a text",
      "SELECT * FROM customers WHERE to_tsvector('english', city) @@ plainto_tsquery('english', $1)",
      "customers USING gin ((to_tsvector('english', city)))",
    ],
    [
      "ranges that overlap",
      "SELECT * FROM customers WHERE visits && tstzrange($1, $2)",
      "customers USING gist (visits)",
    ],
    [
      "the nearest places",
      "SELECT * FROM customers ORDER BY place <-> point($1, $2) LIMIT 5",
      "customers USING gist (place)",
    ],
    [
      "a range in disk order",
      "SELECT * FROM events WHERE at >= $1 AND at < $2",
      "events USING brin (at)",
    ],
    [
      "equality on wide text",
      "SELECT * FROM customers WHERE digest = $1",
      "customers USING hash (digest)",
    ],
    [
      "equality on text too wide for a B-tree",
      "SELECT * FROM orders WHERE memo = $1",
      "orders USING hash (memo)",
    ],
    [
      "nulls at the other end",
      "SELECT * FROM orders ORDER BY placed_at DESC NULLS LAST LIMIT $1",
      "orders (placed_at NULLS FIRST)",
    ],
    [
      "nulls at the other end of a second key",
      "SELECT * FROM orders WHERE region = $1 ORDER BY placed_at, total DESC NULLS LAST",
      "orders (region, placed_at, total DESC NULLS LAST)",
    ],
    [
      "the last row of each",
      "SELECT * FROM customers c, LATERAL (SELECT * FROM orders o WHERE o.customer_id = c.id ORDER BY placed_at DESC LIMIT 1) last",
      "orders (customer_id, placed_at)",
    ],
    [
      "a window",
      "SELECT *, row_number() OVER (PARTITION BY region ORDER BY placed_at DESC) FROM orders",
      "orders (region, placed_at DESC)",
    ],
    [
      "a named window",
      "SELECT sum(total) OVER w FROM orders WINDOW w AS (PARTITION BY customer_id)",
      "orders (customer_id)",
    ],
    ["DISTINCT", "SELECT DISTINCT region, status FROM orders", "orders (region, status)"],
    [
      "a join with a range",
      "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.placed_at > $1",
      "orders (customer_id, placed_at)",
    ],
    [
      "either side of an OR",
      "SELECT * FROM orders WHERE customer_id = $1 OR total = $2",
      "orders (total)",
    ],
    [
      "a side of an OR beside a condition",
      "SELECT * FROM orders WHERE region = $1 AND (customer_id = $2 OR total > $3)",
      "orders (customer_id, region)",
    ],
    [
      "a rare side of an OR",
      "SELECT * FROM orders WHERE status = 'pending' OR total > $1",
      "orders (status) WHERE status = 'pending'",
    ],
    [
      "what all sides of an OR have",
      "SELECT * FROM orders WHERE (region = 'a' AND total > 1) OR (region = 'b' AND total > 2)",
      "orders (region, total)",
    ],
    [
      "a join in all sides of an OR",
      "SELECT * FROM orders o, items i WHERE (i.order_id = o.id AND o.region = 'a' AND i.quantity = 1) OR (i.order_id = o.id AND o.region = 'b' AND i.quantity = 2)",
      "orders (region)",
    ],
    [
      "what a subquery computes",
      "SELECT * FROM (SELECT id, lower(email) AS mail FROM customers) c WHERE mail = $1",
      "customers ((lower(email)))",
    ],
    [
      "the order of what a common table expression computes",
      "WITH c AS (SELECT lower(email) AS mail FROM customers) SELECT * FROM c ORDER BY mail LIMIT 1",
      "customers ((lower(email)))",
    ],
    ["a partitioned table", "SELECT * FROM events WHERE kind = $1", "events (kind)"],
    [
      "a partition, on its parent",
      "SELECT * FROM events_2026 WHERE kind = $1 AND at > $2",
      "events (kind, at)",
    ],
    [
      "a partition that goes its own way",
      "SELECT * FROM events_2025 WHERE at > $1",
      "events_2025 (at)",
    ],
  ])("%s", async (_, sql, expected) => {
    const { indexes, rejected, notes } = await suggest([sql]);
    expect(indexes, [...rejected, ...notes].join("\n")).toContain(expected);
  });

  test("a view, whose definition is read", async () => {
    const { indexes } = await suggest(["SELECT * FROM recent_orders r WHERE r.who = $1"], shop, [
      {
        schema: "public",
        name: "recent_orders",
        definition: "SELECT o.customer_id AS who, o.total FROM public.orders o;",
      },
    ]);
    expect(indexes).toContain("orders (customer_id)");
  });
});
