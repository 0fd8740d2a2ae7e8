import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let databaseUrl = "";
let counter = 0;
const opened: TestRegistry[] = [];

const ETAG = { HTTP_ETAG: "true" };

beforeAll(async () => {
  stores = await startStores();
}, 60_000);

beforeEach(async () => {
  databaseUrl = await stores.createDatabase(`http_${(counter += 1)}`);
});

afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.close();
});

afterAll(() => stores?.stop(), 60_000);

async function open(environment: Record<string, string>): Promise<TestRegistry> {
  const registry = await openRegistry({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stores.redisUrl,
    ...environment,
  });
  opened.push(registry);
  await registry.post("registered-models/create", { name: "m", description: "1" });
  return registry;
}

const fetchModel = (
  registry: TestRegistry,
  ifNoneMatch?: string,
  path = "registered-models/get?name=m",
): Promise<Response> =>
  fetch(`${registry.url}${API_BASE}/${path}`, {
    headers: ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch },
  });

const header = (answer: Response, name: string): string | null => answer.headers.get(name);

test("as shipped no answer has a word about caching", async () => {
  const registry = await open({});
  for (const path of [
    "registered-models/get?name=m",
    "registered-models/get?name=none",
    "nothing",
  ]) {
    const answer = await fetchModel(registry, "*", path);
    expect(answer.status).not.toBe(304);
    for (const name of ["etag", "cache-control", "vary"]) expect(header(answer, name)).toBeNull();
    await answer.text();
  }
});

test.each([
  ["L1", { CACHE_L1_TTL_MS: "60000", CACHE_L2_TTL_MS: "0" }],
  ["L2", { CACHE_L2_TTL_MS: "60000" }],
  ["L3", { CACHE_L2_TTL_MS: "0", CACHE_L3_TTL_MS: "60000" }],
  ["no cache", { CACHE_L2_TTL_MS: "0" }],
])("who has an answer is not sent it again, until it changes: %s", async (_tier, environment) => {
  const registry = await open({ ...ETAG, ...environment });
  const path = "registered-models/search?max_results=5";
  const first = await fetchModel(registry, undefined, path);
  const body = await first.text();
  const etag = String(header(first, "etag"));
  expect(first.status).toBe(200);
  expect(etag).toMatch(/^"[\w-]{27}"$/);
  expect(header(first, "cache-control")).toBe("private, no-cache");
  for (let times = 0; times < 3; times += 1) {
    const again = await fetchModel(registry, etag, path);
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect([header(again, "etag"), header(again, "cache-control")]).toEqual([
      etag,
      "private, no-cache",
    ]);
    expect(header(again, "content-type")).toBeNull();
    const plain = await fetchModel(registry, undefined, path);
    expect([header(plain, "etag"), await plain.text()]).toEqual([etag, body]);
  }
  expect(await registry.metric("http_not_modified_total", "registered-models/search")).toBe(3);
  await registry.ask("PATCH", "registered-models/update", { name: "m", description: "2" });
  const changed = await fetchModel(registry, etag, path);
  expect(changed.status).toBe(200);
  expect(await changed.text()).toContain('"description":"2"');
  expect(header(changed, "etag")).not.toBe(etag);
});

test("a tag is found among several, weak ones too, and the star stands for any", async () => {
  const registry = await open(ETAG);
  const first = await fetchModel(registry);
  const etag = String(header(first, "etag"));
  await first.text();
  const statusFor = async (ifNoneMatch: string): Promise<number> => {
    const answer = await fetchModel(registry, ifNoneMatch);
    await answer.text();
    return answer.status;
  };
  expect(await statusFor(`"other", ${etag}`)).toBe(304);
  expect(await statusFor(`W/${etag}`)).toBe(304);
  expect(await statusFor("*")).toBe(304);
  expect(await statusFor('"other"')).toBe(200);
  expect(await statusFor(etag.slice(1, -1))).toBe(200);
});

test("errors are not to be kept, and writes and POST searches carry no tag", async () => {
  const registry = await open(ETAG);
  for (const path of ["registered-models/get?name=none", "registered-models/get", "nothing"]) {
    const answer = await fetchModel(registry, "*", path);
    await answer.text();
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect([header(answer, "cache-control"), header(answer, "etag")]).toEqual(["no-store", null]);
  }
  const search = await fetch(`${registry.url}${API_BASE}/experiments/search`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json", "if-none-match": "*" },
  });
  expect([search.status, header(search, "etag"), header(search, "cache-control")]).toEqual([
    200,
    null,
    null,
  ]);
  await search.text();
});

test("what may be kept is told in whole seconds, and runs are not", async () => {
  const registry = await open({ HTTP_MAX_AGE_MS: "2900" });
  const model = await fetchModel(registry);
  await model.text();
  expect([header(model, "cache-control"), header(model, "etag")]).toEqual([
    "private, max-age=2",
    null,
  ]);
  const { experiment_id } = await registry.post("experiments/create", { name: "e" });
  const { run } = await registry.post("runs/create", { experiment_id });
  const answer = await fetchModel(registry, undefined, `runs/get?run_id=${run.info.run_id}`);
  await answer.text();
  expect([answer.status, header(answer, "cache-control")]).toEqual([200, "private, no-cache"]);
});
