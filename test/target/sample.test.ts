import { describe, expect, test } from "vitest";
import { statementsInWindow } from "../../src/target/differences.ts";
import { sampleFrom } from "../../src/target/sample.ts";
import { counters, measured, statement, statements } from "./measured.ts";
import { loadResult } from "./load.ts";

const redis = {
  commands: 0,
  evicted: 0,
  expired: 0,
  hits: 0,
  misses: 0,
  usedBytes: 0,
  datasetBytes: 0,
  maxmemoryBytes: 0,
  policy: "allkeys-lru",
  keys: 0,
  netBytes: 0,
  own: { questionBytes: 14, answerBytes: 5_000 },
};

describe("per request", () => {
  test("counters cover the warm-up, and so does what they are divided by", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({
          statements: statements(statement("1", { calls: 100, totalMs: 50, buffers: 1_000 })),
          service: { cpuMs: 500, residentBytes: 1, contextSwitches: 0 },
          redis: { ...redis, commands: 100 },
        }),
        after: counters({
          atMs: 12_500,
          statements: statements(
            statement("1", { calls: 2_600, totalMs: 300, buffers: 6_000 }),
            statement("2", { calls: 1_250, totalMs: 125, buffers: 1_250 }),
          ),
          service: { cpuMs: 3_000, residentBytes: 42, contextSwitches: 0 },
          redis: { ...redis, commands: 2_601 },
        }),
      }),
    );
    expect(metrics["db.statementsPerRequest"]).toBe(3);
    expect(metrics["db.buffersPerRequest"]).toBe(5);
    expect(metrics["db.queryMeanMs"]).toBe(0.1);
    expect(metrics["service.cpuMsPerRequest"]).toBe(2);
    expect(metrics["service.memoryBytes"]).toBe(42);
    // Less perfopt's own INFO.
    expect(metrics["redis.commandsPerRequest"]).toBe(2);
  });

  test("a warm-up runs at the rate with which the window starts", () => {
    const segments = [
      { lengthMs: 5_000, from: 40, to: 40 },
      { lengthMs: 5_000, from: 160, to: 160 },
    ];
    // 1,000 requests in 10 s, 100 in the 2.5 s before.
    const { server } = sampleFrom(measured({ segments, unmeasured: [] }));
    expect(server?.requests).toBe(1_100);
    const ramp = [{ lengthMs: 10_000, from: 0, to: 200 }];
    expect(sampleFrom(measured({ segments: ramp, unmeasured: [] })).server?.requests).toBe(1_250);
  });

  test("PostgreSQL's CPU is that of sessions that stay, come and go", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({
          backends: {
            cpuMsByPid: new Map([
              [1, 100],
              [2, 400],
            ]),
            reapedMs: 7_000,
          },
        }),
        after: counters({
          // Session 2 ended with 650 in all, a parallel worker came and went with 500, session 3 is new.
          backends: {
            cpuMsByPid: new Map([
              [1, 500],
              [3, 100],
            ]),
            reapedMs: 8_150,
          },
        }),
      }),
    );
    expect(metrics["db.cpuMsPerRequest"]).toBe((400 + 100 + 250 + 500) / 1_250);
  });
});

