import { describe, expect, test } from "vitest";
import { workloadOfJson } from "../../../src/advise/indexes/workload/json.ts";
import { detectSource } from "../../../src/advise/indexes/workload/source.ts";

const A = "SELECT * FROM a WHERE x = $1";

describe("JSON", () => {
  test.each<[name: string, value: unknown]>([
    [
      "pg_stat_statements since 13",
      [{ queryid: "-7", query: A, calls: "4", total_exec_time: 8, rows: 40 }],
    ],
    [
      "pg_stat_statements before",
      [{ queryid: -7, query: A, calls: 4, total_time: 8.0, rows: "40" }],
    ],
    ["a mean", [{ queryid: "-7", query: A, calls: 4, mean_exec_time: 2, rows: 40 }]],
    [
      "camel case, nested",
      {
        data: {
          rows: [{ queryId: "-7", normalizedQuery: A, callCount: 4, totalTimeMs: 8, rows: 40 }],
        },
      },
    ],
    ["rows of json_agg", [[{ queryid: "-7", query: A, calls: 4, total_exec_time: 8, rows: 40 }]]],
  ])("%s", async (_, value) => {
    const { statements, weights } = await workloadOfJson(JSON.stringify(value), "x.json");
    expect(weights).toBe("time");
    expect(statements).toMatchObject([{ id: "-7", planSql: A, calls: 4, totalMs: 8, rows: 40 }]);
  });

  test("one object a line", async () => {
    const lines = ["a", "b"].map((table) =>
      JSON.stringify({ query: `SELECT * FROM ${table}`, calls: 1 }),
    );
    const { statements, weights } = await workloadOfJson(lines.join("\n"), "x.json");
    expect([statements.length, weights]).toEqual([2, "calls"]);
  });

  test("plans with their query text and values", async () => {
    const plan = {
      "Query Text": A,
      "Query Parameters": "$1 = 'it''s'",
      Plan: { "Node Type": "Seq Scan", "Actual Rows": 3, "Actual Total Time": 12.5 },
    };
    const workload = await workloadOfJson(JSON.stringify([plan, { other: true }]), "x.json");
    expect(workload.statements).toMatchObject([
      {
        planSql: "SELECT * FROM a WHERE x = 'it''s'",
        valuesFrom: "statement",
        totalMs: 12.5,
        rows: 3,
      },
    ]);
    expect(workload.caveats[0]).toBe(
      "x.json was read as 1 plans with their query text (1 other objects were passed over)",
    );
  });

  test("a text that was cut off, or hidden, is left out with the reason", async () => {
    const { leftOut } = await workloadOfJson(
      JSON.stringify([
        { query: "SELECT * FROM a WHERE x IN ($1, $2, $3", calls: 1 },
        { query: "SELECT * FROM a WHERE name = 'abc", calls: 1 },
        { query: "SELECT * FROM a WHERE x = 5 AND ...", calls: 1 },
        { query: "<insufficient privilege>", calls: 1 },
      ]),
      "x.json",
    );
    expect(leftOut.map(({ because }) => because)).toEqual([
      ...Array.from({ length: 3 }, () => expect.stringContaining("track_activity_query_size")),
      expect.stringContaining("pg_read_all_stats"),
    ]);
  });

  test.each([["{"], ["[1, 2]"], ['{"a": {"b": []}}']])("%s is refused", async (text) => {
    await expect(workloadOfJson(text, "x.json")).rejects.toMatchObject({ code: "bad-input" });
  });
});

test.each([
  ["q.sql", "-- Q1\nSELECT 1;", "sql"],
  ["q.txt", "SELECT 'LOG: x';", "sql"],
  ["x.json", '[{"query": "SELECT 1"}]', "json"],
  ["x", '{"queries": []}', "json"],
  ["x.log", "2026-01-02 03:04:05 UTC [9] LOG:  database system is ready", "stderr log"],
  ["x.log", '{"timestamp":"2026-01-02","error_severity":"LOG","message":"x"}', "json log"],
  ["postgresql.log", "", "stderr log"],
])("detectSource %s: %s", (name, head, kind) => {
  expect(detectSource(name, head)).toBe(kind);
});
