/** What is wrong with a real database, found from its snapshot: each kind, and what must never be called wrong. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClone } from "../../../src/advise/indexes/clone/open.ts";
import { droppable, simulateDrop } from "../../../src/advise/indexes/findings/droppable.ts";
import { findingsOf } from "../../../src/advise/indexes/findings/findings.ts";
import { freshSizes } from "../../../src/advise/indexes/findings/fresh-sizes.ts";
import type { FindingsInput } from "../../../src/advise/indexes/findings/input.ts";
import { statementsForFindings } from "../../../src/advise/indexes/findings/read.ts";
import { readStatements } from "../../../src/advise/indexes/ideas.ts";
import type { WorkloadStatement } from "../../../src/advise/indexes/statement.ts";
import type { Plan } from "../../../src/advise/indexes/what-if.ts";
import type { Finding } from "../../../src/core/advice.ts";
import type { IndexDefinition } from "../../../src/core/index-definition.ts";
import { statementOf } from "../suggest.ts";
import { AT, openShop, type Shop } from "./shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(() => shop.close());

async function inputOf(
  statements: readonly WorkloadStatement[] = [],
  changes: Partial<FindingsInput> = {},
  plans: ReadonlyMap<string, Plan> = new Map(),
): Promise<FindingsInput> {
  const read = await readStatements(statements, changes.catalog ?? shop.catalog);
  return {
    catalog: shop.catalog,
    at: AT,
    statements: await statementsForFindings(read.statements, plans),
    ...changes,
  };
}

/** Kind by index, of findings on indexes. */
function byIndex(findings: readonly Finding[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    findings.flatMap(({ index, kind }) => (index === undefined ? [] : [[index, kind]])),
  );
}

function detailOf(
  findings: readonly Finding[],
  what: Pick<Partial<Finding>, "index" | "kind">,
): string {
  const found = findings.filter(
    ({ index, kind }) => index === (what.index ?? index) && kind === (what.kind ?? kind),
  );
  expect(found).toHaveLength(1);
  return found[0]?.detail ?? "";
}

function keys(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ kind }) => kind === "unindexed-foreign-key");
}

async function onBoth(
  statement: WorkloadStatement,
  root: Plan["root"],
): Promise<readonly Finding[]> {
  const plans = new Map([[statement.id, { cost: 1, indexes: [], root }]]);
  return findingsOf(await inputOf([statement], {}, plans)).filter(
    ({ kind }) => kind === "missing-statistics",
  );
}

