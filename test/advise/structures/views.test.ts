import { describe, expect, test } from "vitest";
import { adviceFor, metrics } from "./planned.ts";

async function rewrittenTo(sql: string): Promise<string | undefined> {
  const { plans } = await adviceFor(sql);
  return plans[0]?.rewrites[0]?.after;
}

async function fillOf(sql: string): Promise<string | undefined> {
  const { plans } = await adviceFor(sql);
  return plans[0]?.apply[0]?.replace(/^.*? AS /, "");
}

async function reason(sql: string, viewRows?: number): Promise<string | undefined> {
  const { refused, plans } = await adviceFor(sql, viewRows === undefined ? {} : { viewRows });
  return plans.length > 0 ? `a plan: ${plans[0]?.apply[0]}` : refused[0]?.because;
}

describe("a view", () => {
  test("has the columns that a statement asks a value for as groups, and is looked up", async () => {
    const sql = "SELECT key, count(*), avg(value) AS mean FROM metrics WHERE key = $1 GROUP BY key";
    expect(await fillOf(sql)).toBe(
      "SELECT metrics.key AS key, count(*) AS count, avg(metrics.value) AS mean FROM metrics GROUP BY metrics.key",
    );
    expect(await rewrittenTo(sql)).toBe(
      "SELECT v.key AS key, v.count AS count, v.mean AS mean FROM public.perfopt_view_metrics_1 AS v WHERE v.key = 'loss'",
    );
  });

  test("that has more groups than the statement is aggregated again, types kept", async () => {
    expect(
      await rewrittenTo(
        "SELECT r.status, count(*), sum(m.steps), max(m.value) FROM metrics m JOIN runs r USING (run_id) WHERE m.key IN ($1, $2) GROUP BY 1",
      ),
    ).toBe(
      "SELECT v.status AS status, CAST(COALESCE(sum(v.count), 0) AS bigint) AS count, CAST(sum(v.sum_steps) AS bigint) AS sum, max(v.max_value) AS max FROM public.perfopt_view_metrics_1 AS v WHERE v.key IN ('loss', 'accuracy') GROUP BY v.status",
    );
  });

  test("keeps a FILTER with a value for the question, and a constant-free condition inside", async () => {
    const sql = "SELECT count(*) FILTER (WHERE key = $1) AS some FROM metrics WHERE NOT odd";
    expect(await fillOf(sql)).toBe(
      "SELECT metrics.key AS key, count(*) AS count FROM metrics WHERE NOT (metrics.odd) GROUP BY metrics.key",
    );
    expect(await rewrittenTo(sql)).toContain("sum(v.count) FILTER (WHERE v.key = 'loss')");
  });

  test("takes an average apart into a sum and a count", async () => {
    expect(await rewrittenTo("SELECT avg(value) FROM metrics WHERE key IN ($1, $2)")).toMatch(
      /sum\(v.sum_value\) \/ CAST\(NULLIF ?\(sum\(v.count_value\), 0\) AS double precision\)/,
    );
  });

  test("may answer a part of a statement, under its names and in its order", async () => {
    expect(
      await rewrittenTo(
        "WITH best AS (SELECT run_id, max(value) AS top FROM metrics WHERE key = $1 GROUP BY run_id HAVING max(value) > 1) SELECT * FROM best ORDER BY top DESC LIMIT 3",
      ),
    ).toMatch(
      /^WITH best AS \(SELECT v.run_id AS run_id, v.top AS top FROM public.\w+ AS v WHERE v.key = 'loss' AND v.top > 1\) SELECT \* FROM best ORDER BY top DESC LIMIT 3$/,
    );
  });

  test("of which constants are not known is assumed with usual ones, which is said", async () => {
    const { plans } = await adviceFor(
      "SELECT date_trunc($1, at) AS day, percentile_cont($2) WITHIN GROUP (ORDER BY value) FROM metrics WHERE key = $3 GROUP BY 1",
    );
    expect(plans[0]?.apply[0]).toContain("date_trunc('day', metrics.at) AS day");
    expect(plans[0]?.caveats.join(" ")).toContain("$1 is 'day', $2 is 0.5");
    expect(plans[0]?.rewrites[0]?.others.length).toBeGreaterThan(1);
  });

  test("is one for two statements that need the same", async () => {
    const { plans } = await adviceFor([
      "SELECT key, count(*) FROM metrics WHERE key = $1 GROUP BY key",
      "SELECT key, count(*) FROM metrics WHERE key = $1 GROUP BY key ORDER BY 2 LIMIT 5",
    ]);
    expect(plans.map(({ statements }) => statements)).toEqual([["q1", "q2"]]);
    expect(plans[0]?.rewrites[1]?.after).toContain("perfopt_view_metrics_1");
  });

  test("counts time buckets by the span of their column, where the planner expects every row to be one", async () => {
    const { plans } = await adviceFor(
      "SELECT at_ms / 86400000 AS day, count(*) FROM metrics WHERE key = $1 GROUP BY 1",
      { viewRows: 900_000 },
    );
    expect(plans[0]?.estimated.rows).toBeLessThan(5_000);
  });
});

