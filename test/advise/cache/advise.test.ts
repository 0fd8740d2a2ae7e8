/** The cache advisor as a whole, on traces whose best answer is known. */
import { describe, expect, test } from "vitest";
import { adviseCache } from "../../../src/advise/cache/advise.ts";
import type { CacheQuestion } from "../../../src/advise/cache/question.ts";
import { formulaFootprint } from "../../../src/advise/cache/redis/footprint.ts";
import type { CacheAdvice } from "../../../src/core/cache-advice.ts";
import { drawnTrace, traceOf, type TraceRow } from "./traces.ts";

const MB = 1024 ** 2;

function ask(changes: Partial<CacheQuestion> & Pick<CacheQuestion, "trace">): Promise<CacheAdvice> {
  const question: CacheQuestion = {
    footprint: formulaFootprint(),
    processes: 1,
    policies: ["allkeys-lru", "allkeys-lfu"],
    memoryStepBytes: 64 * 1024,
    staleShareMax: 0.01,
    sampling: {},
    seed: 1,
    caveats: [],
    ...changes,
  };
  return adviseCache(question, {
    onProgress: () => {},
    pause: () => Promise.resolve(),
    signal: new AbortController().signal,
  });
}

const skewed = drawnTrace({ rows: 12_000, keys: 1_000, zipf: 1, getsPerSecond: 200, seed: 7 });

describe("the goal", () => {
  test("that a size reaches: the least one, with its lower bound above the goal, and smaller ones below", async () => {
    const goal = { hitRate: 0.8, from: "--goal" };
    const advice = await ask({ trace: skewed, goal });
    expect(advice.verdict).toBe("reachable");
    const { recommended } = advice;
    expect(recommended?.low).toBeGreaterThanOrEqual(0.8);
    expect(recommended?.maxmemoryBytes).toBeLessThan(advice.trace.workingSetBytes + 2 * MB);
    const smaller = advice.pareto.filter(
      ({ maxmemoryBytes }) => maxmemoryBytes < (recommended?.maxmemoryBytes ?? 0),
    );
    expect(smaller.length).toBeGreaterThan(0);
    expect(smaller.every(({ low }) => low < 0.8)).toBe(true);
    expect(advice.headline).toMatch(/^80\.0 % takes .* of memory/);
  });

  test("above the ceiling is said first, with why gets miss, and no memory is wasted on it", async () => {
    const advice = await ask({ trace: skewed, goal: { hitRate: 0.99, from: "--goal" } });
    expect(advice.verdict).toBe("above-ceiling");
    expect(advice.headline).toMatch(
      /^99\.0 % cannot be reached with any memory: at most 9\d\.\d % .*first of their key/,
    );
    expect(advice.ceiling.hitRate).toBeCloseTo(1 - advice.ceiling.misses.compulsory, 6);
    expect(advice.recommended?.hitRate).toBeGreaterThan(advice.ceiling.hitRate - 0.01);
    expect(advice.movers.map(({ kind }) => kind)).toContain("warm-up");
  });

  test("that the present configuration meets by far: what would do instead", async () => {
    const advice = await ask({
      trace: skewed,
      goal: { hitRate: 0.7, from: "--goal" },
      present: { maxmemoryBytes: 64 * MB, policy: "allkeys-lru" },
    });
    expect(advice.verdict).toBe("met");
    expect(advice.recommended?.maxmemoryBytes).toBeLessThan(8 * MB);
    expect(advice.headline).toMatch(/is met with the present 64\.0 MB .* would do/);
  });

  test("without one: the least memory that is as good as any", async () => {
    const advice = await ask({ trace: skewed });
    expect(advice.verdict).toBe("no-goal");
    const most = Math.max(...advice.pareto.map(({ hitRate }) => hitRate));
    expect(advice.recommended?.hitRate).toBeGreaterThan(most - 0.01);
  });

  test("beyond the memory allowed is not shown to be reachable", async () => {
    const goal = { hitRate: 0.9, from: "--goal" };
    const advice = await ask({ trace: skewed, goal, memoryMaxBytes: 1.5 * MB });
    expect(advice.verdict).toBe("not-shown");
    expect(advice.pareto.every(({ maxmemoryBytes }) => maxmemoryBytes <= 1.5 * MB)).toBe(true);
  });
});

