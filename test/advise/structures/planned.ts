/** Structure plans for single statements over a small catalog, with a planner that says what the test says. */
import type { StructureAdvice } from "../../../src/core/structure.ts";
import type { WorkloadStatement } from "../../../src/advise/indexes/statement.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import { structuresOf } from "../../../src/advise/structures/plans.ts";
import type { StructureLimits } from "../../../src/advise/structures/input.ts";

const MILLION = 1_000_000;

type Column = Snapshot["tables"][number]["columns"][number];

function column(number: number, name: string, type: string, notNull = true): Column {
  return {
    number,
    name,
    dropped: false,
    type,
    notNull,
    generated: "no",
    expression: null,
    collation: null,
    ordered: true,
  };
}

function statistics(name: string, changes: Partial<Snapshot["columns"][number]>) {
  return {
    schema: "public",
    table: "metrics",
    column: name,
    inherited: false,
    nullFraction: 0,
    averageWidth: 8,
    distinct: 10,
    mostCommonValues: null,
    mostCommonShares: null,
    histogram: null,
    correlation: 0,
    mostCommonElements: null,
    mostCommonElementShares: null,
    elementCountHistogram: null,
    rangeLengthHistogram: null,
    rangeEmptyShare: null,
    rangeBoundsHistogram: null,
    ...changes,
  };
}

/** One year of milliseconds, from 2025. */
const YEAR = Array.from({ length: 25 }, (_, part) =>
  Math.round(Date.UTC(2025, 0, 2) + (part * 363 * 86_400_000) / 24),
);

/** Metrics of runs: a million rows, ten keys, a year; every row is its own key, as in the bundled service. */
export const metrics: Snapshot = {
  format: "perfopt-snapshot/1",
  takenAt: "2026-01-01T00:00:00Z",
  serverVersion: 160_000,
  database: "shop",
  locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "libc" },
  searchPath: ["public"],
  redacted: "nothing",
  settings: [],
  extensions: [],
  schemas: ["public"],
  types: [],
  functions: [],
  tables: [
    {
      schema: "public",
      name: "metrics",
      kind: "table",
      options: [],
      partitionKey: null,
      partitionBound: null,
      parents: [],
      rowSecurity: false,
      columns: [
        column(1, "run_id", "integer"),
        column(2, "key", "text"),
        column(3, "at_ms", "bigint"),
        column(4, "value", "double precision"),
        column(5, "steps", "integer"),
        column(6, "at", "timestamp without time zone"),
        column(7, "odd", "boolean"),
      ],
    },
    {
      schema: "public",
      name: "runs",
      kind: "table",
      options: [],
      partitionKey: null,
      partitionBound: null,
      parents: [],
      rowSecurity: false,
      columns: [column(1, "run_id", "integer"), column(2, "status", "text")],
    },
  ],
  views: [],
  constraints: [],
  indexes: [],
  extendedStatistics: [],
  relations: ["metrics", "runs"].map((name) => ({
    schema: "public",
    name,
    kind: "table",
    method: null,
    pages: 10_000,
    rows: name === "metrics" ? MILLION : 10_000,
    allVisible: 0,
    blocks: 10_000,
  })),
  columns: [
    statistics("key", { mostCommonValues: "{loss,accuracy}", mostCommonShares: "{0.5,0.3}" }),
    statistics("at_ms", { distinct: -1, histogram: `{${YEAR.join(",")}}` }),
    statistics("at", {
      distinct: -1,
      histogram: `{${YEAR.map((ms) => `"${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}"`).join(",")}}`,
    }),
    statistics("run_id", { distinct: 10_000, histogram: "{1,5000,10000}" }),
    {
      ...statistics("status", { mostCommonValues: "{done,failed}", mostCommonShares: "{0.9,0.1}" }),
      table: "runs",
    },
  ],
  activity: undefined,
  caveats: [],
};

export interface Told {
  /** Rows that the planner expects of a view; fewer than a fifth of the source's is worth one. */
  readonly viewRows?: number;
  readonly limits?: Partial<StructureLimits>;
  readonly snapshot?: Snapshot;
}

export async function adviceFor(
  sql: string | readonly string[],
  told: Told = {},
): Promise<StructureAdvice> {
  const texts = typeof sql === "string" ? [sql] : sql;
  return structuresOf({
    snapshot: told.snapshot ?? metrics,
    workload: {
      source: "test",
      weights: "equal",
      statements: texts.map((text, index): WorkloadStatement => ({
        id: `q${index + 1}`,
        sql: text,
        planSql: text,
        valuesFrom: /\$\d/.test(text) ? "generic" : "statement",
        calls: 1,
        totalMs: 100,
        rows: 10,
        joined: [],
      })),
      leftOut: [],
      caveats: [],
    },
    plan: () =>
      Promise.resolve({
        kind: "plan",
        plan: {
          cost: 100_000,
          indexes: [],
          root: {
            "Node Type": "Aggregate",
            "Total Cost": 100_000,
            "Plan Rows": told.viewRows ?? 500,
            Plans: [
              {
                "Node Type": "Seq Scan",
                "Relation Name": "metrics",
                "Total Cost": 90_000,
                "Plan Rows": MILLION,
              },
            ],
          },
        },
      }),
    limits: { partitionedRowsLeast: Number.POSITIVE_INFINITY, ...told.limits },
  });
}
