import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { ConfigError, readConfig } from "../../src/registry/config.ts";

const stores = { DATABASE_URL: "postgresql://db/registry", REDIS_URL: "redis://cache" };

test("ships with these defaults", () => {
  expect(readConfig({ DATABASE_URL: stores.DATABASE_URL })).toMatchObject({
    host: "127.0.0.1",
    redisUrl: "redis://127.0.0.1:6379",
    poolMax: 15,
    poolMin: 0,
    poolIdleTimeoutMs: 10_000,
    batchSizeRows: 100,
    cacheL1TtlMs: 0,
    cacheL1MaxBytes: 33_554_432,
    cacheL2TtlMs: 30_000,
    cacheL3TtlMs: 0,
    cacheWarmUp: false,
    logLevel: "info",
  });
});

test.each([
  [{ POOL_MAX: "0" }, "POOL_MAX"],
  [{ POOL_MAX: "ten" }, "POOL_MAX"],
  [{ POOL_MAX: "1.5" }, "POOL_MAX"],
  [{ POOL_MAX: "-1" }, "POOL_MAX"],
  [{ POOL_MAX: "2", POOL_MIN: "3" }, "POOL_MIN"],
  [{ PORT: "65536" }, "PORT"],
  [{ BATCH_SIZE: "0" }, "BATCH_SIZE"],
  [{ CACHE_L2_TTL_MS: "30s" }, "CACHE_L2_TTL_MS"],
  [{ CACHE_WARM_UP: "yes" }, "CACHE_WARM_UP"],
  [{ LOG_LEVEL: "loud" }, "LOG_LEVEL"],
  [{ DATABASE_URL: "" }, "DATABASE_URL"],
  [{ DATABASE_URL: "mysql://db" }, "DATABASE_URL"],
  [{ REDIS_URL: "cache:6379" }, "REDIS_URL"],
])("refuses %j", (bad, name) => {
  expect(() => readConfig({ ...stores, ...bad })).toThrow(ConfigError);
  expect(() => readConfig({ ...stores, ...bad })).toThrow(name);
});

const readBad = (): unknown =>
  readConfig({ DATABASE_URL: "mysql://u:secret@db", POOL_MAX: "x", PORT: "y" });

test("names every problem at once and repeats no password", () => {
  expect(readBad).toThrow(/PORT[^]*DATABASE_URL[^]*POOL_MAX|PORT[^]*POOL_MAX/);
  expect(readBad).not.toThrow("secret");
});

test("the server program ends with exit code 2", () => {
  const run = spawnSync(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: { ...process.env, ...stores, POOL_MAX: "many" },
    encoding: "utf8",
    timeout: 30_000,
  });
  expect(run.stderr).toContain('POOL_MAX is "many"');
  expect(run.status).toBe(2);
});
