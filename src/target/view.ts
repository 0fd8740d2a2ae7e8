/** What tuners may look at: the incumbent's database read only, a scratch copy, Redis and the statements of the window. */
import type { DatabaseView, RedisStats, ScratchDatabase } from "../core/observation.ts";
import type { IndexDefinition } from "../core/knob.ts";
import { cloneDatabase, dropClone, type CloneSource } from "./clone.ts";
import type { RedisCounters } from "./counters.ts";
import { createIndexSql, readIndexState } from "./index-sql.ts";
import { readOnly, rowsOf, withConnection, withDatabase } from "./sql.ts";

const QUERY_TIMEOUT_MS = 30_000;
/** In a scratch database indexes are built. */
const SCRATCH_TIMEOUT_MS = 5 * 60_000;

export interface ViewOptions {
  /** Of the incumbent arm's database. */
  readonly url: string;
  readonly source: CloneSource;
  /** What the incumbent has and the source may not have yet. */
  readonly indexes: readonly IndexDefinition[];
  readonly scratchName: () => string;
  /** Called before a scratch database is made and after it is gone. */
  readonly onCreating: (name: string) => Promise<void>;
  readonly onRemoved: (name: string) => Promise<void>;
}

export function databaseView(options: ViewOptions): DatabaseView {
  return {
    query: (sql, parameters) =>
      withConnection(options.url, (client) => readOnly(client, sql, parameters), {
        statementTimeoutMs: QUERY_TIMEOUT_MS,
      }),
    withScratch: (use) => withScratch(options, use),
  };
}

/** Cloned from the source, to which nobody is connected, with the incumbent's indexes added. */
async function withScratch<T>(
  options: ViewOptions,
  use: (scratch: ScratchDatabase) => Promise<T>,
): Promise<T> {
  const name = options.scratchName();
  const { source } = options;
  await options.onCreating(name);
  try {
    await cloneDatabase(source, name);
    return await withConnection(
      withDatabase(source.adminUrl, name),
      async (client) => {
        for (const index of options.indexes) {
          if (await readIndexState(client, index)) continue;
          await client.query(createIndexSql(index, "plain"));
        }
        return use({ query: (sql, parameters) => rowsOf(client, sql, parameters) });
      },
      { statementTimeoutMs: SCRATCH_TIMEOUT_MS },
    );
  } finally {
    await dropClone(source.adminUrl, name);
    await options.onRemoved(name);
  }
}

export function redisStats(
  before: RedisCounters | undefined,
  after: RedisCounters | undefined,
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
  };
}
