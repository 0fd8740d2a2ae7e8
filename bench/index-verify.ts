/** Estimated cost is not time: on a database whose planner errs, does verification find the guilty indexes and keep the good ones. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { indexName, type IndexDefinition } from "../src/core/index-definition.ts";
import type { Verification } from "../src/core/advice.ts";
import type { VerifyIndex, VerifyStatement } from "../src/core/verification.ts";
import { defaultVerifyRules, verifyIndexes } from "../src/decide/verify-indexes.ts";
import { comparePairs, type Outcome } from "../src/decide/verify-pairs.ts";
import { initialisePostgres, startPostgres } from "../src/target/postgres-server.ts";
import { defaultIndexLimits } from "../src/target/safe-index.ts";
import { queryDatabase, withConnection, withDatabase } from "../src/target/sql.ts";
import { withVerifyStand } from "../src/target/verify-indexes.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const ROWS = 2_000_000;
const ROWS_TINY = 100_000;
const PAIRS_TINY = 4;
const SEED = 7;
const WRITE = "new event";

/** What each index is there to show. */
const proposals: readonly { readonly index: IndexDefinition; readonly right: "kept" | "out" }[] = [
  { index: on("events", ["account"]), right: "kept" },
  // The failures are all among the newest: read in this order they come last, after nearly the whole table.
  { index: on("events", ["created_at"]), right: "out" },
  // The conditions on orders always hold together, so that the planner expects a handful and gets half of them.
  { index: on("lines", ["order_id"]), right: "out" },
  { index: on("lines", ["product"]), right: "kept" },
  // Half of the table has each value: no plan reads it.
  { index: on("orders", ["paid"]), right: "out" },
];

const statements: readonly VerifyStatement[] = [
  statement("account", "SELECT count(*), max(payload) FROM events WHERE account = 4711"),
  statement(
    "oldest failures",
    "SELECT id FROM events WHERE kind = 'failed' ORDER BY created_at LIMIT 10",
  ),
  statement(
    "orders of a kind",
    `SELECT sum(l.amount) FROM orders o JOIN lines l ON l.order_id = o.id
     WHERE o.region = 1 AND o.currency = 1 AND o.warehouse = 1 AND o.carrier = 1 AND o.desk = 1 AND o.channel = 1 AND o.tax = 1`,
  ),
  statement("product", "SELECT sum(amount) FROM lines WHERE product = 99"),
  statement("whole table", "SELECT sum(amount) FROM lines"),
  statement(
    WRITE,
    "INSERT INTO events SELECT -g, 4711, 'ok', now(), 'x' FROM generate_series(1, 200) g",
  ),
];

export async function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const rows = tiny ? ROWS_TINY : ROWS;
  return withDatabaseOf(rows, async (url, dataFolder) => {
    const estimated = await estimatedFactors(url);
    const input = statements.map((each) => ({ ...each, estimated: estimated.get(each.id) }));
    const rules = {
      ...defaultVerifyRules,
      ...(tiny ? { pairs: PAIRS_TINY } : {}),
      seed: SEED,
    };
    const signal = new AbortController().signal;
    const options = {
      url,
      place: "scratch" as const,
      indexes: proposals.map(({ index }) => index),
      limits: defaultIndexLimits,
      dataFolder,
      signal,
      onProgress: () => {},
    };
    return withVerifyStand(options, async (stand) => {
      const all = proposals.map(({ index }) => index.name);
      const comparisons = input.map((each) => ({ statement: each, base: [], candidate: all }));
      const unproven = await comparePairs(stand, comparisons, rules, "all of them");
      const verification = await verifyIndexes(
        stand,
        { indexes: indexesToVerify(), statements: input, onProgress: () => {} },
        rules,
      );
      const factors = new Map([...unproven].map(([id, outcome]) => [id, factorAtLeast(outcome)]));
      return result(rows, verification, factors);
    });
  });
}

function on(table: string, columns: readonly string[]): IndexDefinition {
  const index = { schema: "public", table, columns: columns.map((name) => ({ name })) };
  return { ...index, name: indexName(index) };
}

function statement(id: string, sql: string): VerifyStatement {
  return { id, sql, valuesFrom: "statement", weight: 1 / 6, estimated: undefined };
}

function indexesToVerify(): readonly VerifyIndex[] {
  return proposals.map(({ index }) => ({ index, estimatedBytes: 0, statements: [] }));
}

