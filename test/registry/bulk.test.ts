// Bulk imports by either way of writing: what is kept, what is refused and why, and what is there afterwards.

import { gzipSync } from "node:zlib";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INSERT_ROWS_MAX } from "../../src/registry/bulk/config.ts";
import { readConfig } from "../../src/registry/config.ts";
import type { RegistryConfig } from "../../src/registry/config.ts";
import * as fc from "../properties.ts";
import { CSV, createRuns, point, sendImport } from "./bulk/sending.ts";
import { openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let databaseUrl: string;
let client: Client;
const open = new Map<string, TestRegistry>();

beforeAll(async () => {
  stores = await startStores();
  databaseUrl = await stores.createDatabase("bulk");
  const common = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    CACHE_L1_TTL_MS: "60000",
    // So small that an import has many batches.
    BATCH_SIZE: "7",
    BATCH_PARALLEL: "3",
    BATCH_IN_FLIGHT: "2",
    BATCH_BUFFER_BYTES: "16384",
  };
  open.set("insert", await openRegistry(common));
  open.set("copy", await openRegistry({ ...common, BATCH_METHOD: "copy" }));
  client = new Client({ connectionString: databaseUrl });
  await client.connect();
}, 60_000);

afterAll(async () => {
  await client?.end();
  for (const registry of open.values()) await registry.close();
  await stores?.stop();
});

