// Aggregates over runs and versions: right on data small enough to see through, valid input, and never older than a write.

import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { METRICS, MODELS, modelScope } from "../../src/registry/cache/keys.ts";
import { openRegistry } from "./client.ts";
import type { Json, TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let database: Client;
let api: TestRegistry;
/** Another process over the same stores, with every tier of the cache. */
let other: TestRegistry;

const TIERS = { CACHE_L1_TTL_MS: "60000", CACHE_L2_TTL_MS: "60000", CACHE_L3_TTL_MS: "60000" };
const JANUARY = Date.UTC(2026, 0, 1);
const FEBRUARY = Date.UTC(2026, 1, 1);

beforeAll(async () => {
  stores = await startStores();
  const DATABASE_URL = await stores.createDatabase("analytics");
  const shared = { DATABASE_URL, REDIS_URL: stores.redisUrl, ...TIERS };
  [api, other] = await Promise.all([openRegistry(shared), openRegistry(shared)]);
  database = new Client({ connectionString: DATABASE_URL });
  await database.connect();
}, 60_000);

afterAll(async () => {
  await database?.end();
  await Promise.all([api?.close(), other?.close()]);
  await stores?.stop();
}, 60_000);

beforeEach(async () => {
  await database.query("TRUNCATE registered_models, experiments CASCADE");
  // What no endpoint wrote, none has announced.
  for (const each of [api, other])
    await each.backend.cache.invalidate([METRICS, MODELS, modelScope("m")]);
});

let counter = 0;

async function newRun(name: string, experimentId?: string): Promise<string> {
  const experiment_id =
    experimentId ??
    (await api.post("experiments/create", { name: `experiment-${(counter += 1)}` })).experiment_id;
  return (await api.post("runs/create", { experiment_id, run_name: name })).run.info.run_id;
}

async function log(
  run_id: string,
  key: string,
  values: Json[],
  timestamp = JANUARY,
): Promise<void> {
  const metrics = values.map((value, step) => ({ key, value, step, timestamp: timestamp + step }));
  await api.post("runs/log-batch", { run_id, metrics });
}

async function register(name: string, run_id?: string): Promise<Json> {
  if ((await api.ask("GET", "registered-models/get", { name })).status === 404)
    await api.post("registered-models/create", { name });
  return (await api.post("model-versions/create", { name, source: "s", ...(run_id && { run_id }) }))
    .model_version;
}

const bestNames = async (query: Record<string, string | number>): Promise<string[]> =>
  (await api.get("analytics/best-runs", { metric_key: "auc", ...query })).runs.map(
    (run: Json) => run.run_name,
  );

const groups = async (query: Record<string, string | number> = {}): Promise<Json[]> =>
  (await api.get("analytics/metric-percentiles", { metric_key: "ms", bucket: "month", ...query }))
    .groups;

const inStage = (name: string, versions: number, share: number, median: number | null) => ({
  stage: name,
  versions,
  share,
  median_to_last_update_ms: median,
});

const drift = async (): Promise<Json[]> =>
  (await api.get("analytics/version-drift", { name: "m", metric_key: "auc" })).versions;

const otherBest = async (): Promise<number> =>
  (await other.get("analytics/best-runs", { metric_key: "auc" })).runs[0].value;

describe("best runs", () => {
  test("are those with the best latest value that is a number, with what was registered from them", async () => {
    const first = await newRun("first");
    const { experiment_id } = (await api.get("runs/get", { run_id: first })).run.info;
    await log(first, "auc", [0.99, 0.5]);
    const second = await newRun("second", experiment_id);
    await log(second, "auc", [0.1, 0.7]);
    await log(await newRun("third"), "auc", [0.6]);
    await log(await newRun("nan"), "auc", [0.9, "NaN"]);
    const deleted = await newRun("deleted");
    await log(deleted, "auc", [1]);
    await database.query("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_id = $1", [
      deleted,
    ]);
    await register("b", second);
    await register("a", second);

    expect(await bestNames({})).toEqual(["second", "third", "first"]);
    expect(await bestNames({ ascending: "true" })).toEqual(["first", "third", "second"]);
    expect(await bestNames({ max_results: 1 })).toEqual(["second"]);
    expect(await bestNames({ experiment_id })).toEqual(["second", "first"]);
    const [best] = (await api.get("analytics/best-runs", { metric_key: "auc" })).runs;
    expect(best).toMatchObject({
      run_id: second,
      experiment_id,
      value: 0.7,
      step: 1,
      timestamp: JANUARY + 1,
      model_versions: [
        { name: "a", version: "1", current_stage: "None" },
        { name: "b", version: "1", current_stage: "None" },
      ],
    });
  });

  test("of a metric that nobody logged are none", async () => {
    expect(await bestNames({ metric_key: "none" })).toEqual([]);
  });
});

describe("metric percentiles", () => {
  test("are by model and bucket, a run counting once a model, and runs without a model apart", async () => {
    const registered = await newRun("registered");
    await log(registered, "ms", [1, 2, 3, 4, "NaN", 5]);
    await log(registered, "ms", [10], FEBRUARY);
    await register("m", registered);
    await register("m", registered);
    await register("n", registered);
    await log(await newRun("alone"), "ms", [7], FEBRUARY);

    const january = {
      bucket_start: JANUARY,
      count: 5,
      min: 1,
      p50: 3,
      p90: 4.6,
      p99: 4.96,
      max: 5,
    };
    const one = (value: number): object => ({
      bucket_start: FEBRUARY,
      count: 1,
      min: value,
      p50: value,
      p90: value,
      p99: value,
      max: value,
    });
    expect(await groups()).toEqual([
      { model: "(none)", ...one(7) },
      { model: "m", ...one(10) },
      { model: "n", ...one(10) },
      { model: "m", ...january },
      { model: "n", ...january },
    ]);
    expect((await groups({ since: FEBRUARY })).map(({ model }) => model)).toEqual([
      "(none)",
      "m",
      "n",
    ]);
    expect((await groups({ until: FEBRUARY })).map(({ model }) => model)).toEqual(["m", "n"]);
    const week = await groups({ bucket: "week", until: FEBRUARY });
    expect(week[0].bucket_start).toBe(Date.UTC(2025, 11, 29));
    const page = { metric_key: "ms", bucket: "month", max_results: 4 };
    const { next_page_token } = await api.get("analytics/metric-percentiles", page);
    expect(await groups({ max_results: 4, page_token: next_page_token })).toEqual([
      { model: "n", ...january },
    ]);
  });
});

describe("the stage funnel", () => {
  test("counts versions by stage, of each model and of all", async () => {
    for (const stage of ["Staging", "Production", "Production", "None"]) {
      const { version } = await register("m");
      await api.post("model-versions/transition-stage", { name: "m", version, stage });
    }
    await register("n");
    await database.query(
      `UPDATE model_versions SET creation_timestamp = 0, last_updated_timestamp = 10 * version`,
    );
    await api.post("registered-models/create", { name: "empty" });

    const { total, models } = await api.get("analytics/stage-funnel");
    expect(models.map((model: Json) => [model.name, model.versions])).toEqual([
      ["m", 4],
      ["n", 1],
    ]);
    expect(models[0]).toMatchObject({
      serving_share: 0.75,
      stages: [
        inStage("None", 1, 0.25, 40),
        inStage("Staging", 1, 0.25, 10),
        inStage("Production", 2, 0.5, 25),
        inStage("Archived", 0, 0, null),
      ],
    });
    expect(total).toMatchObject({ versions: 5, serving_share: 0.6 });
  });

  test("of an empty registry is empty", async () => {
    const { total, models } = await api.get("analytics/stage-funnel");
    expect([total.versions, total.serving_share, models]).toEqual([0, 0, []]);
  });
});

describe("version drift", () => {
  test("is the difference to the version before that has the metric, and over both's spread", async () => {
    const run = async (values: Json[], key = "auc"): Promise<void> => {
      const id = await newRun(`run-${values.join()}`);
      await log(id, key, values);
      await register("m", id);
    };
    await run([1, 2, 3]);
    await register("m");
    await run([5], "other");
    await run([4, 6, "NaN", "Infinity"]);
    await run([9]);

    expect(await drift()).toMatchObject([
      // Of the pooled points two degrees of freedom are left: (2 + 1 - 2) and a variance of 2.
      { version: "5", points: 1, mean: 9, stddev: null, difference: 4, last: 9 },
      { version: "4", points: 2, left_out: 2, mean: 5, difference: 3, last: Number.MAX_VALUE },
      {
        version: "1",
        points: 3,
        left_out: 0,
        mean: 2,
        stddev: 1,
        difference: null,
        effect_size: null,
      },
    ]);
    const [fifth, fourth] = await drift();
    expect(fifth.effect_size).toBeCloseTo(4 / Math.sqrt(2), 9);
    expect(fourth.effect_size).toBeCloseTo(3 / Math.sqrt((2 + 2) / 3), 9);
  });

  test("of a model that is not there is an error, and of one without the metric is empty", async () => {
    const asked = { name: "none", metric_key: "auc" };
    expect((await api.ask("GET", "analytics/version-drift", asked)).body.error_code).toBe(
      "RESOURCE_DOES_NOT_EXIST",
    );
    await register("m");
    expect(await drift()).toEqual([]);
  });
});

test.each([
  ["best-runs", {}],
  ["best-runs", { metric_key: "auc", max_results: 0 }],
  ["best-runs", { metric_key: "auc", experiment_id: "x" }],
  ["metric-percentiles", { metric_key: "auc", bucket: "year" }],
  ["metric-percentiles", { metric_key: "auc", bucket: "day", since: -1 }],
  ["metric-percentiles", { metric_key: "auc", bucket: "day", page_token: "x" }],
  ["version-drift", { metric_key: "auc" }],
  ["report", { format: "xml" }],
  ["report", { format: "csv", since: "yesterday" }],
])("analytics/%s refuses %j", async (path, input) => {
  const { status, body } = await api.ask("GET", `analytics/${path}`, input);
  expect([status, body.error_code]).toEqual([400, "INVALID_PARAMETER_VALUE"]);
});

/** What each write changes; it is made by one process and must show in the other at once where only L2 and L3 are used. */
describe("an answer that is cached is never older than a write that was answered", () => {
  test("and is answered from the cache in between", async () => {
    const run_id = await newRun("r");
    await log(run_id, "auc", [0.5]);
    const { version } = await register("m", run_id);
    const reads: Record<string, () => Promise<Json>> = {
      best: () => api.get("analytics/best-runs", { metric_key: "auc" }),
      percentiles: () =>
        api.get("analytics/metric-percentiles", { metric_key: "auc", bucket: "day" }),
      funnel: () => api.get("analytics/stage-funnel"),
      drift: () => api.get("analytics/version-drift", { name: "m", metric_key: "auc" }),
    };
    const all = async (): Promise<Record<string, string>> =>
      Object.fromEntries(
        await Promise.all(
          Object.entries(reads).map(async ([name, read]) => [name, JSON.stringify(await read())]),
        ),
      );
    const changedBy = async (write: () => Promise<unknown>): Promise<string[]> => {
      const before = await all();
      const hits = await api.metric("registry_cache_hits_total");
      expect(await all()).toEqual(before);
      expect((await api.metric("registry_cache_hits_total")) - hits).toBe(4);
      await write();
      const after = await all();
      return Object.keys(reads).filter((name) => before[name] !== after[name]);
    };

    expect(await changedBy(() => log(run_id, "auc", [0.7], FEBRUARY))).toEqual([
      "best",
      "percentiles",
      "drift",
    ]);
    expect(await changedBy(() => api.post("runs/update", { run_id, run_name: "s" }))).toEqual([
      "best",
    ]);
    const stage = { name: "m", version, stage: "Production" };
    expect(await changedBy(() => api.post("model-versions/transition-stage", stage))).toEqual([
      "best",
      "funnel",
    ]);
    expect(await changedBy(() => register("m", run_id))).toEqual(["best", "funnel", "drift"]);
  });

  test("that another process made", async () => {
    const run_id = await newRun("r");
    await log(run_id, "auc", [0.5]);
    expect(await otherBest()).toBe(0.5);
    await log(run_id, "auc", [0.5, 0.9]);
    // News of another process takes a moment.
    while ((await otherBest()) !== 0.9) await new Promise((resolve) => setImmediate(resolve));
  });
});
