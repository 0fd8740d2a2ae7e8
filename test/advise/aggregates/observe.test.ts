/** Aggregates on a real PostgreSQL: wrong estimates found and mended, what goes to disk found and held, BRIN where it is good and not elsewhere. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { observeAggregates } from "../../../src/advise/aggregates/observe.ts";
import { executeLimits, executeStatements } from "../../../src/advise/executed/execute.ts";
import type { ExecutedStatements } from "../../../src/advise/executed/execute.ts";
import { adviseIndexes } from "../../../src/advise/indexes/advise.ts";
import { withCloneEngine } from "../../../src/advise/indexes/engine.ts";
import { observedSnapshot, observedWorkload } from "../../../src/advise/indexes/observed.ts";
import { catalogOf } from "../../../src/advise/indexes/snapshot/catalog-of.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import type { SettingsInput } from "../../../src/advise/planner-settings/idea.ts";
import { asTheService } from "../../../src/advise/planner-settings/session.ts";
import { settingsAdvice } from "../../../src/advise/planner-settings/settings.ts";
import { plansChanged } from "../../../src/advise/planner-settings/what-if.ts";
import { misestimatesOf } from "../../../src/advise/statistics/misestimates.ts";
import {
  proposeStatistics,
  type StatisticsAdvice,
} from "../../../src/advise/statistics/propose.ts";
import type { IndexAdvice } from "../../../src/core/advice.ts";
import type { Knob, KnobRole, KnobValue } from "../../../src/core/knob.ts";
import type { DatabaseView, TargetView } from "../../../src/core/observation.ts";
import type { StatementStats } from "../../../src/core/sample.ts";
import { createStatisticsSql } from "../../../src/core/statistics-definition.ts";
import { startStores, type Stores } from "../../integration/stores.ts";
import { GB, MB, viewOf as viewByHand } from "../../tuners/views.ts";
import { viewOf } from "../database.ts";

/** A model is of one make. Events come in the order of their time, and their keys in none. */
const SCHEMA = `
  CREATE TABLE cars (id int PRIMARY KEY, make int NOT NULL, model int NOT NULL, name text NOT NULL) WITH (autovacuum_enabled = off);
  INSERT INTO cars SELECT n, n % 1000 / 10, n % 1000, 'Name ' || n % 2 FROM generate_series(1, 100000) n;
  CREATE TABLE events (id bigint, at timestamptz NOT NULL, spread int NOT NULL, amount int NOT NULL, body text NOT NULL)
    WITH (autovacuum_enabled = off);
  INSERT INTO events SELECT n, '2026-01-01'::timestamptz + n * interval '10 s', (n * 7919::bigint) % 300000, n % 1000, repeat('x', 80)
    FROM generate_series(1, 300000) n;
  CREATE INDEX events_spread ON events (spread);
  CREATE TABLE pairs WITH (autovacuum_enabled = off) AS SELECT n % 30 AS a, n % 30 AS b, n % 30 AS c FROM generate_series(1, 20000) n;
  CREATE SEQUENCE numbers;
  CREATE VIEW sleepy AS SELECT id, pg_sleep(0)::text AS slept FROM cars`;

let stores: Stores;
let client: Client;
let database: DatabaseView;
let snapshot: Snapshot;

beforeAll(async () => {
  stores = await startStores();
  client = new Client({ connectionString: stores.postgresUrl });
  await client.connect();
  await client.query(SCHEMA);
  // Rows that are counted after an ANALYZE would look as if they had come after it.
  await client.query("SELECT pg_stat_force_next_flush()");
  await client.query("VACUUM (ANALYZE)");
  database = viewOf(stores.postgresUrl, stores.home);
  snapshot = await observedSnapshot(database);
}, 120_000);

afterAll(async () => {
  await client?.end();
  await stores?.stop();
});

function statement(sql: string, more: Partial<StatementStats> = {}): StatementStats {
  return { queryId: sql, sql, calls: 10, totalMs: 1_000, rows: 10, buffers: 100, ...more };
}

