import { describe, expect, test } from "vitest";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import { rangesOf } from "../../../src/advise/structures/time-ranges.ts";
import { adviceFor, metrics } from "./planned.ts";

const PARTITIONED = { limits: { partitionedRowsLeast: 100_000 } };
const MARCH =
  "SELECT run_id, value FROM metrics WHERE at_ms >= 1740787200000 AND at_ms < 1743465600000";

function withKey(...columns: readonly string[]): Snapshot {
  return {
    ...metrics,
    indexes: [
      {
        schema: "public",
        name: "metrics_pkey",
        table: "metrics",
        definition: `CREATE UNIQUE INDEX metrics_pkey ON metrics (${columns.join(", ")})`,
        valid: true,
        constraint: true,
        inherited: false,
        parent: null,
        method: "btree",
        unique: true,
        keys: columns.map((column) => ({
          column,
          expression: null,
          attribute: column,
          type: null,
          descending: false,
          nullsFirst: false,
          operators: null,
        })),
        included: [],
        where: null,
      },
    ],
  };
}

describe("partitioning", () => {
  test("splits a year by months, with the statement that asks for a range and those that do not", async () => {
    const { plans } = await adviceFor(
      [MARCH, "SELECT run_id FROM metrics WHERE value > 3"],
      PARTITIONED,
    );
    const [plan] = plans;
    expect(plan?.title).toContain("12 partitions, one a month, for statement q1");
    expect(plan?.apply[0]).toContain('PARTITION BY RANGE ("at_ms")');
    expect(plan?.apply[1]).toMatch(
      /"metrics_p202501".*FROM \(1735689600000\) TO \(1738368000000\)/,
    );
    expect(plan?.rewrites.map(({ expected }) => expected)).toEqual(["faster", "slower"]);
    expect(plan?.rewrites[0]?.after).toBe(
      "SELECT run_id, value FROM public.metrics_partitioned AS metrics WHERE at_ms >= 1740787200000 AND at_ms < 1743465600000",
    );
    expect(plan?.revert).toEqual(['DROP TABLE IF EXISTS "public"."metrics_partitioned"']);
    expect(plan?.steps.join(" ")).toContain("RENAME TO");
  });

  test("counts a delete as a reason for it", async () => {
    const { plans } = await adviceFor("DELETE FROM metrics WHERE at < '2025-02-01'", PARTITIONED);
    expect(plans[0]?.apply[1]).toContain("FROM ('2025-01-01 00:00:00') TO ('2025-02-01 00:00:00')");
    expect(plans[0]?.rewrites[0]?.after).toContain(
      "DELETE FROM public.metrics_partitioned AS metrics",
    );
  });

  test.each([
    [
      "its key lacks the column",
      MARCH,
      withKey("run_id", "key"),
      /metrics_pkey \(run_id, key\) does not hold at_ms/,
    ],
    [
      "others refer to it",
      MARCH,
      {
        ...metrics,
        constraints: [
          {
            table: '"public"."runs"',
            name: "runs_fkey",
            kind: "foreign key" as const,
            definition: "FOREIGN KEY (run_id) REFERENCES metrics (run_id)",
            validated: true,
            foreignKey: {
              columns: ["run_id"],
              referencedSchema: "public",
              referencedTable: "metrics",
              referencedColumns: ["run_id"],
              onDelete: "no action" as const,
            },
          },
        ],
      },
      /foreign keys of runs refer to it/,
    ],
    [
      "nobody asks for a range of time",
      "SELECT count(*) FROM metrics WHERE run_id > 5",
      metrics,
      /no statement asks for a range/,
    ],
    [
      "most is read anyway",
      "SELECT value FROM metrics WHERE at_ms > 1736000000000",
      metrics,
      /read most of the table/,
    ],
  ])("is refused where %s", async (_, sql, snapshot, because) => {
    const { plans, refused } = await adviceFor(sql, { ...PARTITIONED, snapshot });
    expect(plans.filter(({ kind }) => kind === "partitioning")).toEqual([]);
    expect(refused.find(({ kind }) => kind === "partitioning")?.because).toMatch(because);
  });

  test("says which statements were not tried, and that ranges were drawn", async () => {
    const { plans } = await adviceFor(
      [
        "SELECT run_id, value FROM metrics WHERE at_ms >= $1 AND at_ms < $2",
        "SELECT run_id FROM metrics WHERE at_ms > $1 AND key <> $2",
        "WITH old AS (DELETE FROM metrics WHERE at_ms < 1736000000000 RETURNING run_id) SELECT count(*) FROM old JOIN metrics USING (run_id)",
        "UPDATE metrics SET value = 1 FROM runs WHERE metrics.run_id = runs.run_id AND at_ms < 5",
      ],
      PARTITIONED,
    );
    const caveats = plans[0]?.caveats.join("\n") ?? "";
    expect(plans[0]?.rewrites.map(({ statement }) => statement)).toEqual(["q1"]);
    expect(caveats).toMatch(/a range holds a tenth of the rows/);
    expect(caveats).toMatch(
      /not tried: q2: no value is known for \$2[^;]*; q3: it writes in a WITH; q4: it writes rows/,
    );
  });

  test("takes a range that is written in the statement as it is, whatever else is drawn", async () => {
    const { refused } = await adviceFor(
      "SELECT value FROM metrics WHERE at_ms > 1736000000000 AND key = $1",
      PARTITIONED,
    );
    expect(refused.find(({ kind }) => kind === "partitioning")?.because).toMatch(
      /read most of the table/,
    );
  });

  test("keeps a key that holds the column", async () => {
    const { plans } = await adviceFor(MARCH, {
      ...PARTITIONED,
      snapshot: withKey("run_id", "at_ms"),
    });
    expect(plans.map(({ kind }) => kind)).toEqual(["partitioning"]);
  });

  test.each([
    ["2025-01-01", "2025-01-02", "hour"],
    ["2025-01-01", "2025-02-10", "day"],
    ["2025-01-01", "2025-12-30", "month"],
    ["2010-01-01", "2025-12-30", "year"],
  ])("from %s to %s is split by %s into 12 to 60 parts", (from, to, interval) => {
    const ranges = rangesOf({ fromMs: Date.parse(from), toMs: Date.parse(to) });
    expect(ranges?.interval).toBe(interval);
    const count = (ranges?.boundsMs.length ?? 0) - 1;
    expect(count).toBeGreaterThanOrEqual(12);
    expect(count).toBeLessThanOrEqual(60);
    expect(ranges?.boundsMs.at(-1)).toBeGreaterThan(Date.parse(to));
  });

  test("of an hour's data is none", () => {
    expect(rangesOf({ fromMs: 0, toMs: 3_000_000 })).toBeUndefined();
  });
});
