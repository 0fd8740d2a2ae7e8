import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CAPTURE_RULES } from "../../src/target/redis-access.ts";
import {
  lookUpSizes,
  sampleKeys,
  type KeyRow,
  type SampleOptions,
} from "../../src/target/redis-keys.ts";
import { askInfo, type RedisServer } from "../../src/target/redis-server.ts";
import { neverAborted } from "../integration/stores.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";

let redis: TestRedis;
let server: RedisServer;
beforeAll(async () => {
  redis = await startTestRedis({
    maxmemory: "64mb",
    "maxmemory-policy": "allkeys-lru",
    "maxmemory-samples": "7",
    "lfu-decay-time": "3",
  });
  ({ server } = redis);
  const pipeline = server.client.pipeline();
  for (let index = 0; index < 300; index += 1) {
    const key = `item:${index}`;
    if (index % 3 === 0) pipeline.set(key, "v".repeat(index), "PX", 100_000 + index);
    else pipeline.set(key, "v".repeat(index));
  }
  pipeline.set("größe", "12345").set(Buffer.from([0xff, 0x00, 0x41]), "binary");
  pipeline.rpush("list", "a", "b").hset("hash", "field", "value");
  await pipeline.exec();
  await server.client.select(2);
  await server.client.set("elsewhere", "x");
  await server.client.select(0);
});
afterAll(() => redis.stop());

async function sample(changes: Partial<SampleOptions> = {}, url = server.url) {
  const rows: KeyRow[] = [];
  const result = await sampleKeys(url, {
    keysMax: 10_000,
    keysPerSecond: 5_000,
    signal: neverAborted,
    onKey: (row) => void rows.push(row),
    ...changes,
  });
  return { result, rows };
}

