/** Plans for structures on a real database: proven, pruned, refused; and nothing left behind, whatever happens. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withCloneEngine } from "../../src/advise/indexes/engine.ts";
import { readSnapshot } from "../../src/advise/indexes/snapshot/read.ts";
import { workloadOfLines } from "../../src/advise/indexes/workload/source.ts";
import { structuresOf } from "../../src/advise/structures/plans.ts";
import { proveStructures } from "../../src/advise/structures/prove.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { StructureAdvice, StructurePlan, StructureProof } from "../../src/core/structure.ts";
import { proveOnCopy, type StructureCopyOptions } from "../../src/target/prove-structures-copy.ts";
import { removeResources } from "../../src/target/recover.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { viewOf } from "../advise/database.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";

/** Fifty thousand rows over the twelve months of 2025, and a thousand runs. */
const DATA = `
  CREATE TABLE runs (run_id int PRIMARY KEY, status text NOT NULL);
  INSERT INTO runs SELECT g, CASE WHEN g % 10 = 0 THEN 'failed' ELSE 'done' END FROM generate_series(0, 999) g;
  CREATE TABLE metrics (run_id int NOT NULL, key text NOT NULL, at_ms bigint NOT NULL, value double precision NOT NULL, steps int,
    PRIMARY KEY (run_id, key, at_ms));
  INSERT INTO metrics SELECT g % 1000, 'm' || g % 7, 1735689600000 + g * 630720::bigint, sqrt(g) / 3, nullif(g % 50, 0)
    FROM generate_series(0, 49999) g;
  CREATE TABLE notes (id int PRIMARY KEY, at_ms bigint NOT NULL, note text);
  INSERT INTO notes SELECT g, 1735689600000 + g * 630720::bigint, 'n' FROM generate_series(0, 49999) g`;

const QUERIES = `-- name: by status
SELECT r.status, count(*) FILTER (WHERE m.key = 'm3') AS threes, avg(m.value) AS mean, avg(m.steps), sum(m.steps), max(m.value)
FROM metrics m JOIN runs r USING (run_id) WHERE m.key <> 'm5' GROUP BY r.status HAVING count(*) > 10 ORDER BY mean DESC;
-- name: median
SELECT key, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS p50 FROM metrics WHERE key = 'm1' GROUP BY key;
-- name: median of several
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS p50 FROM metrics WHERE key IN ('m1', 'm2');
-- name: february
SELECT run_id, at_ms, value FROM metrics WHERE at_ms >= 1738368000000 AND at_ms < 1740787200000 AND value > 20;
-- name: all of it
SELECT run_id, count(DISTINCT key) FROM metrics GROUP BY run_id;
-- name: old notes
DELETE FROM notes WHERE at_ms < 1738368000000;`;

let stores: Stores;
let url: string;

beforeAll(async () => {
  stores = await startStores();
  url = withDatabase(stores.postgresUrl, "shop");
  await withConnection(stores.postgresUrl, (client) => client.query("CREATE DATABASE shop"));
  await withConnection(url, async (client) => {
    await client.query(DATA);
    await client.query("VACUUM (ANALYZE)");
  });
}, 60_000);
afterAll(() => stores.stop());

async function advised(): Promise<StructureAdvice> {
  const view = viewOf(url, stores.home);
  const snapshot = await view.together((query) =>
    readSnapshot(query, { redact: "nothing", now: Date.now }),
  );
  const workload = await workloadOfLines(linesOf(QUERIES), "queries", { database: "shop" });
  return view.withPlanner((server) =>
    withCloneEngine(server, snapshot, undefined, (engine) =>
      structuresOf({
        snapshot,
        workload,
        plan: (...asked) => engine.whatIf.plan(...asked),
        limits: { partitionedRowsLeast: 10_000 },
      }),
    ),
  );
}

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split("\n");
}

function copyOptions(
  events: RunEvent[],
  changes: Partial<StructureCopyOptions> = {},
): StructureCopyOptions {
  return {
    source: { adminUrl: url, owner: undefined },
    runId: "t1",
    note: (event) => {
      events.push(event);
      return Promise.resolve();
    },
    signal: neverAborted,
    prove: (stand, plans, limitMs) =>
      proveStructures(stand, plans, limitMs, {
        seed: 1,
        now: () => performance.now(),
        signal: neverAborted,
        rules: { pairs: 5 },
      }),
    ...changes,
  };
}

async function databases(): Promise<readonly string[]> {
  const rows = await queryDatabase(
    stores.postgresUrl,
    "SELECT datname AS name FROM pg_database WHERE datname LIKE 'perfopt%'",
  );
  return rows.map((row) => String(row["name"]));
}

function outcomeOf(proofs: readonly StructureProof[], plan: StructurePlan | undefined) {
  return proofs.find((proof) => proof.plan === plan?.id)?.outcome;
}