async function executed(
  sql: string | readonly StatementStats[],
  on: DatabaseView = database,
  known: Snapshot = snapshot,
): Promise<ExecutedStatements> {
  return executeStatements(on, {
    workload: await observedWorkload(typeof sql === "string" ? [statement(sql)] : sql),
    catalog: catalogOf(known),
    views: known.views,
    limits: executeLimits,
    now: () => 0,
  });
}

describe("which statements are executed", () => {
  test.each([
    ["SELECT nextval('numbers') FROM cars", /nextval, which may do more/],
    ["SELECT id, pg_terminate_backend(id) FROM cars", /pg_terminate_backend/],
    ["SELECT * FROM sleepy", /the view sleepy: it calls pg_sleep/],
    ["SELECT * FROM cars WHERE id = 1 FOR UPDATE", /writes or locks/],
    ["WITH gone AS (DELETE FROM cars RETURNING id) SELECT * FROM gone", /writes/],
    ["SELECT count(*) FROM cars WHERE id % $1 = $2", /no representative value/],
  ])("not: %s", async (sql, because) => {
    const found = await executed(sql);
    expect(found.executed).toEqual([]);
    expect(found.skipped).toEqual([{ id: sql, sql, because: expect.stringMatching(because) }]);
  });

  test("queries with values that occur together, and constants that were replaced", async () => {
    const { executed: all } = await executed([
      statement("SELECT count(*) FROM cars WHERE make = $1 AND model = $2 AND id > $3"),
      statement(
        "SELECT date_trunc($1, at), percentile_cont($2) WITHIN GROUP (ORDER BY amount) FROM events GROUP BY 1",
      ),
    ]);
    const [joint, guessed] = all;
    const [, make, model] = /make = '(\d+)' AND model = '(\d+)'/.exec(joint?.planSql ?? "") ?? [];
    expect(Math.floor(Number(model) / 10)).toBe(Number(make));
    expect(joint).toMatchObject({ guessed: false, share: 0.5, meanMs: 100 });
    expect(guessed).toMatchObject({ guessed: true });
    expect(guessed?.planSql).toContain("date_trunc('day', at), percentile_cont(0.5)");
  });

  test("a dashboard's question as pg_stat_statements keeps it", async () => {
    const sql = `SELECT coalesce(c.name, $1) AS name,
        (extract(epoch FROM date_trunc($2, to_timestamp(e.id / $3), $4)) * $5)::bigint AS bucket,
        percentile_cont(ARRAY[$6, $7]) WITHIN GROUP (ORDER BY e.amount) AS percentiles
      FROM events e LEFT JOIN cars c ON c.id = e.amount WHERE e.spread < $8
      GROUP BY 1, 2 ORDER BY bucket DESC LIMIT $9`;
    const { executed: all, skipped } = await executed(sql);
    expect(skipped).toEqual([]);
    expect(all[0]).toMatchObject({ guessed: true });
  });

  test("the heaviest queries, whatever writes weigh; with drawn values that are said to be drawn", async () => {
    const found = await executeStatements(database, {
      workload: await observedWorkload([
        statement("INSERT INTO cars VALUES ($1, $2, $3, $4)", { totalMs: 9_000 }),
        statement("SELECT name FROM cars WHERE make = $1", { totalMs: 8_000 }),
        statement("SELECT count(*) FROM cars", { totalMs: 7_000 }),
        statement("SELECT count(*) FROM events", { totalMs: 1 }),
      ]),
      catalog: catalogOf(snapshot),
      views: [],
      limits: { ...executeLimits, statementsMax: 2 },
      now: () => 0,
    });
    expect(found.executed.map(({ sql, drawn }) => [sql, drawn])).toEqual([
      ["SELECT name FROM cars WHERE make = $1", true],
      ["SELECT count(*) FROM cars", false],
    ]);
    expect(found.skipped).toEqual([]);
  });

  test("a statement that takes too long is given up, and the others go on", async () => {
    const slow = "SELECT count(*) FROM events a JOIN events b ON a.amount <> b.amount";
    const found = await executeStatements(database, {
      workload: await observedWorkload([
        statement(slow, { totalMs: 9_000 }),
        statement("SELECT count(*) FROM cars"),
      ]),
      catalog: catalogOf(snapshot),
      views: [],
      limits: { ...executeLimits, timeoutMs: 500 },
      now: () => 0,
    });
    expect(found.executed.map(({ sql }) => sql)).toEqual(["SELECT count(*) FROM cars"]);
    expect(found.skipped[0]?.because).toMatch(/statement timeout/);
  });
});

