// Reads the service's settings from the environment and refuses values it cannot run with.

import { readBulkConfig } from "./bulk/config.ts";
import type { BulkConfig } from "./bulk/config.ts";
import { readComputeConfig } from "./compute/config.ts";
import type { ComputeConfig } from "./compute/config.ts";
import { readOneOf, readUrl, readWhole } from "./config-values.ts";
import type { Environment } from "./config-values.ts";
import { readGatewayConfig } from "./gateway/config.ts";
import type { GatewayConfig } from "./gateway/config.ts";
import { readJobsConfig } from "./jobs/config.ts";
import type { JobsConfig } from "./jobs/config.ts";
import { readReportsConfig } from "./reports/config.ts";
import type { ReportsConfig } from "./reports/config.ts";

export type RegistryConfig = {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly logLevel: LogLevel;
  readonly poolMax: number;
  readonly poolMin: number;
  readonly poolIdleTimeoutMs: number;
  readonly poolAcquireTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly batchSizeRows: number;
  readonly bulk: BulkConfig;
  readonly cacheL1TtlMs: number;
  readonly cacheL1MaxBytes: number;
  readonly cacheL2TtlMs: number;
  readonly cacheL3TtlMs: number;
  readonly cacheNegativeTtlMs: number;
  readonly cacheWarmUp: boolean;
  readonly httpEtag: boolean;
  readonly httpMaxAgeMs: number;
  readonly requestLimit: number;
  readonly drainTimeoutMs: number;
  readonly compute: ComputeConfig;
  readonly jobs: JobsConfig;
  readonly reports: ReportsConfig;
  readonly gateway: GatewayConfig;
};

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Exit code of every program of this service when its settings or arguments are wrong. */
export const EXIT_BAD_CONFIG = 2;

const DAY_MS = 86_400_000;

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Throws ConfigError naming every bad variable at once, so that one restart is enough to fix them. */
export function readConfig(environment: Environment): RegistryConfig {
  const problems: string[] = [];
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  const flag = (name: string): boolean =>
    readOneOf(environment, name, "false", ["true", "false"], problems) === "true";
  const batchSizeRows = whole("BATCH_SIZE", 100, 1, 50_000);
  const config: RegistryConfig = {
    host: environment["HOST"] || "127.0.0.1",
    port: whole("PORT", 8080, 0, 65_535),
    databaseUrl: readUrl(
      environment,
      "DATABASE_URL",
      undefined,
      ["postgres:", "postgresql:"],
      problems,
    ),
    redisUrl: readUrl(
      environment,
      "REDIS_URL",
      "redis://127.0.0.1:6379",
      ["redis:", "rediss:"],
      problems,
    ),
    logLevel: readOneOf(environment, "LOG_LEVEL", "info", LOG_LEVELS, problems),
    poolMax: whole("POOL_MAX", 15, 1, 10_000),
    poolMin: whole("POOL_MIN", 0, 0, 10_000),
    poolIdleTimeoutMs: whole("POOL_IDLE_TIMEOUT_MS", 10_000, 0, DAY_MS),
    poolAcquireTimeoutMs: whole("POOL_ACQUIRE_TIMEOUT_MS", 5_000, 0, DAY_MS),
    statementTimeoutMs: whole("STATEMENT_TIMEOUT_MS", 30_000, 0, DAY_MS),
    batchSizeRows,
    bulk: readBulkConfig(environment, batchSizeRows, problems),
    cacheL1TtlMs: whole("CACHE_L1_TTL_MS", 0, 0, DAY_MS),
    cacheL1MaxBytes: whole("CACHE_L1_MAX_BYTES", 32 * 1024 * 1024, 1024, 64 * 1024 ** 3),
    cacheL2TtlMs: whole("CACHE_L2_TTL_MS", 30_000, 0, DAY_MS),
    cacheL3TtlMs: whole("CACHE_L3_TTL_MS", 0, 0, DAY_MS),
    cacheNegativeTtlMs: whole("CACHE_NEGATIVE_TTL_MS", 0, 0, DAY_MS),
    cacheWarmUp: flag("CACHE_WARM_UP"),
    httpEtag: flag("HTTP_ETAG"),
    httpMaxAgeMs: whole("HTTP_MAX_AGE_MS", 0, 0, DAY_MS),
    requestLimit: whole("REQUEST_LIMIT", 10_000, 1, 1_000_000),
    drainTimeoutMs: whole("DRAIN_TIMEOUT_MS", 10_000, 0, DAY_MS),
    compute: readComputeConfig(environment, problems),
    jobs: readJobsConfig(environment, problems),
    reports: readReportsConfig(environment, problems),
    gateway: readGatewayConfig(environment, problems),
  };
  if (config.poolMin > config.poolMax) {
    problems.push(
      `POOL_MIN is ${config.poolMin}, above POOL_MAX (${config.poolMax}); lower POOL_MIN or raise POOL_MAX.`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}
