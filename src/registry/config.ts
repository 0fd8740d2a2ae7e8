// Reads the service's settings from the environment and refuses values it cannot run with.

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
  readonly cacheL1TtlMs: number;
  readonly cacheL1MaxBytes: number;
  readonly cacheL2TtlMs: number;
  readonly cacheL3TtlMs: number;
  readonly cacheNegativeTtlMs: number;
  readonly cacheWarmUp: boolean;
  readonly httpEtag: boolean;
  readonly httpMaxAgeMs: number;
  readonly drainTimeoutMs: number;
};

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Exit code of every program of this service when its settings or arguments are wrong. */
export const EXIT_BAD_CONFIG = 2;

const DAY_MS = 86_400_000;

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws ConfigError naming every bad variable at once, so that one restart is enough to fix them. */
export function readConfig(environment: Environment): RegistryConfig {
  const problems: string[] = [];
  const whole = (name: string, fallback: number, min: number, max: number): number =>
    readWhole(environment, name, fallback, min, max, problems);
  const flag = (name: string): boolean =>
    readOneOf(environment, name, "false", ["true", "false"], problems) === "true";
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
    batchSizeRows: whole("BATCH_SIZE", 100, 1, 10_000),
    cacheL1TtlMs: whole("CACHE_L1_TTL_MS", 0, 0, DAY_MS),
    cacheL1MaxBytes: whole("CACHE_L1_MAX_BYTES", 32 * 1024 * 1024, 1024, 64 * 1024 ** 3),
    cacheL2TtlMs: whole("CACHE_L2_TTL_MS", 30_000, 0, DAY_MS),
    cacheL3TtlMs: whole("CACHE_L3_TTL_MS", 0, 0, DAY_MS),
    cacheNegativeTtlMs: whole("CACHE_NEGATIVE_TTL_MS", 0, 0, DAY_MS),
    cacheWarmUp: flag("CACHE_WARM_UP"),
    httpEtag: flag("HTTP_ETAG"),
    httpMaxAgeMs: whole("HTTP_MAX_AGE_MS", 0, 0, DAY_MS),
    drainTimeoutMs: whole("DRAIN_TIMEOUT_MS", 10_000, 0, DAY_MS),
  };
  if (config.poolMin > config.poolMax) {
    problems.push(
      `POOL_MIN is ${config.poolMin}, above POOL_MAX (${config.poolMax}); lower POOL_MIN or raise POOL_MAX.`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}

function readWhole(
  environment: Environment,
  name: string,
  fallback: number,
  min: number,
  max: number,
  problems: string[],
): number {
  const text = environment[name];
  if (text === undefined || text === "") return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  problems.push(`${name} is ${JSON.stringify(text)}; give a whole number from ${min} to ${max}.`);
  return fallback;
}

function readOneOf<const T extends string>(
  environment: Environment,
  name: string,
  fallback: T,
  allowed: readonly T[],
  problems: string[],
): T {
  const text = environment[name];
  if (text === undefined || text === "") return fallback;
  const value = allowed.find((candidate) => candidate === text);
  if (value !== undefined) return value;
  problems.push(`${name} is ${JSON.stringify(text)}; give one of ${allowed.join(", ")}.`);
  return fallback;
}

function readUrl(
  environment: Environment,
  name: string,
  fallback: string | undefined,
  protocols: readonly string[],
  problems: string[],
): string {
  const text = environment[name] || fallback;
  if (text === undefined) {
    problems.push(
      `${name} is not set; give a URL such as ${protocols[0] ?? ""}//127.0.0.1:5432/registry.`,
    );
    return "";
  }
  // The value is not repeated in the message: it may hold a password.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    problems.push(
      `${name} is not a URL that starts with ${protocols.map((p) => `${p}//`).join(" or ")}.`,
    );
  }
  return text;
}
