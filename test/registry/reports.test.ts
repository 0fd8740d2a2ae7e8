// Reports: the same figures as SQL's, in every format, whatever the split; one moment of the database; and nothing left behind.

import { parquetReadObjects } from "hyparquet";
import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { parse } from "csv-parse/sync";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../src/registry/config.ts";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { readPoints } from "../../src/registry/reports/points.ts";
import { summarise } from "../../src/registry/reports/rows.ts";
import * as fc from "../properties.ts";
import { eventually, openRegistry } from "./client.ts";
import type { Json, TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let database: Client;
let api: TestRegistry;

const RUNS = 60;

beforeAll(async () => {
  stores = await startStores();
  const DATABASE_URL = await stores.createDatabase("reports");
  api = await openRegistry({
    DATABASE_URL,
    REDIS_URL: stores.redisUrl,
    REPORT_SPLIT_RUNS: "7",
    REPORT_WORKERS: "2",
    REPORT_DEPTH: "2",
  });
  database = new Client({ connectionString: DATABASE_URL });
  await database.connect();
  await fill();
}, 60_000);

afterAll(async () => {
  await database?.end();
  await api?.close();
  await stores?.stop();
}, 60_000);

/** Runs of all kinds: deleted, without metrics, with NaN alone, registered more than once, with steps out of order, and odd names. */
async function fill(): Promise<void> {
  await database.query(`
    INSERT INTO experiments VALUES (1, 'a "quoted", name', 's3://x', 'active', 0, 0);
    INSERT INTO runs SELECT 'run-' || i, 1, E'läuft\n' || i, NULL, 'FINISHED', 1000 + i, CASE WHEN i % 5 > 0 THEN 2000 + i END,
      'uri', CASE WHEN i % 9 = 0 THEN 'deleted' ELSE 'active' END FROM generate_series(1, ${RUNS}) i;
    INSERT INTO params SELECT 'run-' || i, 'p' || p, 'v' FROM generate_series(1, ${RUNS}) i, generate_series(1, i % 4) p;
    INSERT INTO metrics SELECT 'run-' || i, 'key,' || k, (p * 7) % 5, 1700000000000 + p,
      CASE WHEN (i + p) % 6 = 0 THEN 0 ELSE 1e6 + sin(i * 31 + p * 17 + k) * 10 ^ k END, (i + p) % 6 = 0
      FROM generate_series(1, ${RUNS}) i, generate_series(1, 3) k, generate_series(1, i % 11) p;
    INSERT INTO registered_models VALUES ('m', 0, 0), ('n', 0, 0);
    INSERT INTO model_versions (name, version, creation_timestamp, last_updated_timestamp, current_stage, source, run_id, status)
      SELECT m, v, v, v, 'None', 's', 'run-' || (v * 3), 'READY' FROM unnest(ARRAY['m', 'n']) m, generate_series(1, 9) v`);
}

/** What the report should say, by SQL's own aggregates. */
async function expected(where = "true"): Promise<Json[]> {
  const numbers = "FILTER (WHERE NOT m.is_nan)";
  const { rows } = await database.query(`
    SELECT r.experiment_id::text, e.name AS experiment, r.run_id, r.run_name, r.status, r.start_time::float8, r.end_time::float8,
      (SELECT name FROM model_versions v WHERE v.run_id = r.run_id ORDER BY creation_timestamp DESC, name LIMIT 1) AS model,
      (SELECT version FROM model_versions v WHERE v.run_id = r.run_id ORDER BY creation_timestamp DESC, name LIMIT 1) AS version,
      (SELECT count(*)::int FROM model_versions v WHERE v.run_id = r.run_id) AS versions,
      (SELECT count(*)::int FROM params p WHERE p.run_id = r.run_id) AS params,
      m.key AS metric_key, (count(*) ${numbers})::int AS points, (count(*) FILTER (WHERE m.is_nan))::int AS nan_points,
      min(m.value) ${numbers} AS min, max(m.value) ${numbers} AS max, avg(m.value) ${numbers} AS mean,
      stddev(m.value) ${numbers} AS stddev,
      (array_agg(m.value ORDER BY m.step, m.timestamp, m.value) ${numbers})[1] AS first,
      (array_agg(m.value ORDER BY m.step DESC, m.timestamp DESC, m.value DESC) ${numbers})[1] AS last,
      (max(m.step) ${numbers})::float8 AS last_step
    FROM metrics m JOIN runs r USING (run_id) JOIN experiments e USING (experiment_id)
    WHERE r.lifecycle_stage = 'active' AND ${where}
    GROUP BY r.run_id, e.name, m.key ORDER BY r.run_id, m.key`);
  return rows;
}

const urlOf = (query: string): string => `${api.url}${API_BASE}/analytics/report?${query}`;

async function fetchReport(format: string, query = ""): Promise<Json[]> {
  if (format === "parquet") {
    const response = await fetch(urlOf(`format=parquet${query}`));
    const rows = await parquetReadObjects({ file: await response.arrayBuffer() });
    return rows.map((row) => ({
      ...row,
      start_time: Number(row["start_time"]),
      end_time: row["end_time"] === null ? null : Number(row["end_time"]),
      last_step: row["last_step"] === null ? null : Number(row["last_step"]),
    }));
  }
  const response = await fetch(urlOf(`format=${format}${query}`));
  expect(response.status).toBe(200);
  expect(response.headers.get("content-disposition")).toBe(
    `attachment; filename="registry-report.${format}"`,
  );
  if (format === "json") return listOf(await response.json());
  const texts = new Set([
    "experiment_id",
    "experiment",
    "run_id",
    "run_name",
    "status",
    "model",
    "metric_key",
  ]);
  return parse(await response.text(), {
    columns: true,
    cast: (value, { header, column }) => {
      if (header || texts.has(String(column))) return value === "" ? null : value;
      return value === "" ? null : Number(value);
    },
  });
}

function listOf(json: unknown): Json[] {
  return Array.isArray(json) ? json : expect.fail("The report is no array.");
}

/** A report whose head has arrived; of the rest no more than fits. */
async function begin(query: string): Promise<IncomingMessage> {
  const [response] = await once(request(urlOf(query)).end(), "response");
  expect(response.statusCode).toBe(200);
  return response;
}

function expectSame(rows: readonly Json[], wanted: readonly Json[]): void {
  expect(rows.length).toBe(wanted.length);
  for (const [index, row] of rows.entries()) {
    const { mean, stddev, ...exact } = wanted[index];
    const { mean: hasMean, stddev: hasStddev, ...has } = row;
    expect(has).toEqual(exact);
    for (const [got, want] of [
      [hasMean, mean],
      [hasStddev, stddev],
    ]) {
      if (want === null) expect(got).toBeNull();
      else expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(want)));
    }
  }
}

