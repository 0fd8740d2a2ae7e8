import { dirname, join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PerfoptError } from "../../src/core/errors.ts";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const load = (text: string, env = {}) => loadTarget(folder.write("t.yaml", text), { env });
const problems = (text: string, env = {}) => problemsOf(folder, () => load(text, env));

test("a whole target, in perfopt's own words", async () => {
  const target = await load(TARGET);
  const directory = resolve(folder.path, "../code");
  expect(target.path).toBe(join(folder.path, "t.yaml"));
  expect(target.service).toEqual({
    start: { program: "node", args: ["--title", "my shop", "a b/main.js"], directory },
    env: {
      PORT: "${port}",
      DB: "${postgres.url}",
      CACHE: "${redis.url}",
      LIMIT: "5",
      DEBUG: "false",
    },
    readyPath: "/ready",
    startTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    metrics: {
      path: "/metrics",
      series: { cacheLookups: "lookups_total", cacheHitsL1: 'hits_total{tier="l1"}' },
    },
  });
  expect(target.postgres).toEqual({
    kind: "embedded",
    database: "shop",
    settings: { jit: "off", work_mem: "8MB" },
  });
  expect(target.redis).toEqual({
    kind: "local",
    settings: { "lazyfree-lazy-eviction": "yes", "maxmemory-policy": "allkeys-lru" },
  });
  expect(target.seed).toEqual({
    command: {
      program: "node",
      args: ["seed.js", "--scale", "${scale}"],
      directory: dirname(target.path),
    },
    scales: ["small", "big"],
    defaultScale: "big",
    quickScale: "small",
  });
});

test("knobs, in the order of the file", async () => {
  expect((await load(TARGET)).knobs).toEqual([
    {
      id: "pool",
      title: "Pool",
      role: "pool-max",
      domain: { kind: "int", min: 1, max: 50 },
      default: 10,
      scope: "restart",
      set: { kind: "env", variable: "POOL" },
    },
    {
      id: "ttl",
      title: "TTL",
      role: "l1-ttl",
      domain: { kind: "duration", min: 0, max: 60_000 },
      default: 5000,
      scope: "restart",
      set: { kind: "env", variable: "TTL_S", unit: "s" },
    },
    {
      id: "memory",
      title: "Memory",
      role: "redis-maxmemory",
      domain: { kind: "bytes", min: 1024 ** 2, max: 1024 ** 3 },
      default: 64 * 1024 ** 2,
      scope: "live",
      set: { kind: "redis", parameter: "maxmemory" },
    },
    {
      id: "mode",
      title: "Mode",
      domain: { kind: "enum", values: ["fast", "safe"] },
      default: "safe",
      scope: "reload",
      set: { kind: "env", variable: "MODE" },
    },
    {
      id: "warm",
      title: "Warm",
      domain: { kind: "bool" },
      default: true,
      scope: "restart",
      set: { kind: "env", variable: "WARM" },
    },
  ]);
});

const withCookies = (value: string) =>
  edit(TARGET, "  browse:\n", `  browse:\n    cookies: ${value}\n`);

test("a workload's clients may keep cookies; none by default", async () => {
  expect((await load(withCookies("true"))).workloads[0]).toMatchObject({ cookies: true });
  expect((await load(withCookies("false"))).workloads[0]).not.toHaveProperty("cookies");
  expect((await load(TARGET)).workloads[0]).not.toHaveProperty("cookies");
  expect((await problems(withCookies("all"))).join()).toContain("workloads.browse.cookies");
});

const keeping = (share: string) =>
  edit(TARGET, "  browse:\n", `  browse:\n    revalidate: ${share}\n`);

test("a share of a workload's clients may keep validators; none by default", async () => {
  expect((await load(TARGET)).workloads[0]).not.toHaveProperty("revalidate");
  expect((await load(keeping("0.4"))).workloads[0]).toMatchObject({ revalidate: 0.4 });
  expect((await load(keeping("0"))).workloads[0]).toMatchObject({ revalidate: 0 });
  for (const share of ["1.5", "-0.1", "half"]) {
    expect((await problems(keeping(share))).join()).toContain("workloads.browse.revalidate");
  }
});

