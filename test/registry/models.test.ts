import { afterAll, beforeAll, expect, test } from "vitest";
import { openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let api: TestRegistry;
let counter = 0;

beforeAll(async () => {
  stores = await startStores();
  const databaseUrl = await stores.createDatabase("registry");
  // Cached reads have a test file of their own; here every answer is the database's.
  api = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    CACHE_L2_TTL_MS: "0",
  });
}, 60_000);

afterAll(async () => {
  await api?.close();
  await stores?.stop();
}, 60_000);

async function newModel(versions = 0, input: object = {}): Promise<string> {
  const name = `model-${(counter += 1)}`;
  await api.post("registered-models/create", { name, ...input });
  for (let made = 0; made < versions; made += 1)
    await api.post("model-versions/create", { name, source: "s3://x" });
  return name;
}

test("a model is created, read, described, renamed and deleted", async () => {
  const tags = [{ key: "team", value: "a" }];
  const name = await newModel(1, { tags, description: "first" });
  await api.post("registered-models/alias", { name, alias: "champion", version: "1" });
  const { registered_model: model } = await api.get("registered-models/get", { name });
  expect(model).toMatchObject({
    name,
    description: "first",
    tags,
    aliases: [{ alias: "champion", version: "1" }],
  });
  expect(model.latest_versions).toMatchObject([
    { name, version: "1", current_stage: "None", aliases: ["champion"] },
  ]);
  const updated = await api.ask("PATCH", "registered-models/update", {
    name,
    description: "second",
  });
  expect(updated.body.registered_model.description).toBe("second");
  const renamed = await api.post("registered-models/rename", { name, new_name: `${name}-new` });
  expect(renamed.registered_model).toMatchObject({
    name: `${name}-new`,
    tags,
    latest_versions: [{ version: "1" }],
  });
  expect((await api.ask("GET", "registered-models/get", { name })).status).toBe(404);
  expect(
    (await api.ask("DELETE", "registered-models/delete", { name: `${name}-new` })).body,
  ).toEqual({});
  expect((await api.ask("GET", "registered-models/get", { name: `${name}-new` })).status).toBe(404);
});

test("a client's text stays data", async () => {
  const name = `x'; DROP TABLE registered_models; -- ${(counter += 1)}`;
  await api.post("registered-models/create", { name, tags: [{ key: "a`b' OR 1=1", value: "%" }] });
  const found = await api.get("registered-models/search", {
    filter: `name = '${name.replaceAll("'", "''")}'`,
  });
  expect(found.registered_models.map((model: { name: string }) => model.name)).toEqual([name]);
  const byTag = await api.get("registered-models/search", { filter: "tags.\"a`b' OR 1=1\" = '%'" });
  expect(byTag.registered_models).toHaveLength(1);
});

test("search pages through every model once, in the order asked", async () => {
  for (let made = 0; made < 5; made += 1)
    await newModel(0, { tags: [{ key: "paged", value: String(made) }] });
  const filter = "tags.paged LIKE '%'";
  const names: string[] = [];
  let token: string | undefined = "";
  while (token !== undefined) {
    const page = await api.get("registered-models/search", {
      filter,
      max_results: 2,
      order_by: "name DESC",
      page_token: token,
    });
    names.push(...page.registered_models.map((model: { name: string }) => model.name));
    token = page.next_page_token;
  }
  expect(names).toHaveLength(5);
  expect(names).toEqual(names.toSorted().toReversed());
  expect(
    (await api.get("registered-models/search", { filter: "tags.paged = '3'" })).registered_models,
  ).toHaveLength(1);
  expect(
    (await api.get("registered-models/search", { filter: "tags.paged != '3'" })).registered_models,
  ).toHaveLength(4);
});

