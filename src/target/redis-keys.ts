/** A sample of the keys that a running Redis holds: sizes, times to live and recency, values never read. */
import { setTimeout as delay } from "node:timers/promises";
import type { ChainableCommander, Redis } from "ioredis";
import type { RedisSettings } from "../core/observation.ts";
import { isForbidden, isUnknown, withReader } from "./redis-access.ts";
import { askInfo, type Info } from "./redis-server.ts";
import { keysOfDatabase, readSettings, serverFacts, type ServerFacts } from "./redis-settings.ts";

/** Ten batches a second, so that no other client waits long behind one. */
const BATCHES_PER_SECOND = 10;
const BATCH_KEYS_MOST = 100;
const KEYS_PER_SECOND = 1_000;

export interface SampleOptions {
  readonly keysMax: number;
  /** Default: 1,000, which take about 1 % of the server's one core (10 microseconds a key, measured with Redis 7.0). */
  readonly keysPerSecond?: number;
  /** Types of values that are handed on, with commas between; others are counted. Default: string. */
  readonly matchTypes?: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** The name is to be hashed at once and not to be kept. */
  readonly onKey: (row: KeyRow) => void;
}

export interface KeyRow {
  readonly key: string;
  readonly keyBytes: number;
  readonly type: string;
  /** 0 for what is no string. */
  readonly valueBytes: number;
  /** 0: none. */
  readonly ttlMs: number;
  /** Since its last use; under an LFU policy Redis does not know it. */
  readonly idleMs?: number;
  /** The logarithmic counter, 0 to 255, under an LFU policy. */
  readonly frequency?: number;
  /** As MEMORY USAGE counts, which leaves out part of the table's entry. */
  readonly memoryBytes?: number;
}

export interface KeySample extends ServerFacts {
  /** Handed on. */
  readonly rows: number;
  /** Looked at, by type. */
  readonly keysByType: Readonly<Record<string, number>>;
  /** The scan went once around: nothing is left to look at. */
  readonly complete: boolean;
  /** In the database that the URL names; `keysWithTtl` is of all databases. */
  readonly keys: number;
  readonly keysWithTtlHere: number;
  readonly usedBytes: number;
  readonly datasetBytes: number;
  readonly maxmemoryBytes: number;
  readonly policy: string;
  /** Absent where CONFIG may not be read. */
  readonly settings?: RedisSettings;
  /** STRLEN counts as a use of each sampled key; not where the server has CLIENT NO-TOUCH (7.2). */
  readonly touched: boolean;
  readonly tookMs: number;
}

/**
 * Keys in the order of the hash table, which is random in names and uses: as good a sample as one by lot. Each look-up adds to
 * the server's keyspace_hits. Needs CAPTURE_RULES of redis-access.ts; throws PerfoptError without.
 */
export function sampleKeys(url: string, options: SampleOptions): Promise<KeySample> {
  return withReader(url, options.signal, async (client) => {
    const startedAt = performance.now();
    const info = await askInfo(client);
    const settings = await readSettings(client, info);
    const touched = !(await untouched(client));
    const scanned = await scan(client, info, options);
    return {
      ...scanned,
      ...serverFacts(info),
      ...keyspaceOf(client, info),
      keys: await client.dbsize(),
      ...(settings ? { settings } : {}),
      touched,
      tookMs: performance.now() - startedAt,
    };
  });
}

function keyspaceOf(client: Redis, { values }: Info) {
  const number = (name: string) => Number(values.get(name) ?? 0);
  return {
    keysWithTtlHere: keysOfDatabase(values, `db${client.options.db ?? 0}`).withTtl,
    usedBytes: number("used_memory"),
    datasetBytes: number("used_memory_dataset"),
    maxmemoryBytes: number("maxmemory"),
    policy: policyOf(values),
  };
}

function policyOf(values: Info["values"]): string {
  return values.get("maxmemory_policy") ?? "unknown";
}

/** Reading sizes must not make keys look used; false where the server cannot promise it. */
async function untouched(client: Redis): Promise<boolean> {
  try {
    await client.call("CLIENT", "NO-TOUCH", "ON");
    return true;
  } catch (error) {
    if (isForbidden(error)) return false;
    throw error;
  }
}

async function scan(
  client: Redis,
  { values }: Info,
  options: SampleOptions,
): Promise<Pick<KeySample, "rows" | "keysByType" | "complete">> {
  const types = new Set((options.matchTypes ?? "string").split(",").map((each) => each.trim()));
  const questions = questionsOf(policyOf(values));
  const pace = createPace(options.keysPerSecond ?? KEYS_PER_SECOND, options.signal);
  const seen = new Set<string>();
  const keysByType: Record<string, number> = {};
  let rows = 0;
  let cursor = "0";
  do {
    const [next, found] = await client.scanBuffer(cursor, "COUNT", pace.batch);
    cursor = next.toString();
    // A table that grows or shrinks meanwhile shows some keys twice.
    const fresh = found
      .filter((key) => isNew(seen, key))
      .slice(0, options.keysMax - rowsIn(keysByType));
    for (const key of await lookAt(client, fresh, questions)) {
      keysByType[key.type] = (keysByType[key.type] ?? 0) + 1;
      if (!types.has(key.type)) continue;
      options.onKey(key);
      rows += 1;
    }
    options.onProgress?.(`SCAN: ${rowsIn(keysByType).toLocaleString("en")} keys`);
    await pace.after(found.length);
  } while (cursor !== "0" && rowsIn(keysByType) < options.keysMax);
  return { rows, keysByType, complete: cursor === "0" };
}

