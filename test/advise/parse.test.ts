/** Parsing texts of pg_stat_statements, filling in their limits, naming indexes. */
import { describe, expect, test } from "vitest";
import { createIndexSql, indexName } from "../../src/advise/indexes/name.ts";
import { parseStatement, withLimits } from "../../src/advise/indexes/parse.ts";

async function limited(sql: string, rowsPerCall: number): Promise<string> {
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") throw new Error(parsed.because);
  return withLimits(sql, parsed.statement, rowsPerCall);
}

describe("limits", () => {
  test.each([
    ["SELECT 1 FROM t LIMIT $1 OFFSET $2", 19.2, "SELECT 1 FROM t LIMIT 20 OFFSET 0"],
    ["SELECT 1 FROM t OFFSET $12 LIMIT $11", 0, "SELECT 1 FROM t OFFSET 0 LIMIT 1"],
    [
      "SELECT 'café' AS é FROM t WHERE a = $1 LIMIT $2",
      5,
      "SELECT 'café' AS é FROM t WHERE a = $1 LIMIT 5",
    ],
    [
      "SELECT p.*, (SELECT x FROM u LIMIT $3) FROM (SELECT * FROM t LIMIT $1 OFFSET $2) p",
      30,
      "SELECT p.*, (SELECT x FROM u LIMIT $3) FROM (SELECT * FROM t LIMIT 30 OFFSET 0) p",
    ],
    [
      "SELECT a, count(*) FROM (SELECT * FROM t LIMIT $1) p GROUP BY a",
      30,
      "SELECT a, count(*) FROM (SELECT * FROM t LIMIT $1) p GROUP BY a",
    ],
    ["SELECT 1 FROM t LIMIT 7", 5, "SELECT 1 FROM t LIMIT 7"],
    ["SELECT 1 FROM t LIMIT $1::int", 5, "SELECT 1 FROM t LIMIT $1::int"],
    ["SELECT 1 FROM t WHERE a = $1", 5, "SELECT 1 FROM t WHERE a = $1"],
    ["DELETE FROM t WHERE a = $1", 5, "DELETE FROM t WHERE a = $1"],
  ])("%s", async (sql, rows, expected) => {
    expect(await limited(sql, rows)).toBe(expected);
  });
});

test.each([
  ["two statements", "SELECT 1; SELECT 2", /not one statement/],
  ["a cut text", "SELECT * FROM t WHERE", /PostgreSQL's parser: syntax error/],
  ["nothing", "", /cannot be empty/],
])("%s is not parsed, and it says why", async (_, sql, because) => {
  const parsed = await parseStatement(sql);
  expect(parsed.kind === "failed" && parsed.because).toMatch(because);
});

const up = (name: string) => ({ name, descending: false });

describe("names", () => {
  test("say table, columns and directions", () => {
    expect(indexName("orders", [up("region"), { name: "placed_at", descending: true }])).toBe(
      "perfopt_orders_region_placed_at_desc",
    );
  });

  test.each([
    ["long", "a".repeat(50), "b".repeat(50)],
    ["of characters of several bytes", "ü".repeat(30), "한국어".repeat(10)],
  ])("%s fit in 63 bytes and stay apart", (_, table, column) => {
    const [one, other] = [indexName(table, [up(column)]), indexName(table, [up(`${column}x`)])];
    expect(new TextEncoder().encode(one).length).toBeLessThanOrEqual(63);
    expect(one).not.toBe(other);
    expect(one).not.toContain("\uFFFD");
  });

  test("are quoted, so that odd ones are names and nothing else", () => {
    const index = {
      schema: "public",
      table: 'a"b',
      name: "x; DROP TABLE y",
      columns: [up("Mixed Case")],
    };
    expect(createIndexSql(index)).toBe(
      'CREATE INDEX "x; DROP TABLE y" ON "public"."a""b" ("Mixed Case")',
    );
  });
});
