import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LRUCache } from "lru-cache";
import { readTrace } from "../../src/advise/cache/trace/read.ts";
import { GET, OUTCOME_HIT } from "../../src/core/cache-trace.ts";
import { createCacheTracer, traceLruCache } from "../../src/tracer/index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt tracer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("what a traced cache did is what the reader of traces finds", async () => {
  const file = join(folder, "trace.csv");
  const tracer = createCacheTracer({ file, share: 0.5, salt: "s" });
  const cache = traceLruCache(new LRUCache<string, string>({ max: 50, ttl: 60_000 }), tracer);
  const expected = { gets: 0, hits: 0, keys: new Set<string>(), bytes: 0 };
  for (let turn = 0; turn < 20_000; turn += 1) {
    const key = `models/get:${(turn * turn * 31) % 211}:full`;
    const value = cache.get(key);
    if (value === undefined) cache.set(key, key.repeat(3));
    if (!tracer.sampled(key)) continue;
    expected.gets += 1;
    expected.hits += value === undefined ? 0 : 1;
    expected.keys.add(key);
    expected.bytes += key.length * 3;
  }
  await tracer.close();
  const trace = await readTrace(createReadStream(file), "trace.csv");
  expect(trace.rows).toBe(expected.gets);
  expect(trace.operation.every((each) => each === GET)).toBe(true);
  expect(trace.outcome?.reduce((sum, each) => sum + (each === OUTCOME_HIT ? 1 : 0), 0)).toBe(
    expected.hits,
  );
  expect(expected.hits).toBeGreaterThan(1_000);
  expect(trace.keyCount).toBe(expected.keys.size);
  expect(trace.valueBytes.reduce((sum, each) => sum + each, 0)).toBe(expected.bytes);
  expect(trace.ttlMs?.every((each) => each === 60_000)).toBe(true);
  expect(trace.prefixes).toEqual(["", "models/get"]);
  expect(trace.prefixOf.every((each) => each === 1)).toBe(true);
  expect([trace.sampledShare, trace.getsOfAll]).toEqual([0.5, 20_000]);
  expect(trace.caveats).toBeUndefined();
});