async function statisticsFor(sql: string): Promise<StatisticsAdvice> {
  const fresh = await observedSnapshot(database);
  const { executed: all } = await executed(sql, database, fresh);
  const guessed = new Set(all.filter((each) => each.guessed).map(({ id }) => id));
  const found = (await Promise.all(all.map(misestimatesOf))).flat();
  return proposeStatistics(found, catalogOf(fresh), guessed);
}

describe("extended statistics", () => {
  test.each([
    [
      "conditions",
      "SELECT count(*) FROM cars WHERE make = $1 AND model = $2",
      ["dependencies"],
      ["make", "model"],
    ],
    [
      "groups",
      "SELECT make, model, avg(id) FROM cars GROUP BY make, model",
      ["ndistinct"],
      ["make", "model"],
    ],
    ["an expression", "SELECT count(*) FROM cars WHERE upper(name) = 'NAME 1'", [], []],
  ])("%s: proposed, and with them the estimate is right", async (_, sql, kinds, columns) => {
    const { proposed } = await statisticsFor(sql);
    expect(proposed).toHaveLength(1);
    const definition = proposed[0]!.statistics;
    expect(definition).toMatchObject({ schema: "public", table: "cars", kinds, columns });
    expect(proposed[0]!.misestimate.factor).toBeGreaterThanOrEqual(10);
    await client.query(`${createStatisticsSql(definition)}; ANALYZE cars`);
    try {
      expect(await statisticsFor(sql)).toEqual({ proposed: [], remarks: [] });
    } finally {
      await client.query(`DROP STATISTICS ${definition.name}; ANALYZE cars`);
    }
  });

  test("a range is for a list of common combinations: as it is where that holds them, otherwise a longer one", async () => {
    const few = "SELECT count(*) FROM pairs WHERE a = 3 AND b >= 3 AND c BETWEEN 3 AND 4";
    const { proposed } = await statisticsFor(few);
    const definition = proposed[0]!.statistics;
    expect(definition).toMatchObject({ kinds: ["mcv"], columns: ["a", "b", "c"] });
    const many = "SELECT count(*) FROM cars WHERE make = 30 AND model BETWEEN 300 AND 309";
    const longer = await statisticsFor(many);
    expect(longer.proposed).toEqual([]);
    await client.query(`${createStatisticsSql(definition)}; ANALYZE pairs`);
    await client.query(longer.remarks[0]?.sql ?? "");
    try {
      expect(await statisticsFor(few)).toEqual({ proposed: [], remarks: [] });
      expect(await statisticsFor(many)).toEqual({ proposed: [], remarks: [] });
    } finally {
      const [, name] = /STATISTICS (\S+)/.exec(longer.remarks[0]?.sql ?? "") ?? [];
      await client.query(`DROP STATISTICS ${name}, ${definition.name}; ANALYZE cars, pairs`);
    }
  });

  test("few combinations are kept as such, beside dependencies", async () => {
    const sql = "SELECT count(*) FROM pairs WHERE a = $1 AND b = $2 AND c = $3";
    const { proposed } = await statisticsFor(sql);
    const definition = proposed[0]!.statistics;
    expect(definition.kinds).toEqual(["dependencies", "mcv"]);
    await client.query(`${createStatisticsSql(definition)}; ANALYZE pairs`);
    expect(await statisticsFor(sql)).toEqual({ proposed: [], remarks: [] });
  });

  test("right estimates ask for nothing, and a page does not make wrong ones", async () => {
    const none = { proposed: [], remarks: [] };
    expect(await statisticsFor("SELECT count(*) FROM cars WHERE make = $1")).toEqual(none);
    expect(await statisticsFor("SELECT * FROM cars WHERE id > 10 LIMIT 5")).toEqual(none);
  });

  test("a guess at the constants of an expression is no reason", async () => {
    const sql = "SELECT date_trunc($1, at), count(*) FROM events GROUP BY 1";
    const { proposed, remarks } = await statisticsFor(sql);
    expect(proposed).toEqual([]);
    expect(remarks[0]?.detail).toMatch(/constants pg_stat_statements does not keep/);
  });

  test("what was changed much since it was analysed is analysed first", async () => {
    await client.query(
      "CREATE TABLE fresh WITH (autovacuum_enabled = off) AS SELECT n % 10 AS a, n % 10 AS b FROM generate_series(1, 5000) n; ANALYZE fresh",
    );
    await client.query("INSERT INTO fresh SELECT 77, 77 FROM generate_series(1, 20000)");
    await client.query("SELECT pg_stat_force_next_flush()");
    const { proposed, remarks } = await statisticsFor(
      "SELECT count(*) FROM fresh WHERE a = 77 AND b = 77",
    );
    expect(proposed).toEqual([]);
    expect(remarks).toEqual([expect.objectContaining({ sql: 'ANALYZE "public"."fresh";' })]);
  });
});

