import { describe, expect, test } from "vitest";
import { choiceOf } from "../../../src/advise/cache/choices.ts";
import type { CacheQuestion } from "../../../src/advise/cache/question.ts";
import { formulaFootprint } from "../../../src/advise/cache/redis/footprint.ts";
import { simulateRedis } from "../../../src/advise/cache/redis/simulate.ts";
import { studyOf } from "../../../src/advise/cache/study.ts";
import type { CacheTrace } from "../../../src/core/cache-trace.ts";
import { drawnTrace } from "./traces.ts";

const MB = 1024 ** 2;
const footprint = formulaFootprint();
const tight = { maxmemoryBytes: 2 * MB, policy: "allkeys-lru", ttlFactor: 1 } as const;
const trace = drawnTrace({ rows: 30_000, keys: 6_000, zipf: 0.9, getsPerSecond: 1_000, seed: 4 });

function studyFor(changes: Partial<CacheTrace>) {
  const question: CacheQuestion = {
    trace: { ...trace, ...changes },
    footprint,
    processes: 1,
    policies: ["allkeys-lru"],
    memoryStepBytes: MB,
    staleShareMax: 0,
    sampling: {},
    seed: 1,
    caveats: [],
  };
  return studyOf(question);
}

describe("a choice", () => {
  test("is what its simulations say, and hits and misses add up to 1", () => {
    const { hitRate, low, high, misses } = choiceOf(studyFor({}), tight);
    const [compulsory, capacity] = [misses.compulsory, misses.capacity];
    expect(hitRate + compulsory + capacity + misses.expired + misses.invalidated).toBeCloseTo(1);
    expect(capacity).toBeGreaterThan(0.01);
    const rate = simulateRedis(trace, footprint, tight, 1).hitRate;
    expect(rate).toBeGreaterThan(low);
    expect(rate).toBeLessThan(high);
  });

  test("of a trace that has a share of the keys is a share of the gets that these should have", () => {
    const study = studyFor({ sampledShare: 0.1, getsOfAll: 330_000 });
    const { hitRate, misses } = choiceOf(study, { ...tight, maxmemoryBytes: 12 * MB });
    const all = misses.compulsory + misses.capacity + misses.expired + misses.invalidated;
    expect(hitRate + all).toBeCloseTo(1, 12);
    expect(misses.compulsory).toBeCloseTo(new Set(trace.key).size / 33_000, 12);
  });

  test("whose memory refuses stores says how many; others say nothing", () => {
    const study = studyFor({});
    expect(choiceOf(study, tight)).not.toHaveProperty("refused");
    for (const policy of ["noeviction", "volatile-ttl"] as const) {
      const { refused } = choiceOf(study, { ...tight, policy });
      expect(refused).toBeGreaterThan(0.05);
      expect(refused).toBeLessThan(1);
    }
  });
});
