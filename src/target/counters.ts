/** The counters around a window: read before and after, never reset, so that only differences count. */
import type { Redis } from "ioredis";
import type { Client } from "pg";
import { OWN_MARK } from "../core/sample.ts";
import type { StatementStats } from "../core/sample.ts";
import { cpuByProcess, reapedCpuMs, type TreeUse } from "./proc.ts";
import { NO_HISTOGRAMS, type HistogramValues } from "./histograms.ts";
import { scrapeAll, type MetricsPage, type SeriesValues } from "./prometheus.ts";
import { askInfo, type Info } from "./redis-server.ts";
import { readServiceUse, type ServiceUse } from "./service-use.ts";
import { numberOf, rowsOf } from "./sql.ts";

/** Tables below this are read whole by a good planner: a sequential scan of one says nothing. */
const SCANNED_ROWS_LEAST = 1_000;

/** Of samples of a target without it. */
export const NO_REDIS = "Redis: the target has none";

export interface Counters {
  /** By the process's monotonic clock. */
  readonly atMs: number;
  /** By query id; undefined without pg_stat_statements. */
  readonly statements: ReadonlyMap<string, StatementStats> | undefined;
  /** Why statements are undefined, one phrase. */
  readonly statementsMissing?: string;
  /** Undefined without a connection to the database; so are the blocks. */
  readonly scans: { readonly index: number; readonly sequential: number } | undefined;
  readonly blocks: { readonly hit: number; readonly read: number } | undefined;
  /** Of the server's sessions; undefined when the server runs elsewhere. */
  readonly backends: BackendUse | undefined;
  readonly service: TreeUse | undefined;
  /** Why the service's use is undefined, where that is known, one phrase. */
  readonly serviceMissing?: string;
  readonly redis: RedisCounters | undefined;
  readonly series: SeriesValues;
  readonly histograms: HistogramValues;
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
  /** Received and sent. */
  readonly netBytes: number;
  /** Of perfopt's own INFO that read this. */
  readonly own: Pick<Info, "questionBytes" | "answerBytes">;
  /** By command; only read when asked for in detail. */
  readonly calls?: ReadonlyMap<string, number>;
}

/** What is read; the connections stay open, so that reading adds no sessions inside a window. */
export interface Sources {
  /** Undefined when nobody knows the service's database. */
  readonly database: Client | undefined;
  /** Undefined when PostgreSQL does not run on this machine. */
  readonly postmasterPid: number | undefined;
  readonly redis: Redis | undefined;
  readonly service: ServiceUse;
  readonly metrics: MetricsPage | undefined;
  /** What is known beforehand not to be readable, or to mean less than it seems: phrases for a sample's server side. */
  readonly unmeasured: readonly string[];
}

export async function readCounters(sources: Sources, detail = false): Promise<Counters> {
  const { database } = sources;
  // One after the other: in parallel they would compete with the requests at the window's edge.
  const { series, histograms } = sources.metrics
    ? await scrapeAll(sources.metrics)
    : { series: {}, histograms: NO_HISTOGRAMS };
  const redis = sources.redis
    ? redisCounters(await askInfo(sources.redis, detail ? "all" : undefined), detail)
    : undefined;
  const service = await readServiceUse(sources.service);
  const missing = sources.service.kind === "unknown" ? { serviceMissing: sources.service.why } : {};
  const backends = database && (await readBackends(database, sources.postmasterPid));
  const statements = database ? await readStatements(database, "shared") : undefined;
  const scans = database && (await readScans(database));
  const blocks = database && (await readBlocks(database));
  return {
    atMs: performance.now(),
    statements: typeof statements === "string" ? undefined : statements,
    ...(typeof statements === "string" ? { statementsMissing: statements } : {}),
    scans,
    blocks,
    backends,
    service,
    ...missing,
    redis,
    series,
    histograms,
  };
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

const BUFFERS = {
  shared: "shared_blks_hit + shared_blks_read",
  all: "shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read",
} as const;

/** Statements of this database by everyone but perfopt, by query id; a phrase that says why where they cannot be read. */
export async function readStatements(
  database: Client,
  buffers: keyof typeof BUFFERS,
): Promise<ReadonlyMap<string, StatementStats> | string> {
  const rows = await statementRows(database, BUFFERS[buffers]);
  if (typeof rows === "string") return rows;
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

async function statementRows(database: Client, buffers: string) {
  try {
    return await rowsOf(
      database,
      `SELECT ${OWN_MARK} queryid::text AS queryid, min(query) AS query, sum(calls)::bigint AS calls,
         sum(total_exec_time)::float8 AS total_ms, sum(rows)::bigint AS rows, sum(${buffers})::bigint AS buffers
       FROM pg_stat_statements
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND query NOT LIKE 'SELECT ${OWN_MARK}%' AND queryid IS NOT NULL
       GROUP BY queryid`,
    );
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why = WHY_NO_STATEMENTS[code];
    if (why === undefined) throw error;
    return why;
  }
}

/** By PostgreSQL's error code. */
const WHY_NO_STATEMENTS: Readonly<Record<string, string>> = {
  "42P01": "the database has no extension pg_stat_statements",
  "55000": "the server does not preload pg_stat_statements",
  "42501": "the database's user may not read pg_stat_statements",
};

/** Row counts come from pg_class: a cloned database starts with empty statistics views but keeps the planner's counts. */
async function readScans(database: Client): Promise<NonNullable<Counters["scans"]>> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} coalesce(sum(idx_scan), 0)::bigint AS index, coalesce(sum(seq_scan), 0)::bigint AS sequential
     FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.reltuples >= ${SCANNED_ROWS_LEAST}`,
  );
  return { index: numberOf(row, "index"), sequential: numberOf(row, "sequential") };
}

async function readBlocks(database: Client): Promise<NonNullable<Counters["blocks"]>> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} blks_hit AS hit, blks_read AS read FROM pg_stat_database WHERE datname = current_database()`,
  );
  return { hit: numberOf(row, "hit"), read: numberOf(row, "read") };
}

export function redisCounters(info: Info, detail = false): RedisCounters {
  const { values, questionBytes, answerBytes } = info;
  const number = (name: string) => Number(values.get(name) ?? Number.NaN);
  const keys = [...values]
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
    policy: values.get("maxmemory_policy") ?? "unknown",
    keys,
    netBytes: number("total_net_input_bytes") + number("total_net_output_bytes"),
    own: { questionBytes, answerBytes },
    ...(detail ? { calls: commandCalls(values) } : {}),
  };
}

/** Calls of each command since the server began: lines such as `cmdstat_get:calls=21,usec=175,...`. */
export function commandCalls(values: ReadonlyMap<string, string>): ReadonlyMap<string, number> {
  return new Map(
    [...values].flatMap(([name, value]): [string, number][] => {
      const calls = /^calls=(\d+)/.exec(value)?.[1];
      return name.startsWith("cmdstat_") && calls !== undefined
        ? [[name.slice("cmdstat_".length), Number(calls)]]
        : [];
    }),
  );
}
