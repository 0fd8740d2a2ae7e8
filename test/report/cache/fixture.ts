/** A cache advice as the advisor gives one, of a shop; its numbers are made up, to be told apart and to look like those of a service. */
import type { CacheAdvice, CacheChoice, PolicyCurve } from "../../../src/core/cache-advice.ts";
import type { RedisPolicy } from "../../../src/core/cache-curve.ts";

const MB = 1024 ** 2;

const sizes = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128].map((size) => size * MB);

/** Rises with the logarithm of the size, and ends at the ceiling. */
function rates(top: number, half: number): readonly number[] {
  return sizes.map((size) => top * (1 - Math.exp(-((size / MB / half) ** 0.62))));
}

function policy(name: RedisPolicy, half: number): PolicyCurve {
  return {
    policy: name,
    sizes,
    hitRate: rates(0.953, half),
    error: sizes.map((_, index) => 0.0104 - 0.0004 * index),
    simulatedShare: 0.25,
  };
}

export const present: CacheChoice = {
  maxmemoryBytes: 128 * MB,
  policy: "allkeys-lru",
  ttlFactor: 1,
  hitRate: 0.946,
  low: 0.942,
  high: 0.95,
  byteHitRate: 0.921,
  staleShare: 0.0031,
  loadsPerSecond: 45.4,
  loadMsSavedPerSecond: 9_120,
  misses: { compulsory: 0.029, capacity: 0.001, expired: 0.018, invalidated: 0.006 },
};

export const recommended: CacheChoice = {
  maxmemoryBytes: 48 * MB,
  policy: "allkeys-lfu",
  ttlFactor: 4,
  ttlWords: "product: 30 s -> 2 min, category: 5 min -> 20 min",
  l1: { bytes: 8 * MB, ttlMs: 5_000 },
  hitRate: 0.9512,
  low: 0.9471,
  high: 0.9553,
  byteHitRate: 0.933,
  staleShare: 0.0094,
  loadsPerSecond: 41,
  loadMsSavedPerSecond: 9_510,
  misses: { compulsory: 0.029, capacity: 0.0074, expired: 0.0064, invalidated: 0.006 },
  hitsPerExtraMb: 0.42,
};

function setting(megabytes: number, hitRate: number, change: Partial<CacheChoice>): CacheChoice {
  return {
    maxmemoryBytes: megabytes * MB,
    policy: "allkeys-lfu",
    ttlFactor: 1,
    hitRate,
    low: hitRate - 0.006,
    high: hitRate + 0.005,
    staleShare: 0.003,
    loadsPerSecond: (1 - hitRate) * 840,
    misses: {
      compulsory: 0.029,
      capacity: 0.9 - hitRate * 0.9,
      expired: 0.018,
      invalidated: 0.006,
    },
    ...change,
  };
}

const pareto: readonly CacheChoice[] = [
  setting(8, 0.741, {}),
  setting(16, 0.846, { hitsPerExtraMb: 11.02 }),
  setting(24, 0.891, { hitsPerExtraMb: 4.73 }),
  setting(32, 0.916, { hitsPerExtraMb: 2.63, policy: "volatile-random" }),
  setting(32, 0.924, { hitsPerExtraMb: 2.63, ttlFactor: 4, staleShare: 0.0092 }),
  recommended,
  setting(64, 0.9561, { hitsPerExtraMb: 0.26, ttlFactor: 8, staleShare: 0.021 }),
];

const policies: readonly PolicyCurve[] = [
  policy("allkeys-lru", 12.4),
  policy("allkeys-lfu", 9.1),
  policy("allkeys-random", 15.2),
  policy("volatile-lru", 12.9),
  policy("volatile-ttl", 17.3),
];

