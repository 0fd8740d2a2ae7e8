/** `perfopt advise indexes` as a user runs it: from a database, from files, verified, for CI; and what it refuses. */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IndexAdvice } from "../../src/core/advice.ts";
import { databaseView } from "../../src/target/view.ts";
import { readSnapshot } from "../../src/advise/indexes/snapshot/read.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";
import { inProcess } from "./in-process.ts";
import { makePlace, perfopt, type Ended, type Place } from "./perfopt.ts";

const SHOP = `
  CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, city text NOT NULL);
  INSERT INTO customers SELECT g, 'c' || g || '@shop', 'city ' || g % 50 FROM generate_series(1, 20000) g;
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text NOT NULL);
  INSERT INTO orders SELECT g, g * 7919 % 20000 + 1, CASE WHEN g % 500 = 0 THEN 'new' ELSE 'sent' END, repeat('n', 60)
    FROM generate_series(1, 80000) g`;

const QUERIES = `-- name: by customer
SELECT id, note FROM orders WHERE customer_id = 4711;
-- name: by key
SELECT note FROM orders WHERE id = 7;`;

let stores: Stores;
let place: Place;
let url = "";

beforeAll(async () => {
  stores = await startStores();
  place = makePlace();
  const admin = new Client({ connectionString: stores.postgresUrl });
  await admin.connect();
  await admin.query("CREATE DATABASE shop");
  await admin.end();
  url = stores.postgresUrl.replace(/\/postgres$/, "/shop");
  await onShop(SHOP);
  await onShop("VACUUM ANALYZE");
  await onShop("CREATE EXTENSION pg_stat_statements");
  await onShop("SELECT pg_stat_statements_reset()");
  await writeFile(join(place.folder, "q.sql"), QUERIES);
  const view = databaseView({ url, home: stores.home, signal: neverAborted });
  const snapshot = await view.together((query) =>
    readSnapshot(query, { redact: "nothing", now: Date.now }),
  );
  await writeFile(join(place.folder, "shop.json"), JSON.stringify(snapshot));
}, 90_000);
afterAll(async () => {
  await stores.stop();
  place.remove();
});

