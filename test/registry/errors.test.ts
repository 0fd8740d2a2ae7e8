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
  const databaseUrl = await stores.createDatabase("errors");
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

test("errors have MLflow's codes and say what is wrong", async () => {
  const name = await newModel(1);
  const taken = await newModel();
  const cases: [
    method: string,
    path: string,
    input: object,
    status: number,
    code: string,
    message: string,
  ][] = [
    ["POST", "registered-models/create", { name }, 400, "RESOURCE_ALREADY_EXISTS", name],
    ["POST", "registered-models/create", {}, 400, "INVALID_PARAMETER_VALUE", "'name'"],
    ["POST", "registered-models/create", { name: "" }, 400, "INVALID_PARAMETER_VALUE", "'name'"],
    [
      "POST",
      "registered-models/create",
      { name: { a: 1 } },
      400,
      "INVALID_PARAMETER_VALUE",
      "'name'",
    ],
    [
      "POST",
      "registered-models/create",
      { name: "x", tags: [{ key: "k" }] },
      400,
      "INVALID_PARAMETER_VALUE",
      "'value'",
    ],
    [
      "POST",
      "registered-models/create",
      { name: "nul\u0000" },
      400,
      "INVALID_PARAMETER_VALUE",
      "refused a value",
    ],
    ["GET", "registered-models/get", { name: "none" }, 404, "RESOURCE_DOES_NOT_EXIST", "none"],
    [
      "PATCH",
      "registered-models/update",
      { name: "none", description: "" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "POST",
      "registered-models/rename",
      { name: "none", new_name: "x" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "POST",
      "registered-models/rename",
      { name, new_name: taken },
      400,
      "RESOURCE_ALREADY_EXISTS",
      taken,
    ],
    [
      "DELETE",
      "registered-models/delete",
      { name: "none" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "POST",
      "registered-models/set-tag",
      { name: "none", key: "k", value: "v" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "",
    ],
    [
      "DELETE",
      "registered-models/delete-tag",
      { name: "none", key: "k" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "POST",
      "registered-models/alias",
      { name, alias: "a", version: "9" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "version=9",
    ],
    [
      "POST",
      "registered-models/alias",
      { name, alias: "a", version: "x" },
      400,
      "INVALID_PARAMETER_VALUE",
      "'version'",
    ],
    [
      "GET",
      "registered-models/alias",
      { name, alias: "none" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "DELETE",
      "registered-models/alias",
      { name: "none", alias: "a" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "GET",
      "registered-models/get-latest-versions",
      { name: "none" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    [
      "GET",
      "registered-models/get-latest-versions",
      { name, stages: "Live" },
      400,
      "INVALID_PARAMETER_VALUE",
      "Live",
    ],
    [
      "GET",
      "registered-models/search",
      { max_results: 1001 },
      400,
      "INVALID_PARAMETER_VALUE",
      "'max_results'",
    ],
    [
      "GET",
      "registered-models/search",
      { max_results: 0 },
      400,
      "INVALID_PARAMETER_VALUE",
      "'max_results'",
    ],
    [
      "GET",
      "registered-models/search",
      { page_token: "!" },
      400,
      "INVALID_PARAMETER_VALUE",
      "'page_token'",
    ],
    [
      "GET",
      "registered-models/search",
      { filter: "nope = 1" },
      400,
      "INVALID_PARAMETER_VALUE",
      "nope",
    ],
    [
      "GET",
      "registered-models/search",
      { order_by: "tags.a" },
      400,
      "INVALID_PARAMETER_VALUE",
      "order",
    ],
    [
      "POST",
      "model-versions/create",
      { name: "none", source: "s" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "none",
    ],
    ["POST", "model-versions/create", { name }, 400, "INVALID_PARAMETER_VALUE", "'source'"],
    [
      "GET",
      "model-versions/get",
      { name, version: 9 },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "version=9",
    ],
    [
      "GET",
      "model-versions/get-download-uri",
      { name, version: 9 },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "version=9",
    ],
    [
      "PATCH",
      "model-versions/update",
      { name, version: 9 },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "version=9",
    ],
    [
      "DELETE",
      "model-versions/delete",
      { name, version: 9 },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "version=9",
    ],
    [
      "POST",
      "model-versions/set-tag",
      { name, version: 9, key: "k", value: "v" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "9",
    ],
    [
      "DELETE",
      "model-versions/delete-tag",
      { name, version: 9, key: "k" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "9",
    ],
    [
      "POST",
      "model-versions/transition-stage",
      { name, version: 1, stage: "Live" },
      400,
      "INVALID_PARAMETER_VALUE",
      "Live",
    ],
    [
      "POST",
      "model-versions/transition-stage",
      { name, version: 9, stage: "Staging" },
      404,
      "RESOURCE_DOES_NOT_EXIST",
      "9",
    ],
    [
      "POST",
      "model-versions/transition-stage",
      { name, version: 1, stage: "None", archive_existing_versions: true },
      400,
      "INVALID_PARAMETER_VALUE",
      "archive",
    ],
    ["GET", "no/such/endpoint", {}, 404, "ENDPOINT_NOT_FOUND", "no/such/endpoint"],
    ["PUT", "registered-models/create", {}, 404, "ENDPOINT_NOT_FOUND", "PUT"],
  ];
  for (const [method, path, input, status, code, message] of cases) {
    const answer = await api.ask(method, path, input);
    const what = `${method} ${path} ${JSON.stringify(input)}: ${JSON.stringify(answer.body)}`;
    expect([answer.status, answer.body.error_code], what).toEqual([status, code]);
    expect(answer.body.message, what).toContain(message);
  }
});

const send = async (body: string): Promise<[number, string]> => {
  const response = await fetch(`${api.url}/api/2.0/mlflow/registered-models/create`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  const answer: Json = await response.json();
  return [response.status, answer.error_code];
};

test("a body that is no JSON, or too large, is refused", async () => {
  expect(await send("{")).toEqual([400, "BAD_REQUEST"]);
  const large = JSON.stringify({ name: "x", description: "x".repeat(1024 * 1024) });
  expect(await send(large)).toEqual([400, "INVALID_PARAMETER_VALUE"]);
});
