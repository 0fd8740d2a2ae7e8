/** Measures what entries take in Redis' memory: shape by shape on a scratch server, or by samples on one that is in use. */
import type { Redis } from "ioredis";
import type { MeasuredFootprint, MeasuredShape } from "../core/cache-footprint.ts";
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import {
  askInfo,
  changeSetting,
  emptyRedis,
  readSetting,
  type RedisServer,
} from "./redis-server.ts";
import { encodeCommand, openRedisWire } from "./redis-wire.ts";

/** On both sides of what changes the kind of a header, an embedded value, or a class of the allocator. */
const SHAPES: readonly (readonly [keyBytes: number, valueBytes: number, expires: boolean])[] = [
  [8, 10, false],
  [12, 10, false],
  [20, 44, false],
  [20, 45, false],
  [20, 100, false],
  [20, 100, true],
  [24, 200, false],
  [24, 200, true],
  [30, 255, false],
  [31, 256, false],
  [32, 300, false],
  [32, 300, true],
  [40, 500, false],
  [40, 700, true],
  [60, 64, false],
  [60, 64, true],
  [80, 1_000, false],
  [80, 1_500, true],
  [24, 3_000, false],
  [24, 10_000, true],
];
/** A power of two: the tables have exactly one slot a key. */
const KEYS = 8_192;
const KEYS_OF_LARGE = 512;
const LARGE_BYTES = 2_000;
const BATCH = 256;
const SLOT_BYTES = 8;
const HOUR_MS = 3_600_000;
/** Tables move their last slots in the server's cron. */
const SETTLE_MS = 3_000;
const POLL_MS = 60;

/** Empties the server: it must be one that `startRedis` started for this. Takes a few seconds. */
export async function measureFootprint(
  server: RedisServer,
  signal: AbortSignal,
): Promise<MeasuredFootprint> {
  await changeSetting(server.client, "maxmemory", "0");
  await setShape(server, 1, [8, 8, true]);
  await emptyRedis(server.client);
  const shapes: MeasuredShape[] = [];
  for (const shape of SHAPES) {
    throwIfAborted(signal);
    shapes.push(await measureShape(server, shape));
  }
  const { values } = await askInfo(server.client);
  return { shapes, ...factsOf(values) };
}

async function measureShape(
  server: RedisServer,
  shape: readonly [number, number, boolean],
): Promise<MeasuredShape> {
  const [keyBytes, valueBytes, expires] = shape;
  const keys = valueBytes > LARGE_BYTES ? KEYS_OF_LARGE : KEYS;
  const before = await settledBytes(server.client);
  // Its connection's buffers are gone again when the memory is read.
  await setShape(server, keys, shape);
  const after = await settledBytes(server.client);
  await emptyRedis(server.client);
  const slots = SLOT_BYTES * (expires ? 2 : 1);
  return { keyBytes, valueBytes, expires, bytesMeasured: (after - before) / keys - slots };
}

async function setShape(
  server: RedisServer,
  keys: number,
  [keyBytes, valueBytes, expires]: readonly [number, number, boolean],
): Promise<void> {
  const wire = await openRedisWire(server.url);
  const value = "x".repeat(valueBytes);
  const expiry = expires ? ["PX", String(HOUR_MS)] : [];
  try {
    for (let from = 0; from < keys; from += BATCH) {
      const count = Math.min(BATCH, keys - from);
      let commands = "";
      for (let key = from; key < from + count; key += 1)
        commands += encodeCommand(["SET", String(key).padStart(keyBytes, "k"), value, ...expiry]);
      await wire.send(commands, count);
    }
  } finally {
    wire.close();
  }
}