describe.each(["csv", "json", "parquet"])("a report as %s", (format) => {
  test("says what the same query by hand says", async () => {
    const wanted = await expected();
    expect(wanted.length).toBeGreaterThan(100);
    expectSame(await fetchReport(format), wanted);
  });

  test("is of the runs that began in the range", async () => {
    const wanted = await expected("r.start_time >= 1010 AND r.start_time < 1030");
    expectSame(await fetchReport(format, "&since=1010&until=1030"), wanted);
  });

  test("of no runs has no rows", async () => {
    expect(await fetchReport(format, "&until=5")).toEqual([]);
  });
});

describe("a report larger than what fits into the sockets", () => {
  beforeAll(async () => {
    await database.query(`
      INSERT INTO runs SELECT 'wide-' || i, 1, repeat('x', 8000), NULL, 'RUNNING', 9000, NULL, '', 'active' FROM generate_series(1, 500) i;
      INSERT INTO metrics SELECT 'wide-' || i, 'k' || k, 0, 0, 1, false FROM generate_series(1, 500) i, generate_series(1, 4) k;
      ANALYZE`);
  });

  afterAll(async () => {
    await database.query("DELETE FROM runs WHERE run_id LIKE 'wide-%'");
  });

  test("is of one moment, though rows change while it is made", async () => {
    const parts = await api.metric("registry_report_parts_total");
    const response = await begin("format=csv&since=9000");
    await database.query("UPDATE metrics SET value = 2 WHERE run_id LIKE 'wide-%'");
    expect((await api.metric("registry_report_parts_total")) - parts).toBeLessThan(500 / 7);
    const [, ...lines] = Buffer.concat(await response.toArray())
      .toString()
      .trimEnd()
      .split("\r\n");
    expect(lines.length).toBe(2000);
    // Points, those that are NaN, min, max, mean, stddev, first, last, its step.
    expect(lines.filter((line) => !line.endsWith(",1,0,1,1,1,,1,1,0"))).toEqual([]);
  });

  test("is broken off when its client goes away, and a third at a time is refused", async () => {
    const held = [await begin("format=json"), await begin("format=json")];
    const refused = await fetch(urlOf("format=csv"));
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    for (const each of held) each.destroy();
    await eventually(async () => (await fetch(urlOf("format=csv&until=5"))).status === 200);
    await eventually(async () => {
      const { rows } = await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()",
      );
      return rows.length === 0;
    });
    const total = await api.metric("registry_pool_connections", "total");
    expect(await api.metric("registry_pool_connections", "idle")).toBe(total);
  }, 30_000);
});

