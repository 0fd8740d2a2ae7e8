import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { fitPopularity } from "../../../../src/advise/cache/tiers/popularity.ts";
import {
  predictHitRates,
  type Predicted,
  type PredictionOptions,
} from "../../../../src/advise/cache/tiers/predict.ts";
import { simulateTiers } from "../../../../src/advise/cache/tiers/simulate.ts";
import type { TierSetup } from "../../../../src/advise/cache/tiers/tier-setup.ts";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { drawnTrace, traceOf, type Drawn, type TraceRow } from "../traces.ts";
import { bytesOf, unboundedCache } from "./random.ts";

interface Options extends Omit<PredictionOptions, "setups"> {
  /** Of every entry of an unbounded shared cache, unless `tiers` says otherwise. */
  readonly ttlMs: number;
  readonly tiers?: (drawn: CacheTrace) => TierSetup;
}

function predictHitRate(
  trace: CacheTrace,
  bytes: Float64Array,
  { ttlMs, tiers, ...options }: Options,
): Predicted | undefined {
  const alone = () => ({ processes: 1, l2: { make: unboundedCache, ttlOf: () => ttlMs } });
  return predictHitRates(trace, bytes, { ...options, setups: [tiers ?? alone] })?.[0];
}

const protocol = { warmupMs: 1_000, windowMs: 6_000, gapMs: 6_000, windows: 14 };
const ACTIVE_MS = protocol.warmupMs + protocol.windowMs;
const GETS_PER_SECOND = 250;
const shared = (ttlMs: number): TierSetup => ({
  processes: 2,
  l2: { make: unboundedCache, ttlOf: () => ttlMs },
});

/** What the trial measures, in the mean of three, of keys drawn from the same law. */
function truth(drawn: Omit<Drawn, "rows" | "seed" | "getsPerSecond">, setup: TierSetup) {
  const outcomes = [1, 2, 3].map((seed) => {
    const rows = (ACTIVE_MS * protocol.windows * GETS_PER_SECOND) / 1_000;
    const trace = drawnTrace({ ...drawn, rows, getsPerSecond: GETS_PER_SECOND, seed: 900 + seed });
    const timeMs = trace.timeMs.map((at) => at + Math.floor(at / ACTIVE_MS) * protocol.gapMs);
    const counted = Uint8Array.from(trace.timeMs, (at) =>
      at % ACTIVE_MS >= protocol.warmupMs ? 1 : 0,
    );
    return simulateTiers({ ...trace, timeMs }, bytesOf(trace), { ...setup, counted });
  });
  const mean = (of: (outcome: (typeof outcomes)[number]) => number) =>
    outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / outcomes.length;
  return {
    hitRate: mean((each) => each.hitRate),
    l2HitRate: mean(({ l1Hits, l2Hits, gets }) => l2Hits / (gets - l1Hits)),
  };
}

function captured(
  drawn: Omit<Drawn, "rows" | "seed" | "getsPerSecond">,
  seconds: number,
  seed = 5,
) {
  return drawnTrace({
    ...drawn,
    rows: seconds * GETS_PER_SECOND,
    getsPerSecond: GETS_PER_SECOND,
    seed,
  });
}

describe("a trace that is long enough predicts within a point", () => {
  test.each([
    { keys: 500, zipf: 1, ttlMs: 300_000 },
    { keys: 2_000, zipf: 1.2, ttlMs: 20_000 },
    { keys: 1_000, zipf: 0, ttlMs: 300_000 },
  ])("$keys keys, exponent $zipf, time to live $ttlMs ms", ({ keys, zipf, ttlMs }) => {
    const trace = captured({ keys, zipf }, 30);
    const predicted = predictHitRate(trace, bytesOf(trace), { ttlMs, protocol, worlds: 6 })!;
    const real = truth({ keys, zipf }, shared(ttlMs)).hitRate;
    expect(Math.abs(predicted.hitRate.value - real)).toBeLessThan(0.01);
    expect(predicted.hitRate.low).toBeLessThan(predicted.hitRate.value);
    expect(predicted.hitRate.high - predicted.hitRate.low).toBeLessThan(0.06);
    expect(predicted.gets).toBe(14 * 6 * GETS_PER_SECOND);
  });
});

test("too short a trace says so by its bounds, which hold the truth", () => {
  const law = { keys: 10_000, zipf: 0.8 };
  const real = truth(law, shared(300_000)).hitRate;
  const widths = [4, 30].map((seconds) => {
    const trace = captured(law, seconds);
    const { hitRate } = predictHitRate(trace, bytesOf(trace), { ttlMs: 300_000, protocol })!;
    expect(hitRate.low).toBeLessThan(real);
    expect(hitRate.high).toBeGreaterThan(real);
    return hitRate.high - hitRate.low;
  });
  expect(widths[0]).toBeGreaterThan(0.03);
  expect(widths[1]).toBeLessThan(widths[0]! / 2);
});

