/** An advice as the advisor gives one, of a shop: two indexes, one of them on a partitioned table, and something of everything else. */
import type {
  IndexAdvice,
  SelectedIndex,
  StatementAdvice,
  Verification,
} from "../../../src/core/advice.ts";

export const orders: SelectedIndex = {
  index: {
    schema: "public",
    table: "orders",
    name: "perfopt_orders_customer_id_placed_at_desc",
    columns: [{ name: "customer_id" }, { name: "placed_at", descending: true }],
  },
  bytes: 1_310_720,
  gain: 0.312,
  gaining: [
    { id: "Q1", costBefore: 4_213.5, costAfter: 12.1 },
    { id: "Q3", costBefore: 1_500_000, costAfter: 900_000 },
  ],
  losing: [],
  build: { tableBytes: 8_388_608, rows: 60_000, ms: 840 },
  writes: { inserts: 40, updates: 50, deletes: 10, hotLost: 20, cost: 12, percent: 0.3 },
  because: "Q1 looks up customer_id and reads placed_at backwards",
};

export const events: SelectedIndex = {
  index: {
    schema: "public",
    table: "events",
    name: "perfopt_events_kind_1f2e3d4c",
    columns: [{ name: "kind" }],
    where: "done_at IS NULL",
  },
  bytes: 409_600,
  gain: 0.082,
  gaining: [{ id: "Q2", costBefore: 880, costAfter: 44 }],
  losing: [{ id: "Q4", costBefore: 100, costAfter: 103 }],
  build: { tableBytes: 16_777_216, rows: 200_000, ms: undefined },
  writes: { inserts: 0, updates: 0, deletes: 0, hotLost: 0, cost: 0, percent: 0 },
  because: "Q2 asks for open events of a kind",
  partitions: {
    schema: "public",
    table: "events",
    partitioned: true,
    partitions: [
      { schema: "public", table: "events_2025", partitioned: false, partitions: [] },
      { schema: "public", table: "events_2026", partitioned: false, partitions: [] },
    ],
  },
};

export const verification: Verification = {
  design:
    "the set was built in a copy of the database, and each statement ran with it and without in turns",
  covered: 1,
  repetitions: 7,
  statements: [
    {
      id: "Q1",
      estimated: 0.0029,
      measured: { factor: 0.08, low: 0.06, high: 0.11, withoutMs: 12.5, withMs: 1 },
      verdict: "faster",
    },
    {
      id: "Q2",
      estimated: 0.05,
      measured: { factor: 0.98, low: 0.91, high: 1.06, withoutMs: 3.1, withMs: 3.04 },
      verdict: "no difference shown",
    },
    {
      id: "Q3",
      estimated: 0.6,
      measured: { factor: 4.7, low: 4.3, high: 5.2, withoutMs: 500, withMs: 2350 },
      verdict: "slower",
      note: "the plan reads 146,000 rows by the index",
    },
    { id: "Q4", estimated: undefined, measured: undefined, verdict: "not run" },
  ],
  removed: [
    {
      index: {
        schema: "public",
        table: "items",
        name: "perfopt_items_product_id",
        columns: [{ name: "product_id" }],
      },
      because: "with it Q3 took 4.7 times as long",
    },
  ],
  total: { factor: 0.71, low: 0.66, high: 0.77, withoutMs: 520, withMs: 369 },
  sizes: [
    {
      name: "perfopt_orders_customer_id_placed_at_desc",
      estimatedBytes: 1_310_720,
      bytes: 1_335_296,
      buildMs: 91,
    },
  ],
};

export function statement(over: Partial<StatementAdvice> = {}): StatementAdvice {
  return {
    id: "Q1",
    sql: "SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT $2",
    calls: 12_000,
    totalMs: 54_000,
    weight: 0.4,
    valuesFrom: "generic",
    costBefore: 4_213.5,
    costAfter: 12.1,
    uses: [orders.index.name],
    notes: [],
    ...over,
  };
}

export function adviceOf(over: Partial<IndexAdvice> = {}): IndexAdvice {
  return {
    format: "perfopt-index-advice/1",
    engine: {
      kind: "planner-clone",
      sourceVersion: "18.4",
      engineVersion: "18.4",
      explains: 812,
      hypotheticals: 131,
      elapsedMs: 12_300,
    },
    limits: {
      bytesMax: 512 * 1024 ** 2,
      widthMax: 4,
      explainsMax: 2_500,
      timeMsMax: 60_000,
      gainLeast: 0.01,
      regressionMax: 1.05,
      statementsMax: 200,
    },
    workload: {
      source: "pg_stat_statements of shop",
      weights: "time",
      statements: 4,
      calls: 40_000,
      totalMs: 91_000,
    },
    totals: {
      relativeCost: 0.606,
      costBefore: 1_505_193,
      costAfter: 900_159,
      geometricMean: 0.41,
      better: 3,
      worse: 1,
      bytes: orders.bytes + events.bytes,
    },
    statements: [
      statement(),
      statement({
        id: "Q3",
        sql: "SELECT p.name, sum(i.quantity) FROM items i JOIN products p ON p.id = i.product_id GROUP BY p.name",
        weight: 0.3,
        valuesFrom: "statement",
        costBefore: 1_500_000,
        costAfter: 900_000,
      }),
      statement({
        id: "Q2",
        sql: "SELECT * FROM events WHERE kind = $1 AND done_at IS NULL",
        weight: 0.2,
        costBefore: 880,
        costAfter: 44,
        uses: [events.index.name],
      }),
      statement({
        id: "-7213450981234567890",
        sql: "SELECT * FROM customers WHERE id = $1",
        weight: 0.06,
        costBefore: 8.3,
        costAfter: 8.3,
        uses: [],
        remedy: "24,600 calls, 61 % of the workload's, fetch one row of customers by its key.",
      }),
      statement({
        id: "Q4",
        sql: "SELECT broken(",
        weight: 0.04,
        costBefore: undefined,
        costAfter: undefined,
        uses: [],
        notes: ["EXPLAIN: syntax error at end of input"],
      }),
    ],
    selected: [orders, events],
    rejected: [
      rejectedFor("a", "saves 0.4 % of the workload, less than 1.0 %"),
      rejectedFor("b", "saves 0.1 % of the workload, less than 1.0 %"),
      rejectedFor("c", "the existing index orders_c_idx begins with these columns"),
    ],
    findings: [
      {
        kind: "unused",
        table: "public.orders",
        index: "orders_total_idx",
        bytes: 2_097_152,
        detail: "no scan in the 43 days that the counters run",
        sql: 'DROP INDEX CONCURRENTLY "public"."orders_total_idx";',
      },
      {
        kind: "stale-statistics",
        table: "public.items",
        detail: "40,000 rows changed since the last ANALYZE, and it has 90,000 rows",
        sql: 'ANALYZE "public"."items";',
      },
      {
        kind: "n-plus-one",
        statement: "-7213450981234567890",
        detail: "24,600 calls fetch one row by its key",
      },
    ],
    caveats: ["the view shop.report uses an operator of an extension that is not here"],
    ...over,
  };
}

function rejectedFor(column: string, reason: string): IndexAdvice["rejected"][number] {
  return { index: { schema: "public", table: "orders", columns: [{ name: column }] }, reason };
}
