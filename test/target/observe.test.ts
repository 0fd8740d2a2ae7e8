import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTrace } from "../../src/advise/cache/trace/read.ts";
import { GET, OUTCOME_HIT, OUTCOME_MISS, type CacheTrace } from "../../src/core/cache-trace.ts";
import type { TargetFile } from "../../src/core/target-file.ts";
import { openBench } from "../../src/target/arms.ts";
import { openSolo, type SoloOptions } from "../../src/target/solo.ts";
import { openSource, type Source } from "../../src/target/source.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";
import { loadOf } from "./load.ts";

const window = {
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant" as const,
  warmupMs: 100,
  windowMs: 400,
};

/** The fixture service, its Redis client traced; every answer cached for longer than a test takes. */
function tracedTarget(): TargetFile {
  const target = fixtureTarget();
  const { service } = target;
  return {
    ...target,
    service: {
      ...service,
      start: { ...service.start, args: ["--import", "tsx", "fixture-service.mjs"] },
      env: { ...service.env, FIXTURE_TRACED: "1" },
    },
  };
}

let home: string;
let source: Source;
beforeAll(async () => {
  home = await temporaryHome();
  source = await openSource({
    targetFile: fixtureTarget(),
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    purpose: "bench",
    onProgress: () => {},
    signal: neverAborted,
  });
}, 60_000);
afterAll(async () => {
  await source.close();
  await rm(home, { recursive: true, force: true });
});

function options(changes: Partial<SoloOptions> = {}): SoloOptions {
  return {
    targetFile: tracedTarget(),
    home,
    runId: "traced",
    folder: join(home, "arms", "traced"),
    source,
    baselineValues: { "pool-max": 5, "cache-ttl": 60_000, "redis-memory": 64 * 1024 ** 2 },
    environment: process.env,
    note: async () => {},
    signal: neverAborted,
    readTrace,
    runLoad: loadOf(60),
    saturate: async () => 1,
    ...changes,
  };
}

/** How the gets of a trace ended, by what the tracer saw. */
function gets({ rows, operation, outcome }: CacheTrace) {
  let hits = 0;
  let misses = 0;
  for (let row = 0; row < rows; row += 1) {
    if (operation[row] !== GET) continue;
    if (outcome?.[row] === OUTCOME_HIT) hits += 1;
    if (outcome?.[row] === OUTCOME_MISS) misses += 1;
  }
  return { hits, misses };
}

describe("a window that is looked at", () => {
  test("has what the service asked its cache for, warm-ups included, and Redis' settings", async () => {
    const solo = await openSolo(options());
    try {
      if (!solo.observe) throw new Error("a service that perfopt starts can be observed");
      const { view, redis } = await solo.observe(window);
      const { cacheTrace: trace } = view;
      if (!trace) throw new Error("the service is traced");
      // 60 requests for 40 items by one seed, then 60 by another: the warm-up of a fresh process, and the window.
      expect(gets(trace)).toEqual({ hits: 80, misses: 40 });
      expect(trace.keyCount).toBe(40);
      expect(trace.source).toBe("the caches of Fixture");
      expect(trace.prefixes.filter(Boolean)).toHaveLength(1);
      expect(trace.sampledShare).toBe(1);
      expect(trace.getsOfAll ?? 120).toBe(120);
      expect(Math.max(...(trace.ttlMs?.subarray(0, trace.rows) ?? []))).toBe(60_000);
      expect(Math.max(...trace.valueBytes.subarray(0, trace.rows))).toBeGreaterThan(10);
      expect(view.redis?.hitsInWindow).toBe(60);
      expect(view.redis?.settings).toMatchObject({
        version: expect.stringMatching(/\d+\.\d+/),
        maxmemorySamples: 5,
        lfuLogFactor: 10,
        lfuDecayMinutes: 1,
        keysWithTtl: 40,
        allocator: expect.stringMatching(/./),
      });
      expect(view.redis?.settings?.startupBytes).toBeGreaterThan(100_000);
      expect(redis?.after.keys).toBe(40);
      expect(solo.redisUrl).toMatch(/^redis:/);
      // A second look has no warm-up of the process's own; one that was replaced has, and is heard under its new socket.
      const again = (await solo.observe(window)).view.cacheTrace;
      expect(again && gets(again)).toEqual({ hits: 60, misses: 0 });
      await solo.restart();
      const restarted = (await solo.observe(window)).view.cacheTrace;
      expect(restarted && gets(restarted)).toEqual({ hits: 120, misses: 0 });
    } finally {
      await solo.close();
    }
    expect(existsSync(join(home, "arms", "traced"))).toBe(false);
  }, 60_000);

  test("of a service without a tracer has no trace", async () => {
    const solo = await openSolo(options({ targetFile: fixtureTarget(), runId: "silent" }));
    try {
      const view = (await solo.observe?.(window))?.view;
      expect(view?.sample.valid).toBe(true);
      expect(view).not.toHaveProperty("cacheTrace");
    } finally {
      await solo.close();
    }
  }, 60_000);

  test("of a bench is traced, its trials are not", async () => {
    let asked = 0;
    const bench = await openBench({
      ...options({ runId: "bench" }),
      readTrace: (chunks, name) => {
        asked += 1;
        return readTrace(chunks, name);
      },
    });
    try {
      await bench.sample({ role: "incumbent", ...window });
      expect(asked).toBe(0);
      const { cacheTrace } = await bench.observe(window);
      expect(asked).toBe(1);
      expect(cacheTrace && gets(cacheTrace).hits).toBe(60);
      // Each arm has a folder of its own.
      const folders = await Promise.all(
        ["a", "b"].map((arm) => readdir(join(home, "arms", "traced", arm, "t"))),
      );
      expect(folders.map((names) => names.length)).toEqual([1, 1]);
    } finally {
      await bench.close();
    }
  }, 60_000);
});
