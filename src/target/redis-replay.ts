/** Plays a trace against a scratch Redis of perfopt's own, cache-aside: what the simulations predict, measured. */
import { setTimeout as delay } from "node:timers/promises";
import { DELETE, GET, SET, type CacheTrace } from "../core/cache-trace.ts";
import type { RedisPolicy } from "../core/cache-curve.ts";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import { askInfo, changeSetting, emptyRedis, type RedisServer } from "./redis-server.ts";
import { encodeCommand, openRedisWire, type RedisWire } from "./redis-wire.ts";

export interface ReplayOptions {
  /** Of a trace with a share of the keys, the server gets that share of what is there for keys. */
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  readonly samples?: number;
  readonly lfuLogFactor?: number;
  readonly lfuDecayMinutes?: number;
  /** At the trace's own times, or one batch after another. */
  readonly pace: "recorded" | "as fast as possible";
  /** With `recorded`: how much faster than the trace's times. */
  readonly speed?: number;
  readonly ttlFactor?: number;
  /** Time to live by key, instead of the trace's; 0: none. */
  readonly ttlOf?: (key: number) => number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface ReplayOutcome {
  readonly gets: number;
  readonly hits: number;
  readonly hitRate: number;
  /** Stores that the server refused for lack of memory. */
  readonly refused: number;
  /** In the server at the end. */
  readonly keys: number;
  readonly usedBytes: number;
  readonly startupBytes: number;
  /** Beside startup, of the server without keys: its connections at work, and its statistics of each command. */
  readonly overheadBytes: number;
  readonly evicted: number;
  readonly expired: number;
  readonly opsPerSecond: number;
  readonly durationMs: number;
  /** A row: when the server came to it, milliseconds from the start: give these to a simulation of the same run. */
  readonly timeMs: Float64Array;
  readonly serverVersion: string;
}

/** Commands on the way at once. */
const BATCH = 256;
/** How often a paced replay looks which rows are due. */
const PACE_MS = 1;
const HIT_ANSWER = 1;
const REFUSED_ANSWER = 2;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/** Read, and on a miss store: in one step, as the service does it in two. Values are text that is not a number. */
const READ =
  "if redis.call('GET',KEYS[1]) then return 1 end " +
  "local r if ARGV[2]=='0' then r=redis.pcall('SET',KEYS[1],string.rep('x',ARGV[1])) " +
  "else r=redis.pcall('SET',KEYS[1],string.rep('x',ARGV[1]),'PX',ARGV[2]) end " +
  "if r.err then return 2 end return 0";
const STORE =
  "local r if ARGV[2]=='0' then r=redis.pcall('SET',KEYS[1],string.rep('x',ARGV[1])) " +
  "else r=redis.pcall('SET',KEYS[1],string.rep('x',ARGV[1]),'PX',ARGV[2]) end " +
  "if r.err then return 2 end return 0";
/** Used memory as it is in the middle of a batch, the batch's own buffers included. */
const USED = "return tonumber(string.match(redis.call('INFO','memory'),'used_memory:(%d+)'))";

/** Empties the server first: it must be one that `startRedis` started for this. */
export async function replayTrace(
  server: RedisServer,
  trace: CacheTrace,
  options: ReplayOptions,
): Promise<ReplayOutcome> {
  const scripts = await prepareServer(server, options);
  const wire = await openRedisWire(server.url);
  try {
    const emptyBytes = await measureEmpty(server, wire, scripts);
    const before = await readMemory(server);
    const room = (options.maxmemoryBytes - emptyBytes) * trace.sampledShare;
    await changeSetting(server.client, "maxmemory", String(Math.floor(emptyBytes + room)));
    const played = await play(wire, trace, scripts, options);
    const after = await readMemory(server);
    return {
      gets: played.gets,
      hits: played.hits,
      hitRate: played.gets === 0 ? 0 : played.hits / played.gets,
      refused: played.refused,
      keys: await server.client.dbsize(),
      usedBytes: after.usedBytes,
      startupBytes: before.startupBytes,
      overheadBytes: emptyBytes - before.startupBytes,
      evicted: after.evicted - before.evicted,
      expired: after.expired - before.expired,
      opsPerSecond: played.rows / (played.durationMs / 1_000),
      durationMs: played.durationMs,
      timeMs: played.timeMs,
      serverVersion: after.version,
    };
  } finally {
    wire.close();
  }
}

interface Scripts {
  readonly read: string;
  readonly store: string;
  readonly used: string;
}

async function prepareServer(server: RedisServer, options: ReplayOptions): Promise<Scripts> {
  const { client } = server;
  await changeSetting(client, "maxmemory", "0");
  await emptyRedis(client);
  const settings = {
    "maxmemory-policy": options.policy,
    "maxmemory-samples": options.samples ?? 5,
    "lfu-log-factor": options.lfuLogFactor ?? 10,
    "lfu-decay-time": options.lfuDecayMinutes ?? 1,
  };
  for (const [name, value] of Object.entries(settings))
    await changeSetting(client, name, String(value));
  await client.memory("PURGE");
  return {
    read: String(await client.script("LOAD", READ)),
    store: String(await client.script("LOAD", STORE)),
    used: String(await client.script("LOAD", USED)),
  };
}

/**
 * Used memory without keys while a batch is under way, for then evictions happen. The first use of a command allocates its latency
 * histogram (latency-tracking), which must not pass for memory of keys later.
 */
async function measureEmpty(
  { client }: RedisServer,
  wire: RedisWire,
  { read, store, used }: Scripts,
): Promise<number> {
  await client.evalsha(store, 1, "k", "1", "1000");
  await client.dbsize();
  await askInfo(client);
  await client.del("k");
  // As long as a usual one; both scripts leave the same small key behind.
  const command = encodeCommand(["EVALSHA", read, "1", "k".repeat(24), "300", "0"]);
  const half = command.repeat(BATCH / 2);
  const look = encodeCommand(["EVALSHA", used, "0"]);
  await wire.send(half + look + half, BATCH + 1);
  const answers = await wire.send(half + look + half, BATCH + 1);
  await emptyRedis(client);
  return answers[BATCH / 2] ?? Number.NaN;
}

async function readMemory(server: RedisServer) {
  const { values } = await askInfo(server.client);
  const number = (name: string) => Number(values.get(name) ?? Number.NaN);
  return {
    usedBytes: number("used_memory"),
    startupBytes: number("used_memory_startup"),
    evicted: number("evicted_keys"),
    expired: number("expired_keys"),
    version: values.get("redis_version") ?? "unknown",
  };
}

interface Played {
  readonly rows: number;
  readonly gets: number;
  readonly hits: number;
  readonly refused: number;
  readonly durationMs: number;
  readonly timeMs: Float64Array;
}

async function play(
  wire: RedisWire,
  trace: CacheTrace,
  scripts: Scripts,
  options: ReplayOptions,
): Promise<Played> {
  const commandOf = commandWriter(trace, scripts, options);
  const timeMs = new Float64Array(trace.rows);
  const counts = { gets: 0, hits: 0, refused: 0 };
  const started = performance.now();
  const dueMs = (sinceMs: number) =>
    options.pace === "recorded" ? sinceMs * (options.speed ?? 1) : Infinity;
  for (let row = 0; row < trace.rows;) {
    throwIfAborted(options.signal);
    const sinceMs = performance.now() - started;
    if (sinceMs > options.timeoutMs) throw tooSlow(row, trace.rows, options.timeoutMs);
    const end = dueUntil(trace, row, dueMs(sinceMs));
    if (end === row) {
      await delay(PACE_MS);
      continue;
    }
    const [text, sent] = encodeRows(commandOf, row, end);
    const answers = await wire.send(text, sent.length);
    // Somewhere between sending and the answers the server came to each.
    const tookMs = performance.now() - started - sinceMs;
    for (let each = row; each < end; each += 1)
      timeMs[each] = sinceMs + (tookMs * (each - row + 0.5)) / (end - row);
    count(trace, sent, answers, counts);
    row = end;
  }
  const durationMs = performance.now() - started;
  return { rows: trace.rows, ...counts, durationMs, timeMs };
}

/** The row after the last one to send now. */
function dueUntil(trace: CacheTrace, from: number, traceMs: number): number {
  let end = from;
  while (end < trace.rows && end - from < BATCH && (trace.timeMs[end] ?? 0) <= traceMs) end += 1;
  return end;
}

function encodeRows(
  commandOf: (row: number) => string,
  from: number,
  end: number,
): [string, readonly number[]] {
  let text = "";
  const sent: number[] = [];
  for (let row = from; row < end; row += 1) {
    const command = commandOf(row);
    if (command === "") continue;
    text += command;
    sent.push(row);
  }
  return [text, sent];
}

/** "" for rows that the cache is not told of. */
function commandWriter(
  trace: CacheTrace,
  scripts: Scripts,
  options: ReplayOptions,
): (row: number) => string {
  const { ttlOf, ttlFactor = 1 } = options;
  const nameOf = nameWriter(trace);
  return (row) => {
    const key = trace.key[row] ?? 0;
    const operation = trace.operation[row];
    if (operation === DELETE) return encodeCommand(["DEL", nameOf(key)]);
    if (operation !== GET && operation !== SET) return "";
    const ttlMs = (ttlOf === undefined ? (trace.ttlMs?.[row] ?? 0) : ttlOf(key)) * ttlFactor;
    return encodeCommand([
      "EVALSHA",
      operation === GET ? scripts.read : scripts.store,
      "1",
      nameOf(key),
      String(trace.valueBytes[row] ?? 0),
      // A time to live below a millisecond is still one.
      String(ttlMs > 0 ? Math.max(1, Math.round(ttlMs)) : 0),
    ]);
  };
}

/** Names are as long as the trace's, as far as that many different ones are. */
function nameWriter(trace: CacheTrace): (key: number) => string {
  const digitsLeast = Math.max(1, Math.ceil(Math.log2(Math.max(2, trace.keyCount)) / 6));
  return (key) => {
    let name = "";
    for (let left = key, digit = 0; digit < digitsLeast; digit += 1) {
      name += DIGITS[left & 63] ?? "";
      left >>>= 6;
    }
    return name.padEnd(trace.keyBytes[key] ?? 0, ".");
  };
}

function count(
  trace: CacheTrace,
  sent: readonly number[],
  answers: Float64Array,
  counts: { gets: number; hits: number; refused: number },
): void {
  sent.forEach((row, index) => {
    const operation = trace.operation[row];
    const answer = answers[index];
    if (operation === GET) counts.gets += 1;
    if (operation === GET && answer === HIT_ANSWER) counts.hits += 1;
    if (operation !== DELETE && answer === REFUSED_ANSWER) counts.refused += 1;
  });
}

function tooSlow(row: number, rows: number, timeoutMs: number): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `replaying the trace took over ${Math.round(timeoutMs / 1_000)} s: ${row} of ${rows} rows were played`,
    "replay a shorter trace, or as fast as possible",
  );
}
