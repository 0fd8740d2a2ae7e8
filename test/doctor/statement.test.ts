import { expect, test } from "vitest";
import type { TableScans } from "../../src/core/diagnosis.ts";
import type { StatementStats } from "../../src/core/sample.ts";
import { slowStatement } from "../../src/doctor/statement.ts";

const REQUESTS = 100;

function statement(sql: string, totalMs: number, rows: number): StatementStats {
  return { queryId: sql, sql, calls: REQUESTS, totalMs, rows, buffers: 0 };
}

function scans(table: string, how: TableScans["how"], rowsEach: number): TableScans {
  return { table, how, scans: REQUESTS, rowsRead: REQUESTS * rowsEach };
}

const byOwner = statement("SELECT id FROM events WHERE owner = $1 ORDER BY id LIMIT $2", 900, 500);
const byId = statement('SELECT title FROM "items" WHERE id = $1', 100, 100);

test("the statement whose table is read in sequence", () => {
  const found = slowStatement([byId, byOwner], [scans("events", "sequence", 50_000)], REQUESTS);
  expect(found).toEqual({
    sql: byOwner.sql,
    table: "events",
    how: "sequence",
    timeShare: 0.9,
    meanMs: 9,
    msPerRequest: 9,
    rowsReadPerReturned: 10_000,
  });
});

test("an index that gives the order and not the rows is no better", () => {
  const found = slowStatement([byOwner], [scans("events", "index", 20_000)], REQUESTS);
  expect(found?.how).toBe("index");
});

test("an aggregate reads many rows by the right index", () => {
  const count = statement("SELECT count(*) FROM events WHERE owner = $1", 900, 100);
  expect(slowStatement([count], [scans("events", "index", 20_000)], REQUESTS)).toBeUndefined();
  expect(slowStatement([count], [scans("events", "sequence", 20_000)], REQUESTS)).toBeDefined();
});

test.each<[string, readonly StatementStats[], readonly TableScans[]]>([
  ["small tables are read whole", [byOwner], [scans("events", "sequence", 900)]],
  [
    "who wants all rows needs no index",
    [statement("SELECT * FROM events", 9, 9)],
    [scans("events", "sequence", 5_000)],
  ],
  [
    "a longer name is another table",
    [statement("SELECT 1 FROM old_events WHERE a = $1", 9, 9)],
    [scans("events", "sequence", 5_000)],
  ],
  ["nothing was asked", [], [scans("events", "sequence", 5_000)]],
])("%s", (_, statements, read) => {
  expect(slowStatement(statements, read, REQUESTS)).toBeUndefined();
});