describe("plans for structures", { timeout: 120_000 }, () => {
  let advice: StructureAdvice;
  let proofs: readonly StructureProof[];
  const events: RunEvent[] = [];
  const planFor = (statement: string): StructurePlan | undefined =>
    advice.plans.find((plan) => plan.statements.includes(statement));

  beforeAll(async () => {
    advice = await advised();
    proofs = await proveOnCopy(advice.plans, 90_000, copyOptions(events));
  }, 120_000);

  test("an aggregate over 50,000 rows is proven as a view with the same rows", () => {
    const outcome = outcomeOf(proofs, planFor("by status"));
    if (outcome?.kind !== "proven") throw new Error(JSON.stringify([advice, outcome]));
    const [proof] = outcome.rewrites;
    expect(proof?.sameRows).toBe(true);
    expect(proof?.executions).toBeGreaterThanOrEqual(4);
    expect(proof?.ratio.high).toBeLessThan(1);
    expect(outcome.upkeepMs).toBeGreaterThan(0);
    expect(outcome.bytes).toBeGreaterThan(0);
  });

  test("a median is answered where its parameter is a group, and refused where it is not", () => {
    expect(outcomeOf(proofs, planFor("median"))?.kind).toBe("proven");
    expect(planFor("median of several")).toBeUndefined();
    expect(advice.refused.find(({ of }) => of === "median of several")?.because).toMatch(
      /not rewritten because percentile_cont of a whole cannot be computed from its parts/,
    );
  });

  test("a month is one partition of twelve and the default, and what reads all is shown", () => {
    const plan = planFor("february");
    expect(plan?.kind).toBe("partitioning");
    const outcome = outcomeOf(proofs, plan);
    if (outcome?.kind !== "proven") throw new Error(JSON.stringify([plan, outcome]));
    const pruning = (statement: string) =>
      outcome.rewrites.find((each) => each.statement === statement)?.pruning;
    expect(pruning("february")).toEqual({ read: 1, of: 13 });
    expect(pruning("all of it")).toEqual({ read: 13, of: 13 });
  });

  test("a key without the column of time is a reason against", () => {
    expect(advice.refused.find(({ of }) => of === "public.notes")?.because).toMatch(
      /its key notes_pkey \(id\) does not hold at_ms/,
    );
  });

  test("the copy was in the journal before it was made, and is gone", async () => {
    expect(events.map(({ type }) => type)).toEqual([
      "resource-creating",
      "resource-created",
      "resource-removed",
    ]);
    expect(await databases()).toEqual([]);
  });

  test("nothing of a plan is in the database that it is for", async () => {
    const made = advice.plans.map(({ makes }) => makes);
    expect(made.length).toBeGreaterThan(2);
    const rows = await queryDatabase(
      url,
      "SELECT name, to_regclass(name) IS NOT NULL AS there FROM unnest(string_to_array($1, ' ')) AS name",
      [made.join(" ")],
    );
    expect(rows.filter(({ there }) => there === true)).toEqual([]);
  });

  test("a rewrite that gives other rows is no proof", async () => {
    const plan = planFor("median");
    const [rewrite] = plan?.rewrites ?? [];
    if (!plan || !rewrite) throw new Error("no plan");
    const wrong = {
      ...plan,
      rewrites: [{ ...rewrite, after: rewrite.after.replace("'m1'", "'m2'") }],
    };
    const [proof] = await proveOnCopy([wrong], 60_000, copyOptions([]));
    expect(proof?.outcome).toMatchObject({
      kind: "failed",
      because: expect.stringMatching(/gives other rows when it is rewritten: key is m1, then m2/),
    });
  });

  test("two empty results are no proof of the same rows, and that is told", async () => {
    const plan = planFor("median");
    const [rewrite] = plan?.rewrites ?? [];
    if (!plan || !rewrite) throw new Error("no plan");
    const [before, after] = [rewrite.before, rewrite.after].map((sql) =>
      sql.replace("'m1'", "'none'"),
    );
    const empty = { ...rewrite, before: before ?? "", after: after ?? "" };
    const [proof] = await proveOnCopy(
      [{ ...plan, rewrites: [{ ...empty, others: [] }] }],
      60_000,
      copyOptions([]),
    );
    expect(proof?.outcome).toMatchObject({ kind: "proven", rewrites: [{ compared: 1, rows: 0 }] });
    expect(outcomeOf(proofs, plan)).toMatchObject({ rewrites: [{ rows: 1 }] });
  });

  test("a result too large to be compared is not read into memory", async () => {
    const plan = planFor("median");
    const [rewrite] = plan?.rewrites ?? [];
    if (!plan || !rewrite) throw new Error("no plan");
    const many = "SELECT a.run_id FROM metrics a, generate_series(1, 100000)";
    const huge = { ...rewrite, before: many, after: many, others: [] };
    const [proof] = await proveOnCopy([{ ...plan, rewrites: [huge] }], 60_000, copyOptions([]));
    expect(proof?.outcome).toMatchObject({
      kind: "failed",
      because: expect.stringMatching(/more than 200000 rows/),
    });
  });

  test("what an interrupt stops leaves no database", async () => {
    const stop = new AbortController();
    const proving = proveOnCopy(
      advice.plans,
      60_000,
      copyOptions([], {
        signal: stop.signal,
        prove: async (stand, [plan]) => {
          setTimeout(() => stop.abort(), 50);
          await stand.run(`SELECT pg_sleep(60), '${plan?.id}'`, 60_000);
          return [];
        },
      }),
    );
    await expect(proving).rejects.toThrow(/interrupt|abort/i);
    expect(await databases()).toEqual([]);
  });

  test("what kill -9 leaves is removed by what the journal lists", async () => {
    const noted: RunEvent[] = [];
    const never = new Promise<never>(() => {});
    let left: readonly string[] = [];
    await new Promise<void>((ready) => {
      // Never ends, as a killed process does not clean up.
      void proveOnCopy(
        advice.plans,
        60_000,
        copyOptions(noted, {
          runId: "t2",
          prove: async () => {
            left = await databases();
            ready();
            return never;
          },
        }),
      );
    });
    expect(left).toEqual(["perfopt_t2_structures"]);
    const resources = noted.flatMap((event) =>
      event.type === "resource-creating" ? [event.resource] : [],
    );
    await removeResources(resources, { home: stores.home, adminUrl: stores.postgresUrl });
    expect(await databases()).toEqual([]);
  });

  test("too little time is said, not exceeded", async () => {
    const found = await proveOnCopy(advice.plans, 1, copyOptions([]));
    expect(found.map(({ outcome }) => outcome.kind)).toEqual(advice.plans.map(() => "failed"));
  });
});
