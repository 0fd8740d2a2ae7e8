import { describe, expect, test } from "vitest";
import { withValues } from "../../../src/advise/indexes/workload/values.ts";
import { workloadOfStatements } from "../../../src/advise/indexes/workload/stat-statements.ts";
import { catalogOf, tableOf } from "./small-catalog.ts";

const bounds = Array.from({ length: 101 }, (_, n) => String(n * 1_000));

const catalog = catalogOf([
  tableOf("orders", 100_000, {
    id: { distinct: 100_000, histogram: bounds },
    customer_id: { distinct: 5_000, histogram: bounds },
    status: {
      type: "text",
      distinct: 4,
      common: [
        { value: "sent", share: 0.9 },
        { value: "it's new", share: 0.07 },
        { value: "back", share: 0.02 },
        { value: "lost", share: 0.01 },
      ],
    },
    note: { type: "text" },
  }),
  tableOf("items", 300_000, { order_id: { distinct: 100_000, histogram: bounds } }),
]);

async function planned(sql: string, rows = 0, calls = 1): Promise<[string, string]> {
  const workload = await workloadOfStatements(
    [{ queryId: "1", sql, calls, totalMs: 1, rows, buffers: 0 }],
    "x",
  );
  const { statements } = await withValues(workload, catalog, "statistics");
  const [statement] = statements;
  return [statement?.planSql ?? "", statement?.valuesFrom ?? ""];
}

describe("values from statistics", () => {
  test.each<[sql: string, expected: string]>([
    [
      "SELECT * FROM orders WHERE customer_id = $1",
      "SELECT * FROM orders WHERE customer_id = '50000'",
    ],
    [
      "SELECT count(*) FROM orders WHERE $1 = status",
      "SELECT count(*) FROM orders WHERE 'sent' = status",
    ],
    [
      "SELECT count(*) FROM orders o WHERE lower(o.status) = $1::text",
      "SELECT count(*) FROM orders o WHERE lower(o.status) = 'sent'::text",
    ],
    [
      "SELECT * FROM orders WHERE customer_id IN ($1, $2)",
      "SELECT * FROM orders WHERE customer_id IN ('25000', '75000')",
    ],
    [
      "SELECT * FROM orders WHERE customer_id = ANY ($1)",
      `SELECT * FROM orders WHERE customer_id = ANY ('{"10000","30000","50000","70000","90000"}')`,
    ],
    [
      "SELECT * FROM orders WHERE id >= $1 AND id < $2 LIMIT $3",
      "SELECT * FROM orders WHERE id >= '90000' AND id < '91000' LIMIT 1",
    ],
    [
      "SELECT * FROM orders WHERE id BETWEEN $1 AND $2",
      "SELECT * FROM orders WHERE id BETWEEN '90000' AND '91000'",
    ],
    ["SELECT count(*) FROM orders WHERE id > $1", "SELECT count(*) FROM orders WHERE id > '90000'"],
    ["SELECT count(*) FROM orders WHERE $1 > id", "SELECT count(*) FROM orders WHERE '10000' > id"],
    [
      "SELECT * FROM orders o JOIN items i ON i.order_id = o.id WHERE i.order_id = $1",
      "SELECT * FROM orders o JOIN items i ON i.order_id = o.id WHERE i.order_id = '50000'",
    ],
    [
      "UPDATE orders SET note = $1 WHERE id = $2",
      "UPDATE orders SET note = NULL WHERE id = '50000'",
    ],
    [
      "INSERT INTO orders (id, note) VALUES ($1, $2)",
      "INSERT INTO orders (id, note) VALUES (NULL, NULL)",
    ],
    [
      "DELETE FROM orders WHERE (customer_id, id) = ($1, $2)",
      "DELETE FROM orders WHERE (customer_id, id) = ('50000', '50000')",
    ],
  ])("%s", async (sql, expected) => {
    expect(await planned(sql)).toEqual([expected, "statistics"]);
  });

  test("rows that came back say how rare the value was", async () => {
    expect((await planned("SELECT * FROM orders WHERE status = $1", 6_500))[0]).toContain(
      "'it''s new'",
    );
    expect((await planned("SELECT * FROM orders WHERE status = $1", 90_000))[0]).toContain(
      "'sent'",
    );
    expect((await planned("SELECT * FROM orders WHERE id > $1", 1_000))[0]).toContain("'99000'");
  });

  test.each([
    "SELECT * FROM orders WHERE note = $1",
    "SELECT * FROM orders WHERE id = $1 AND note LIKE $2",
    "SELECT * FROM orders WHERE id % $1 = 5",
    "SELECT * FROM elsewhere WHERE id = $1",
  ])("%s stays generic: all values or none", async (sql) => {
    expect(await planned(sql)).toEqual([sql, "generic"]);
  });

  test("what was filled in, and what was not, is said; generic changes nothing", async () => {
    const stats = ["id", "note"].map((column) => ({
      queryId: column,
      sql: `SELECT * FROM orders WHERE ${column} = $1`,
      calls: 1,
      totalMs: 1,
      rows: 1,
      buffers: 0,
    }));
    const workload = await workloadOfStatements(stats, "x");
    expect(await withValues(workload, catalog, "generic")).toBe(workload);
    const { caveats } = await withValues(workload, catalog, "statistics");
    expect(caveats).toEqual([
      expect.stringMatching(/^1 statements are planned with values drawn from statistics/),
      expect.stringMatching(/^1 statements keep their generic plan/),
    ]);
  });
});
