import { describe, expect, test } from "vitest";
import type { CacheTrace } from "../../../../src/core/cache-trace.ts";
import { simulateTiers } from "../../../../src/advise/cache/tiers/simulate.ts";
import { staleShareByRate } from "../../../../src/advise/cache/tiers/staleness.ts";
import { ttlPoints } from "../../../../src/advise/cache/tiers/ttl.ts";
import { drawnTrace, traceOf } from "../traces.ts";
import { bytesOf, randomTrace, unboundedCache } from "./random.ts";

const TTLS = [1, 10, 60, 400, 5_000, 0];

test.each([1, 2, 3, 4, 5])("random traces, seed %i: as a plain model plays them", (seed) => {
  const trace = randomTrace(seed, { rows: 1_500, keys: 30, ttls: [0, 50] });
  const bytes = bytesOf(trace);
  const points = ttlPoints(trace, bytes, TTLS);
  expect(points.map(({ prefix, ttlMs }) => `${prefix} ${ttlMs}`)).toEqual(
    ["", ...busiest(trace)].flatMap((prefix) => TTLS.map((ttlMs) => `${prefix} ${ttlMs}`)),
  );
  for (const point of points) {
    const model = modelTtl(trace, bytes, point.ttlMs || Infinity, point.prefix);
    expect(point.hitRate).toBeCloseTo(model.hitRate, 12);
    expect(point.staleShare).toBeCloseTo(model.staleShare, 12);
    expect(point.bytes).toBe(model.bytes);
  }
});

function busiest(trace: CacheTrace): readonly string[] {
  const gets = trace.prefixes.map(
    (_, prefix) =>
      Array.from(trace.key).filter(
        (key, row) => trace.prefixOf[key] === prefix && trace.operation[row] === 0,
      ).length,
  );
  return trace.prefixes.toSorted(
    (a, b) => gets[trace.prefixes.indexOf(b)]! - gets[trace.prefixes.indexOf(a)]!,
  );
}

/** Row by row, and bytes held at 1,025 instants, looked up one by one. */
function modelTtl(trace: CacheTrace, bytes: Float64Array, ttlMs: number, prefix: string) {
  const held = new Map<number, { from: number; until: number; bytes: number; stale: boolean }>();
  const lives: { from: number; until: number; bytes: number }[] = [];
  const counts = { gets: 0, hits: 0, stale: 0 };
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row]!;
    if (prefix !== "" && trace.prefixes[trace.prefixOf[key]!] !== prefix) continue;
    const now = trace.timeMs[row]!;
    const operation = ["get", "set", "delete", "write"][trace.operation[row]!];
    const entry = held.get(key);
    if (operation === "get") {
      counts.gets += 1;
      if (entry && now <= entry.until) {
        counts.hits += 1;
        counts.stale += entry.stale ? 1 : 0;
        continue;
      }
    }
    if (operation === "write") {
      if (entry) entry.stale = true;
      continue;
    }
    if (entry) lives.push({ ...entry, until: Math.min(entry.until, now) });
    held.delete(key);
    if (operation === "delete") continue;
    held.set(key, { from: now, until: now + ttlMs, bytes: bytes[row]!, stale: false });
  }
  lives.push(...held.values());
  const step = (trace.timeMs[trace.rows - 1]! - trace.timeMs[0]!) / 1_024;
  let most = 0;
  for (let instant = 0; instant <= 1_024; instant += 1) {
    const at = trace.timeMs[0]! + instant * step;
    const alive = lives.filter(({ from, until }) => from <= at && at <= until);
    most = Math.max(
      most,
      alive.reduce((sum, each) => sum + each.bytes, 0),
    );
  }
  return {
    hitRate: counts.hits / counts.gets,
    staleShare: counts.stale / counts.gets,
    bytes: most,
  };
}

test("without changes a longer time to live hits no less often and holds no less; the tiers agree", () => {
  const trace = drawnTrace({
    rows: 20_000,
    keys: 500,
    zipf: 1,
    getsPerSecond: 500,
    seed: 2,
    ttlMs: 3_000,
  });
  const bytes = bytesOf(trace);
  const points = ttlPoints(trace, bytes, [100, 1_000, 3_000, 10_000, 60_000, 0]);
  const rates = points.map(({ hitRate }) => hitRate);
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  const held = points.map((point) => point.bytes);
  expect(held).toEqual(held.toSorted((a, b) => a - b));
  expect(points[0]).not.toHaveProperty("staleShare");
  const played = simulateTiers(trace, bytes, { processes: 1, l2: { make: unboundedCache } });
  expect(points.find(({ ttlMs }) => ttlMs === 3_000)?.hitRate).toBeCloseTo(played.hitRate, 12);
});

test("all, then the prefixes that are asked for; a prefix without a name is in all only", () => {
  const trace = traceOf([
    { at: 0, key: "a:1" },
    { at: 1, key: "plain" },
    { at: 2, key: "b:1" },
    { at: 3, key: "b:1" },
  ]);
  const names = (prefixes?: readonly string[]) =>
    ttlPoints(trace, bytesOf(trace), [10], prefixes ? { prefixes } : {}).map(
      ({ prefix }) => prefix,
    );
  expect(names()).toEqual(["", "b", "a"]);
  expect(names(["a", "unknown"])).toEqual(["", "a"]);
});

describe("staleness from a rate of change", () => {
  const trace = drawnTrace({
    rows: 20_000,
    keys: 50,
    zipf: 0,
    getsPerSecond: 100,
    seed: 4,
    ttlMs: 20_000,
  });
  const bytes = bytesOf(trace);

  test("is what writes at that rate do", () => {
    const perHour = 360;
    const expected = staleShareByRate(trace, { ttlFactor: 1, changesPerKeyHour: perHour });
    const writes = drawnTrace({
      rows: 25_000,
      keys: 50,
      zipf: 0,
      getsPerSecond: 125,
      seed: 9,
      ttlMs: 20_000,
      writes: { share: 0.04, op: "write" },
    });
    // 5 writes a second over 50 keys are 360 an hour for each.
    const point = ttlPoints(writes, bytesOf(writes), [20_000])[0]!;
    expect(Math.abs(point.staleShare! - expected)).toBeLessThan(0.02);
    expect(expected).toBeGreaterThan(0.3);
    const [byPoint] = ttlPoints(trace, bytes, [20_000], { changesPerKeyHour: () => perHour });
    expect(byPoint?.staleShare).toBeCloseTo(expected, 10);
  });

  test.each([
    { less: [0.1, 100], more: [1, 100] },
    { less: [1, 100], more: [1, 200] },
    { less: [1, 0], more: [1, 1] },
  ] as const)("rises with the time to live and with the rate: $less, $more", ({ less, more }) => {
    const [low, high] = [less, more].map(([ttlFactor, changesPerKeyHour]) =>
      staleShareByRate(trace, { ttlFactor, changesPerKeyHour }),
    );
    expect(low).toBeLessThan(high!);
  });
});
