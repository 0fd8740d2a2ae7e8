/** What tuners may look at: the incumbent's database read only, a planner server of its major version, Redis and the statements of the window. */
import type { DatabaseView, RedisSettings, RedisStats } from "../core/observation.ts";
import type { PlannerServer } from "../core/planner.ts";
import type { RedisCounters } from "./counters.ts";
import type { Environment } from "./home.ts";
import { proveOnCopy, type StructureCopyOptions } from "./prove-structures-copy.ts";
import { withPlannerServer } from "./planner-server.ts";
import { inReadOnly, numberOf, readOnly, rowsOf, withConnection } from "./sql.ts";

const QUERY_TIMEOUT_MS = 30_000;

export interface ViewOptions {
  /** Of the incumbent arm's database. */
  readonly url: string;
  /** Where planner servers are kept and work. */
  readonly home: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** Of an installed PostgreSQL to plan with, instead of perfopt's own. */
  readonly binariesFolder?: string;
  /** For fetching binaries. */
  readonly environment?: Environment;
  /** Absent: no copy may be made of the data. */
  readonly structures?: StructureCopyOptions;
}

export function databaseView(options: ViewOptions): DatabaseView {
  const { structures } = options;
  return {
    query: (sql, parameters) => connected(options, (client) => readOnly(client, sql, parameters)),
    together: (use) =>
      connected(options, (client) =>
        inReadOnly(client, "REPEATABLE READ", () =>
          use((sql, parameters) => rowsOf(client, sql, parameters)),
        ),
      ),
    withPlanner: (use) => withPlanner(options, use),
    ...(structures ? { prove: (plans, limitMs) => proveOnCopy(plans, limitMs, structures) } : {}),
  };
}

async function withPlanner<T>(
  options: ViewOptions,
  use: (server: PlannerServer) => Promise<T>,
): Promise<T> {
  const [row] = await connected(options, (client) =>
    readOnly(client, "SELECT current_setting('server_version_num')::int AS version"),
  );
  const major = Math.floor(numberOf(row, "version") / 10_000);
  return withPlannerServer({ ...options, major }, use);
}

function connected<T>(
  { url }: ViewOptions,
  use: Parameters<typeof withConnection<T>>[1],
): Promise<T> {
  return withConnection(url, use, { statementTimeoutMs: QUERY_TIMEOUT_MS });
}

export function redisStats(
  before: RedisCounters | undefined,
  after: RedisCounters | undefined,
  settings: RedisSettings | undefined,
): RedisStats | undefined {
  if (!before || !after) return undefined;
  return {
    maxmemoryBytes: after.maxmemoryBytes,
    policy: after.policy,
    usedBytes: after.usedBytes,
    datasetBytes: after.datasetBytes,
    keys: after.keys,
    evictedInWindow: after.evicted - before.evicted,
    expiredInWindow: after.expired - before.expired,
    hitsInWindow: after.hits - before.hits,
    missesInWindow: after.misses - before.misses,
    ...(settings ? { settings } : {}),
  };
}