async function count(sql: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM ${sql}`, [
    ...values,
  ]);
  return Number(rows[0]?.count);
}

describe.each(["insert", "copy"])("by %s", (method) => {
  const registry = (): TestRegistry => {
    const found = open.get(method);
    if (found === undefined) throw new Error(`No registry writes by ${method}.`);
    return found;
  };

  test("bad lines are reported with their numbers, and the rest is kept", async () => {
    const [run = "", gone = ""] = await createRuns(registry(), 2);
    await client.query("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_id = $1", [gone]);
    const good = Array.from({ length: 30 }, (_, step) => JSON.stringify(point(run, "loss", step)));
    const bad: readonly (readonly [line: string, message: RegExp])[] = [
      ["{", /not valid JSON/],
      [JSON.stringify({ ...point(run, "loss", 1), run_id: undefined }), /run_id is missing/],
      [JSON.stringify(point("nobody", "loss", 1)), /Run with id=nobody not found/],
      [JSON.stringify(point(gone, "loss", 1)), /deleted/],
      [JSON.stringify(point(run, "k".repeat(251), 1)), /key is longer than 250/],
      [JSON.stringify(point(run, "k\0", 1)), /U\+0000/],
      [JSON.stringify(point(run, "k\ud800", 1)), /half of a surrogate pair/],
      [JSON.stringify({ ...point(run, "loss", 1), value: "much" }), /value is no number/],
      [JSON.stringify({ ...point(run, "loss", 1), step: 1.5 }), /step is no whole number/],
      [JSON.stringify({ ...point(run, "loss", 1), timestamp: undefined }), /timestamp is missing/],
      [`{"run_id":"${run}","key":"loss","value":1e999,"timestamp":1}`, /value is no number/],
    ];
    const lines = [...good];
    bad.forEach(([line], index) => lines.splice(index * 3, 0, line));
    const { status, body } = await sendImport(registry(), { kind: "metrics" }, lines.join("\n"));
    expect(status).toBe(200);
    expect(body).toMatchObject({ lines: 41, written: 30, unchanged: 0, rejected: bad.length });
    expect(body.errors.map(({ line }: { line: number }) => line)).toEqual(
      bad.map((_, index) => index * 3 + 1),
    );
    bad.forEach(([, message], index) => expect(body.errors[index].message).toMatch(message));
    expect(await count("metrics WHERE run_id = $1", [run])).toBe(30);
  });

  test("of many errors 100 are listed and all are counted", async () => {
    const body = Array.from({ length: 450 }, () => "bad\n").join("");
    const { body: answer } = await sendImport(registry(), { kind: "tags" }, body);
    expect(answer).toMatchObject({ lines: 450, rejected: 450 });
    expect(answer.errors).toHaveLength(100);
    expect(answer.errors.at(-1).line).toBe(100);
  });

  test("refused whole, nothing is left; accepted whole, everything is there", async () => {
    const runs = await createRuns(registry(), 3);
    const body = runs.flatMap((run) =>
      Array.from({ length: 20 }, (_, step) => point(run, "acc", step)),
    );
    const query = { kind: "metrics", on_error: "refuse" };
    for (const bad of ["nonsense", JSON.stringify(point("nobody", "acc", 1))]) {
      const lines = body.map((record) => JSON.stringify(record)).toSpliced(33, 0, bad);
      const refused = await sendImport(registry(), query, lines.join("\n"));
      expect(refused.status).toBe(400);
      expect(refused.body).toMatchObject({
        error_code: "INVALID_PARAMETER_VALUE",
        written: 0,
        rejected: 1,
        errors: [{ line: 34 }],
      });
      expect(await count("metrics WHERE run_id = ANY($1)", [runs])).toBe(0);
      expect(await count("latest_metrics WHERE run_id = ANY($1)", [runs])).toBe(0);
    }
    const taken = await sendImport(registry(), query, body);
    expect(taken).toMatchObject({ status: 200, body: { lines: 60, written: 60, rejected: 0 } });
    const again = await sendImport(registry(), query, body);
    expect(again.body).toMatchObject({ written: 0, unchanged: 60 });
    expect(await count("metrics WHERE run_id = ANY($1)", [runs])).toBe(60);
  });

  test("of what only shows when it is written, all is counted too when it is refused", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const paramsOf = (value: string): object[] =>
      Array.from({ length: 150 }, (_, at) => ({ run_id: run, key: `k${at}`, value }));
    await sendImport(registry(), { kind: "params" }, paramsOf("1"));
    const query = { kind: "params", on_error: "refuse" };
    const other = { run_id: run, key: "other", value: "2" };
    const refused = await sendImport(registry(), query, [other, ...paramsOf("2")]);
    expect(refused).toMatchObject({ status: 400, body: { lines: 151, written: 0, rejected: 150 } });
    expect(refused.body.errors).toHaveLength(100);
    expect(await count("params WHERE run_id = $1 AND value = '2'", [run])).toBe(0);
  });

  test("points that are there already, or twice in the file, are there once", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const body = Array.from({ length: 40 }, (_, index) => point(run, "loss", index % 25));
    const first = await sendImport(registry(), { kind: "metrics" }, body);
    expect(first.body).toMatchObject({ lines: 40, written: 25, unchanged: 15 });
    const more = [...body, point(run, "loss", 99), { ...point(run, "loss", 98), value: "NaN" }];
    const second = await sendImport(registry(), { kind: "metrics" }, more);
    expect(second.body).toMatchObject({ lines: 42, written: 2, unchanged: 40 });
    expect(await count("metrics WHERE run_id = $1", [run])).toBe(27);
  });

  test("NaN, the infinities and negative zero are kept as B-trees and JSON can hold them", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const values = ["NaN", "Infinity", "-Infinity", 1e-300, "-0"];
    const body = values.map((value, step) => ({ ...point(run, "k", step), value }));
    await sendImport(registry(), { kind: "metrics" }, body);
    const { rows } = await client.query<{ value: number; is_nan: boolean }>(
      "SELECT value, is_nan FROM metrics WHERE run_id = $1 ORDER BY step",
      [run],
    );
    const kept = [0, Number.MAX_VALUE, -Number.MAX_VALUE, 1e-300, 0];
    expect(rows).toEqual(kept.map((value, step) => ({ value, is_nan: step === 0 })));
  });

  test("latest metrics are right in any order", { timeout: 60_000 }, async () => {
    const runs = await createRuns(registry(), 2);
    const sample = fc.record({
      run: fc.integer({ min: 0, max: 1 }),
      key: fc.constantFrom("a", "b"),
      step: fc.integer({ min: -2, max: 2 }),
      timestamp: fc.integer({ min: 0, max: 2 }),
      value: fc.constantFrom(0, 1, 2, "NaN"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(sample, { minLength: 1, maxLength: 60 }), async (samples) => {
        await client.query("DELETE FROM metrics WHERE run_id = ANY($1)", [runs]);
        await client.query("DELETE FROM latest_metrics WHERE run_id = ANY($1)", [runs]);
        const body = samples.map(({ run, ...rest }) => ({ ...rest, run_id: runs[run] }));
        const { body: answer } = await sendImport(registry(), { kind: "metrics" }, body);
        expect(answer.rejected).toBe(0);
        const wrong = await client.query(
          `SELECT * FROM (SELECT DISTINCT ON (run_id, key) * FROM metrics WHERE run_id = ANY($1)
             ORDER BY run_id, key, step DESC, timestamp DESC, value DESC, is_nan DESC) AS right_ones
           FULL JOIN (SELECT * FROM latest_metrics WHERE run_id = ANY($1)) AS kept
             USING (run_id, key, step, timestamp, value, is_nan)
           WHERE right_ones IS NULL OR kept IS NULL`,
          [runs],
        );
        expect(wrong.rows).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  test("params keep their first value and tags take their last, in the order of the file", async () => {
    const runs = await createRuns(registry(), 4);
    const body = runs.flatMap((run) =>
      Array.from({ length: 24 }, (_, index) => ({
        run_id: run,
        key: `k${index % 6}`,
        value: String(Math.floor(index / 12)),
      })),
    );
    const params = await sendImport(registry(), { kind: "params" }, body);
    expect(params.body).toMatchObject({ lines: 96, written: 24, unchanged: 24, rejected: 48 });
    expect(params.body.errors[0]).toMatchObject({ line: 13 });
    expect(params.body.errors[0].message).toContain("Changing param values is not allowed");
    expect(await count("params WHERE run_id = ANY($1) AND value = '0'", [runs])).toBe(24);
    const tags = await sendImport(registry(), { kind: "tags" }, body);
    expect(tags.body).toMatchObject({ lines: 96, rejected: 0 });
    expect(await count("run_tags WHERE run_id = ANY($1) AND value = '1'", [runs])).toBe(24);
    const again = await sendImport(registry(), { kind: "params" }, body);
    expect(again.body).toMatchObject({ written: 0, unchanged: 48, rejected: 48 });
  });

  test("CSV with quotes, compressed", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const text = `value,key,run_id\n"a ""b"",\nc",note,${run}\n,empty,${run}\nx,,${run}\n`;
    const headers = { ...CSV, "content-encoding": "gzip" };
    const sent = await sendImport(registry(), { kind: "params" }, gzipSync(text), headers);
    expect(sent.body).toMatchObject({
      lines: 3,
      written: 2,
      errors: [{ line: 5, message: "key is empty" }],
    });
    const { rows } = await client.query(
      "SELECT key, value FROM params WHERE run_id = $1 ORDER BY key",
      [run],
    );
    expect(rows).toEqual([
      { key: "empty", value: "" },
      { key: "note", value: 'a "b",\nc' },
    ]);
  });

  test("answers that were cached before are fresh after the import's answer", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const metricsOf = async (): Promise<readonly { key: string; value: number }[]> =>
      (await registry().get("runs/get", { run_id: run })).run.data.metrics;
    expect(await metricsOf()).toEqual([]);
    for (let step = 1; step < 10; step += 1) {
      await sendImport(registry(), { kind: "metrics" }, [point(run, "loss", step, step)]);
      expect(await metricsOf()).toMatchObject([{ key: "loss", value: step }]);
    }
  });

  test("model versions are numbered in the order of the file, once, however often it is sent", async () => {
    const names = [`m-${method}-1`, `m-${method}-2`];
    for (const name of names) await registry().post("registered-models/create", { name });
    await registry().post("model-versions/create", { name: names[0], source: "s3://first" });
    const body = Array.from({ length: 40 }, (_, index) => ({
      name: index % 10 === 9 ? "unknown" : names[index % 2],
      source: `s3://${method}/${index}`,
      tags: [{ key: "index", value: String(index) }],
    }));
    for (const import_id of [undefined, `night-${method}`]) {
      const query = { kind: "model-versions", ...(import_id === undefined ? {} : { import_id }) };
      const first = await sendImport(registry(), query, body);
      expect(first.body).toMatchObject({ lines: 40, written: 36, rejected: 4 });
      expect(first.body.import_id).toBe(import_id ?? null);
      const again = await sendImport(registry(), query, body);
      expect(again.body).toMatchObject({ written: 0, unchanged: 36, rejected: 4 });
    }
    expect(await count("model_versions WHERE name = ANY($1)", [names])).toBe(73);
    const { rows } = await client.query<{ source: string }>(
      "SELECT source FROM model_versions WHERE name = $1 ORDER BY version LIMIT 4",
      [names[0]],
    );
    expect(rows.map(({ source }) => source)).toEqual([
      "s3://first",
      ...[0, 2, 4].map((index) => `s3://${method}/${index}`),
    ]);
    const changed = await sendImport(
      registry(),
      { kind: "model-versions", import_id: `night-${method}` },
      body.map((version) => ({ ...version, source: "s3://other" })),
    );
    expect(changed.body).toMatchObject({ written: 0, rejected: 40 });
    expect(changed.body.errors[0].message).toContain("another record in this line");
    const numbered = { name: names[0], source: "s3://x", version: 1 };
    const taken = await sendImport(registry(), { kind: "model-versions" }, [
      numbered,
      { ...numbered, version: "900" },
    ]);
    expect(taken.body).toMatchObject({ written: 1, errors: [{ line: 1 }] });
  });

  test("imports of the same runs in opposite orders, beside log-batch, all end", async () => {
    const runs = await createRuns(registry(), 6);
    const body = runs.flatMap((run) =>
      Array.from({ length: 30 }, (_, step) => point(run, `k${step % 3}`, step)),
    );
    const opposite = body.toReversed();
    const answers = await Promise.all([
      ...[body, opposite, body, opposite].map((records, index) =>
        sendImport(
          registry(),
          { kind: "metrics", on_error: index === 3 ? "refuse" : "skip" },
          records,
        ),
      ),
      ...runs.map((run_id) =>
        registry().post("runs/log-batch", {
          run_id,
          metrics: opposite.filter((one) => "run_id" in one && one.run_id === run_id),
        }),
      ),
    ]);
    expect(answers.slice(0, 4).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await count("metrics WHERE run_id = ANY($1)", [runs])).toBe(180);
  });

  test("the metrics page counts what was written", async () => {
    const [run = ""] = await createRuns(registry(), 1);
    const rows = (): Promise<number> => registry().metric("registry_bulk_records_total", "params");
    const batches = (): Promise<number> => registry().metric("registry_bulk_batches_total", method);
    const [before, batchesBefore] = [await rows(), await batches()];
    const body = Array.from({ length: 15 }, (_, at) => ({
      run_id: run,
      key: `k${at}`,
      value: "v",
    }));
    await sendImport(registry(), { kind: "params" }, body);
    await sendImport(registry(), { kind: "params" }, body);
    expect((await rows()) - before).toBe(15);
    expect((await batches()) - batchesBefore).toBe(6);
  });
});

