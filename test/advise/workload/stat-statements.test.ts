/** Versions of pg_stat_statements as rows of a fixture: what each calls its columns, and what its absence looks like. */
import { describe, expect, test } from "vitest";
import type { Query } from "../../../src/core/planner.ts";
import type { Row } from "../../../src/core/workload.ts";
import {
  readStatStatements,
  workloadOfStatements,
} from "../../../src/advise/indexes/workload/stat-statements.ts";

const COMMON = ["userid", "dbid", "queryid", "query", "calls", "rows"];

/** Answers as a server with these columns does; the statement of the second query is kept. */
function server(
  columns: readonly string[] | undefined,
  rows: readonly Row[] | Error,
): { readonly query: Query; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    query: (sql) => {
      asked.push(sql);
      if (asked.length === 1) {
        return Promise.resolve(
          columns === undefined
            ? []
            : [{ name: "tools.pg_stat_statements", columns: JSON.stringify(columns) }],
        );
      }
      return rows instanceof Error ? Promise.reject(rows) : Promise.resolve(rows);
    },
  };
}

const row = (id: string | null, query: string | null, more: Row = {}): Row => ({
  database: "shop",
  id,
  query,
  calls: 10,
  total_ms: 50,
  rows: 100,
  nested: false,
  ...more,
});

describe("pg_stat_statements", () => {
  test.each([
    ["1.4 to 1.7 (PostgreSQL 12)", [...COMMON, "total_time"], "s.total_time", false],
    [
      "1.8 (13)",
      [...COMMON, "plans", "total_plan_time", "total_exec_time"],
      "s.total_exec_time",
      false,
    ],
    [
      "1.9 to 1.12 (14 to 18)",
      [...COMMON, "toplevel", "total_exec_time"],
      "s.total_exec_time",
      true,
    ],
  ])("%s", async (_, columns, time, nested) => {
    const { query, asked } = server(columns, [row("7", "SELECT * FROM a WHERE x = $1")]);
    const workload = await readStatStatements(query);
    expect(asked[1]).toContain(`sum(${time})`);
    expect(asked[1]).toContain("FROM tools.pg_stat_statements s");
    expect(asked[1]?.includes("s.toplevel")).toBe(nested);
    expect(workload.source).toBe("pg_stat_statements of shop");
    expect(workload.statements).toMatchObject([
      { id: "7", calls: 10, totalMs: 50, rows: 100, valuesFrom: "generic" },
    ]);
  });

  test("perfopt's own statements are not part of the workload, nor those that were hidden", async () => {
    const { query, asked } = server(
      [...COMMON, "total_exec_time"],
      [
        row("1", "SELECT /* perfopt */ count(*) FROM orders"),
        row(null, null),
        row(null, "<insufficient privilege>"),
        row("2", "SELECT * FROM a LIMIT $1"),
      ],
    );
    const workload = await readStatStatements(query);
    expect(workload.statements.map(({ planSql }) => planSql)).toEqual(["SELECT * FROM a LIMIT 10"]);
    expect(workload.leftOut).toMatchObject([
      { because: expect.stringContaining("pg_read_all_stats") },
    ]);
    expect(asked.every((sql) => sql.includes("/* perfopt */"))).toBe(true);
  });

  test("near-equal statements are joined under the heaviest one's id", async () => {
    const { query } = server(
      [...COMMON, "total_exec_time"],
      [
        row("1", "SELECT * FROM a WHERE x IN ($1, $2)", { total_ms: 10 }),
        row("2", "SELECT * FROM public.a WHERE x IN ($1, $2, $3)", { total_ms: 90 }),
        row("3", "SELECT * FROM a WHERE x IN ($1)", { total_ms: 5 }),
      ],
    );
    const { statements } = await readStatStatements(query);
    expect(statements).toMatchObject([
      { id: "2", totalMs: 100, calls: 20, joined: ["1"] },
      { id: "3", totalMs: 5, joined: [] },
    ]);
  });

  test("time inside functions is said to count twice", async () => {
    const { query } = server(
      [...COMMON, "total_exec_time", "toplevel"],
      [row("1", "SELECT * FROM a", { nested: true })],
    );
    expect((await readStatStatements(query)).caveats.join()).toContain("inside functions");
  });

  test.each([
    ["no extension", undefined, [], /no extension/],
    [
      "not loaded",
      COMMON,
      Object.assign(new Error("must be loaded"), { code: "55000" }),
      /not loaded its library/,
    ],
    [
      "no right",
      COMMON,
      Object.assign(new Error("permission denied"), { code: "42501" }),
      /no right/,
    ],
  ])("%s is an error with a way out", async (_, columns, rows, message) => {
    await expect(readStatStatements(server(columns, rows).query)).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringMatching(message),
      hint: expect.stringContaining("--queries"),
    });
  });

  test("other errors stay what they are", async () => {
    const broken = server(COMMON, new Error("connection lost"));
    await expect(readStatStatements(broken.query)).rejects.toThrow("connection lost");
  });
});

test("the trial's own load keeps ids, calls, times and rows", async () => {
  const stats = {
    queryId: "5",
    sql: "SELECT * FROM a LIMIT $1",
    calls: 4,
    totalMs: 8,
    rows: 12,
    buffers: 1,
  };
  expect(await workloadOfStatements([stats], "the trial")).toMatchObject({
    source: "the trial",
    weights: "time",
    statements: [{ id: "5", planSql: "SELECT * FROM a LIMIT 3", calls: 4, totalMs: 8, rows: 12 }],
  });
});

test("reads what pg_stat_statements writes and PostgreSQL's grammar has no parameter for", async () => {
  const texts = [
    "SELECT (EXTRACT($1 FROM at) * $2)::bigint FROM events WHERE at > now() - interval $3",
    "SELECT count(*) FROM events WHERE at < timestamptz $1",
  ];
  const { statements, leftOut } = await workloadOfStatements(
    texts.map((sql) => ({ queryId: sql, sql, calls: 1, totalMs: 1, rows: 1, buffers: 0 })),
    "test",
  );
  expect(leftOut).toEqual([]);
  expect(statements.map(({ planSql }) => planSql).toSorted()).toEqual([
    "SELECT (date_part($1, at) * $2)::bigint FROM events WHERE at > now() - CAST($3 AS interval)",
    "SELECT count(*) FROM events WHERE at < CAST($1 AS timestamptz)",
  ]);
});
