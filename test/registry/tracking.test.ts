import { afterAll, beforeAll, expect, test } from "vitest";
import { openRegistry } from "./client.ts";
import type { Json, TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let api: TestRegistry;
let counter = 0;

beforeAll(async () => {
  stores = await startStores();
  const databaseUrl = await stores.createDatabase("tracking");
  // A small batch size makes log-batch take several inserts.
  api = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    CACHE_L2_TTL_MS: "0",
    BATCH_SIZE: "7",
  });
}, 60_000);

afterAll(async () => {
  await api?.close();
  await stores?.stop();
}, 60_000);

async function newExperiment(input: object = {}): Promise<string> {
  return (await api.post("experiments/create", { name: `experiment-${(counter += 1)}`, ...input }))
    .experiment_id;
}

async function newRun(experimentId?: string, input: object = {}): Promise<string> {
  const experiment_id = experimentId ?? (await newExperiment());
  return (await api.post("runs/create", { experiment_id, start_time: 1000, ...input })).run.info
    .run_id;
}

const dataOf = async (run_id: string): Promise<Json> =>
  (await api.get("runs/get", { run_id })).run.data;

test("an experiment is created once and found by id, name and tag", async () => {
  const tags = [{ key: "team", value: "a" }];
  const experiment_id = await newExperiment({ tags });
  const { experiment } = await api.get("experiments/get", { experiment_id });
  expect(experiment).toMatchObject({
    experiment_id,
    artifact_location: `mlflow-artifacts:/${experiment_id}`,
    lifecycle_stage: "active",
    tags,
  });
  expect(
    (await api.get("experiments/get-by-name", { experiment_name: experiment.name })).experiment,
  ).toEqual(experiment);
  const again = await api.ask("POST", "experiments/create", { name: experiment.name });
  expect([again.status, again.body.error_code]).toEqual([400, "RESOURCE_ALREADY_EXISTS"]);
  expect(
    (await api.ask("GET", "experiments/get-by-name", { experiment_name: "none" })).status,
  ).toBe(404);
  expect(
    (
      await api.post("experiments/search", {
        filter: `tags.team = 'a' AND name = '${experiment.name}'`,
      })
    ).experiments,
  ).toEqual([experiment]);
  expect((await api.get("experiments/search", { view_type: "DELETED_ONLY" })).experiments).toEqual(
    [],
  );
});

test("a run is created, updated and read", async () => {
  const tags = [{ key: "mlflow.runName", value: "calm" }];
  const experiment_id = await newExperiment();
  const { run } = await api.post("runs/create", {
    experiment_id,
    user_id: "u",
    start_time: 5,
    tags,
  });
  expect(run.info).toMatchObject({
    experiment_id,
    run_name: "calm",
    status: "RUNNING",
    start_time: 5,
    lifecycle_stage: "active",
  });
  const run_id = run.info.run_id;
  const updated = await api.post("runs/update", { run_id, status: "FINISHED", end_time: 9 });
  expect(updated.run_info).toMatchObject({ run_id, status: "FINISHED", end_time: 9 });
  expect((await api.get("runs/get", { run_id })).run).toEqual({
    info: updated.run_info,
    data: { metrics: [], params: [], tags },
  });
  expect((await api.ask("POST", "runs/create", { experiment_id: "999999" })).status).toBe(404);
  expect((await api.ask("POST", "runs/update", { run_id: "none" })).status).toBe(404);
  expect((await api.ask("POST", "runs/update", { run_id, status: "DONE" })).body.message).toContain(
    "'status'",
  );
  expect((await api.ask("GET", "runs/get", { run_id: "none" })).status).toBe(404);
});

