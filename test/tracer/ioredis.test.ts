import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCacheTracer, traceIoredis, type CacheTracer } from "../../src/tracer/index.ts";
import type { RedisServer } from "../../src/target/redis-server.ts";
import { doings, readWritten, type Written } from "./read-rows.ts";
import { startTestRedis, type TestRedis } from "../target/redis.ts";

let redis: TestRedis;
let home: string;
let server: RedisServer;
beforeAll(async () => {
  redis = await startTestRedis();
  ({ home, server } = redis);
});
afterAll(() => redis.stop());

let files = 0;
async function traced(
  work: (redis: Redis, tracer: CacheTracer) => Promise<void>,
  connect: (url: string) => Redis = (url) => new Redis(url),
): Promise<Written> {
  files += 1;
  const file = join(home, `${files}.csv`);
  await server.client.flushall();
  const tracer = createCacheTracer({ file });
  const redis = traceIoredis(connect(server.url), tracer);
  try {
    await work(redis, tracer);
  } finally {
    redis.disconnect();
    await tracer.close();
  }
  expect(tracer.counts().errors).toBe(0);
  return readWritten(file);
}

describe("commands of ioredis", () => {
  test("a miss, its fill, hits, a write through, deletes", async () => {
    const found = await traced(async (redis) => {
      expect(await redis.get("a:1")).toBeNull();
      await redis.set("a:1", "schön", "EX", 60);
      expect(await redis.get("a:1")).toBe("schön");
      expect(await redis.getBuffer("a:1")).toEqual(Buffer.from("schön"));
      await redis.setex("a:2", 5, "x");
      await redis.psetex("a:3", 1_500, Buffer.alloc(100));
      await redis.set("a:1", "other", "PX", 30);
      expect(await redis.del(["a:1", "a:2"])).toBe(2);
      expect(await redis.unlink("a:3")).toBe(1);
    });
    expect(doings(found)).toEqual([
      "get miss",
      "load 6 60000",
      "get hit 6",
      "get hit 6",
      "set 1 5000",
      "set 100 1500",
      "set 5 30",
      "delete",
      "delete",
      "delete",
    ]);
    const [miss, load] = found.rows;
    expect(load?.key).toBe(miss?.key);
    expect(Number(load?.cost)).toBeGreaterThanOrEqual(0);
    expect(load?.cost).not.toBe("");
    expect(new Set(found.rows.map((row) => row.key)).size).toBe(3);
  });

  test("several keys at once, times to live, and what did not happen", async () => {
    const found = await traced(async (redis) => {
      expect(await redis.mget("a:1", "a:2")).toEqual([null, null]);
      await redis.mset("a:1", "1", "a:2", "22");
      expect(await redis.mget(["a:1", "a:3"])).toEqual(["1", null]);
      expect(await redis.set("a:1", "no", "NX")).toBeNull();
      expect(await redis.set("a:9", "no", "XX")).toBeNull();
      expect(await redis.setnx("a:1", "no")).toBe(0);
      expect(await redis.set("a:1", "new", "EX", 9, "GET")).toBe("1");
      expect(await redis.expire("a:2", 10)).toBe(1);
      expect(await redis.pexpire("missing", 10)).toBe(0);
      expect(await redis.persist("a:2")).toBe(1);
      expect(await redis.getex("a:2", "PX", 700)).toBe("22");
      expect(await redis.getdel("a:2")).toBe("22");
      await redis.set("a:1", "kept", "KEEPTTL");
      await expect(redis.call("get", "a:1", "too many")).rejects.toThrow();
      await redis.hset("h", "field", "value");
    });
    expect(doings(found)).toEqual([
      "get miss",
      "get miss",
      "load 1 0",
      "load 2 0",
      "get hit 1",
      "get miss",
      "set 3 9000",
      "expire 10000",
      "expire 0",
      "get hit 2",
      "expire 700",
      "get hit 2",
      "delete",
      "set 4",
    ]);
  });

  test("pipelines and transactions", async () => {
    const found = await traced(async (redis) => {
      await redis.pipeline().get("p:1").set("p:1", "abc").get("p:1").exec();
      const replies = await redis.multi().get("m:1").hget("h", "f").set("m:1", "four").exec();
      expect(replies?.map(([, reply]) => reply)).toEqual([null, null, "OK"]);
      await redis.multi({ pipeline: false });
      await redis.get("m:1");
      expect(await redis.exec()).toEqual([[null, "four"]]);
      await redis.multi({ pipeline: false });
      await redis.set("m:2", "never");
      await redis.discard();
      expect(await redis.get("m:2")).toBeNull();
    });
    expect(doings(found)).toEqual([
      "get miss",
      "set 3 0",
      "get hit 3",
      "get miss",
      "set 4 0",
      "get hit 4",
      "get miss",
    ]);
  });

  test("automatic pipelining", async () => {
    const found = await traced(
      async (redis) => {
        await redis.set("m:1", "four");
        expect(await Promise.all([redis.get("m:1"), redis.get("m:3")])).toEqual(["four", null]);
      },
      (url) => new Redis(url, { enableAutoPipelining: true }),
    );
    expect(doings(found)).toEqual(["set 4 0", "get hit 4", "get miss"]);
  });

  test("commands that wait for the connection are traced once; prefixes of the client belong to the key", async () => {
    const found = await traced(
      async (redis) => {
        await Promise.all([redis.set("1", "x"), redis.get("1"), redis.multi().get("1").exec()]);
        await redis.get("1");
      },
      (url) => new Redis(url, { keyPrefix: "app:", lazyConnect: true }),
    );
    expect(doings(found)).toEqual(["set 1 0", "get hit 1", "get hit 1", "get hit 1"]);
    expect(found.rows[0]?.keyBytes).toBe("5");
    expect(found.text).not.toContain("app");
  });

  test("rows equal what was done over many operations, and no key is in the file", async () => {
    let hits = 0;
    let misses = 0;
    const found = await traced(async (redis) => {
      for (let round = 0; round < 400; round += 1) {
        const key = `secretname/get:id-${(round * 7) % 37}`;
        const value = await redis.get(key);
        if (value === null) {
          misses += 1;
          await redis.set(key, "v".repeat(round + 1), "EX", 100);
        } else hits += 1;
        if (round % 10 === 0) await redis.del(key);
      }
    });
    const outcomes = found.rows.map((row) => row.outcome);
    expect(outcomes.filter((each) => each === "hit").length).toBe(hits);
    expect(outcomes.filter((each) => each === "miss").length).toBe(misses);
    expect(found.rows.filter((row) => row.op === "load").length).toBe(misses);
    expect(found.rows.filter((row) => row.op === "delete").length).toBe(40);
    const gets = found.comments.filter((each) => each.startsWith("# gets "));
    expect(gets.reduce((sum, each) => sum + Number(each.slice(7)), 0)).toBe(400);
    expect(found.text).not.toMatch(/id-|v{5}/);
  });

  test("of a sample, all gets are counted and only its keys written", async () => {
    const file = join(home, "sample.csv");
    const tracer = createCacheTracer({ file, share: 0.3, salt: "s" });
    const redis = traceIoredis(new Redis(server.url), tracer);
    const keys = Array.from({ length: 100 }, (_, id) => `s:${id}`);
    const chosen = keys.filter((key) => tracer.sampled(key));
    for (const key of keys) await redis.set(key, "v");
    expect(await Promise.all(keys.map((key) => redis.get(key)))).toEqual(keys.map(() => "v"));
    redis.disconnect();
    await tracer.close();
    const found = await readWritten(file);
    expect(chosen.length).toBeGreaterThan(10);
    expect(doings(found).toSorted()).toEqual([
      ...chosen.map(() => "get hit 1"),
      ...chosen.map(() => "set 1 0"),
    ]);
    expect(tracer.counts()).toMatchObject({ gets: 100, rows: chosen.length * 2 });
  });

  test("failures are the caller's as before, also those nobody waits for", async () => {
    await traced(async (redis) => {
      await redis.hset("h", "f", "v");
      await expect(redis.get("h")).rejects.toThrow("WRONGTYPE");
      const replies = await redis.multi().get("h").get("none").exec();
      expect(replies?.[0]?.[0]).toBeInstanceOf(Error);
    });
  });
});

test("a client of another library passes through untouched", async () => {
  const sent: unknown[] = [];
  const client = {
    sendCommand: (args: readonly string[]): string => {
      sent.push(args);
      return "PONG";
    },
  };
  const tracer = createCacheTracer({ file: join(home, "other.csv") });
  expect(traceIoredis(client, tracer).sendCommand(["PING"])).toBe("PONG");
  expect(sent).toEqual([["PING"]]);
  expect(tracer.counts()).toEqual({ rows: 0, gets: 0, dropped: 0, errors: 0 });
  await tracer.close();
});