async function caveats(sql: string): Promise<string | undefined> {
  const { plans } = await adviceFor(sql);
  return plans[0]?.caveats.join("; ");
}

test("a name that is taken is left alone, since the way back drops what has it", async () => {
  const first = metrics.tables[0]!;
  const taken = {
    ...metrics,
    tables: [
      ...metrics.tables,
      { ...first, name: "perfopt_view_metrics_1", kind: "materialized view" as const, columns: [] },
    ],
  };
  const { plans } = await adviceFor("SELECT key, count(*) FROM metrics GROUP BY key", {
    snapshot: taken,
  });
  expect(plans[0]?.revert).toEqual([
    'DROP MATERIALIZED VIEW IF EXISTS "public"."perfopt_view_metrics_1_v2"',
  ]);
});

test("values that somebody drew are said to be drawn, and those of the statement are not", async () => {
  expect(await caveats("SELECT key, count(*) FROM metrics WHERE key = $1 GROUP BY key")).toMatch(
    /of values drawn from the columns' statistics/,
  );
  expect(
    await caveats("SELECT key, count(*), $2 FROM metrics WHERE key = $1 GROUP BY key"),
  ).toMatch(/nothing is known of \$2: '1' was taken/);
  expect(
    await caveats("SELECT key, count(*) FROM metrics WHERE key = 'loss' GROUP BY key"),
  ).not.toMatch(/drawn/);
});

describe("no view", () => {
  test("of rows that are not everybody's", async () => {
    const guarded = {
      ...metrics,
      tables: metrics.tables.map((each) => ({ ...each, rowSecurity: each.name === "metrics" })),
    };
    const { plans, refused } = await adviceFor("SELECT key, count(*) FROM metrics GROUP BY key", {
      snapshot: guarded,
    });
    expect(plans).toEqual([]);
    expect(refused[0]?.because).toMatch(/metrics has row level security/);
  });

  test.each([
    [
      "a median over several groups",
      "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM metrics WHERE key IN ($1, $2)",
      /percentile_cont of a whole/,
    ],
    [
      "distinct values",
      "SELECT count(DISTINCT run_id) FROM metrics WHERE key <> $1",
      /count\(DISTINCT/,
    ],
    ["deviations", "SELECT stddev(value) FROM metrics WHERE key IN ($1, $2)", /stddev of a whole/],
    [
      "values that are collected",
      "SELECT key, array_agg(value) FROM metrics GROUP BY key",
      /collects/,
    ],
    ["a window", "SELECT key, sum(count(*)) OVER () FROM metrics GROUP BY key", /window/],
    [
      "a subquery",
      "SELECT count(*) FROM metrics WHERE run_id IN (SELECT run_id FROM runs)",
      /subquery/,
    ],
    ["grouping sets", "SELECT key, count(*) FROM metrics GROUP BY ROLLUP (key)", /several ways/],
    [
      "DISTINCT ON",
      "SELECT DISTINCT ON (key) key, value FROM metrics ORDER BY key, at_ms",
      /DISTINCT ON/,
    ],
    ["the present time", "SELECT count(*) FROM metrics WHERE at < now()", /not immutable/],
    [
      "a value inside an aggregate",
      "SELECT sum(value * $1) FROM metrics WHERE key <> $2",
      /not known/,
    ],
    [
      "an unknown bucket",
      "SELECT steps + $1, count(*) FROM metrics GROUP BY steps + $1",
      /groups by a value that is not known/,
    ],
    [
      "a computed table",
      "WITH runs AS (SELECT 1 AS run_id) SELECT count(*) FROM metrics JOIN runs USING (run_id)",
      /tables of its own \(WITH\)/,
    ],
    ["all columns", "SELECT * FROM metrics GROUP BY run_id", /all columns/],
    ["locked rows", "SELECT DISTINCT key FROM metrics FOR UPDATE", /locks/],
    [
      "a sum whose type is not known",
      "SELECT sum(value * 2) FROM metrics WHERE key IN ($1, $2)",
      /type/,
    ],
  ])("for %s", async (_, sql, because) => {
    expect(await reason(sql)).toMatch(because);
  });

  test("as large as its source", async () => {
    expect(
      await reason(
        "SELECT count(*) FROM metrics WHERE run_id > $1 GROUP BY run_id, at_ms",
        900_000,
      ),
    ).toMatch(/900000 rows of 1000000, one for each run_id, at_ms/);
  });

  test.each([
    "INSERT INTO runs SELECT 1, max(key) FROM metrics",
    "SELECT run_id FROM runs WHERE run_id = $1",
    "no SQL",
  ])("nor a word on %s", async (sql) => {
    expect(await adviceFor(sql)).toEqual({ plans: [], refused: [] });
  });
});
