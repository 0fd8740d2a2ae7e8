import { describe, expect, test } from "vitest";
import type { IndexInfo, TableInfo } from "../../../src/advise/indexes/catalog.ts";
import { workloadOfStatements } from "../../../src/advise/indexes/workload/stat-statements.ts";
import {
  entryCost,
  heightOf,
  writeCostSettings,
} from "../../../src/advise/indexes/writes/maintenance.ts";
import type { KeptIndex } from "../../../src/advise/indexes/writes/maintenance.ts";
import { writeCosts } from "../../../src/advise/indexes/writes/write-cost.ts";
import type { IndexDefinition } from "../../../src/core/index-definition.ts";
import { catalogOf, tableOf } from "../workload/small-catalog.ts";

const settings = writeCostSettings([], 0);
const activity = {
  inserts: 100,
  updates: 1_000,
  hotUpdates: 800,
  deletes: 10,
  scans: 500,
  liveRows: 100_000,
  deadRows: 0,
  changedSinceAnalyze: 0,
  analyzedAt: undefined,
};

function existing(columns: readonly string[], more: Partial<IndexInfo> = {}): IndexInfo {
  return {
    name: `by_${columns.join("_")}`,
    keys: columns.map((name) => ({
      name,
      expression: undefined,
      descending: false,
      nullsFirst: false,
      defaultOperators: true,
      operators: undefined,
    })),
    included: [],
    method: "btree",
    unique: false,
    constraint: false,
    valid: true,
    where: undefined,
    inherited: false,
    scans: 1,
    bytes: 2_000_000,
    rows: 100_000,
    definition: "",
    ...more,
  };
}

const shop = (more: Partial<TableInfo> = {}, version = 180_000) =>
  catalogOf(
    [
      tableOf(
        "orders",
        100_000,
        { id: { correlation: 1 }, status: {}, total: {}, tags: { type: "text[]", widthBytes: 64 } },
        { indexes: [existing(["id"])], activity, ...more },
      ),
    ],
    version,
  );

const on = (name: string, more: Partial<IndexDefinition> = {}): IndexDefinition => ({
  schema: "public",
  table: "orders",
  name: `i_${name}`,
  columns: [{ name }],
  ...more,
});

const added = { bytes: 2_000_000, rows: 100_000, height: 1 };

async function costs(
  statements: readonly (readonly [sql: string, rows: number])[],
  catalog = shop(),
  used = settings,
) {
  const stats = statements.map(([sql, rows], n) => ({
    queryId: String(n),
    sql,
    calls: rows,
    totalMs: 1,
    rows,
    buffers: 0,
  }));
  // As a file has them: a selection, of which nobody knows what else was run.
  const { complete: _, ...selection } = await workloadOfStatements(stats, "x");
  return writeCosts(selection, catalog, used);
}

const READ = ["SELECT * FROM orders WHERE total = $1", 1_000] as const;
const UPDATE = ["UPDATE orders SET total = $1 WHERE id = $2", 1_000] as const;

