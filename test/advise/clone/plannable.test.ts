import { describe, expect, it } from "vitest";
import { readPlannable } from "../../../src/advise/indexes/clone/plannable.ts";

describe("statements for the planner", () => {
  it.each([
    "SELECT 1",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "VALUES (1), (2)",
    "INSERT INTO t SELECT 1",
    "UPDATE t SET a = 1",
    "DELETE FROM t WHERE a = 1",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
  ])("takes %s", async (sql) => {
    expect(await readPlannable(sql)).toEqual({ kind: "plannable", sql, parameters: 0 });
  });

  it.each([
    ["SELECT 1; DROP TABLE t", /2 statements/],
    ["COMMIT", /Transaction/],
    ["EXPLAIN ANALYZE SELECT 1", /Explain/],
    ["VACUUM t", /Vacuum/],
    ["ANALYZE t", /Vacuum/],
    ["SELECT 1 INTO t", /makes a table/],
    ["CREATE TABLE t AS SELECT 1", /CreateTableAs/],
    ["COPY t TO PROGRAM 'id'", /Copy/],
    ["SELECT FROM FROM", /parser/],
    ["", /empty/],
    ["-- nothing", /0 statements/],
  ])("refuses %s", async (sql, because) => {
    expect(await readPlannable(sql)).toEqual({
      kind: "refused",
      because: expect.stringMatching(because),
    });
  });

  it("leaves out a semicolon and what follows, and counts parameters", async () => {
    expect(await readPlannable("SELECT 'é', $2 FROM t WHERE a = $1 ; -- done")).toEqual({
      kind: "plannable",
      sql: "SELECT 'é', $2 FROM t WHERE a = $1",
      parameters: 2,
    });
  });
});