/** What every advice has, and nothing that one may lack. */
export const bareAdvice: CacheAdvice = {
  format: "perfopt-cache-advice/1",
  headline: "No goal was given: the curve bends at 24 MB.",
  verdict: "no-goal",
  trace: {
    source: "shop.csv.gz",
    rows: 1_312_004,
    gets: 1_253_112,
    keys: 81_204,
    lengthMs: 1_492_000,
    getsPerSecond: 839.9,
    sampledShare: 1,
    processes: 1,
    workingSetBytes: 131.4 * MB,
  },
  coverage: { enough: true, newKeyShareAtEnd: 0.021, words: [] },
  ceiling: {
    hitRate: 0.953,
    hitRateWithoutExpiry: 0.9651,
    hitRateOfAnyCache: 0.971,
    misses: { compulsory: 0.029, capacity: 0, expired: 0.0121, invalidated: 0.0059 },
  },
  movers: [],
  reasons: [],
  pareto: [],
  policies: [],
  curve: { sizes: [], hitRate: [], byteHitRate: [], method: "exact" },
  prefixes: [],
  ttl: [],
  warmUp: [],
  memory: {
    footprint: { from: "formula", overheadBytesMean: 71.4 },
    words: [],
  },
  caveats: [],
};

export function adviceOf(change: Partial<CacheAdvice> = {}): CacheAdvice {
  return { ...fullAdvice, ...change };
}

export const aboveCeiling: Partial<CacheAdvice> = {
  headline: "98 % is above the ceiling of 95.3 %: no amount of memory reaches it.",
  verdict: "above-ceiling",
  goal: { hitRate: 0.98, from: "persona speed-runner" },
};