describe("what an index costs the writers", () => {
  test("reads cost nothing", async () => {
    const { of, from } = await costs([READ], shop({ activity: undefined }));
    expect([from, of(on("total"), added, 1_000).cost]).toEqual(["nothing", 0]);
  });

  test("rows inserted and deleted, however they are written", async () => {
    const { of } = await costs([
      ["INSERT INTO orders (id) VALUES ($1), ($2)", 300],
      ["WITH gone AS (DELETE FROM orders WHERE id = $1 RETURNING id) SELECT * FROM gone", 20],
      [
        "MERGE INTO orders o USING n ON n.id = o.id WHEN NOT MATCHED THEN INSERT (id) VALUES (n.id)",
        5,
      ],
      ["COPY orders (id) FROM STDIN", 1_000],
    ]);
    expect(of(on("total"), added, 1_000)).toMatchObject({
      inserts: 1_305,
      deletes: 20,
      updates: 0,
    });
  });

  test("an upsert is an update as often as the table's counters say", async () => {
    const sql = "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET total = 1";
    const cost = (await costs([[sql, 1_100]])).of(on("total"), added, 1_000);
    expect(cost.inserts).toBeCloseTo(100);
    expect(cost.hotLost).toBeGreaterThan(0);
  });

  test("updates of its columns cannot be in place any more, and move every other index too", async () => {
    const { of } = await costs([UPDATE]);
    const hit = of(on("total"), added, 1_000);
    const missed = of(on("status"), added, 1_000);
    expect(hit).toMatchObject({ updates: 1_000, hotLost: 800 });
    expect(missed).toMatchObject({ hotLost: 0 });
    expect(missed.updates).toBeCloseTo(200);
    // 1,000 entries of its own and 800 of the existing index, against 200.
    expect(hit.cost / missed.cost).toBeGreaterThan(8);
  });

  test.each<[name: string, index: IndexDefinition]>([
    ["an expression", on("", { columns: [{ expression: "lower((total)::text)" }] })],
    ["a predicate", on("status", { where: "(total > 5)" })],
    ["a column carried along", on("status", { include: ["total"] })],
  ])("a column in %s counts as its own", async (_, index) => {
    expect((await costs([UPDATE])).of(index, added, 1_000).hotLost).toBe(800);
  });

  test("updates that an existing index keeps from being in place lose nothing", async () => {
    const catalog = shop({
      indexes: [existing(["id"]), existing(["total"])],
      activity: { ...activity, hotUpdates: 0 },
    });
    const cost = (await costs([UPDATE], catalog)).of(
      on("total", { columns: [{ name: "total" }, { name: "id" }] }),
      added,
      1_000,
    );
    expect(cost).toMatchObject({ updates: 1_000, hotLost: 0 });
  });

  test("BRIN keeps updates in place since PostgreSQL 16", async () => {
    const brin = on("total", { method: "brin" });
    expect((await costs([UPDATE], shop({}, 160_000))).of(brin, added, 1).hotLost).toBe(0);
    expect((await costs([UPDATE], shop({}, 150_000))).of(brin, added, 1).hotLost).toBe(800);
  });

  test("a partial index has the entries of its rows only", async () => {
    const { of } = await costs([["INSERT INTO orders (id) VALUES ($1)", 1_000]]);
    const part = of(
      on("total", { where: "(status = 'new')" }),
      { ...added, bytes: 20_000, rows: 1_000 },
      1,
    );
    expect(part.inserts).toBe(10);
  });

  test("percent is of the workload's cost", async () => {
    const { of } = await costs([["INSERT INTO orders (id) VALUES ($1)", 1_000]]);
    const cost = of(on("total"), added, 5_000);
    expect(cost.percent).toBeCloseTo(cost.cost / 50);
    expect(of(on("total"), added, 0).percent).toBe(0);
  });

  /** Its rows came with one load, and 100 after it. */
  const loaded = { ...activity, inserts: 100_100 };

  test("a workload that only reads takes the writes a scan from the counters", async () => {
    const { of, from } = await costs([READ], shop({ activity: loaded }));
    expect(from).toBe("counters");
    // 1,000 reads where 500 scans came with 100 inserts.
    expect(of(on("total"), added, 1)).toMatchObject({ inserts: 200, deletes: 20, hotLost: 0 });
  });

  test("rows that are there may have come with one load, and are no writes", async () => {
    const { of } = await costs([READ]);
    expect(of(on("total"), added, 1)).toMatchObject({ inserts: 0, deletes: 20 });
  });

  test("a complete workload that only reads writes nothing, whatever the counters say", async () => {
    const [sql, calls] = READ;
    const stats = { queryId: "1", sql, calls, totalMs: 1, rows: calls, buffers: 0 };
    const workload = await workloadOfStatements([stats], "pg_stat_statements of shop");
    const { of, from } = await writeCosts(workload, shop({ activity: loaded }), settings);
    expect(from).toBe("nothing");
    expect(of(on("total"), added, 1).cost).toBe(0);
  });

  test("counters of partitions are those of the whole", async () => {
    const whole = tableOf("orders", 100_000, { id: {} }, { kind: "partitioned" });
    const part = tableOf(
      "orders_1",
      100_000,
      { id: {} },
      { partOf: "public.orders", activity: loaded },
    );
    const { of } = await costs([READ], catalogOf([whole, part]));
    expect(of(on("total"), added, 1).inserts).toBe(200);
  });
});