/** Each key is asked for every 20 s, and lives 10 s: all but the first gets come too late. Were it 300 s, 14 of 15 would hit. */
function everyTwentySeconds(op?: TraceRow["op"]): readonly TraceRow[] {
  return Array.from({ length: 30 }, (_, round) =>
    Array.from({ length: 200 }, (_unused, index) => ({
      at: round * 20_000 + index * 10,
      key: `item:${index}`,
      bytes: 200,
      ttl: 10_000,
      ...(op && round % 10 === 9 && index < 2 ? { op } : {}),
    })),
  ).flat();
}

describe("times to live", () => {
  const goal = { hitRate: 0.9, from: "--goal" };

  test("that are too short are made longer where the cache is told of changes", async () => {
    const advice = await ask({ trace: traceOf(everyTwentySeconds("delete")), goal });
    expect(advice.ceiling.hitRate).toBeLessThan(0.01);
    expect(advice.verdict).toBe("reachable");
    expect(advice.recommended?.ttlFactor).toBe(30);
    expect(advice.reasons.join("\n")).toMatch(/times to live 30 times as long/);
    expect(advice.prefixes[0]).toMatchObject({ ttlMs: 10_000, ttlProposedMs: 300_000 });
  });

  test("stay where nobody knows what changes; what longer ones would give is named", async () => {
    const advice = await ask({ trace: traceOf(everyTwentySeconds()), goal });
    expect(advice.verdict).toBe("above-ceiling");
    expect(advice.recommended?.ttlFactor).toBe(1);
    expect(advice.movers[0]).toMatchObject({ kind: "longer-ttl" });
  });

  test("stay where changes that the cache does not hear of would be served for too long", async () => {
    const rows = everyTwentySeconds("write").map((row, index) =>
      index % 7 === 3 ? { ...row, op: "write" as const } : row,
    );
    const advice = await ask({ trace: traceOf(rows), goal });
    expect(advice.recommended?.ttlFactor).toBe(1);
  });

  test("may be longer when the user knows how often things change", async () => {
    const advice = await ask({
      trace: traceOf(everyTwentySeconds()),
      goal,
      changesPerKeyHour: 0.01,
    });
    expect(advice.recommended?.ttlFactor).toBe(30);
    expect(advice.recommended?.staleShare).toBeLessThan(0.01);
    const often = await ask({ trace: traceOf(everyTwentySeconds()), goal, changesPerKeyHour: 60 });
    expect(often.recommended?.ttlFactor).toBe(1);
  });
});

describe("what the cache held when the capture began", () => {
  test("is no compulsory miss", async () => {
    const rows = Array.from({ length: 2_000 }, (_, index) => ({
      at: index * 10,
      key: `k:${index % 500}`,
      outcome: "hit" as const,
    }));
    const advice = await ask({ trace: traceOf(rows) });
    expect(advice.ceiling.hitRate).toBe(1);
    expect(advice.trace.hitRateCaptured).toBe(1);
    const blind = rows.map(({ at, key }) => ({ at, key }));
    expect((await ask({ trace: traceOf(blind) })).ceiling.hitRate).toBeCloseTo(0.75, 6);
  });
});

test("a policy is changed for more than twice the error only", async () => {
  const loop = Array.from({ length: 24_000 }, (_, index) => ({
    at: index * 20,
    key: index % 2 === 0 ? `scan:${index}` : `hot:${(index * 7919) % 1_500}`,
  }));
  const scanned = await ask({
    trace: traceOf(loop),
    goal: { hitRate: 0.4, from: "--goal" },
    memoryStepBytes: 16_384,
    present: { policy: "allkeys-lru" },
  });
  expect(scanned.recommended?.policy).toBe("allkeys-lfu");
  expect(scanned.reasons.join("\n")).toMatch(
    /allkeys-lfu instead of allkeys-lru: it takes less memory/,
  );
  const kept = await ask({ trace: skewed, present: { policy: "allkeys-lru" } });
  expect(kept.recommended?.policy).toBe("allkeys-lru");
});

test("the same question has the same answer", async () => {
  const question = { trace: skewed, goal: { hitRate: 0.8, from: "--goal" } };
  expect(await ask(question)).toEqual(await ask(question));
});

test("an interrupt ends it", async () => {
  const stopped = new AbortController();
  stopped.abort();
  const question: CacheQuestion = {
    trace: skewed,
    footprint: formulaFootprint(),
    processes: 1,
    policies: ["allkeys-lru"],
    memoryStepBytes: MB,
    staleShareMax: 0,
    sampling: {},
    seed: 1,
    caveats: [],
  };
  const context = {
    onProgress: () => {},
    pause: () => Promise.resolve(),
    signal: stopped.signal,
  };
  await expect(adviseCache(question, context)).rejects.toMatchObject({ code: "interrupted" });
});