test("with an L1 before it, the shared cache's own rate", () => {
  const law = { keys: 1_000, zipf: 1, processes: 2 };
  const setup: TierSetup = { ...shared(300_000), l1: { bytesMax: 1e7, ttlMs: 3_000 } };
  const trace = captured(law, 30);
  const options = { ttlMs: 300_000, protocol, tiers: () => setup, worlds: 4 };
  const predicted = predictHitRate(trace, bytesOf(trace), options)!;
  const real = truth(law, setup);
  expect(Math.abs(predicted.hitRate.value - real.hitRate)).toBeLessThan(0.01);
  expect(Math.abs(predicted.l2HitRate.value - real.l2HitRate)).toBeLessThan(0.015);
  expect(predicted.l1HitRate.value).toBeGreaterThan(0.3);
});

test("writes come as often as in the trace", () => {
  const law = { keys: 300, zipf: 1, writes: { share: 0.1, op: "delete" as const } };
  const trace = captured(law, 30);
  const predicted = predictHitRate(trace, bytesOf(trace), { ttlMs: 0, protocol, worlds: 4 })!;
  expect(Math.abs(predicted.hitRate.value - truth(law, shared(0)).hitRate)).toBeLessThan(0.01);
});

test("a popularity that does not stay as it is widens the bounds", () => {
  const trace = captured({ keys: 500, zipf: 1 }, 20);
  const moved = trace.key.map((key, row) => (row < trace.rows / 2 ? key : key + 500));
  const options = { ttlMs: 300_000, protocol, worlds: 4 };
  const still = predictHitRate(trace, bytesOf(trace), options)!;
  const drifting = { ...trace, key: moved, keyCount: 1_000 };
  const extended = {
    ...drifting,
    keyBytes: new Uint16Array(1_000),
    prefixOf: new Uint16Array(1_000),
  };
  const predicted = predictHitRate(extended, bytesOf(extended), options)!;
  expect(still.drift).toBeLessThan(0.01);
  expect(predicted.drift).toBeGreaterThan(0.05);
  expect(predicted.hitRate.high - predicted.hitRate.low).toBeGreaterThan(0.1);
});

test("the same seed predicts the same; a trace without gets or length nothing", () => {
  const trace = captured({ keys: 100, zipf: 1 }, 2);
  const options = { ttlMs: 1_000, protocol, worlds: 2 };
  const predict = () => predictHitRate(trace, bytesOf(trace), options);
  expect(predict()).toEqual(predict());
  const empty = traceOf([{ at: 0, key: "a" }]);
  expect(predictHitRate(empty, bytesOf(empty), options)).toBeUndefined();
});

test("gets of unseen keys are the share that Good and Turing estimate, keys seen once over gets", () => {
  const trace = captured({ keys: 20_000, zipf: 0.9 }, 20);
  const counts = new Uint32Array(trace.keyCount);
  for (const key of trace.key) counts[key] = counts[key]! + 1;
  const once = counts.filter((count) => count === 1).length;
  expect(Math.abs(fitPopularity(counts).unseenShare - once / trace.rows)).toBeLessThan(0.02);
});

test("a key that is written between nearly all of its gets is predicted to miss, however few deletes were traced", () => {
  const random = xoroshiro128plus(3);
  // Twenty keys, ten gets a second each; a write takes all of them away thirteen times a second, traced where one was there.
  const rows: TraceRow[] = [];
  const there = new Set<string>();
  for (let ms = 0; ms < 20_000; ms += 5) {
    const key = `search:${uniformInt(random, 0, 19)}`;
    rows.push({ at: ms, key });
    there.add(key);
    if (uniformFloat64(random) < (13 * 5) / 1_000) {
      for (const each of there) rows.push({ at: ms + 1, key: each, op: "delete" });
      there.clear();
    }
  }
  const trace = traceOf(rows);
  const counts = simulateTiers(trace, bytesOf(trace), shared(0));
  const predicted = predictHitRate(trace, bytesOf(trace), { ttlMs: 0, protocol, worlds: 4 })!;
  expect(counts.hitRate).toBeLessThan(0.55);
  expect(Math.abs(predicted.hitRate.value - counts.hitRate)).toBeLessThan(0.02);
});

test("a trial of fewer windows measures less of a cache that fills", () => {
  const trace = captured({ keys: 2_000, zipf: 1 }, 12);
  const [predicted] = predictHitRates(trace, bytesOf(trace), {
    protocol,
    setups: [() => shared(300_000)],
    lengths: [3, 7],
    worlds: 4,
  })!;
  const rates = [...predicted!.byLength, predicted!].map(({ hitRate }) => hitRate.value);
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  expect(rates[2]! - rates[0]!).toBeGreaterThan(0.05);
});