describe("an entry in the planner's units", () => {
  const btree: KeptIndex = { method: "btree", rows: 1e6, bytes: 22e6, height: 2, keysPerRow: 1 };

  test("what is appended is much cheaper than what is scattered", () => {
    expect(entryCost(btree, settings, false) / entryCost(btree, settings, true)).toBeGreaterThan(
      10,
    );
  });

  test("beyond the cache an entry is a page read and written", () => {
    const cold = writeCostSettings(
      [{ name: "effective_cache_size", value: "131072" }],
      4 * 1024 ** 3,
    );
    expect(cold.missShare).toBeCloseTo(0.75);
    expect(entryCost(btree, cold, false) - entryCost(btree, settings, false)).toBeCloseTo(6);
  });

  // Time that an index added to each inserted row, over the time of a unit in a cached sequential scan: PostgreSQL 18, 100,000 rows.
  test.each<[name: string, kept: Partial<KeptIndex>, measured: number]>([
    ["random numbers", { bytes: 4.5e6, height: 1 }, 0.75],
    ["random texts", { bytes: 11.8e6, height: 2 }, 1.01],
    ["two columns", { bytes: 4.5e6, height: 1 }, 1.02],
    ["columns carried along", { bytes: 13.5e6, height: 2 }, 1.27],
    ["hash", { method: "hash", bytes: 5.3e6 }, 0.42],
    [
      "GIN of three numbers, pending list flushed",
      { method: "gin", bytes: 2.5e6, keysPerRow: 3 },
      0.54,
    ],
    ["GIN of jsonb, pending list flushed", { method: "gin", bytes: 15e6, keysPerRow: 4 }, 1.76],
    [
      "GIN of 33 trigrams, pending list flushed",
      { method: "gin", bytes: 21e6, keysPerRow: 33 },
      6.37,
    ],
  ])("%s: within a factor of three of what was measured", (_, kept, measured) => {
    const units = entryCost({ ...btree, rows: 100_000, height: 1, ...kept }, settings, false);
    expect(Math.abs(Math.log(units / measured))).toBeLessThan(Math.log(3));
  });

  test.each([
    ["brin", "btree"],
    ["btree", "gist"],
    ["btree", "gin"],
  ] as const)("%s is cheaper than %s", (cheap, dear) => {
    const [low, high] = [cheap, dear].map((method) =>
      entryCost({ ...btree, method, keysPerRow: method === "gin" ? 10 : 1 }, settings, false),
    );
    expect(low).toBeLessThan(high ?? 0);
  });

  // Rows, bytes and what pageinspect's bt_metap said of indexes on random numbers and MD5 texts on PostgreSQL 18.
  test.each([
    ["int", 100, 16_384, 0],
    ["text", 100, 16_384, 0],
    ["int", 5_000, 131_072, 1],
    ["text", 5_000, 311_296, 1],
    ["int", 100_000, 2_260_992, 1],
    ["text", 100_000, 5_931_008, 2],
    ["int", 300_000, 6_758_400, 2],
    ["text", 1_000_000, 59_064_320, 2],
    ["int", 2_000_000, 44_949_504, 2],
    ["text", 2_000_000, 118_128_640, 3],
  ])("an index on %s with %d rows in %d bytes has height %d", (_, rows, bytes, height) => {
    expect(heightOf(bytes, rows)).toBe(height);
  });
});