const fullAdvice: CacheAdvice = {
  ...bareAdvice,
  headline: "48 MB reach the goal of 94.5 %; 128 MB are reserved now.",
  verdict: "reachable",
  trace: { ...bareAdvice.trace, processes: 4, sampledShare: 0.5, hitRateCaptured: 0.9448 },
  coverage: {
    enough: true,
    evictionAgeMs: 312_000,
    ttlMs: 300_000,
    newKeyShareAtEnd: 0.021,
    words: ["The trace is 4.8 times as long as keys stay before they are evicted"],
  },
  goal: { hitRate: 0.945, from: "--goal" },
  movers: [
    {
      kind: "longer-ttl",
      gain: 0.0121,
      detail: "Values under category never changed in the trace.",
    },
    { kind: "warm-up", gain: 0.008, detail: "The 2,000 keys most asked for take 3.2 MB" },
    {
      kind: "single-flight",
      loadsSaved: 0.061,
      detail: "2,790 loads began while another was under way",
    },
  ],
  present,
  recommended,
  reasons: [
    "48 MB is the smallest size whose lower bound reaches 94.5 %",
    "allkeys-lfu instead of allkeys-lru gains 1.4 points at this size, over twice the error of 0.4",
  ],
  pareto,
  policies,
  curve: {
    sizes,
    hitRate: rates(0.9651, 11.2),
    byteHitRate: rates(0.94, 16),
    method: "sampled",
    spread: sizes.map(() => 0.004),
    samples: 4,
  },
  prefixes: [
    {
      prefix: "product",
      gets: 802_311,
      keys: 61_204,
      bytes: 97 * MB,
      hitRate: 0.941,
      ceiling: 0.951,
      misses: { compulsory: 0.03, capacity: 0.014, expired: 0.011, invalidated: 0.004 },
      ttlMs: 30_000,
      ttlProposedMs: 120_000,
      writesPerKeyHour: 0.41,
      staleShare: 0.012,
      costMs: 11.4,
    },
    {
      prefix: "category",
      gets: 310_050,
      keys: 412,
      bytes: 1.4 * MB,
      hitRate: 0.9961,
      ceiling: 0.998,
      misses: { compulsory: 0.001, capacity: 0, expired: 0.0029, invalidated: 0 },
      ttlMs: 300_000,
      ttlProposedMs: 1_200_000,
      writesPerKeyHour: 0,
      staleShare: 0,
      costMs: 24.1,
    },
    {
      prefix: "session",
      gets: 140_751,
      keys: 19_588,
      bytes: 33 * MB,
      hitRate: 0.861,
      ceiling: 0.861,
      misses: { compulsory: 0.139, capacity: 0, expired: 0, invalidated: 0 },
    },
  ],
  ttl: [
    ...(
      [
        [5_000, 0.612, 0.0006],
        [30_000, 0.861, 0.0031],
        [120_000, 0.931, 0.0094],
        [600_000, 0.958, 0.0312],
        [3_600_000, 0.9651, 0.0871],
      ] as const
    ).map(([ttlMs, hitRate, staleShare]) => ({
      prefix: "",
      ttlMs,
      hitRate,
      staleShare,
      bytes: 20 * MB + (hitRate - 0.5) * 200 * MB,
    })),
    { prefix: "category", ttlMs: 30_000, hitRate: 0.988, staleShare: 0, bytes: 1.2 * MB },
    { prefix: "category", ttlMs: 3_600_000, hitRate: 0.998, staleShare: 0, bytes: 1.4 * MB },
  ],
  tiers: {
    processes: 4,
    options: [
      { l1HitRate: 0, l2HitRate: 0.946, hitRate: 0.946, staleShare: 0.0031, loadsPerSecond: 45.4 },
      {
        l1: { bytes: 8 * MB, ttlMs: 5_000 },
        l1HitRate: 0.412,
        l2HitRate: 0.911,
        hitRate: 0.9477,
        staleShare: 0.0052,
        loadsPerSecond: 43.9,
      },
    ],
    words: ["8 MB in each of 4 processes take 41.2 % of the gets off Redis"],
  },
  warmUp: [
    { keys: 500, bytes: 0.8 * MB, covered: 0.412 },
    { keys: 2_000, bytes: 3.2 * MB, covered: 0.611 },
    { keys: 10_000, bytes: 16 * MB, covered: 0.842 },
  ],
  memory: {
    footprint: {
      from: "calibrated",
      serverVersion: "7.0.15",
      overheadBytesMean: 71.4,
      residual: 0.0041,
    },
    containerBytes: 96 * MB,
    words: ["A save by fork may copy up to 24 MB of pages that change meanwhile"],
  },
  http: {
    requests: 402_112,
    endpoints: [
      {
        name: "get product",
        method: "GET",
        requests: 301_200,
        bytesMean: 4_212,
        edge: "not stored",
        browser: "revalidated",
        because: "Cache-Control: private, no-cache",
        unchangedShare: 0.981,
        findings: [
          {
            kind: "validator-ignored",
            detail: "an ETag is sent, and If-None-Match is answered by 200 with the whole body",
            remedy: "answer 304 without a body when the ETag is the same",
          },
        ],
      },
      {
        name: "list categories",
        method: "GET",
        requests: 100_912,
        bytesMean: 31_400,
        edge: "stored",
        browser: "stored",
        because: "Cache-Control: public, max-age=60",
        unchangedShare: 1,
        findings: [],
      },
    ],
    edge: [
      { ttlMs: 1_000, hitRate: 0.312, staleShare: 0.0002, bytes: 3 * MB },
      { ttlMs: 10_000, hitRate: 0.618, staleShare: 0.0016, bytes: 11 * MB },
      { ttlMs: 60_000, hitRate: 0.801, staleShare: 0.0074, bytes: 31 * MB },
      { ttlMs: 600_000, hitRate: 0.903, staleShare: 0.0411, bytes: 66 * MB },
    ],
    edgeHitRateNow: 0.214,
    words: ["74.9 % of the requests are of an endpoint that no shared cache may keep"],
  },
  verification: {
    design: "the trace was played against a private server at the trace's own rate",
    serverVersion: "7.0.15",
    results: [
      {
        maxmemoryBytes: 48 * MB,
        policy: "allkeys-lfu",
        predicted: 0.9512,
        measured: 0.9496,
        ok: true,
      },
      {
        maxmemoryBytes: 128 * MB,
        policy: "allkeys-lru",
        predicted: 0.946,
        measured: 0.9312,
        ok: false,
        note: "the server was still loading its dump for 4 s",
      },
    ],
  },
  caveats: ["Sizes of values under session are not in the trace: the mean of the others was taken"],
};