test("a time that is none of a calendar costs no report", async () => {
  await database.query(`
    INSERT INTO runs VALUES ('far', 1, 'far', NULL, 'RUNNING', 9000000000000000, NULL, '', 'active');
    INSERT INTO metrics VALUES ('far', 'k', 0, 0, 1, false)`);
  const rows = await fetchReport("parquet", "&since=8999999999999999");
  await database.query(
    "DELETE FROM metrics WHERE run_id = 'far'; DELETE FROM runs WHERE run_id = 'far'",
  );
  expect(rows).toMatchObject([{ run_id: "far", last: 1 }]);
});

test("a failure in the first part is an answer, and threads and parts are counted", async () => {
  const parts = await api.metric("registry_report_parts_total");
  const made = await api.metric("registry_report_seconds_count");
  await fetchReport("csv");
  const runs = await database.query("SELECT 1 FROM runs WHERE lifecycle_stage = 'active'");
  expect((await api.metric("registry_report_parts_total")) - parts).toBe(
    Math.ceil(runs.rows.length / 7),
  );
  // The last byte is handed over before it is counted.
  await eventually(async () => (await api.metric("registry_report_seconds_count")) === made + 1);
  expect(await api.metric("registry_report_thread_busy_seconds_total")).toBeGreaterThan(0);
  await database.query("ALTER TABLE params RENAME TO params_away");
  const failed = await api.ask("GET", "analytics/report", { format: "csv" });
  await database.query("ALTER TABLE params_away RENAME TO params");
  expect([failed.status, failed.body.error_code]).toEqual([500, "INTERNAL_ERROR"]);
});

describe("figures of points", () => {
  const point = fc.record({
    value: fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constant(Number.NaN)),
    step: fc.integer({ min: -3, max: 3 }),
  });

  test("are those of the numbers among them", () => {
    fc.assert(
      fc.property(fc.array(point, { maxLength: 30 }), (points) => {
        const numbers = points.filter(({ value }) => !Number.isNaN(value));
        const values = numbers.map(({ value }) => value);
        const sorted = numbers.toSorted((a, b) => a.step - b.step);
        const result = summarise({
          values: Float64Array.from(points, ({ value }) => value),
          steps: Float64Array.from(points, ({ step }) => step),
        });
        expect(result.points).toBe(values.length);
        expect(result.nan_points).toBe(points.length - values.length);
        expect(result.min).toBe(values.length === 0 ? null : Math.min(...values));
        expect(result.max).toBe(values.length === 0 ? null : Math.max(...values));
        expect(result.first).toBe(sorted[0]?.value ?? null);
        expect(result.last).toBe(sorted.at(-1)?.value ?? null);
        expect(result.last_step).toBe(sorted.at(-1)?.step ?? null);
      }),
    );
  });

  test("that no double can hold are absent", () => {
    const values = Float64Array.of(Number.MAX_VALUE, Number.MAX_VALUE);
    expect(summarise({ values, steps: Float64Array.of(0, 1) })).toMatchObject({
      max: Number.MAX_VALUE,
      mean: null,
      stddev: null,
    });
  });

  test("come from nothing but PostgreSQL's binary COPY", () => {
    expect(() => [...readPoints(new Uint8Array(40))]).toThrow("no binary COPY");
  });
});

test("settings of reports have bounds", () => {
  const environment = { DATABASE_URL: "postgresql://x/y" };
  expect(readConfig(environment).reports).toEqual({ workers: 4, splitRuns: 500, depth: 1 });
  expect(() => readConfig({ ...environment, REPORT_WORKERS: "0" })).toThrow("REPORT_WORKERS");
});