describe("shares", () => {
  test("index scans, buffers, cache tiers and pool", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({
          series: {
            cacheLookups: 100,
            cacheHitsL1: 10,
            cacheHitsL2: 5,
            cacheMissesL1: 90,
            cacheMissesL2: 85,
          },
        }),
        after: counters({
          scans: { index: 30, sequential: 10 },
          blocks: { hit: 99, read: 1 },
          series: {
            cacheLookups: 300,
            cacheHitsL1: 110,
            cacheHitsL2: 45,
            cacheMissesL1: 190,
            cacheMissesL2: 145,
          },
        }),
        polls: [
          { poolTotal: 10, poolIdle: 6, poolMax: 8 },
          { poolTotal: 10, poolIdle: 4, poolMax: 8 },
          {},
        ],
      }),
    );
    expect(metrics["db.indexHitRate"]).toBe(0.75);
    expect(metrics["db.bufferHitRate"]).toBe(0.99);
    expect(metrics["cache.hitRate"]).toBe(0.7);
    expect(metrics["cache.l1HitRate"]).toBe(0.5);
    expect(metrics["cache.l2HitRate"]).toBe(0.4);
    expect(metrics).not.toHaveProperty("cache.l3HitRate");
    expect(metrics["pool.useRatio"]).toBe(0.625);
  });

  test("the pool's limit may come from the knob", () => {
    const polls = [{ poolTotal: 4, poolIdle: 1 }];
    expect(sampleFrom(measured({ polls, poolMax: 6 })).metrics["pool.useRatio"]).toBe(0.5);
    expect(sampleFrom(measured({ polls })).metrics).not.toHaveProperty("pool.useRatio");
  });

  test("times waited become milliseconds an acquisition", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({ series: { poolWaitSecondsSum: 1, poolWaitCount: 100 } }),
        after: counters({ series: { poolWaitSecondsSum: 3, poolWaitCount: 500 } }),
        polls: [{ eventLoopDelayP99Seconds: 0.01 }, { eventLoopDelayP99Seconds: 0.03 }],
      }),
    );
    expect(metrics["pool.waitMs"]).toBe(5);
    expect(metrics["service.eventLoopDelayP99Ms"]).toBe(20);
  });

  test("Redis: evictions by the counters' own clock, data over its limit", () => {
    const { metrics } = sampleFrom(
      measured({
        before: counters({ redis }),
        after: counters({
          atMs: 12_500,
          redis: { ...redis, evicted: 250, datasetBytes: 300, maxmemoryBytes: 400 },
        }),
      }),
    );
    expect(metrics["redis.evictionsPerSecond"]).toBe(20);
    expect(metrics["redis.memoryEfficiency"]).toBe(0.75);
  });

  test("bytes of the answers, weighted by endpoint; rows; bytes to and from Redis, less perfopt's own", () => {
    const endpoint = { errors: 0, latencyP50Ms: 1, latencyP95Ms: 1, latencyP99Ms: 1, response: "" };
    const load = loadResult({
      requests: 1_000,
      windowMs: 10_000,
      endpoints: [
        { ...endpoint, name: "often", requests: 900, responseBytesMean: 100 },
        { ...endpoint, name: "seldom", requests: 100, responseBytesMean: 2_100 },
      ],
    });
    const { metrics } = sampleFrom(
      measured({
        load,
        before: counters({ redis: { ...redis, netBytes: 1_000 } }),
        after: counters({
          statements: statements(statement("1", { calls: 5, rows: 2_500 })),
          redis: { ...redis, netBytes: 1_000 + 5_000 + 14 + 125_000 },
        }),
      }),
    );
    expect(metrics["api.responseBytesPerRequest"]).toBe(300);
    expect(metrics["db.rowsPerRequest"]).toBe(2);
    expect(metrics["redis.bytesPerRequest"]).toBe(100);
  });

  test("of an overload, goodput and the good share are of answers in time; refusals and drops are of all that was due", () => {
    const statuses = { "200": 50, "302": 10, "404": 3, "429": 20, "503": 10, timeout: 7 };
    const load = loadResult({ requests: 100, dropped: 100, windowMs: 2_000, statuses });
    const metricsOf = (changes: Partial<typeof load>) =>
      sampleFrom(measured({ load: { ...load, ...changes } })).metrics;
    expect(metricsOf({ goodInTime: 40 })).toMatchObject({
      "api.goodputPerSecond": 20,
      "api.goodRatio": 0.2,
      "api.rejectRatio": 0.15,
    });
    expect(metricsOf({ goodInTime: 0 })).toMatchObject({
      "api.goodputPerSecond": 0,
      "api.goodRatio": 0,
    });
    expect(metricsOf({})).toMatchObject({ "api.goodputPerSecond": 30, "api.rejectRatio": 0.15 });
    expect(metricsOf({})).not.toHaveProperty(["api.goodRatio"]);
  });

  test("errors over requests", () => {
    const load = loadResult({ requests: 200, errors: 3 });
    expect(sampleFrom(measured({ load })).metrics["api.errorRate"]).toBe(0.015);
  });
});

/** A sample in detail of a service that used so much CPU time. */
function used(cpuMs: number) {
  return sampleFrom(
    measured({
      after: counters({ atMs: 12_500, service: { cpuMs, residentBytes: 42, contextSwitches: 0 } }),
      unmeasured: [],
    }),
  );
}

