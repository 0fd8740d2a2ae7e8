import { describe, expect, test } from "vitest";
import { heaviestStatements } from "../../../src/advise/indexes/workload/heaviest.ts";
import { workloadOfSql } from "../../../src/advise/indexes/workload/sql-file.ts";

const ids = async (sql: string): Promise<string[]> =>
  (await workloadOfSql(sql, "q.sql")).statements.map(({ id }) => id);

describe("an SQL file", () => {
  test("names and weights come from comments", async () => {
    const workload = await workloadOfSql(
      "-- name: by customer\n-- calls: 120\n-- mean_ms: 2.5\nSELECT * FROM orders WHERE customer_id = 5;\n" +
        "-- Q2\n-- calls: 10\n-- total_ms: 4000\nSELECT count(*) FROM orders;",
      "q.sql",
    );
    expect(workload.weights).toBe("time");
    expect(workload.statements).toMatchObject([
      { id: "Q2", calls: 10, totalMs: 4000, valuesFrom: "statement" },
      { id: "by customer", calls: 120, totalMs: 300 },
    ]);
  });

  test("without weights all count alike", async () => {
    const workload = await workloadOfSql("SELECT * FROM a; SELECT * FROM b", "q.sql");
    expect(workload.weights).toBe("equal");
    expect(workload.statements.map(({ calls }) => calls)).toEqual([undefined, undefined]);
  });

  test("the same statement twice was run twice", async () => {
    const workload = await workloadOfSql(
      "SELECT * FROM a WHERE x = 1; SELECT * FROM b; SELECT /* again */ * FROM a WHERE x = 1;",
      "q.sql",
    );
    expect(workload.weights).toBe("calls");
    expect(workload.statements.map(({ planSql, calls }) => [planSql, calls])).toEqual([
      ["SELECT * FROM a WHERE x = 1", 2],
      ["SELECT * FROM b", 1],
    ]);
  });

  test("named statements that differ in constants alone stay apart", async () => {
    expect(
      await ids("-- A\nSELECT * FROM a WHERE s = 'new';\n-- B\nSELECT * FROM a WHERE s = 'old'"),
    ).toEqual(["A", "B"]);
  });

  test("of a thousand that differ in constants one is planned", async () => {
    const many = Array.from({ length: 1_000 }, (_, n) => `SELECT * FROM a WHERE x = ${n};`);
    const workload = await workloadOfSql(many.join("\n"), "q.sql");
    expect(workload.statements).toHaveLength(1);
    expect(workload.statements[0]?.calls).toBe(1_000);
  });

  test.each([
    [
      "lists of other lengths",
      "SELECT * FROM a WHERE x IN ($1, $2)",
      "SELECT * FROM a WHERE x IN ($1, $2, $3)",
      1,
    ],
    [
      "a schema that is the usual one",
      "SELECT * FROM a WHERE x = $1",
      "SELECT * FROM public.a WHERE x = $1",
      1,
    ],
    ["spelling and comments", "SELECT * FROM a", "select /* x */ *\nfrom A", 1],
    ["another schema", "SELECT * FROM a WHERE x = $1", "SELECT * FROM archive.a WHERE x = $1", 2],
    ["a list and a value", "SELECT * FROM a WHERE x = $1", "SELECT * FROM a WHERE x = ANY ($1)", 2],
    [
      "patterns with and without a start",
      "SELECT * FROM a WHERE x LIKE 'a%'",
      "SELECT * FROM a WHERE x LIKE '%a'",
      2,
    ],
    ["numbered tables", "SELECT * FROM a1 WHERE x = $1", "SELECT * FROM a2 WHERE x = $1", 2],
    ["another column", "SELECT * FROM a WHERE x = $1", "SELECT * FROM a WHERE y = $1", 2],
  ])("near-equal statements: %s", async (_, one, other, expected) => {
    expect(await ids(`${one};${other}`)).toHaveLength(expected);
  });

  test("what has no plan is left out with its reason", async () => {
    const { statements, leftOut } = await workloadOfSql(
      "\\timing\nSET x = 1; BEGIN; SELECT 1; SELECT * FROM pg_class; SELECT FROM WHERE; SELECT * FROM a WHERE x = 'cu",
      "q.sql",
    );
    expect(statements).toEqual([]);
    expect(leftOut.map(({ because }) => because).join("\n")).toMatchInlineSnapshot(`
      "it is a utility statement without a plan (VARIABLE SET)
      it is a utility statement without a plan (TRANSACTION)
      it names no table
      it reads the system catalogs alone
      PostgreSQL's parser: syntax error at or near "WHERE"
      its text is cut off (track_activity_query_size, or a limit of the tool that exported it)
      it is a command of psql"
    `);
  });

  test("cursors, copies and tables made of queries are planned as their query", async () => {
    const { statements } = await workloadOfSql(
      "DECLARE c CURSOR FOR SELECT * FROM a WHERE x = 1; COPY (SELECT * FROM b) TO STDOUT; CREATE TABLE t AS SELECT * FROM c; SELECT * INTO u FROM d; COPY e (x) FROM '/f'",
      "q.sql",
    );
    expect(statements.map(({ planSql }) => planSql.replaceAll(/\s+/g, " "))).toEqual([
      "SELECT * FROM a WHERE x = 1",
      "SELECT * FROM b",
      "SELECT * FROM c",
      "SELECT * FROM d",
      "INSERT INTO e DEFAULT VALUES",
    ]);
  });

  test("parameters of limits are filled in; where they stand elsewhere too, they stay", async () => {
    const { statements } = await workloadOfSql(
      "SELECT * FROM a WHERE x = $1 LIMIT $2 OFFSET $3::int; SELECT * FROM b WHERE x > $1 LIMIT $1",
      "q.sql",
    );
    expect(statements.map(({ planSql, valuesFrom }) => [planSql, valuesFrom])).toEqual([
      ["SELECT * FROM a WHERE x = $1 LIMIT 25 OFFSET 0::int", "generic"],
      ["SELECT * FROM b WHERE x > $1 LIMIT $1", "generic"],
    ]);
  });

  test("the heaviest are kept, with their share said", async () => {
    const workload = await workloadOfSql(
      "-- calls: 90\nSELECT * FROM a;\n-- calls: 9\nSELECT * FROM b;\n-- calls: 1\nSELECT * FROM c",
      "q.sql",
    );
    const kept = heaviestStatements(workload, 2);
    expect(kept.statements.map(({ sql }) => sql)).toEqual(["SELECT * FROM a", "SELECT * FROM b"]);
    expect(kept.caveats.at(-1)).toContain("99.0 % of the calls");
    expect(heaviestStatements(workload, 3)).toBe(workload);
  });
});