test("what cannot be an import is refused before anything is read", async () => {
  const registry = open.get("copy");
  if (registry === undefined) throw new Error("There is no registry.");
  const ask = (query: Record<string, string>, headers = {}, body = "x\n") =>
    sendImport(registry, query, body, headers);
  expect((await ask({ kind: "models" })).status).toBe(400);
  expect((await ask({ kind: "tags", on_error: "stop" })).status).toBe(400);
  expect((await ask({ kind: "tags" }, { "content-type": "application/json" })).status).toBe(400);
  expect((await ask({ kind: "tags" }, { "content-encoding": "br" })).status).toBe(400);
  expect((await ask({ kind: "tags" }, { "content-encoding": "gzip" })).body.message).toContain(
    "no gzip",
  );
  expect((await ask({ kind: "tags" }, CSV, "run_id,key\n")).body.message).toContain(
    "no column value",
  );
  const none = await ask({ kind: "tags" }, {}, "");
  expect(none.body).toMatchObject({ lines: 0, written: 0, rejected: 0 });
});

test("COPY of batches of many chunks, sent again with some that are new", async () => {
  const registry = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    BATCH_METHOD: "copy",
    BATCH_SIZE: "2000",
    BATCH_BUFFER_BYTES: "16384",
  });
  try {
    const [run = ""] = await createRuns(registry, 1);
    const points = (count: number): object[] =>
      Array.from({ length: count }, (_, step) => point(run, "k", step));
    await sendImport(registry, { kind: "metrics" }, points(6_000));
    for (const on_error of ["skip", "refuse"]) {
      const again = await sendImport(registry, { kind: "metrics", on_error }, points(7_000));
      const written = on_error === "skip" ? 1_000 : 0;
      expect(again).toMatchObject({ status: 200, body: { written, unchanged: 7_000 - written } });
    }
    expect(await count("metrics WHERE run_id = $1", [run])).toBe(7_000);
  } finally {
    await registry.close();
  }
});

