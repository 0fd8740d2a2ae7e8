/** The counters around a window: read before and after, never reset, so that only differences count. */
import type { Redis } from "ioredis";
import type { Client } from "pg";
import type { StatementStats } from "../core/sample.ts";
import type { SeriesMap } from "../core/target-file.ts";
import { cpuByProcess, reapedCpuMs, treeUse, type TreeUse } from "./proc.ts";
import { scrape, type SeriesValues } from "./prometheus.ts";
import { redisInfo } from "./redis-server.ts";
import { numberOf, OWN_MARK, rowsOf } from "./sql.ts";

/** Tables below this are read whole by a good planner: a sequential scan of one says nothing. */
const SCANNED_ROWS_LEAST = 1_000;

export interface Counters {
  /** By the process's monotonic clock. */
  readonly atMs: number;
  /** By query id; undefined without pg_stat_statements. */
  readonly statements: ReadonlyMap<string, StatementStats> | undefined;
  readonly scans: { readonly index: number; readonly sequential: number };
  readonly blocks: { readonly hit: number; readonly read: number };
  /** Of the server's sessions; undefined when the server runs elsewhere. */
  readonly backends: BackendUse | undefined;
  readonly service: TreeUse | undefined;
  readonly redis: RedisCounters | undefined;
  readonly series: SeriesValues;
}

interface BackendUse {
  readonly cpuMsByPid: ReadonlyMap<number, number>;
  /** Of all sessions of the server that ended. */
  readonly reapedMs: number;
}

export interface RedisCounters {
  readonly commands: number;
  readonly evicted: number;
  readonly expired: number;
  readonly hits: number;
  readonly misses: number;
  readonly usedBytes: number;
  readonly datasetBytes: number;
  readonly maxmemoryBytes: number;
  readonly policy: string;
  readonly keys: number;
}

/** What is read; the connections stay open, so that reading adds no sessions inside a window. */
export interface Sources {
  readonly database: Client;
  /** Undefined when PostgreSQL does not run on this machine. */
  readonly postmasterPid: number | undefined;
  readonly redis: Redis | undefined;
  readonly servicePid: number;
  readonly metrics: { readonly url: string; readonly series: SeriesMap } | undefined;
}

export async function readCounters(sources: Sources): Promise<Counters> {
  const { database } = sources;
  // One after the other: in parallel they would compete with the requests at the window's edge.
  const series = sources.metrics ? await scrape(sources.metrics.url, sources.metrics.series) : {};
  const redis = sources.redis ? redisCounters(await redisInfo(sources.redis)) : undefined;
  const service = await treeUse(sources.servicePid);
  const backends = await readBackends(database, sources.postmasterPid);
  const statements = await readStatements(database);
  const scans = await readScans(database);
  const blocks = await readBlocks(database);
  return { atMs: performance.now(), statements, scans, blocks, backends, service, redis, series };
}

/**
 * Sessions of every database, though only this arm's work: the idle arm's sessions end by their own timeout, and what they had
 * used before must not count as this window's when the server reaps them.
 */
async function readBackends(
  database: Client,
  postmasterPid: number | undefined,
): Promise<BackendUse | undefined> {
  if (postmasterPid === undefined) return undefined;
  const rows = await rowsOf(
    database,
    `SELECT ${OWN_MARK} pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'perfopt'`,
  );
  const reapedMs = await reapedCpuMs(postmasterPid);
  if (reapedMs === undefined) return undefined;
  return { cpuMsByPid: await cpuByProcess(rows.map((row) => numberOf(row, "pid"))), reapedMs };
}

/** Statements of this database by everyone but perfopt. Undefined when the extension is missing or not loaded. */
async function readStatements(
  database: Client,
): Promise<ReadonlyMap<string, StatementStats> | undefined> {
  const rows = await statementRows(database);
  if (!rows) return undefined;
  return new Map(
    rows.map((row) => {
      const queryId = String(row["queryid"]);
      const stats = {
        queryId,
        sql: String(row["query"]),
        calls: numberOf(row, "calls"),
        totalMs: numberOf(row, "total_ms"),
        rows: numberOf(row, "rows"),
        buffers: numberOf(row, "buffers"),
      };
      return [queryId, stats];
    }),
  );
}

async function statementRows(database: Client) {
  try {
    return await rowsOf(
      database,
      `SELECT ${OWN_MARK} queryid::text AS queryid, min(query) AS query, sum(calls)::bigint AS calls,
         sum(total_exec_time)::float8 AS total_ms, sum(rows)::bigint AS rows,
         sum(shared_blks_hit + shared_blks_read)::bigint AS buffers
       FROM pg_stat_statements
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND query NOT LIKE 'SELECT ${OWN_MARK}%' AND queryid IS NOT NULL
       GROUP BY queryid`,
    );
  } catch (error) {
    // 42P01: no such view here; 55000: the extension's library is not preloaded; 42501: not allowed to read it.
    const codes = ["42P01", "55000", "42501"];
    if (error instanceof Error && "code" in error && codes.includes(String(error.code)))
      return undefined;
    throw error;
  }
}

/** Row counts come from pg_class: a cloned database starts with empty statistics views but keeps the planner's counts. */
async function readScans(database: Client): Promise<Counters["scans"]> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} coalesce(sum(idx_scan), 0)::bigint AS index, coalesce(sum(seq_scan), 0)::bigint AS sequential
     FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.reltuples >= ${SCANNED_ROWS_LEAST}`,
  );
  return { index: numberOf(row, "index"), sequential: numberOf(row, "sequential") };
}

async function readBlocks(database: Client): Promise<Counters["blocks"]> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} blks_hit AS hit, blks_read AS read FROM pg_stat_database WHERE datname = current_database()`,
  );
  return { hit: numberOf(row, "hit"), read: numberOf(row, "read") };
}

export function redisCounters(info: ReadonlyMap<string, string>): RedisCounters {
  const number = (name: string) => Number(info.get(name) ?? Number.NaN);
  const keys = [...info]
    .filter(([name]) => /^db\d+$/.test(name))
    .reduce((sum, [, value]) => sum + Number(/^keys=(\d+)/.exec(value)?.[1] ?? 0), 0);
  return {
    commands: number("total_commands_processed"),
    evicted: number("evicted_keys"),
    expired: number("expired_keys"),
    hits: number("keyspace_hits"),
    misses: number("keyspace_misses"),
    usedBytes: number("used_memory"),
    datasetBytes: number("used_memory_dataset"),
    maxmemoryBytes: number("maxmemory"),
    policy: info.get("maxmemory_policy") ?? "unknown",
    keys,
  };
}