test("workloads: queries are encoded around their placeholders, bodies kept", async () => {
  const [browse] = (await load(TARGET)).workloads;
  expect(browse?.parameters).toEqual([
    {
      name: "product",
      source: { kind: "sql", query: "SELECT id, name FROM products", limit: 50 },
      distribution: { kind: "zipf", exponent: 1.2 },
    },
    {
      name: "size",
      source: { kind: "values", rows: [{ value: "s" }, { value: "m" }, { value: "l" }] },
      distribution: { kind: "uniform" },
    },
    {
      name: "place",
      source: {
        kind: "values",
        rows: [
          { city: "a", zip: 1 },
          { city: "b", zip: 2 },
        ],
      },
      distribution: { kind: "uniform" },
    },
    {
      name: "amount",
      source: { kind: "int", min: 1, max: 9 },
      distribution: { kind: "uniform" },
    },
    {
      name: "fresh",
      source: { kind: "unique", prefix: "order-" },
      distribution: { kind: "uniform" },
    },
  ]);
  expect(browse?.requests).toEqual([
    {
      name: "list",
      weight: 9,
      method: "GET",
      path: "/products?q=size%20%3D%20'${size}'%20%26%20new&page=2&sort=name&sort=price%20desc",
      headers: {},
      expect: [],
    },
    {
      name: "order",
      weight: 1,
      method: "POST",
      path: "/orders/${product.id}?from=${place.city}",
      headers: { "x-id": "${fresh}" },
      body: {
        name: "${fresh}",
        lines: { $repeat: 3, item: { no: "${index}", amount: "${amount}" } },
      },
      expect: [201],
    },
  ]);
});

describe("the environment", () => {
  const withUrl = TARGET.replace(/ {2}embedded:.*?\n(?=redis:)/s, '  url: "${env:DATABASE_URL}"\n');

  test("fills ${env:NAME}, or its default when it is unset or empty", async () => {
    const text = edit(withUrl, "title: Shop", "title: ${env:TITLE:-Some shop}");
    const url = "postgres://me:secret@db:5432/shop";
    const target = await load(text, { DATABASE_URL: url, TITLE: "" });
    expect(target.title).toBe("Some shop");
    expect(target.postgres).toEqual({ kind: "url", url });
  });

  test("fills numbers and booleans where the text is unquoted, and leaves text as it is", async () => {
    const target = await load(edit(TARGET, "LIMIT: 5", "LIMIT: ${env:LIMIT}"), { LIMIT: "007" });
    expect(target.service.env["LIMIT"]).toBe("007");
    const weight = edit(TARGET, "weight: 9", "weight: ${env:WEIGHT:-3}");
    expect((await load(weight)).workloads[0]?.requests[0]?.weight).toBe(3);
    expect((await load(weight, { WEIGHT: "4.5" })).workloads[0]?.requests[0]?.weight).toBe(4.5);
  });

  test("a variable that is missing is named with its place, and a near one is suggested", async () => {
    expect(await problems(withUrl, { DATABSE_URL: "postgres://me:secret@db/shop" })).toEqual([
      't.yaml:18:8: expected the environment variable DATABASE_URL, which has no default here, found it unset or empty; did you mean "DATABSE_URL"?',
    ]);
    expect(await problems(edit(withUrl, "env:DATABASE_URL", "env:9"))).toEqual([
      "t.yaml:18:8: expected ${env:NAME} or ${env:NAME:-default}, found another form of ${env:...}",
    ]);
  });
});

const withUrlOf = (value: string) =>
  TARGET.replace(/ {2}embedded:.*?\n(?=redis:)/s, `  url: ${value}\n`);

describe("secrets never appear in a message", () => {
  test.each([
    ["a URL of another protocol", withUrlOf("mysql://me:hunter2@db/shop"), {}],
    ["a URL with a slash in its password", withUrlOf("mysql://me:hunter2/x@db/shop"), {}],
    ["a URL that is none", withUrlOf("'host=db password=hunter2'"), {}],
    ["a URL from the environment", withUrlOf('"${env:URL}"'), { URL: "hunter2" }],
    ["a URL as a default", withUrlOf('"${env:URL:-mysql://me:hunter2@db}"'), {}],
    [
      "a URL where a map belongs",
      edit(TARGET, "redis:\n  local:", "redis: redis://:hunter2@cache\nx:\n  local:"),
      {},
    ],
    [
      "a DSN where a map belongs",
      edit(TARGET, "redis:\n  local:", "redis: db password=hunter2\nx:\n  local:"),
      {},
    ],
    ["a URL as a key", edit(TARGET, "title: Shop", "title: Shop\nredis://me:hunter2@cache: 1"), {}],
    [
      "a URL in a command",
      edit(TARGET, "node --title", "node --url postgres://me:hunter2@db | x --title"),
      {},
    ],
    [
      "a URL in broken YAML",
      edit(TARGET, "DB: ${postgres.url}", "DB: {a: postgres://me:hunter2@db/x?y=[1]}"),
      {},
    ],
    [
      "a value from the environment in another place",
      edit(TARGET, "weight: 9", 'weight: "${env:W}"'),
      { W: "hunter2" },
    ],
    [
      "a number from the environment",
      edit(TARGET, "ready: /ready", "ready: ${env:R}"),
      { R: "4242" },
    ],
  ])("%s", async (_, text, env) => {
    const found = (await problems(text, env)).join("\n");
    expect(found).toContain("expected");
    expect(found).not.toMatch(/hunter2|4242/);
  });
});

test("a path that leads nowhere is named", async () => {
  await expect(loadTarget(join(folder.path, "none.yaml"), { env: {} })).rejects.toThrow(
    PerfoptError,
  );
});