const settings = (
  [
    ["work_mem", "pg-work-mem", { kind: "bytes", min: 64 * 1024, max: GB }, MB],
    ["random_page_cost", "pg-random-page-cost", { kind: "number", min: 1, max: 10 }, 1.1],
  ] as const
).map(([parameter, role, domain, initial]): Knob => ({
  id: parameter,
  title: parameter,
  role,
  domain,
  default: initial,
  scope: "restart",
  set: { kind: "postgres", parameter },
}));

function serviceView(values: Readonly<Record<string, KnobValue>>): TargetView {
  return { ...viewByHand({ knobs: settings, values }), database };
}

function settingsInput(all: ExecutedStatements, more: Partial<SettingsInput>): SettingsInput {
  return {
    executed: all.executed,
    values: {},
    hashMultiplier: 2,
    machineBytes: 8 * GB,
    sessions: { count: 10, of: "connections of the service's pool" },
    bufferHitRate: 0.999,
    canCompile: false,
    whatIf: [],
    ...more,
  };
}

describe("memory", () => {
  test.each([
    ["a sort", "SELECT id, amount FROM events ORDER BY amount, spread"],
    ["a wide sort", "SELECT body, id FROM events ORDER BY amount, id"],
    ["a hash join", "SELECT count(*) FROM events a JOIN events b ON a.id = b.id"],
    ["groups", "SELECT id, count(*), max(amount) FROM events GROUP BY id"],
  ])("%s on disk is found, and stays in memory with what is proposed", async (_, sql) => {
    const ideaWith = async (workMem: number) => {
      const all = await executed(sql, asTheService(serviceView({ work_mem: workMem })));
      expect(all.skipped).toEqual([]);
      return settingsAdvice(settingsInput(all, { values: { "pg-work-mem": workMem } }));
    };
    const { ideas } = await ideaWith(MB);
    expect(ideas.map(({ role }) => role)).toEqual(["pg-work-mem"]);
    const to = Number(ideas[0]!.to);
    expect(Math.log2(to) % 1).toBe(0);
    expect(ideas[0]!.evidence.join("\n")).toMatch(/8\.00 GB of memory \/ \(10 connections/);
    const then = await ideaWith(to);
    expect(then.ideas).toEqual([]);
    expect(then.notWorth[0]).toMatch(/nothing that was executed went to disk/);
  });
});

test("a page cost that changes plans is one, and one that changes none is not", async () => {
  const on = asTheService(serviceView({ random_page_cost: 10 }));
  const all = await executed(
    [
      statement(
        "SELECT sum(e.amount) FROM cars c JOIN events e ON e.spread = c.id WHERE c.make = 3",
      ),
      statement("SELECT count(*) FROM cars"),
    ],
    on,
  );
  const tried = {
    role: "pg-random-page-cost",
    name: "random_page_cost",
    value: "1.1",
    to: 1.1,
  } as const;
  const whatIf = await plansChanged(on, all.executed, [tried]);
  expect(whatIf).toEqual([
    {
      role: tried.role,
      to: 1.1,
      changed: [
        "SELECT sum(e.amount) FROM cars c JOIN events e ON e.spread = c.id WHERE c.make = 3",
      ],
    },
  ]);
  const values: Partial<Record<KnobRole, KnobValue>> = { "pg-random-page-cost": 10 };
  const { ideas } = settingsAdvice(settingsInput(all, { values, whatIf }));
  expect(ideas).toMatchObject([{ role: "pg-random-page-cost", to: 1.1 }]);
  const none = settingsAdvice(settingsInput(all, { values, whatIf: [{ ...tried, changed: [] }] }));
  expect(none.notWorth[0]).toMatch(/the same plans/);
});

async function indexesFor(sql: readonly string[], bytesMax: number): Promise<IndexAdvice> {
  const workload = await observedWorkload(sql.map((each) => statement(each)));
  return database.withPlanner((server) =>
    withCloneEngine(server, snapshot, undefined, (engine) =>
      adviseIndexes({
        snapshot,
        workload,
        engine,
        limits: {
          widthMax: 2,
          explainsMax: 300,
          timeMsMax: 10_000,
          gainLeast: 0.01,
          regressionMax: 1.05,
          statementsMax: 10,
          bytesMax,
        },
        values: "statistics",
        seed: 1,
        now: () => performance.now(),
      }),
    ),
  );
}

describe("BRIN", () => {
  test("takes the place of a B-tree that is too large, where the table lies in order, and nowhere else", async () => {
    const range =
      "SELECT sum(amount), count(body) FROM events WHERE at BETWEEN '2026-01-10' AND '2026-01-12'";
    const scattered =
      "SELECT sum(amount), count(body) FROM events WHERE spread BETWEEN 5 AND 90000 AND amount = 7";
    const lookup = "SELECT body FROM events WHERE id = 4711";
    const advice = await indexesFor([range, scattered, lookup], MB);
    expect(advice.selected.map(({ index }) => index)).toMatchObject([
      { method: "brin", columns: [{ name: "at" }] },
    ]);
    // By the planner of the clone: it reads the index.
    const uses = new Map(advice.statements.map((each) => [each.sql, each.uses]));
    expect(uses.get(range)).toEqual([advice.selected[0]!.index.name]);
    expect(uses.get(lookup)).toEqual([]);
    const others = advice.rejected.filter(({ index }) => index.method === "brin");
    expect(others).toEqual([]);
    // Where there is room the B-tree is chosen, and the other one's size is said.
    const roomy = await indexesFor([range], GB);
    expect(roomy.selected[0]?.index.method).toBeUndefined();
    const brin = roomy.rejected.find(({ index }) => index.method === "brin");
    expect(brin?.reason).toMatch(
      /^events \(at\S*.* serves the same statements better, in .* MB: this one takes .* kB/,
    );
  }, 60_000);
});

test("a phase that looks again proves no plans a second time, and tells what it cannot read", async () => {
  const asked: number[] = [];
  const prove: DatabaseView["prove"] = (plans) => {
    asked.push(plans.length);
    return Promise.resolve([]);
  };
  const view = {
    ...serviceView({}),
    database: { ...database, prove },
    statements: [
      statement("SELECT date_trunc('day', at), max(spread), count(*) FROM events GROUP BY 1"),
      statement("SELECT count(*) FROM cars WHERE name = $1 AND id IN (SELECT"),
    ],
  };
  const first = await observeAggregates(view);
  expect(first.structures?.plans.length).toBeGreaterThan(0);
  expect(asked).toEqual([first.structures?.plans.length]);
  expect(first.executed.skipped.join()).toMatch(/name = \$1 AND id IN.*cut off/);
  const second = await observeAggregates(view, true);
  expect(second.structures).toBeUndefined();
  expect(asked).toHaveLength(1);
}, 60_000);

test("the whole observation is plain JSON that the tuner can read", async () => {
  const observation = await observeAggregates({
    ...serviceView({}),
    statements: [
      statement("SELECT count(*) FROM cars WHERE make = $1 AND model = $2"),
      statement("SELECT sum(amount) FROM events WHERE at > $1"),
    ],
  });
  expect(JSON.parse(JSON.stringify(observation))).toEqual(observation);
  expect(observation.indexes.skipped).toBeUndefined();
  expect(observation.executed).toEqual({ count: 2, skipped: [] });
  expect(observation.statistics.proposed).toHaveLength(1);
  expect(observation.knobs.map(({ knob }) => knob.id)).toEqual(["work_mem", "random_page_cost"]);
}, 60_000);