function rowsIn(keysByType: Readonly<Record<string, number>>): number {
  return Object.values(keysByType).reduce((sum, each) => sum + each, 0);
}

function isNew(seen: Set<string>, key: Buffer): boolean {
  const name = key.toString("latin1");
  if (seen.has(name)) return false;
  seen.add(name);
  return true;
}

interface Questions {
  readonly frequency: boolean;
}

/** Each policy keeps either of the two in the same bits of an entry. */
function questionsOf(policy: string): Questions {
  return { frequency: policy.endsWith("-lfu") };
}

/** One pipeline. Recency is asked before the size, since reading the size is a use of the key. */
async function lookAt(
  client: Redis,
  keys: readonly Buffer[],
  { frequency }: Questions,
): Promise<readonly KeyRow[]> {
  const pipeline = client.pipeline();
  for (const key of keys) {
    pipeline.type(key).call("OBJECT", frequency ? "FREQ" : "IDLETIME", key);
    pipeline.call("MEMORY", "USAGE", key, "SAMPLES", "0").pttl(key).strlen(key);
  }
  const answers = await answersOf(pipeline);
  return keys.flatMap((key, index): KeyRow[] => {
    const [type, recency, memory, ttl, length] = answers.slice(index * 5, index * 5 + 5);
    // Gone between SCAN and now.
    if (typeof type !== "string" || type === "none" || ttl === GONE) return [];
    const known = numberOf(recency);
    const memoryBytes = numberOf(memory);
    return [
      {
        key: key.toString("utf8"),
        keyBytes: key.length,
        type,
        valueBytes: numberOf(length) ?? 0,
        ttlMs: Math.max(0, numberOf(ttl) ?? 0),
        ...(known === undefined ? {} : frequency ? { frequency: known } : { idleMs: known * 1000 }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      },
    ];
  });
}

/** Of PTTL: there is no such key. */
const GONE = -2;

function numberOf(answer: unknown): number | undefined {
  return typeof answer === "number" ? answer : undefined;
}

/** Undefined for what does not apply to one key (another type, gone) or does not exist on this server; throws what is refused. */
async function answersOf(pipeline: ChainableCommander): Promise<readonly unknown[]> {
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, answer]) => {
    if (error && isForbidden(error) && !isUnknown(error)) throw error;
    return error ? undefined : answer;
  });
}

export interface LookUpOptions {
  /** Others are left out. */
  readonly keysMax: number;
  readonly keysPerSecond?: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

export interface KeySize {
  readonly key: string;
  readonly valueBytes: number;
  /** That is left of it; 0: none. */
  readonly ttlMs: number;
}

/** Of keys that a capture has seen, those that are there: MONITOR shows no sizes of what was read. */
export function lookUpSizes(
  url: string,
  keys: Iterable<string>,
  options: LookUpOptions,
): Promise<readonly KeySize[]> {
  return withReader(url, options.signal, async (client) => {
    await untouched(client);
    const pace = createPace(options.keysPerSecond ?? KEYS_PER_SECOND, options.signal);
    const wanted = [...keys].slice(0, options.keysMax);
    const found: KeySize[] = [];
    for (let from = 0; from < wanted.length; from += pace.batch) {
      const batch = wanted.slice(from, from + pace.batch);
      const pipeline = client.pipeline();
      for (const key of batch) pipeline.pttl(key).strlen(key);
      const answers = await answersOf(pipeline);
      batch.forEach((key, index) => {
        const ttl = numberOf(answers[index * 2]);
        const valueBytes = numberOf(answers[index * 2 + 1]);
        if (ttl === undefined || ttl === GONE || valueBytes === undefined) return;
        found.push({ key, valueBytes, ttlMs: Math.max(0, ttl) });
      });
      options.onProgress?.(`sizes: ${(from + batch.length).toLocaleString("en")} keys`);
      await pace.after(batch.length);
    }
    return found;
  });
}

interface Pace {
  /** Keys at a time. */
  readonly batch: number;
  /** Waits until so many more keys are due. */
  readonly after: (keys: number) => Promise<void>;
}

function createPace(keysPerSecond: number, signal: AbortSignal): Pace {
  const startedAt = performance.now();
  let done = 0;
  return {
    batch: Math.max(1, Math.min(BATCH_KEYS_MOST, Math.floor(keysPerSecond / BATCHES_PER_SECOND))),
    after: async (keys) => {
      done += keys;
      const dueMs = startedAt + (done / keysPerSecond) * 1000 - performance.now();
      await delay(Math.max(0, dueMs), undefined, { signal });
    },
  };
}
