/** Index advice made by hand, for tests of what reads it. */
import type { IndexAdvice, SelectedIndex } from "../src/core/advice.ts";

const MB = 1024 ** 2;

export const advice: IndexAdvice = {
  format: "perfopt-index-advice/1",
  engine: {
    kind: "planner-clone",
    sourceVersion: "18.4",
    engineVersion: "18.4",
    explains: 40,
    hypotheticals: 9,
    elapsedMs: 300,
  },
  limits: {
    widthMax: 4,
    explainsMax: 1_500,
    timeMsMax: 20_000,
    gainLeast: 0.01,
    regressionMax: 1.05,
    statementsMax: 50,
  },
  workload: { source: "the window", weights: "time", statements: 3, calls: 90, totalMs: 1_000 },
  totals: {
    relativeCost: 0.4,
    costBefore: 1_000,
    costAfter: 300,
    geometricMean: 0.5,
    better: 2,
    worse: 0,
    bytes: 4 * MB,
  },
  statements: ["customer_id", "status"].map((column) => ({
    id: column,
    sql: `SELECT ... ${column}`,
    calls: 70,
    totalMs: 400,
    weight: 0.4,
    valuesFrom: "generic",
    costBefore: 900,
    costAfter: 9,
    uses: [`perfopt_orders_${column}`],
    notes: [],
  })),
  selected: [selectedIndex(["customer_id"], 0.4), selectedIndex(["status"], 0.2)],
  rejected: [
    {
      index: { schema: "public", table: "orders", columns: [{ name: "note" }] },
      reason: "no plan uses it",
    },
  ],
  findings: [
    {
      kind: "invalid",
      table: "public.orders",
      index: "wreck",
      bytes: MB,
      detail: "an interrupted build left it",
    },
  ],
  caveats: [],
};

export function selectedIndex(columns: readonly string[], gain: number): SelectedIndex {
  return {
    index: {
      schema: "public",
      table: "orders",
      name: `perfopt_orders_${columns.join("_")}`,
      columns: columns.map((name) => ({ name })),
    },
    bytes: 2 * MB,
    gain,
    gaining: [{ id: columns.join("_"), costBefore: 900, costAfter: 9 }],
    losing: [],
    build: { tableBytes: 9 * MB, rows: 1_000, ms: undefined },
    writes: { inserts: 5, updates: 7, deletes: 0, hotLost: 3, cost: 2, percent: 0.1 },
    because: `${columns.join(", ")} is looked up`,
  };
}