test("log-batch logs all kinds at once, in several inserts", async () => {
  const run_id = await newRun();
  const metrics = Array.from({ length: 30 }, (_, step) => ({
    key: `m${step % 3}`,
    value: step,
    timestamp: step,
    step,
  }));
  await api.post("runs/log-batch", {
    run_id,
    metrics,
    params: [{ key: "p", value: "1" }],
    tags: [
      { key: "t", value: "x" },
      { key: "t", value: "y" },
    ],
  });
  expect(await dataOf(run_id)).toEqual({
    metrics: [27, 28, 29].map((step) => ({
      key: `m${step % 3}`,
      value: step,
      timestamp: step,
      step,
    })),
    params: [{ key: "p", value: "1" }],
    tags: [{ key: "t", value: "y" }],
  });
  const history = await api.get("metrics/get-history", { run_id, metric_key: "m0" });
  expect(history.metrics.map((metric: Json) => metric.step)).toEqual([
    0, 3, 6, 9, 12, 15, 18, 21, 24, 27,
  ]);
  await api.post("runs/log-batch", { run_id, metrics });
  expect((await api.get("metrics/get-history", { run_id, metric_key: "m0" })).metrics).toHaveLength(
    10,
  );
});

test.each([
  [
    "a later step wins over a later time",
    [
      [1, 5, 9],
      [2, 1, 3],
    ],
    [2, 1, 3],
  ],
  [
    "an earlier step never wins",
    [
      [2, 1, 3],
      [1, 9, 9],
    ],
    [2, 1, 3],
  ],
  [
    "a later time wins within a step",
    [
      [1, 5, 9],
      [1, 6, 3],
    ],
    [1, 6, 3],
  ],
  [
    "the larger value wins within a time",
    [
      [1, 5, 9],
      [1, 5, 3],
    ],
    [1, 5, 9],
  ],
])("latest metric: %s, sent apart or together", async (_what, points, expected) => {
  const metrics = points.map(([step, timestamp, value]) => ({ key: "m", step, timestamp, value }));
  const [step, timestamp, value] = expected;
  const apart = await newRun();
  for (const metric of metrics) await api.post("runs/log-metric", { run_id: apart, ...metric });
  expect((await dataOf(apart)).metrics).toEqual([{ key: "m", step, timestamp, value }]);
  const together = await newRun();
  await api.post("runs/log-batch", { run_id: together, metrics });
  expect((await dataOf(together)).metrics).toEqual([{ key: "m", step, timestamp, value }]);
});

test("NaN is later than 0 of the same step and time, whichever comes first", async () => {
  const metrics = ["NaN", 0].map((value) => ({ key: "m", value, step: 1, timestamp: 1 }));
  for (const order of [metrics, metrics.toReversed()]) {
    const run_id = await newRun();
    for (const metric of order) await api.post("runs/log-metric", { run_id, ...metric });
    expect((await dataOf(run_id)).metrics).toMatchObject([{ value: "NaN" }]);
    const together = await newRun();
    await api.post("runs/log-batch", { run_id: together, metrics: order });
    expect((await dataOf(together)).metrics).toMatchObject([{ value: "NaN" }]);
  }
});

test("many writers on one run lose nothing", async () => {
  const run_id = await newRun();
  const batches = Array.from({ length: 20 }, (_, writer) =>
    Array.from({ length: 20 }, (_, index) => ({
      key: `m${(writer * 7 + index) % 10}`,
      value: writer,
      timestamp: 1,
      step: writer * 20 + index,
    })),
  );
  await Promise.all(batches.map((metrics) => api.post("runs/log-batch", { run_id, metrics })));
  const points = batches.flat();
  for (const latest of (await dataOf(run_id)).metrics) {
    const steps = points.filter(({ key }) => key === latest.key).map(({ step }) => step);
    expect(latest.step).toBe(Math.max(...steps));
    expect(
      (await api.get("metrics/get-history", { run_id, metric_key: latest.key })).metrics,
    ).toHaveLength(steps.length);
  }
});