test("what is older than any retry is forgotten, a part by each import", async () => {
  const registry = open.get("insert");
  if (registry === undefined) throw new Error("There is no registry.");
  await client.query(
    "INSERT INTO bulk_lines SELECT 'old', i, 'd', i FROM generate_series(1, 25000) i",
  );
  const name = "of-a-ledger";
  await registry.post("registered-models/create", { name });
  const query = { kind: "model-versions", import_id: "new" };
  const forgotten = async (): Promise<number> =>
    25_000 - (await count("bulk_lines WHERE import_id = 'old'", []));
  await sendImport(registry, query, [{ name, source: "s" }]);
  const first = await forgotten();
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(25_000);
  await sendImport(registry, query, [{ name, source: "s" }]);
  expect(await forgotten()).toBe(25_000);
  expect(await count("bulk_lines WHERE import_id = 'new'", [])).toBe(1);
});

function read(environment: Record<string, string>): RegistryConfig {
  return readConfig({ DATABASE_URL: "postgresql://x/y", ...environment });
}

test("a batch that has more values than a statement has parameters is refused at the start", () => {
  expect(() => read({ BATCH_SIZE: String(INSERT_ROWS_MAX + 1) })).toThrow(/at most 10922 rows fit/);
  expect(read({ BATCH_SIZE: String(INSERT_ROWS_MAX) }).bulk.method).toBe("insert");
  expect(read({ BATCH_SIZE: "50000", BATCH_METHOD: "copy" }).batchSizeRows).toBe(50_000);
});

test("the largest batch of an INSERT is written", { timeout: 60_000 }, async () => {
  const registry = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    BATCH_SIZE: String(INSERT_ROWS_MAX),
  });
  try {
    const [run = ""] = await createRuns(registry, 1);
    const body = Array.from({ length: INSERT_ROWS_MAX + 1 }, (_, step) => point(run, "k", step));
    const { body: answer } = await sendImport(registry, { kind: "metrics" }, body);
    expect(answer).toMatchObject({ written: INSERT_ROWS_MAX + 1, rejected: 0 });
    expect(await registry.metric("registry_bulk_batches_total")).toBe(2);
  } finally {
    await registry.close();
  }
});