describe("a sample of a server's keys", () => {
  test("has sizes and times to live of all keys where all are wanted, and the server's own facts", async () => {
    const { result, rows } = await sample();
    expect(rows).toHaveLength(302);
    expect(result).toMatchObject({
      rows: 302,
      keysByType: { string: 302, list: 1, hash: 1 },
      complete: true,
      keys: 304,
      keysWithTtl: 100,
      keysWithTtlHere: 100,
      maxmemoryBytes: 64 * 1024 ** 2,
      policy: "allkeys-lru",
      version: expect.stringMatching(/^(valkey )?\d+\.\d+\.\d+/),
      allocator: expect.stringMatching(/./),
      settings: { maxmemorySamples: 7, lfuLogFactor: 10, lfuDecayMinutes: 3, keysWithTtl: 100 },
    });
    expect(result.usedBytes).toBeGreaterThan(result.startupBytes);
    expect(result.datasetBytes).toBeLessThan(result.usedBytes);
    expect(result.startupBytes).toBeGreaterThan(100_000);
    const byKey = new Map(rows.map((row) => [row.key, row]));
    for (const index of [0, 1, 99, 298]) {
      const row = byKey.get(`item:${index}`);
      expect(row?.valueBytes).toBe(index);
      expect(row?.keyBytes).toBe(`item:${index}`.length);
      // Some milliseconds passed since.
      if (index % 3 === 0) expect(row?.ttlMs).toBeGreaterThan(50_000);
      else expect(row?.ttlMs).toBe(0);
      expect(row?.memoryBytes).toBeGreaterThan(index + 5);
      expect(row?.idleMs).toBeGreaterThanOrEqual(0);
      expect(row?.frequency).toBeUndefined();
    }
    expect(byKey.get("größe")).toMatchObject({ valueBytes: 5, keyBytes: 7 });
    expect(rows.filter((row) => row.keyBytes === 3 && row.valueBytes === 6)).toHaveLength(1);
  });

  test("takes as many as asked for, no faster than allowed, of the types that were asked for", async () => {
    const started = performance.now();
    const { result, rows } = await sample({ keysMax: 60, keysPerSecond: 100 });
    expect(result.keysByType["string"]).toBe(rows.length);
    expect(Object.values(result.keysByType).reduce((sum, each) => sum + each, 0)).toBe(60);
    expect(result.complete).toBe(false);
    expect(performance.now() - started).toBeGreaterThanOrEqual(550);
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
    const lists = await sample({ matchTypes: "list, hash" });
    expect(lists.rows.map(({ type, valueBytes }) => `${type} ${valueBytes}`).toSorted()).toEqual([
      "hash 0",
      "list 0",
    ]);
  });

  test("recency is that of before the sample", async () => {
    // Redis' clock of uses has whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const { rows } = await sample();
    expect(rows.filter((row) => (row.idleMs ?? 0) < 1_000)).toEqual([]);
  });

  test("under an LFU policy it is the counter; another database is another sample", async () => {
    await server.client.config("SET", "maxmemory-policy", "allkeys-lfu");
    const { rows } = await sample({}, `${server.url}/2`);
    await server.client.config("SET", "maxmemory-policy", "allkeys-lru");
    expect(rows).toEqual([
      expect.objectContaining({
        key: "elsewhere",
        valueBytes: 1,
        ttlMs: 0,
        frequency: expect.any(Number),
      }),
    ]);
    expect(rows[0]).not.toHaveProperty("idleMs");
  });

  test("reads only", async () => {
    const before = await askInfo(server.client, "all");
    await sample();
    const after = await askInfo(server.client, "all");
    const calls = [...after.values]
      .filter(([name, value]) => name.startsWith("cmdstat_") && before.values.get(name) !== value)
      .map(([name]) => name.slice("cmdstat_".length));
    const reading =
      /^(?:scan|type|strlen|pttl|object\|idletime|memory\|usage|dbsize|info|config\|get|client\|.*|auth|hello|select)$/;
    expect(calls.filter((name) => !reading.test(name))).toEqual([]);
    expect(calls).toContain("strlen");
  });

  test("what the user may not do is an error with the rules; without CONFIG it goes on", async () => {
    const url = new URL(server.url);
    url.username = "sampler";
    url.password = "open";
    const rules = `on >open resetkeys %R~* -@all ${CAPTURE_RULES}`.split(" ");
    const { client } = server;
    await client.call("ACL", "SETUSER", "sampler", "reset", ...rules);
    const all = await sample({}, url.href);
    expect(all.rows).toHaveLength(302);
    expect(all.result.settings?.maxmemorySamples).toBe(7);
    await client.call("ACL", "SETUSER", "sampler", "-config|get");
    const { result } = await sample({}, url.href);
    expect(result.settings).toBeUndefined();
    expect(result).toMatchObject({ rows: 302, policy: "allkeys-lru", keysWithTtl: 100 });
    for (const rule of ["-strlen", "-memory|usage", "-scan", "-dbsize"]) {
      await client.call("ACL", "SETUSER", "sampler", "reset", ...rules, rule);
      await expect(sample({}, url.href)).rejects.toMatchObject({
        code: "cannot-measure",
        message: expect.stringMatching(/redis:\/\/\*\*\*@.*NOPERM/),
        hint: expect.stringContaining(CAPTURE_RULES),
      });
    }
    await client.call("ACL", "SETUSER", "sampler", "reset", ...rules, "resetkeys");
    await expect(sample({}, url.href)).rejects.toMatchObject({
      hint: expect.stringContaining("%R~*"),
    });
  });

  test("an interrupt ends it", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    await expect(sample({ keysPerSecond: 10, signal: controller.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
  });
}, 60_000);

describe("sizes of keys that a capture has seen", () => {
  test("of those that are there, as many as allowed, no faster than allowed", async () => {
    const options = { keysMax: 1_000, keysPerSecond: 5_000, signal: neverAborted };
    const keys = ["item:30", "gone", "item:31", "list", "größe"];
    expect(await lookUpSizes(server.url, keys, options)).toEqual([
      { key: "item:30", valueBytes: 30, ttlMs: expect.any(Number) },
      { key: "item:31", valueBytes: 31, ttlMs: 0 },
      { key: "größe", valueBytes: 5, ttlMs: 0 },
    ]);
    const many = Array.from({ length: 300 }, (_, index) => `item:${index}`);
    const started = performance.now();
    const found = await lookUpSizes(server.url, many, {
      ...options,
      keysMax: 50,
      keysPerSecond: 100,
    });
    expect(found).toHaveLength(50);
    expect(performance.now() - started).toBeGreaterThanOrEqual(490);
  });
});
