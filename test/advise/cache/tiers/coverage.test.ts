import { expect, test } from "vitest";
import { coverageOf } from "../../../../src/advise/cache/tiers/coverage.ts";
import { drawnTrace, traceOf } from "../traces.ts";

const drawn = { rows: 10_000, keys: 50, zipf: 1, getsPerSecond: 100, seed: 1 };

test("long enough, and quiet about it", () => {
  const trace = drawnTrace({ ...drawn, ttlMs: 30_000 });
  expect(coverageOf(trace, { evictionAgeMs: 20_000 })).toEqual({
    enough: true,
    evictionAgeMs: 20_000,
    ttlMs: 30_000,
    newKeyShareAtEnd: 0,
    words: [],
  });
});

test("shorter than three times to live, or three times the age at eviction", () => {
  const trace = drawnTrace({ ...drawn, ttlMs: 40_000 });
  const { enough, words } = coverageOf(trace, { evictionAgeMs: 60_000 });
  expect(enough).toBe(false);
  expect(words).toHaveLength(2);
  expect(words[0]).toContain("2 min");
  expect(words[1]).toContain("evicted");
  expect(coverageOf(drawnTrace(drawn)).enough).toBe(true);
});

test("a time to live that one key in a hundred has does not count as that of many", () => {
  const rows = Array.from({ length: 1_000 }, (_, at) => ({
    at: at * 10,
    key: `k${at % 100}`,
    ttl: at % 100 === 0 ? 3_600_000 : 1_000,
  }));
  expect(coverageOf(traceOf(rows))).toMatchObject({ enough: true, ttlMs: 1_000 });
});

test("a small sample is too small; the same keys, all of them, are not", () => {
  expect(coverageOf(drawnTrace(drawn)).enough).toBe(true);
  const { enough, words } = coverageOf({ ...drawnTrace(drawn), sampledShare: 0.01 });
  expect(enough).toBe(false);
  expect(words.join()).toContain("50 keys");
});

test("keys that keep coming are told", () => {
  const rows = Array.from({ length: 100 }, (_, at) => ({ at, key: `k${at}` }));
  const { newKeyShareAtEnd, words } = coverageOf(traceOf(rows));
  expect(newKeyShareAtEnd).toBe(1);
  expect(words.join()).toContain("first of their key");
});

test("pauses of a duty-cycled capture are told", () => {
  const rows = Array.from({ length: 1_000 }, (_, row) => ({
    at: row + Math.floor(row / 250) * 5_000,
    key: `k${row % 10}`,
  }));
  expect(coverageOf(traceOf(rows)).words.join()).toContain("3 pauses");
});

test("an empty trace is not enough", () => {
  expect(coverageOf(traceOf([])).enough).toBe(false);
});
