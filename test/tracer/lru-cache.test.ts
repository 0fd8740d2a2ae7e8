import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCacheTracer, traceLruCache, type CacheTracer } from "../../src/tracer/index.ts";
import { doings, readWritten } from "./read-rows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt tracer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function traced(work: (tracer: CacheTracer) => Promise<void> | void) {
  files += 1;
  const file = join(folder, `${files}.csv`);
  const tracer = createCacheTracer({ file });
  await work(tracer);
  await tracer.close();
  expect(tracer.counts().errors).toBe(0);
  return readWritten(file);
}

test("get, set, delete and clear are traced as what they are, and do what they did", async () => {
  const found = await traced((tracer) => {
    const cache = traceLruCache(new LRUCache<string, string>({ max: 10, ttl: 5_000 }), tracer);
    expect(cache.get("a:1")).toBeUndefined();
    cache.set("a:1", "four");
    expect(cache.get("a:1")).toBe("four");
    cache.set("a:1", "fivée", { ttl: 100 });
    cache.set("b:1", "x");
    expect(cache.has("a:1")).toBe(true);
    expect(cache.peek("a:1")).toBe("fivée");
    expect(cache.delete("a:1")).toBe(true);
    cache.set("b:2", "y");
    cache.clear();
    expect(cache.size).toBe(0);
  });
  expect(doings(found)).toEqual([
    "get miss",
    "load 4 5000",
    "get hit 4",
    "set 6 100",
    "set 1 5000",
    "delete",
    "set 1 5000",
    "delete",
    "delete",
  ]);
});

test("sizes come from the option, the cache's own calculation or the entry, in that order of trust", async () => {
  const found = await traced((tracer) => {
    const value = { text: "abc" };
    const sized = traceLruCache(
      new LRUCache<string, object>({ maxSize: 1_000, sizeCalculation: () => 7 }),
      tracer,
    );
    sized.set("a:1", value);
    sized.set("a:2", value, { size: 9 });
    sized.get("a:2");
    const told = traceLruCache(new LRUCache<string, object>({ max: 10 }), tracer, {
      bytesOf: (each) => JSON.stringify(each).length,
    });
    told.set("a:3", value);
    traceLruCache(new LRUCache<string, Uint8Array>({ max: 10 }), tracer).set(
      "a:4",
      new Uint8Array(33),
    );
    traceLruCache(new LRUCache<number, object>({ max: 10 }), tracer).set(5, value);
  });
  expect(doings(found)).toEqual(["set 7 0", "set 9 0", "get hit", "set 14 0", "set 33 0", "set 0"]);
});

test("fetch is a get and the load after it; a load that fails fails for the caller as before", async () => {
  const found = await traced(async (tracer) => {
    let loads = 0;
    const cache = traceLruCache(
      new LRUCache<string, string>({
        max: 10,
        ttl: 1_000,
        fetchMethod: async (key) => {
          loads += 1;
          if (key === "bad:1") throw new Error("the database is down");
          return `value of ${key}`;
        },
      }),
      tracer,
    );
    expect(await cache.fetch("a:1")).toBe("value of a:1");
    expect(await cache.fetch("a:1")).toBe("value of a:1");
    await expect(cache.fetch("bad:1")).rejects.toThrow("the database is down");
    expect(await Promise.all([cache.fetch("b:1"), cache.fetch("b:1")])).toEqual([
      "value of b:1",
      "value of b:1",
    ]);
    expect(loads).toBe(3);
  });
  expect(doings(found)).toEqual([
    "get miss",
    "load 12 1000",
    "get hit 12",
    "get miss",
    "get miss",
    "get miss",
    "load 12 1000",
  ]);
});

test("memo is a get and what it made", async () => {
  const found = await traced((tracer) => {
    const cache = traceLruCache(
      new LRUCache<string, string>({ max: 10, memoMethod: (key) => key.repeat(2) }),
      tracer,
    );
    expect([cache.memo("a:1"), cache.memo("a:1")]).toEqual(["a:1a:1", "a:1a:1"]);
  });
  expect(doings(found)).toEqual(["get miss", "load 6 0", "get hit 6"]);
});

test("a cache whose tracer is off works as if it were not wrapped", async () => {
  const cache = new LRUCache<string, number>({ max: 2 });
  const wrapped = traceLruCache(cache, createCacheTracer());
  expect(wrapped).toBe(cache);
  for (const [index, key] of ["a", "b", "c"].entries()) wrapped.set(key, index);
  expect([wrapped.get("a"), wrapped.get("c")]).toEqual([undefined, 2]);
  expect(await wrapped.fetch("c")).toBe(2);
});