async function onShop(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** In the stores' home: PostgreSQL's unprivileged user can enter it. */
function advise(args: readonly string[]): Promise<Ended> {
  return perfopt(place, ["advise", "indexes", ...args], { PERFOPT_HOME: stores.home });
}

/** Everything that the database's catalog says of its indexes. */
async function indexesOfShop(): Promise<string> {
  return JSON.stringify(
    await onShop(
      "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid > 16383 ORDER BY 1",
    ),
  );
}

function adviceOf(out: string): IndexAdvice {
  const advice: IndexAdvice = JSON.parse(out);
  return advice;
}

const keysOf = (advice: IndexAdvice): readonly (string | undefined)[] =>
  advice.selected.map(({ index }) => index.columns[0]?.name);

describe("without a connection", () => {
  test("a snapshot and a compressed SQL file: files written, the database not needed", async () => {
    await writeFile(join(place.folder, "q.sql.gz"), gzipSync(QUERIES));
    const { code, out, err } = await advise([
      "--snapshot",
      "shop.json",
      "--queries",
      "q.sql.gz",
      "--output",
      "advice",
    ]);
    expect(code, err).toBe(0);
    expect(out).toMatch(/orders \(customer_id/);
    expect(out).toMatch(/time not measured/);
    const advice = adviceOf(await readFile(join(place.folder, "advice/advice.json"), "utf8"));
    expect(keysOf(advice)).toEqual(["customer_id"]);
    expect(advice.totals.relativeCost).toBeLessThan(0.6);
    expect(await readFile(join(place.folder, "advice/up.sql"), "utf8")).toMatch(
      /^CREATE INDEX CONCURRENTLY "perfopt_orders_customer_id/m,
    );
    expect(await readFile(join(place.folder, "advice/down.sql"), "utf8")).toMatch(
      /^DROP INDEX CONCURRENTLY/m,
    );
    expect((await stat(join(place.folder, "advice/advice.md"))).size).toBeGreaterThan(500);
    // The server that planned is gone with its files; what stays is its template.
    const left = await readdir(join(stores.home, "planner"));
    expect(left.filter((name) => !name.startsWith("template-"))).toEqual([]);
  }, 120_000);

  test("--fail-on-missing: 1 when a statement would gain more than the bound", async () => {
    const args = ["--snapshot", "shop.json", "--queries", "q.sql"];
    const failed = await advise([...args, "--fail-on-missing", "60%", "--json"]);
    expect(failed.code).toBe(1);
    expect(failed.err).toMatch(/missing: by customer would cost 9\d\.\d+ % less \(estimated\)/);
    expect(keysOf(adviceOf(failed.out))).toEqual(["customer_id"]);
    await writeFile(join(place.folder, "key.sql"), "SELECT note FROM orders WHERE id = 7;");
    const passed = await advise([...args.slice(0, 2), "--queries", "key.sql", "--fail-on-missing"]);
    expect(passed.code, passed.err).toBe(0);
    expect(passed.out).toMatch(/NO INDEX TO BUILD/);
  }, 120_000);
});

describe("with a database", () => {
  test("pg_stat_statements weigh by time, and nothing in the database changes", async () => {
    for (let call = 0; call < 20; call += 1)
      await onShop(`SELECT id FROM orders WHERE status = 'new' AND customer_id = ${call}`);
    const before = await indexesOfShop();
    const { code, out, err } = await advise(["--url", url, "--json"]);
    expect(code, err).toBe(0);
    const advice = adviceOf(out);
    expect(advice.workload).toMatchObject({
      source: "pg_stat_statements of shop",
      weights: "time",
    });
    const asked = advice.statements.find(({ sql }) => sql.includes("status = $1"));
    expect(asked).toMatchObject({ calls: 20, valuesFrom: "generic" });
    expect(asked!.costAfter!).toBeLessThan(asked!.costBefore!);
    expect(await indexesOfShop()).toBe(before);
    expect(`${out}${err}`).not.toContain(new URL(url).password);
  }, 120_000);

  test("--verify: built and timed in a copy; sizes and build times are measured", async () => {
    const before = await indexesOfShop();
    const { code, out, err } = await advise([
      "--url",
      url,
      "--queries",
      "q.sql",
      "--verify",
      "--repetitions",
      "4",
      "--json",
    ]);
    expect(code, err).toBe(0);
    const { verification, selected } = adviceOf(out);
    expect(verification!.sizes).toHaveLength(1);
    expect(verification!.sizes[0]!.bytes).toBe(selected[0]!.bytes);
    const measured = verification!.statements.find(({ id }) => id === "by customer");
    expect(measured!.measured!.factor).toBeLessThan(1);
    expect(await indexesOfShop()).toBe(before);
  }, 120_000);

  test("--verify-on: a given database has no index more or less afterwards", async () => {
    const before = await indexesOfShop();
    const { code, out, err } = await advise([
      "--snapshot",
      "shop.json",
      "--queries",
      "q.sql",
      "--verify-on",
      url,
      "--repetitions",
      "4",
      "--format",
      "md",
    ]);
    expect(code, err).toBe(0);
    expect(out).toMatch(/Measured in a copy: the workload's time/);
    expect(await indexesOfShop()).toBe(before);
  }, 120_000);

  test("--verify-on the database that is advised is refused, under another name of its host too", async () => {
    const alias = new URL(url);
    alias.hostname = alias.hostname === "localhost" ? "127.0.0.1" : "localhost";
    for (const given of [url, alias.href]) {
      const args = ["--url", url, "--queries", "q.sql", "--verify-on", given];
      const { code, out, err } = await advise(args);
      expect(err).toMatch(/--verify-on is the database that is advised/);
      expect(out).toBe("");
      expect(code).toBe(2);
    }
    const made = "SELECT count(*)::int AS n FROM pg_class WHERE relname LIKE 'perfopt%'";
    expect(await onShop(made)).toEqual([{ n: 0 }]);
  }, 120_000);
});

describe("bad input is refused before anything is started", () => {
  test.each<[what: string, args: readonly string[], message: RegExp]>([
    ["a snapshot without statements", ["--snapshot", "shop.json"], /holds no statements/],
    ["two databases", ["--snapshot", "shop.json", "--url", "postgres://x"], /two databases/],
    [
      "a snapshot that is not there",
      ["--snapshot", "no.json", "--queries", "q.sql"],
      /no\.json could not be read/,
    ],
    ["a snapshot that is none", ["--snapshot", "q.sql", "--queries", "q.sql"], /q\.sql is /],
    [
      "statements that are not there",
      ["--snapshot", "shop.json", "--queries", "no.sql"],
      /no\.sql could not be read/,
    ],
    [
      "a size that is none",
      ["--snapshot", "shop.json", "--queries", "q.sql", "--disk", "much"],
      /--disk much/,
    ],
    [
      "a bound that is none",
      ["--snapshot", "shop.json", "--queries", "q.sql", "--fail-on-missing", "x"],
      /--fail-on-missing x/,
    ],
    [
      "verifying without data",
      ["--snapshot", "shop.json", "--queries", "q.sql", "--verify"],
      /--verify has no data/,
    ],
    [
      "HypoPG without a database",
      ["--snapshot", "shop.json", "--queries", "q.sql", "--hypopg"],
      /--hypopg works in the database itself/,
    ],
  ])("%s", async (_, args, message) => {
    const { code, out, err } = await inProcess(place.folder, "advise", "indexes", ...args);
    expect(err).toMatch(message);
    expect(err).toMatch(/what to do:/);
    expect(out).toBe("");
    expect(code).toBe(2);
  });
});
