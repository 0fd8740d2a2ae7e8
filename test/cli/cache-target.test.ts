/** The cache advisor's look at a target: started, loaded, its caches traced, and taken down again. */
import { writeFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withCacheTarget } from "../../src/cli/cache-target.ts";
import { contextOf } from "../../src/cli/context.ts";
import { progressOf } from "../../src/cli/progress.ts";
import { withRedis } from "../../src/target/redis-server.ts";
import { temporaryHome } from "../integration/stores.ts";

const fixtures = resolve(import.meta.dirname, "../target");

const TARGET = `
name: cached
title: Cached
description: a small service with a cache in Redis
service:
  start: [node, --import, tsx, fixture-service.mjs]
  directory: ${JSON.stringify(fixtures)}
  env:
    PORT: "\${port}"
    DATABASE_URL: "\${postgres.url}"
    REDIS_URL: "\${redis.url}"
    FIXTURE_TRACED: "1"
  ready: /ready
postgres:
  embedded: { database: shop, settings: {} }
redis:
  local: { settings: { maxmemory-policy: allkeys-lru } }
seed:
  command: [node, fixture-seed.mjs, "\${scale}", "\${seed}"]
  directory: ${JSON.stringify(fixtures)}
  scales: [tiny]
  default: tiny
  quick: tiny
knobs:
  cache-ttl:
    { title: TTL, role: l2-ttl, type: duration, min: 0s, max: 60s, default: 30s, env: CACHE_TTL }
workloads:
  lookups:
    parameters:
      owner: { int: { min: 1, max: 150 } }
    requests:
      - { name: items-of-owner, weight: 1, path: "/\${owner}" }
`;

let home: string;
beforeAll(async () => {
  home = await temporaryHome();
  writeFileSync(join(home, "target.yaml"), TARGET);
});
afterAll(() => rm(home, { recursive: true, force: true }));

test("hands on the trace of its caches, its responses and its Redis, and leaves nothing", async () => {
  const printed: string[] = [];
  const context = {
    ...contextOf([]),
    home,
    directory: home,
    interactive: false,
    err: (text: string) => void printed.push(text),
  };
  const options = {
    target: "target.yaml",
    seed: "7",
    rate: "60",
    warmup: "500ms",
    window: "2s",
    busyMachine: true,
  };
  const progress = progressOf(context);
  const keys = await withCacheTarget(context, options, progress, async (target) => {
    const { view, redis, redisUrl } = target;
    expect(target.name).toMatch(/^the load of Cached \(lookups, .*60.0 requests\/s/);
    // The window, its warm-up, and the fresh process's warm-up before them.
    expect(view.cacheTrace?.rows).toBeGreaterThan(view.sample.load.requests);
    expect(view.cacheTrace?.source).toBe("the caches of Cached");
    expect(view.sample.load.trace?.length).toBe(view.sample.load.requests);
    expect(view.values["cache-ttl"]).toBe(30_000);
    expect(view.redis?.settings?.maxmemorySamples).toBe(5);
    expect(view.redis?.hitsInWindow).toBeGreaterThan(0);
    expect(redis?.after.keys).toBeGreaterThan(redis?.before.keys ?? Number.POSITIVE_INFINITY);
    expect(target.databaseUrl).toMatch(/^postgres/);
    return withRedis(redisUrl ?? "", (client) => client.dbsize());
  });
  context.close();
  progress.stop();
  expect(keys).toBeGreaterThan(10);
  expect(printed.join("")).toContain("of load: ");
  expect(await readdir(join(home, "arms"))).toEqual([]);
}, 120_000);