test("concurrent creates number versions without gaps or repeats", async () => {
  const name = await newModel();
  const created = await Promise.all(
    Array.from({ length: 40 }, () => api.post("model-versions/create", { name, source: "s3://x" })),
  );
  const numbers = created
    .map(({ model_version }) => Number(model_version.version))
    .toSorted((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
});

test("a version is read, described, tagged, found and deleted", async () => {
  const name = await newModel();
  const tags = [{ key: "git", value: "abc" }];
  const source = `s3://models/${name}`;
  const { model_version: created } = await api.post("model-versions/create", {
    name,
    source,
    run_id: `run-${name}`,
    tags,
  });
  expect(created).toMatchObject({
    name,
    version: "1",
    source,
    status: "READY",
    current_stage: "None",
    tags,
  });
  expect((await api.get("model-versions/get", { name, version: "1" })).model_version).toEqual(
    created,
  );
  expect(await api.get("model-versions/get-download-uri", { name, version: 1 })).toEqual({
    artifact_uri: source,
  });
  await api.post("model-versions/set-tag", { name, version: "1", key: "ok", value: "yes" });
  for (const filter of [
    `run_id = 'run-${name}'`,
    `run_id IN ('run-${name}', 'x')`,
    `source_path = '${source}'`,
    `tags.ok = 'yes' AND name = '${name}'`,
  ]) {
    const found = await api.get("model-versions/search", { filter });
    expect(
      found.model_versions.map((version: { name: string }) => version.name),
      filter,
    ).toEqual([name]);
  }
  await api.ask("DELETE", "model-versions/delete-tag", { name, version: "1", key: "ok" });
  const updated = await api.ask("PATCH", "model-versions/update", {
    name,
    version: "1",
    description: "d",
  });
  expect(updated.body.model_version).toMatchObject({ description: "d", tags });
  expect((await api.ask("DELETE", "model-versions/delete", { name, version: "1" })).body).toEqual(
    {},
  );
  expect((await api.ask("GET", "model-versions/get", { name, version: 1 })).status).toBe(404);
});

test("moving a version to a stage archives the others there only if asked", async () => {
  const name = await newModel(3);
  const move = (version: number, archive: boolean) =>
    api.post("model-versions/transition-stage", {
      name,
      version: String(version),
      stage: "production",
      archive_existing_versions: archive,
    });
  const stages = async () => {
    const found = await api.get("model-versions/search", {
      filter: `name = '${name}'`,
      order_by: "version_number",
    });
    return found.model_versions.map((version: { current_stage: string }) => version.current_stage);
  };
  await move(1, false);
  await move(2, false);
  expect(await stages()).toEqual(["Production", "Production", "None"]);
  expect((await move(3, true)).model_version).toMatchObject({
    version: "3",
    current_stage: "Production",
  });
  expect(await stages()).toEqual(["Archived", "Archived", "Production"]);
  await Promise.all([move(1, true), move(2, true), move(3, true)]);
  expect((await stages()).filter((stage: string) => stage === "Production")).toHaveLength(1);
  const latest = await api.post("registered-models/get-latest-versions", {
    name,
    stages: ["Production"],
  });
  expect(latest.model_versions).toHaveLength(1);
  expect(
    (await api.get("registered-models/get-latest-versions", { name })).model_versions,
  ).toHaveLength(2);
});

test("an alias follows its version and goes with it", async () => {
  const name = await newModel(2);
  await api.post("registered-models/alias", { name, alias: "champion", version: "1" });
  await api.post("registered-models/alias", { name, alias: "champion", version: "2" });
  expect(
    (await api.get("registered-models/alias", { name, alias: "champion" })).model_version,
  ).toMatchObject({ version: "2", aliases: ["champion"] });
  await api.ask("DELETE", "registered-models/alias", { name, alias: "champion" });
  expect(
    (await api.ask("GET", "registered-models/alias", { name, alias: "champion" })).status,
  ).toBe(404);
});

const cost = async (path: string, input: object): Promise<number> => {
  const before = await api.metric("registry_db_statements_total");
  await api.get(path, { ...input });
  return (await api.metric("registry_db_statements_total")) - before;
};

test("a page of any length takes as many statements", async () => {
  for (let made = 0; made < 12; made += 1)
    await newModel(2, { tags: [{ key: "counted", value: "x" }] });
  expect(await cost("registered-models/search", { filter: "tags.counted = 'x'" })).toBe(2);
  expect(
    await cost("registered-models/get", { name: "model-1" }).catch(() => 0),
  ).toBeLessThanOrEqual(2);
  expect(await cost("model-versions/search", {})).toBe(1);
  expect(await cost("experiments/search", {})).toBe(1);
});

test("health tells whether each store answers", async () => {
  expect(await (await fetch(`${api.url}/healthz`)).json()).toEqual({ status: "ok" });
  expect(await (await fetch(`${api.url}/readyz`)).json()).toEqual({
    status: "ready",
    postgresql: true,
    redis: true,
  });
});

test("metrics name route templates and the process's state", async () => {
  await api.ask("GET", "registered-models/get", { name: "none" });
  expect(
    await api.metric(
      "http_requests_total",
      'route="/api/2.0/mlflow/registered-models/get",status_class="4xx"',
    ),
  ).toBeGreaterThan(0);
  expect(await api.metric("registry_pool_max")).toBe(15);
  expect(await api.metric("registry_pool_wait_seconds_count")).toBeGreaterThan(0);
  expect(await api.metric("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(await api.metric("registry_event_loop_delay_seconds", "0.99")).toBeGreaterThanOrEqual(0);
  const utilisation = await api.metric("registry_event_loop_utilisation_ratio");
  expect(utilisation).toBeGreaterThanOrEqual(0);
  expect(utilisation).toBeLessThanOrEqual(1);
});
