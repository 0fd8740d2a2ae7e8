/** Starts what tests need: PostgreSQL, Redis, and targets of the fixture service, in a home of their own. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TargetFile } from "../../src/core/target-file.ts";
import { initialisePostgres, startPostgres } from "../../src/target/postgres-server.ts";
import { startRedis } from "../../src/target/redis-server.ts";

export const neverAborted: AbortSignal = new AbortController().signal;

export interface Stores {
  readonly home: string;
  /** A superuser's, to the database `postgres`; make databases of your own with CREATE DATABASE. */
  readonly postgresUrl: string;
  readonly redisUrl: string;
  stop(): Promise<void>;
}

/** A folder that the unprivileged user of PostgreSQL can enter, blanks and all. */
export async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "perfopt test-"));
  await chmod(home, 0o755);
  return home;
}

/** An empty PostgreSQL and an empty Redis; start once in `beforeAll`, stop in `afterAll`. */
export async function startStores(
  settings: Readonly<Record<string, string>> = {},
): Promise<Stores> {
  const home = await temporaryHome();
  const folder = join(home, "cluster");
  await initialisePostgres(home, folder);
  const common = { environment: process.env, signal: neverAborted };
  const postgres = await startPostgres({
    ...common,
    home,
    folder,
    settings: { fsync: "off", ...settings },
  });
  const redis = await startRedis({
    ...common,
    folder: join(home, "redis"),
    settings: {},
    title: "Redis",
  });
  return {
    home,
    postgresUrl: postgres.adminUrl("postgres"),
    redisUrl: redis.url,
    stop: async () => {
      await redis.stop();
      await postgres.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The target file of the fixture service. */
export function fixtureTarget(changes: Partial<TargetFile> = {}): TargetFile {
  const directory = resolve(import.meta.dirname, "../target");
  return {
    name: "fixture",
    title: "Fixture",
    description: "a small service for tests",
    path: join(directory, "fixture.yaml"),
    service: {
      start: { program: "node", args: ["fixture-service.mjs"], directory },
      env: { PORT: "${port}", DATABASE_URL: "${postgres.url}", REDIS_URL: "${redis.url}" },
      readyPath: "/ready",
      startTimeoutMs: 15_000,
      stopTimeoutMs: 5_000,
      metrics: {
        path: "/metrics",
        series: {
          cacheLookups: "cache_lookups_total",
          cacheHitsL2: 'cache_hits_total{tier="l2"}',
          cacheMissesL2: 'cache_misses_total{tier="l2"}',
          poolTotal: 'pool_connections{state="total"}',
          poolIdle: 'pool_connections{state="idle"}',
          poolWaitSecondsSum: "pool_wait_seconds_sum",
          poolWaitCount: "pool_wait_seconds_count",
        },
      },
    },
    postgres: { kind: "embedded", database: "fixture", settings: {} },
    redis: { kind: "local", settings: { "maxmemory-policy": "allkeys-lru" } },
    seed: {
      command: { program: "node", args: ["fixture-seed.mjs", "${scale}", "${seed}"], directory },
      scales: ["tiny", "small"],
      defaultScale: "tiny",
      quickScale: "tiny",
    },
    knobs: [
      {
        id: "pool-max",
        title: "Pool",
        role: "pool-max",
        domain: { kind: "int", min: 0, max: 50 },
        default: 5,
        scope: "restart",
        set: { kind: "env", variable: "POOL_MAX" },
      },
      {
        id: "cache-ttl",
        title: "TTL",
        role: "l2-ttl",
        domain: { kind: "duration", min: 0, max: 60_000 },
        default: 0,
        scope: "restart",
        set: { kind: "env", variable: "CACHE_TTL", unit: "ms" },
      },
      {
        id: "redis-memory",
        title: "Redis memory",
        role: "redis-maxmemory",
        domain: { kind: "bytes", min: 1024 ** 2, max: 1024 ** 3 },
        default: 64 * 1024 ** 2,
        scope: "live",
        set: { kind: "redis", parameter: "maxmemory" },
      },
    ],
    workloads: [],
    ...changes,
  };
}