describe("indexes", () => {
  test("each that is wrong is found once, and none that is on purpose or of a constraint", async () => {
    expect(byIndex(findingsOf(await inputOf()))).toEqual({
      // Its twin with the same columns carried along is as good; so is the one with more keys.
      customers_city_idx: "redundant",
      customers_joined_twin: "duplicate",
      customers_joined_turned: "redundant",
      customers_email_again: "duplicate",
      customers_id_again: "duplicate",
      events_2025_kind_own: "duplicate",
      orders_wreck: "invalid",
      orders_id_ccnew: "invalid",
      // Never scanned in this test's database.
      customers_city_joined_idx: "unused",
      customers_joined_idx: "unused",
      customers_city_covering: "unused",
      customers_city_pattern: "unused",
      customers_city_c: "unused",
      customers_city_here: "unused",
      customers_city_hash: "unused",
      customers_city_nulls: "unused",
      customers_zip_down: "unused",
      customers_zip_up: "unused",
      customers_lower_idx: "unused",
      orders_total_idx: "unused",
      orders_status_idx: "unused",
      orders_status_total_idx: "unused",
      events_kind_idx: "unused",
    });
  });

  test("SQL of the findings does what it says", async () => {
    const findings = findingsOf(await inputOf());
    const drops = findings.filter(({ sql }) => sql?.startsWith("DROP INDEX"));
    expect(drops.length).toBeGreaterThan(10);
    await shop.client.query("BEGIN");
    for (const { sql } of drops) await shop.client.query((sql ?? "").replace("CONCURRENTLY ", ""));
    await shop.client.query("ROLLBACK");
    const rebuilt = findings.find(({ index }) => index === "orders_wreck");
    expect(rebuilt?.sql).toMatch(/^REINDEX INDEX CONCURRENTLY/);
    expect(findings.find(({ index }) => index === "orders_id_ccnew")?.sql).toMatch(
      /^DROP INDEX CONCURRENTLY/,
    );
    expect(findings.find(({ index }) => index === "events_kind_idx")?.sql).toBe(
      'DROP INDEX "public"."events_kind_idx";',
    );
  });

  test("an invalid index of a partitioned table is told which partitions are missing", async () => {
    const tables = shop.catalog.tables.map((table) => ({
      ...table,
      indexes: table.indexes.map((index) =>
        index.name === "events_kind_idx" ? { ...index, valid: false } : index,
      ),
    }));
    const findings = findingsOf(await inputOf([], { catalog: { ...shop.catalog, tables } }));
    const found = findings.find(({ index }) => index === "events_kind_idx");
    expect(found?.kind).toBe("invalid");
    await shop.client.query("BEGIN");
    await shop.client.query(
      "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    );
    await shop.client.query("ALTER TABLE events DETACH PARTITION events_2027");
    await shop.client.query("DROP INDEX events_2027_kind_idx");
    await shop.client.query(
      "DROP INDEX events_kind_idx; CREATE INDEX events_kind_idx ON ONLY events (kind)",
    );
    const { rows } = await shop.client.query((found?.sql ?? "").split(";")[0] ?? "");
    await shop.client.query("ROLLBACK");
    expect(rows).toEqual([{ partition: "events_2025" }, { partition: "events_2026" }]);
  });

  test("says which of two to keep, and warns of a replica identity", async () => {
    const findings = findingsOf(await inputOf());
    expect(detailOf(findings, { index: "customers_email_again" })).toMatch(
      /the same as customers_email_key, which a constraint needs/,
    );
    expect(detailOf(findings, { index: "customers_joined_twin" })).toMatch(
      /the same as customers_joined_idx; keep that one/,
    );
    expect(detailOf(findings, { index: "customers_joined_turned" })).toMatch(
      /customers_joined_idx read backwards/,
    );
    expect(detailOf(findings, { index: "customers_id_again" })).toMatch(/replica identity/);
  });

  test("unused is strong evidence after weeks, weak before, and no SQL goes with the weak", async () => {
    const strong = findingsOf(await inputOf());
    expect(detailOf(strong, { index: "orders_total_idx" })).toMatch(
      /^no scan in the 82 days that the counters run \(replicas count their own\)/,
    );
    for (const since of ["2026-11-22T09:00:00Z", undefined]) {
      const weak = findingsOf(
        await inputOf([], { catalog: { ...shop.catalog, countersSince: since } }),
      );
      const found = weak.find(({ index }) => index === "orders_total_idx");
      expect(found?.detail).toMatch(/weak evidence/);
      expect(found?.sql).toBeUndefined();
    }
  });

  test.each<
    [scans: Readonly<Record<string, number>>, said: Readonly<Record<string, string | undefined>>]
  >([
    // The wider one goes, and the one that is read stays.
    [
      { orders_status_idx: 900 },
      { orders_status_idx: undefined, orders_status_total_idx: "unused" },
    ],
    [
      { orders_status_total_idx: 900 },
      { orders_status_idx: "redundant", orders_status_total_idx: undefined },
    ],
    // Which of two twins PostgreSQL reads is chance.
    [
      { customers_joined_twin: 900 },
      {
        customers_joined_twin: "duplicate",
        customers_joined_turned: "redundant",
        customers_joined_idx: undefined,
      },
    ],
  ])("never both of two that stand in for each other: %j", async (scans, said) => {
    const tables = shop.catalog.tables.map((table) => ({
      ...table,
      indexes: table.indexes.map((index) => ({
        ...index,
        scans: scans[index.name] ?? index.scans,
      })),
    }));
    const kinds = byIndex(findingsOf(await inputOf([], { catalog: { ...shop.catalog, tables } })));
    for (const [name, kind] of Object.entries(said)) expect(kinds[name], name).toBe(kind);
  });

  test("what a plan of the workload reads is not unused, whatever the counters say", async () => {
    const statement = statementOf("SELECT id FROM orders WHERE total = 5");
    const root = { "Node Type": "Index Scan", "Total Cost": 1, "Plan Rows": 1 };
    const plans = new Map([[statement.id, { cost: 1, indexes: ["orders_total_idx"], root }]]);
    const kinds = byIndex(findingsOf(await inputOf([statement], {}, plans)));
    expect(kinds["orders_total_idx"]).toBeUndefined();
  });

  test("without counters nothing is called unused", async () => {
    const tables = shop.catalog.tables.map((table) => ({
      ...table,
      indexes: table.indexes.map((index) => ({ ...index, scans: undefined })),
    }));
    const kinds = byIndex(findingsOf(await inputOf([], { catalog: { ...shop.catalog, tables } })));
    expect(Object.values(kinds)).not.toContain("unused");
    expect(kinds["customers_joined_twin"]).toBe("duplicate");
  });

  test("an index of the advice makes a narrower one redundant, once it is built", async () => {
    const planned: IndexDefinition = {
      schema: "public",
      table: "orders",
      name: "perfopt_orders_total_status",
      columns: [{ name: "total" }, { name: "status", descending: true }],
    };
    const findings = findingsOf(await inputOf([], { planned: [planned] }));
    expect(detailOf(findings, { index: "orders_total_idx" })).toMatch(
      /once perfopt_orders_total_status is built.*drop it then, not before/,
    );
    const partial = { ...planned, where: "status = 's1'" };
    expect(byIndex(findingsOf(await inputOf([], { planned: [partial] })))["orders_total_idx"]).toBe(
      "unused",
    );
  });
});

describe("foreign keys", () => {
  test("without an index are found once a partitioned table, not on small tables, not where a key begins with them", async () => {
    const found = keys(findingsOf(await inputOf()));
    expect(found.map(({ detail }) => detail.slice(0, detail.indexOf(" ")))).toEqual([
      "orders_customer_id_fkey",
      "orders_parcel_id_fkey",
      "events_customer_id_fkey",
    ]);
    expect(found[0]?.sql).toBe(
      'CREATE INDEX CONCURRENTLY "perfopt_orders_customer_id" ON "public"."orders" ("customer_id");',
    );
    expect(found[1]?.sql).toMatch(/WHERE "parcel_id" IS NOT NULL;$/);
    expect(found[2]?.sql).toMatch(/ON ONLY "public"."events"[^]*CONCURRENTLY[^]*ATTACH PARTITION/);
  });

  test("say how strong the case is: by the workload, by the counters, or not at all", async () => {
    const deletes = statementOf("DELETE FROM customers WHERE id = $1", { calls: 1_200 });
    const renames = statementOf("UPDATE customers SET id = $1 WHERE id = $2", { calls: 7 });
    const harmless = statementOf("UPDATE customers SET city = $1 WHERE id = $2", { calls: 9_000 });
    const strong = keys(findingsOf(await inputOf([deletes, renames, harmless])));
    expect(strong[0]?.detail).toMatch(
      /all 60,000 rows of orders to delete what belongs to it. Strong: the workload deletes from it \(1,200 calls\) and changes its key \(7 calls\)/,
    );
    const quiet = keys(findingsOf(await inputOf([harmless])));
    expect(quiet[0]?.detail).toMatch(/Weak: no row of it was deleted in 82 days/);
    const counted = {
      ...shop.catalog,
      tables: shop.catalog.tables.map((table) =>
        table.name === "customers" && table.activity
          ? { ...table, activity: { ...table.activity, deletes: 45_000 } }
          : table,
      ),
    };
    const busy = keys(findingsOf(await inputOf([], { catalog: counted })));
    expect(busy[0]?.detail).toMatch(
      /Strong: 45,000 rows of it were deleted in 82 days, by the counters/,
    );
    const blind = {
      ...shop.catalog,
      tables: shop.catalog.tables.map((table) => ({ ...table, activity: undefined })),
    };
    expect(keys(findingsOf(await inputOf([], { catalog: blind })))[0]?.detail).toMatch(/not known/);
  });

  test("on a small table of codes are none, unless its rows are deleted", async () => {
    const tables = shop.catalog.tables.map((table) =>
      table.name === "parcels" ? { ...table, rows: 25 } : table,
    );
    const catalog = { ...shop.catalog, tables };
    const found = keys(findingsOf(await inputOf([], { catalog })));
    expect(found.map(({ detail }) => detail).join()).not.toContain("orders_parcel_id_fkey");
    const deletes = statementOf("DELETE FROM parcels WHERE id = $1");
    const [first] = keys(findingsOf(await inputOf([deletes], { catalog })));
    expect(first?.detail).toMatch(/^orders_parcel_id_fkey .*Strong/);
  });

  test("that the advice indexes anyway are no finding", async () => {
    const planned = [
      {
        schema: "public",
        table: "orders",
        name: "x",
        columns: [{ name: "customer_id" }, { name: "total" }],
      },
    ];
    const found = keys(findingsOf(await inputOf([], { planned })));
    expect(found.map(({ table }) => table)).toEqual(["public.orders", "public.events"]);
  });
});

describe("statistics", () => {
  test("stale, and never gathered for a partitioned table as a whole", async () => {
    const found = findingsOf(await inputOf()).filter(({ kind }) => kind === "stale-statistics");
    expect(found.map(({ table, sql }) => [table, sql])).toEqual([
      ["public.items", 'ANALYZE "public"."items";'],
      ["public.events", 'ANALYZE "public"."events";'],
    ]);
    expect(found[0]?.detail).toMatch(
      /rows changed since ANALYZE .* ago|rows changed since the last ANALYZE/,
    );
  });

  const sql = "SELECT id FROM customers WHERE city = $1 AND zip = $2";

  test("on two columns together, only where the plan is far from what was counted", async () => {
    const { rows } = await shop.client.query<{ "QUERY PLAN": { Plan: Plan["root"] }[] }>(
      "EXPLAIN (FORMAT JSON) SELECT id FROM customers WHERE city = 'city 1' AND zip = 'zip 1'",
    );
    const root = rows[0]?.["QUERY PLAN"][0]?.Plan;
    if (!root) throw new Error("no plan");
    const [found, ...more] = await onBoth(statementOf(sql, { calls: 10, rows: 4_000 }), root);
    expect(more).toEqual([]);
    expect(found?.detail).toMatch(
      /city and zip are filtered together: the planner expects 8 rows, and a call returns or changes 400 rows/,
    );
    await shop.client.query("BEGIN");
    await shop.client.query(found?.sql ?? "");
    const better = await shop.client.query<{ "QUERY PLAN": { Plan: Plan["root"] }[] }>(
      "EXPLAIN (FORMAT JSON) SELECT id FROM customers WHERE city = 'city 1' AND zip = 'zip 1'",
    );
    await shop.client.query("ROLLBACK");
    expect(better.rows[0]?.["QUERY PLAN"][0]?.Plan["Plan Rows"]).toBeGreaterThan(300);
    expect(await onBoth(statementOf(sql, { calls: 10, rows: 160 }), root)).toEqual([]);
    expect(await onBoth(statementOf(sql, { calls: undefined, rows: undefined }), root)).toEqual([]);
    // A full page says only that there are as many rows as it takes.
    const page = {
      "Node Type": "Limit",
      "Total Cost": 1,
      "Plan Rows": 20,
      Plans: [{ ...root, "Plan Rows": 4_000 }],
    };
    expect(await onBoth(statementOf(`${sql} LIMIT 20`, { calls: 10, rows: 200 }), page)).toEqual(
      [],
    );
    const sum = { "Node Type": "Aggregate", "Total Cost": 1, "Plan Rows": 1, Plans: [root] };
    expect(await onBoth(statementOf(sql, { calls: 10, rows: 4_000 }), sum)).toEqual([]);
  });

  test("not where they exist already", async () => {
    const known = {
      ...shop.catalog,
      tables: shop.catalog.tables.map((table) =>
        table.name === "customers" ? { ...table, statisticsOn: [["zip", "city"]] } : table,
      ),
    };
    const statement = statementOf(sql, { calls: 10, rows: 4_000 });
    const root = { "Node Type": "Seq Scan", "Total Cost": 1, "Plan Rows": 8 };
    const plans = new Map([[statement.id, { cost: 1, indexes: [], root }]]);
    const found = findingsOf(await inputOf([statement], { catalog: known }, plans));
    expect(found.filter(({ kind }) => kind === "missing-statistics")).toEqual([]);
  });
});

describe("with a clone of the planner", () => {
  test("drops are simulated one after another, statements that would suffer are named, and bloat is seen", async () => {
    await shop.database.withPlanner(async (server) => {
      const clone = await openClone(server, shop.snapshot, { statementTimeoutMs: 60_000 });
      try {
        const statements = [
          statementOf(
            "SELECT id FROM customers WHERE city = 'city 7' AND joined_on > '2024-01-01'",
            { id: "by city" },
          ),
          statementOf("SELECT * FROM orders WHERE total = 5", { id: "by total" }),
        ];
        const findings = await droppable(clone, statements, findingsOf(await inputOf(statements)));
        const total = findings.find(({ index }) => index === "orders_total_idx");
        expect(total?.simulated?.rises.map(({ id }) => id)).toEqual(["by total"]);
        expect(total?.detail).toMatch(
          /keep it, for without it by total \(\d+\.\d times the cost\)/,
        );
        expect(total?.sql).toBeUndefined();
        const twin = findings.find(({ index }) => index === "customers_joined_twin");
        expect(twin?.detail).toMatch(/The drop simulated: no plan of 2 statements reads it/);
        expect(twin?.sql).toBeDefined();
        const alone = await simulateDrop(clone, statements, ["public.orders_total_idx"]);
        expect(alone.rises[0]?.costAfter).toBeGreaterThan(alone.rises[0]?.costBefore ?? Infinity);
        expect(findings.find(({ kind }) => kind === "stale-statistics")?.simulated).toBeUndefined();

        const bloated = {
          ...shop.catalog,
          tables: shop.catalog.tables.map((table) => ({
            ...table,
            indexes: table.indexes.map((index) =>
              index.name === "customers_city_joined_idx"
                ? { ...index, bytes: 40 * 1024 ** 2 }
                : index,
            ),
          })),
        };
        const expectedBytes = await freshSizes(clone, bloated);
        const found = findingsOf(await inputOf([], { catalog: bloated, expectedBytes }));
        expect(detailOf(found, { kind: "bloated" })).toMatch(
          /it has 40\.0 MB, and built afresh it would have about \d+ kB \(estimated\)/,
        );
        const honest = await freshSizes(clone, shop.catalog, 1);
        // Expressions, operators, methods and predicates are understood: every one has a size.
        const sized = shop.catalog.tables.flatMap((table) =>
          table.kind === "partitioned"
            ? []
            : table.indexes.filter(({ valid }) => valid).map((index) => honest(index, table)),
        );
        expect(sized.length).toBeGreaterThan(25);
        expect(sized).not.toContain(undefined);
        const none = findingsOf(
          await inputOf([], { expectedBytes: honest, bounds: { bloatBytesLeast: 0 } }),
        );
        expect(none.filter(({ kind }) => kind === "bloated").map(({ index }) => index)).toEqual([]);
      } finally {
        await clone.close();
      }
    });
  });
});