/** A server of its own, gone afterwards. */
async function withDatabaseOf<T>(
  rows: number,
  use: (url: string, dataFolder: string) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), "perfopt-bench-"));
  await chmod(home, 0o755);
  const folder = join(home, "cluster");
  try {
    await initialisePostgres(home, folder);
    const server = await startPostgres({
      home,
      folder,
      settings: { autovacuum: "off", fsync: "off", shared_buffers: "512MB", max_wal_size: "4GB" },
      environment: process.env,
      signal: new AbortController().signal,
    });
    try {
      const admin = server.adminUrl("postgres");
      await withConnection(admin, (client) => client.query("CREATE DATABASE bench"));
      const url = withDatabase(admin, "bench");
      await fill(url, rows);
      return await use(url, server.dataFolder);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Deterministic: rows lie in an order that has nothing to do with time, by a multiplier without common factor. */
async function fill(url: string, rows: number): Promise<void> {
  const orders = Math.floor(rows / 10);
  await withConnection(
    url,
    async (client) => {
      await client.query(`
        CREATE TABLE events (id bigint, account int, kind text, created_at timestamptz, payload text);
        INSERT INTO events
        SELECT g, at % 20000, CASE WHEN at > ${rows * 0.99} THEN 'failed' ELSE 'ok' END,
          timestamptz '2026-01-01' + at * interval '1 second', repeat('p', 60)
        FROM (SELECT g, (g::bigint * 7368787) % ${rows} AS at FROM generate_series(1, ${rows}) g) AS shuffled;
        CREATE TABLE orders (id int, region int, currency int, warehouse int, carrier int, desk int, channel int, tax int, paid boolean);
        INSERT INTO orders SELECT g, g % 2, g % 2, g % 2, g % 2, g % 2, g % 2, g % 2, g % 4 < 2 FROM generate_series(0, ${orders - 1}) g;
        CREATE TABLE lines (id bigint, order_id int, product int, amount int, note text);
        INSERT INTO lines SELECT g, (g::bigint * 7368787) % ${orders}, g % 5000, g % 100, repeat('n', 100)
        FROM generate_series(1, ${rows}) g`);
      await client.query("VACUUM (ANALYZE)");
    },
    { statementTimeoutMs: 30 * 60_000 },
  );
}

/** What the advisor would promise: the planner's cost with all indexes over that without. */
async function estimatedFactors(url: string): Promise<ReadonlyMap<string, number>> {
  const costs = async () => {
    const found = new Map<string, number>();
    for (const { id, sql } of statements) {
      const [row] = await queryDatabase(url, `EXPLAIN (FORMAT JSON) ${sql}`);
      const [plan]: readonly { readonly Plan: { readonly "Total Cost": number } }[] = JSON.parse(
        String(row?.["QUERY PLAN"]),
      );
      found.set(id, plan?.Plan["Total Cost"] ?? Number.NaN);
    }
    return found;
  };
  const before = await costs();
  const names = proposals.map(({ index }) => index);
  await withConnection(url, async (client) => {
    for (const { name, table, columns } of names)
      await client.query(
        `CREATE INDEX ${name} ON ${table} (${columns.map((key) => key.name).join()})`,
      );
  });
  const after = await costs();
  await withConnection(url, (client) =>
    client.query(`DROP INDEX ${names.map(({ name }) => name).join()}`),
  );
  return new Map([...after].map(([id, cost]) => [id, cost / (before.get(id) ?? Number.NaN)]));
}

function result(
  rows: number,
  { statements: verified, removed, total }: Verification,
  unproven: ReadonlyMap<string, number>,
): BenchResult {
  const reads = [...unproven].filter(([id]) => id !== WRITE);
  const slowestRead = Math.max(...reads.map(([, value]) => value).filter(Number.isFinite));
  return {
    title: `index-verify: ${rows} rows a table; factors of cost or time with the indexes over without`,
    head: ["statement", "estimated", "all indexes, measured", "after verification", "verdict"],
    rows: verified.map(({ id, estimated, measured, verdict }) => [
      id,
      factor(estimated),
      factor(unproven.get(id)),
      measured
        ? `${factor(measured.factor)} (${factor(measured.low)} to ${factor(measured.high)})`
        : "-",
      verdict,
    ]),
    acceptance: [
      ...proposals.map(({ index, right }) => isRight(index, right, removed)),
      {
        what: "statements proven slower at the end, writes not counted",
        value:
          verified
            .filter(isSlowerRead)
            .map(({ id }) => id)
            .join(", ") || "none",
        goal: "none",
        ok: !verified.some(isSlowerRead),
      },
      {
        what: "the slowest read with all of them, which the planner promised to be cheaper",
        value: factor(slowestRead),
        goal: "at least 1.5, or there is nothing to find",
        ok: slowestRead >= 1.5,
      },
      // On few rows the gain is near the noise.
      ...(rows < ROWS
        ? []
        : [
            {
              what: "the workload with what remains",
              value: factor(total?.factor),
              goal: "at most 0.9",
              ok: (total?.factor ?? Infinity) <= 0.9,
            },
          ]),
    ],
  };
}

function isSlowerRead({ id, verdict }: Verification["statements"][number]): boolean {
  return id !== WRITE && (verdict === "slower" || verdict === "timeout");
}

function isRight(
  index: IndexDefinition,
  right: "kept" | "out",
  removed: Verification["removed"],
): Acceptance {
  const out = removed.find((each) => each.index.name === index.name);
  return {
    what: index.name,
    value: out ? `out: ${out.because}` : "kept",
    goal: right,
    ok: (out === undefined) === (right === "kept"),
  };
}

/** What ran out of time with the indexes takes at least so many times as long. */
function factorAtLeast(outcome: Outcome): number {
  if (outcome.kind === "measured") return outcome.factor.factor;
  const late = outcome.kind === "timeout" && outcome.who === "candidate";
  return late ? outcome.limitMs / outcome.otherMs : Number.NaN;
}

function factor(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "-" : value.toFixed(3);
}