describe("what could not be measured is absent, never zero", () => {
  test.each([
    ["nothing ran", measured()],
    ["no request was answered", measured({ load: loadResult({ requests: 0 }) })],
    [
      "a counter went back",
      measured({
        before: counters({
          scans: { index: 9, sequential: 9 },
          series: { cacheLookups: 50, cacheHitsL1: 9 },
        }),
        after: counters({ series: { cacheLookups: 10, cacheHitsL1: 1 } }),
      }),
    ],
    [
      "sources are missing",
      measured({
        before: counters({ statements: undefined, backends: undefined, service: undefined }),
        after: counters({ statements: undefined, backends: undefined, service: undefined }),
      }),
    ],
  ])("%s", (_, case_) => {
    const { metrics } = sampleFrom(case_);
    for (const id of [
      "db.queryMeanMs",
      "db.indexHitRate",
      "cache.hitRate",
      "pool.useRatio",
      "redis.usedBytes",
    ]) {
      expect(metrics).not.toHaveProperty([id]);
    }
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  });

  test("CPU time that no service gets by with is not the service's: absent, and said so", () => {
    const { metrics, server } = used(1);
    expect(metrics).not.toHaveProperty(["service.cpuMsPerRequest"]);
    expect(metrics).not.toHaveProperty(["service.memoryBytes"]);
    expect(server?.unmeasured.join()).toMatch(/CPU time and memory of the service: .*next to no/);
    expect(used(10).metrics["service.cpuMsPerRequest"]).toBe(0.008);
    expect(used(10).server?.unmeasured.join()).not.toContain("of the service");
  });

  test("what is not there is named, each with its reason", () => {
    const nothing = counters({
      statements: undefined,
      statementsMissing: "the server does not preload pg_stat_statements",
      backends: undefined,
      service: undefined,
      serviceMissing: "it runs in a container",
    });
    const { server } = sampleFrom(
      measured({ before: nothing, after: nothing, unmeasured: ["Redis: the target has none"] }),
    );
    expect(server).toEqual({
      requests: 1_250,
      unmeasured: [
        "Redis: the target has none",
        "CPU time and memory of the service: it runs in a container",
        "CPU time of PostgreSQL: its server is not one that perfopt started",
        "SQL statements, rows and buffers: the server does not preload pg_stat_statements",
      ],
    });
  });

  test("a latency that is not a number is left out", () => {
    const { latency } = loadResult();
    const load = loadResult({ latency: { ...latency, p50Ms: Number.NaN } });
    expect(sampleFrom(measured({ load })).metrics).not.toHaveProperty(["api.latencyP50Ms"]);
    expect(sampleFrom(measured()).metrics["api.latencyP50Ms"]).toBe(1);
  });
});

test("a check that failed makes the sample invalid, with its reason", () => {
  const check = { id: "rate-reached", ok: true, value: 1, limit: 1, detail: "reached" } as const;
  const load = loadResult({
    checks: [check, { ...check, id: "no-drops", ok: false, detail: "5 dropped" }],
  });
  const sample = sampleFrom(measured({ load }));
  expect(sample.valid).toBe(false);
  expect(sample.invalidBecause).toEqual(["5 dropped"]);
});

test("statements of a window are the slowest first, without those that did not run, and survive a reset", () => {
  const before = counters({
    statements: statements(
      statement("idle", { calls: 9, totalMs: 99 }),
      statement("fast", { calls: 10, totalMs: 5 }),
      statement("reset", { calls: 50, totalMs: 500 }),
    ),
  });
  const after = counters({
    statements: statements(
      statement("idle", { calls: 9, totalMs: 99 }),
      statement("fast", { calls: 20, totalMs: 6 }),
      statement("reset", { calls: 3, totalMs: 30 }),
      statement("new", { calls: 1, totalMs: 2 }),
    ),
  });
  expect(
    statementsInWindow(before, after)?.map((each) => [each.queryId, each.calls, each.totalMs]),
  ).toEqual([
    ["reset", 3, 30],
    ["new", 1, 2],
    ["fast", 10, 1],
  ]);
});