test("NaN and the infinities come back as MLflow writes them, and order last or at the ends", async () => {
  const experiment_id = await newExperiment();
  const runs: Record<string, string> = {};
  for (const value of ["NaN", "Infinity", "-Infinity", 0]) {
    const run_id = await newRun(experiment_id);
    runs[run_id] = String(value);
    await api.post("runs/log-metric", { run_id, key: "m", value, timestamp: 1 });
  }
  const search = async (input: object) =>
    (await api.post("runs/search", { experiment_ids: [experiment_id], ...input })).runs.map(
      (run: Json) => runs[run.info.run_id],
    );
  expect(await search({ order_by: ["metrics.m DESC"] })).toEqual([
    "Infinity",
    "0",
    "-Infinity",
    "NaN",
  ]);
  expect(await search({ order_by: ["metrics.m"] })).toEqual(["-Infinity", "0", "Infinity", "NaN"]);
  expect(await search({ filter: "metrics.m = 0" })).toEqual(["0"]);
  const [nan] = Object.entries(runs).find(([, value]) => value === "NaN") ?? [""];
  expect((await dataOf(nan)).metrics[0].value).toBe("NaN");
});

test("a param keeps its first value", async () => {
  const run_id = await newRun();
  await api.post("runs/log-parameter", { run_id, key: "p", value: "1" });
  await api.post("runs/log-parameter", { run_id, key: "p", value: "1" });
  for (const params of [
    [{ key: "p", value: "2" }],
    [
      { key: "q", value: "1" },
      { key: "q", value: "2" },
    ],
  ]) {
    const answer = await api.ask("POST", "runs/log-batch", {
      run_id,
      params,
      metrics: [{ key: "m", value: 1 }],
    });
    expect([answer.status, answer.body.error_code]).toEqual([400, "INVALID_PARAMETER_VALUE"]);
    expect(answer.body.message).toContain("Changing param values is not allowed");
  }
  // A refused batch leaves nothing behind.
  expect(await dataOf(run_id)).toEqual({
    metrics: [],
    params: [{ key: "p", value: "1" }],
    tags: [],
  });
});

test("a run's tag is set and set again", async () => {
  const run_id = await newRun();
  await api.post("runs/set-tag", { run_id, key: "t", value: "1" });
  await api.post("runs/set-tag", { run_id, key: "t", value: "2" });
  expect((await dataOf(run_id)).tags).toEqual([{ key: "t", value: "2" }]);
});

const many = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: `k${index}`, value: "1" }));

test("log-batch holds its limits", async () => {
  const run_id = await newRun();
  const refused: [object, string][] = [
    [{ metrics: many(1001) }, "'metrics'"],
    [{ params: many(101) }, "'params'"],
    [{ tags: many(101) }, "'tags'"],
    [{ metrics: many(950), tags: many(51) }, "1001"],
    [{ params: [{ key: "k".repeat(251), value: "1" }] }, "params.0.key"],
    [{ params: [{ key: "k", value: "1".repeat(6001) }] }, "params.0.value"],
    [{ tags: [{ key: "k", value: "1".repeat(8001) }] }, "tags.0.value"],
    [{ metrics: [{ key: "m", value: "much" }] }, "metrics.0.value"],
    [{ metrics: [{ key: "m", value: 1, step: 0.5 }] }, "metrics.0.step"],
    [{ metrics: [{ value: 1 }] }, "'key'"],
  ];
  for (const [batch, reason] of refused) {
    const answer = await api.ask("POST", "runs/log-batch", { run_id, ...batch });
    expect([answer.status, answer.body.error_code], reason).toEqual([
      400,
      "INVALID_PARAMETER_VALUE",
    ]);
    expect(answer.body.message).toContain(reason);
  }
  await api.post("runs/log-batch", {
    run_id,
    metrics: many(1000).map(({ key }) => ({ key, value: 1 })),
  });
  await api.post("runs/log-batch", { run_id });
  expect(
    (await api.ask("POST", "runs/log-batch", { run_id: "none", metrics: [{ key: "m", value: 1 }] }))
      .status,
  ).toBe(404);
});