/** Used memory without connections' buffers, which shrink at any time, once two readings in a row are the same; or the last one. */
async function settledBytes(client: Redis): Promise<number> {
  const deadline = performance.now() + SETTLE_MS;
  let last = Number.NaN;
  for (;;) {
    const { values } = await askInfo(client);
    const clients = Number(values.get("mem_clients_normal") ?? 0);
    const used = Number(values.get("used_memory") ?? Number.NaN) - clients;
    if (!Number.isFinite(used)) throw unreadable("INFO has no used_memory");
    if (used === last || performance.now() > deadline) return used;
    last = used;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function factsOf(values: ReadonlyMap<string, string>) {
  return {
    startupBytes: Number(values.get("used_memory_startup") ?? Number.NaN),
    serverVersion: values.get("redis_version") ?? "unknown",
    allocator: values.get("mem_allocator") ?? "unknown",
  };
}

export interface SampledFootprint extends MeasuredFootprint {
  readonly keys: number;
  /** Of the sampled strings; a value that is an integer takes no memory of its own. */
  readonly integerShare: number;
  /** Sampled keys that hold no string, such as hashes: not among the shapes. */
  readonly otherTypes: number;
  /** Connections at present, and commands that have a histogram of their latency. */
  readonly clientBytes: number;
  readonly commands: number;
  readonly usedBytes: number;
  /** What the samples say that used memory should be. */
  readonly expectedBytes: number;
}

/** DICT_ENTRY of 24 bytes as MEMORY USAGE counts it, and what an allocator with classes of 16 bytes takes for it. */
const ENTRY_BYTES = { counted: 24, of16: 32, of8: 24 } as const;
/** Since 7.0 (latency-tracking), as measured on 7.0.15. */
const HISTOGRAM_BYTES = 24_640;
const SCAN_COUNT = 100;
const SCANS_MAX = 1_000;

/**
 * Reads MEMORY USAGE of a few keys of a server in use, and adds what it leaves out: the rounding of the entry, and all of a time to
 * live's entry. STRLEN counts as a use of the key for eviction; from 7.2 on CLIENT NO-TOUCH prevents that.
 */
export async function sampleFootprint(
  client: Redis,
  options: { readonly keysMax: number; readonly signal: AbortSignal },
): Promise<SampledFootprint> {
  // Unknown before 7.2.
  await client.call("CLIENT", "NO-TOUCH", "ON").catch(() => undefined);
  const sampled = await sampleEntries(client, options);
  const { values } = await askInfo(client, "all");
  const facts = factsOf(values);
  const strings = sampled.filter((each) => each !== "other");
  const quantum = quantumOf(facts.allocator, strings);
  const entry = quantum === 16 ? ENTRY_BYTES.of16 : ENTRY_BYTES.of8;
  const measured = strings.map(({ usage, integer, ...shape }) => ({
    integer,
    shape: {
      ...shape,
      bytesMeasured: usage + entry - ENTRY_BYTES.counted + (shape.expires ? entry : 0),
    },
  }));
  const tracking = (await readSetting(client, "latency-tracking").catch(() => undefined)) === "yes";
  const commands = tracking
    ? [...values.keys()].filter((name) => name.startsWith("cmdstat_")).length
    : 0;
  const keys = await client.dbsize();
  const clientBytes = Number(values.get("mem_clients_normal") ?? 0);
  const bytes = measured.map(({ shape }) => shape.bytesMeasured);
  const expiring = measured.filter(({ shape }) => shape.expires).length / Math.max(1, bytes.length);
  return {
    ...facts,
    shapes: measured.filter(({ integer }) => !integer).map(({ shape }) => shape),
    keys,
    integerShare: measured.filter(({ integer }) => integer).length / Math.max(1, bytes.length),
    otherTypes: sampled.length - strings.length,
    clientBytes,
    commands,
    usedBytes: Number(values.get("used_memory") ?? Number.NaN),
    expectedBytes:
      facts.startupBytes +
      clientBytes +
      commands * HISTOGRAM_BYTES +
      SLOT_BYTES * (slotsOf(keys) + slotsOf(keys * expiring)) +
      (keys * bytes.reduce((sum, each) => sum + each, 0)) / Math.max(1, bytes.length),
  };
}

function slotsOf(keys: number): number {
  return keys < 1 ? 0 : 2 ** Math.ceil(Math.log2(keys));
}

interface SampledEntry {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly expires: boolean;
  readonly usage: number;
  readonly integer: boolean;
}

async function sampleEntries(
  client: Redis,
  { keysMax, signal }: { readonly keysMax: number; readonly signal: AbortSignal },
): Promise<readonly (SampledEntry | "other")[]> {
  const entries: (SampledEntry | "other")[] = [];
  let cursor = "0";
  for (let scans = 0; scans < SCANS_MAX && entries.length < keysMax; scans += 1) {
    throwIfAborted(signal);
    const [next, names] = await client.scanBuffer(cursor, "COUNT", SCAN_COUNT);
    for (const entry of await readEntries(client, names.slice(0, keysMax - entries.length)))
      entries.push(entry);
    cursor = next.toString();
    if (cursor === "0") break;
  }
  return entries;
}

async function readEntries(
  client: Redis,
  names: readonly Buffer[],
): Promise<readonly (SampledEntry | "other")[]> {
  if (names.length === 0) return [];
  const pipeline = client.pipeline();
  for (const name of names)
    pipeline.memory("USAGE", name, "SAMPLES", 0).strlen(name).pttl(name).object("ENCODING", name);
  const answers = (await pipeline.exec()) ?? [];
  return names.flatMap((name, index): (SampledEntry | "other")[] => {
    const [usage, length, ttl, encoding] = answers.slice(index * 4, index * 4 + 4);
    const usageError = usage?.[0];
    if (usageError) throw unreadable(`MEMORY USAGE: ${usageError.message}`);
    // Gone meanwhile.
    if (usage?.[1] === null || usage === undefined) return [];
    if (length?.[0]) return ["other"];
    return [
      {
        keyBytes: name.length,
        valueBytes: Number(length?.[1] ?? 0),
        expires: Number(ttl?.[1] ?? -1) >= 0,
        usage: Number(usage[1]),
        integer: encoding?.[1] === "int",
      },
    ];
  });
}

/** With classes of 16 bytes, what MEMORY USAGE adds up is always 8 beyond a multiple of 16: names tell less than samples. */
function quantumOf(allocator: string, entries: readonly SampledEntry[]): 16 | 8 {
  if (!allocator.startsWith("jemalloc")) return 8;
  return entries.every(({ usage }) => usage % 16 === ENTRY_BYTES.counted % 16) ? 16 : 8;
}

function unreadable(what: string): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `what Redis' entries take cannot be read: ${what}`,
    "allow INFO and MEMORY USAGE to the user of the URL, or let the advice rest on the formula",
  );
}
