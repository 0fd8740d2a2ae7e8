/** A replay on one service: requests one after another, endpoint by endpoint, and what the stores counted for each. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import type { Redis } from "ioredis";
import { throwIfAborted } from "../core/errors.ts";
import type { EndpointCounters, Replay, ReplayRequest, StatementCount } from "../core/replay.ts";
import { commandCalls, readStatements } from "./counters.ts";
import { commandsBetween } from "./differences.ts";
import { askInfo } from "./redis-server.ts";
import { OWN_MARK } from "../core/sample.ts";
import { numberOf, rowsOf } from "./sql.ts";
import { normalSql } from "./normal-sql.ts";
import { whileAlive, type Subject } from "./window.ts";

/** Work that a service does after it has answered is over when two readings this far apart are the same. */
const QUIET_MS = 25;
const QUIET_WAIT_MS = 1_000;
/** Steps of the golden ratio (Knuth, The Art of Computer Programming 3, 6.4) keep the seeds of neighbouring sequences apart. */
const SEED_STEP = 0x9e3779b1;

/** Requests of one endpoint, sent one after another on one connection. */
export interface OrderedRun {
  readonly baseUrl: string;
  /** One of `ReplayLoad.endpoints`. */
  readonly endpoint: string;
  readonly requests: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface OrderedResult {
  readonly requests: number;
  readonly errors: number;
  readonly responseBytes: number;
}

/** What a replay sends: given by whoever opens arms, since the load engine is not this folder's. */
export interface ReplayLoad {
  /** In this order; each is sent and counted by itself. A session, sent as a whole, counts as one. */
  readonly endpoints: readonly string[];
  readonly sendInOrder: (run: OrderedRun) => Promise<OrderedResult>;
}

export async function replayOn(
  subject: Subject,
  request: ReplayRequest,
  load: ReplayLoad & { readonly signal: AbortSignal },
): Promise<Replay> {
  const reader = await openReader(subject);
  const endpoints: EndpointCounters[] = [];
  const busy: string[] = [];
  for (const [index, endpoint] of load.endpoints.entries()) {
    const send = (requests: number, stream: number) =>
      whileAlive(subject, load.signal, (signal) =>
        load.sendInOrder({
          baseUrl: subject.baseUrl,
          endpoint,
          requests,
          seed: seedOf(request.seed, 2 * index + stream),
          signal,
        }),
      );
    throwIfAborted(load.signal);
    if (request.warmupPerEndpoint > 0) await send(request.warmupPerEndpoint, 0);
    const before = await reader.readWhenQuiet();
    const sent = await send(request.requestsPerEndpoint, 1);
    const after = await reader.readWhenQuiet();
    endpoints.push({ endpoint, ...sent, ...between(before, after) });
    if (!before.quiet || !after.quiet) busy.push(endpoint);
    if (after.evicted > before.evicted) reader.unmeasured.add(EVICTED);
  }
  const background = busy.length === 0 ? [] : [backgroundNote(busy)];
  return { endpoints, unmeasured: [...reader.unmeasured, ...background] };
}

const EVICTED =
  "some SQL statements: pg_stat_statements dropped entries meanwhile (raise pg_stat_statements.max)";

function backgroundNote(endpoints: readonly string[]): string {
  return `what the service does by itself is counted with ${endpoints.join(", ")}: its stores did not become quiet within ${QUIET_WAIT_MS / 1000} s`;
}

/** Every sequence of requests has texts of its own that no other sequence creates. */
function seedOf(seed: number, stream: number): number {
  let mixed = (seed ^ Math.imul(stream + 1, SEED_STEP)) >>> 0;
  // Finaliser of MurmurHash3 (Appleby, 2011): seeds and streams that differ by little end far apart.
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

interface Reading {
  /** By text. */
  readonly statements: ReadonlyMap<string, StatementCount> | undefined;
  readonly commands: ReadonlyMap<string, number> | undefined;
  /** Own INFOs before this one. */
  readonly infos: number;
  /** Entries that pg_stat_statements has dropped so far. */
  readonly evicted: number;
}

interface QuietReading extends Reading {
  readonly quiet: boolean;
}

interface Reader {
  readonly readWhenQuiet: () => Promise<QuietReading>;
  readonly unmeasured: Set<string>;
}

async function openReader({ sources }: Subject): Promise<Reader> {
  const { database, redis } = sources;
  const unmeasured = new Set(sources.unmeasured);
  const countsEvictions = database !== undefined && (await hasEvictionCount(database));
  let infos = 0;
  const read = async (): Promise<Reading> => {
    const commands = redis && (await commandCallsOf(redis));
    if (redis) infos += 1;
    const statements = database ? await readStatements(database, "all") : undefined;
    if (typeof statements === "string") {
      unmeasured.add(`SQL statements, rows and buffers: ${statements}`);
    }
    return {
      statements: typeof statements === "object" ? byText(statements.values()) : undefined,
      commands,
      infos: infos - 1,
      evicted: countsEvictions ? await evictionsOf(database) : 0,
    };
  };
  return { readWhenQuiet: () => readWhenQuiet(read), unmeasured };
}

/** What the last request still causes after its answer belongs to it, and must not be counted with the next endpoint. */
async function readWhenQuiet(read: () => Promise<Reading>): Promise<QuietReading> {
  const deadline = performance.now() + QUIET_WAIT_MS;
  let last = await read();
  for (;;) {
    await delay(QUIET_MS);
    const next = await read();
    if (isSame(last, next)) return { ...next, quiet: true };
    if (performance.now() > deadline) return { ...next, quiet: false };
    last = next;
  }
}

function isSame(last: Reading, next: Reading): boolean {
  const { statements = [], redisCommands = {} } = between(last, next);
  return statements.length === 0 && Object.keys(redisCommands).length === 0;
}

function between(
  before: Reading,
  after: Reading,
): Pick<EndpointCounters, "statements" | "redisCommands"> {
  const redisCommands =
    before.commands &&
    after.commands &&
    commandsBetween(before.commands, after.commands, after.infos - before.infos);
  const statements =
    before.statements && after.statements && statementsBetween(before.statements, after.statements);
  return { ...(statements ? { statements } : {}), ...(redisCommands ? { redisCommands } : {}) };
}

/** The most buffers first. */
function statementsBetween(
  before: ReadonlyMap<string, StatementCount>,
  after: ReadonlyMap<string, StatementCount>,
): readonly StatementCount[] {
  return [...after.values()]
    .map((now) => {
      const then = before.get(now.sql);
      // An entry that was dropped and came back has started again from nothing.
      if (!then || now.calls < then.calls) return now;
      return {
        sql: now.sql,
        calls: now.calls - then.calls,
        rows: now.rows - then.rows,
        buffers: now.buffers - then.buffers,
      };
    })
    .filter((statement) => statement.calls > 0)
    .toSorted((left, right) => right.buffers - left.buffers || (left.sql < right.sql ? -1 : 1));
}

function byText(statements: Iterable<StatementCount>): ReadonlyMap<string, StatementCount> {
  const found = new Map<string, StatementCount>();
  for (const { sql, calls, rows, buffers } of statements) {
    const text = normalSql(sql);
    const other = found.get(text);
    found.set(text, {
      sql: text,
      calls: calls + (other?.calls ?? 0),
      rows: rows + (other?.rows ?? 0),
      buffers: buffers + (other?.buffers ?? 0),
    });
  }
  return found;
}

async function commandCallsOf(redis: Redis): Promise<ReadonlyMap<string, number>> {
  return commandCalls((await askInfo(redis, "all")).values);
}

/** PostgreSQL 14 and later say how many entries were dropped to make room. */
async function hasEvictionCount(database: Client): Promise<boolean> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} to_regclass('pg_stat_statements_info') IS NOT NULL AS there`,
  );
  return row?.["there"] === true && typeof (await readStatements(database, "all")) !== "string";
}

async function evictionsOf(database: Client): Promise<number> {
  const [row] = await rowsOf(
    database,
    `SELECT ${OWN_MARK} dealloc::float8 AS evicted FROM pg_stat_statements_info`,
  );
  return numberOf(row, "evicted");
}