test("runs are found by metric, param, tag and attribute, and ordered by each", async () => {
  const experiment_id = await newExperiment();
  for (let index = 0; index < 6; index += 1) {
    const run_id = await newRun(experiment_id, {
      run_name: `r${index}`,
      user_id: index % 2 === 0 ? "even" : "odd",
      start_time: index,
    });
    await api.post("runs/log-batch", {
      run_id,
      metrics: [{ key: "acc", value: index / 10 }],
      params: [{ key: "lr", value: index < 3 ? "0.1" : "0.01" }],
      tags: index === 0 ? [] : [{ key: "mlflow.user", value: `user${6 - index}` }],
    });
  }
  const search = async (filter: string, order_by: string[] = ["attributes.start_time ASC"]) =>
    (await api.post("runs/search", { experiment_ids: [experiment_id], filter, order_by })).runs
      .map((run: Json) => run.info.run_name)
      .join(" ");
  expect(await search("metrics.acc >= 0.3")).toBe("r3 r4 r5");
  expect(await search("metrics.acc >= 0.2 and params.lr = '0.1'")).toBe("r2");
  expect(await search("tags.`mlflow.user` ILIKE 'USER1'")).toBe("r5");
  expect(await search("tags.mlflow.user IS NULL")).toBe("r0");
  expect(await search("attributes.user_id = 'odd' and attributes.start_time > 1")).toBe("r3 r5");
  expect(await search("run_name LIKE 'r_' and attributes.status = 'RUNNING'")).toBe(
    "r0 r1 r2 r3 r4 r5",
  );
  expect(await search("", ["metrics.acc DESC"])).toBe("r5 r4 r3 r2 r1 r0");
  expect(await search("", ["tags.`mlflow.user`"])).toBe("r5 r4 r3 r2 r1 r0");
  expect(await search("", ["params.lr DESC", "metrics.acc"])).toBe("r0 r1 r2 r3 r4 r5");
  expect(await search("", [])).toBe("r5 r4 r3 r2 r1 r0");
  expect((await api.post("runs/search", { experiment_ids: [] })).runs).toEqual([]);
});

test("runs and histories are paged, and a page of runs takes four statements", async () => {
  const experiment_id = await newExperiment();
  for (let index = 0; index < 5; index += 1) await newRun(experiment_id, { start_time: index });
  const seen: string[] = [];
  let page_token: string | undefined = "";
  while (page_token !== undefined) {
    const before = await api.metric("registry_db_statements_total");
    const page: Json = await api.post("runs/search", {
      experiment_ids: [experiment_id],
      max_results: 2,
      page_token,
    });
    expect((await api.metric("registry_db_statements_total")) - before).toBe(4);
    seen.push(...page.runs.map((run: Json) => run.info.run_id));
    page_token = page.next_page_token;
  }
  expect(new Set(seen).size).toBe(5);
  const [run_id] = seen;
  await api.post("runs/log-batch", {
    run_id,
    metrics: [1, 2, 3].map((step) => ({ key: "m", value: step, timestamp: step, step })),
  });
  const first = await api.get("metrics/get-history", {
    run_id: String(run_id),
    metric_key: "m",
    max_results: 2,
  });
  const second = await api.get("metrics/get-history", {
    run_id: String(run_id),
    metric_key: "m",
    page_token: first.next_page_token,
  });
  expect([...first.metrics, ...second.metrics].map((metric: Json) => metric.step)).toEqual([
    1, 2, 3,
  ]);
  expect(second.next_page_token).toBeUndefined();
  expect(
    (await api.ask("GET", "metrics/get-history", { run_id: "none", metric_key: "m" })).status,
  ).toBe(404);
});

test("log-batch takes a fixed number of statements and one insert per chunk", async () => {
  const run_id = await newRun();
  const before = await api.metric("registry_db_statements_total");
  const metrics = Array.from({ length: 14 }, (_, step) => ({
    key: "m",
    value: 1,
    timestamp: step,
    step,
  }));
  await api.post("runs/log-batch", {
    run_id,
    metrics,
    params: [{ key: "p", value: "1" }],
    tags: [{ key: "t", value: "1" }],
  });
  // BEGIN, the run, params, two chunks of seven points, the latest, tags, COMMIT.
  expect((await api.metric("registry_db_statements_total")) - before).toBe(8);
});
