import { describe, expect, test } from "vitest";
import { edgePoints } from "../../../../src/advise/cache/http/edge.ts";
import type { EdgePoint } from "../../../../src/core/cache-advice.ts";
import type { ResponseFacts, TraceEntry } from "../../../../src/core/sample.ts";
import { facts, gets, probe } from "./facts.ts";

function possible(trace: readonly TraceEntry[], ttlMs: number, responses = [facts()]): EdgePoint {
  const [point] = edgePoints(trace, responses, { ttlsMs: [ttlMs], headers: "possible" });
  if (!point) throw new Error("no point");
  return point;
}

function now(
  trace: readonly TraceEntry[],
  responses: ResponseFacts,
  ttlMs = Infinity,
  probes = [probe()],
) {
  const [point] = edgePoints(trace, [responses], { ttlsMs: [ttlMs], headers: "now", probes });
  if (!point) throw new Error("no point");
  return point;
}

describe("an edge that keeps for a time", () => {
  test("answers until that has passed since it asked, hits renewing nothing", () => {
    const trace = gets([
      [0, 1, 5],
      [600, 1, 5],
      [999, 1, 5],
      [1_000, 1, 5],
      [1_500, 1, 5],
    ]);
    expect(possible(trace, 1_000)).toEqual({
      ttlMs: 1_000,
      hitRate: 3 / 5,
      staleShare: 0,
      bytes: 1_000,
      revalidatedShare: 1 / 5,
      bytesSavedShare: 4 / 5,
    });
    expect(possible(trace, 10_000)).toMatchObject({ hitRate: 4 / 5, revalidatedShare: 0 });
    expect(possible(trace, 0)).toMatchObject({ hitRate: 0, revalidatedShare: 4 / 5, bytes: 0 });
  });

  test("is stale while the origin's answer is another one", () => {
    const trace = gets([
      [0, 1, 5],
      [100, 1, 6],
      [200, 1, 5],
      [300, 1, 7],
      [1_000, 1, 7],
      [1_100, 1, 7],
    ]);
    expect(possible(trace, 1_000)).toMatchObject({
      hitRate: 4 / 6,
      staleShare: 2 / 6,
      // What it had was out of date, and came anew.
      revalidatedShare: 0,
    });
  });

  test("says nothing of bodies that are not known", () => {
    const trace = gets([
      [0, 1, Number.NaN],
      [100, 1, Number.NaN],
    ]).map((entry): TraceEntry => {
      const { atMs, endpoint, method, key, responseBytes } = entry;
      return { atMs, endpoint, method, key, responseBytes, status: 200 };
    });
    expect(possible(trace, 50)).toMatchObject({ revalidatedShare: 0, staleShare: 0 });
    expect(possible(trace, 1_000)).toMatchObject({ hitRate: 0.5, staleShare: 0 });
  });

  test("holds the most that is alive at a moment", () => {
    const trace = gets([
      [0, 1, 1],
      [10, 2, 2],
      [20, 3, 3],
      [105, 4, 4],
      [500, 5, 5],
    ]);
    expect(possible(trace, 100).bytes).toBe(3_000);
    expect(possible(trace, 1_000).bytes).toBe(5_000);
  });

  test("takes a client's 304 for the answer that it stands for", () => {
    const [first, second, third] = gets([
      [0, 1, 5],
      [100, 1, 5],
      [200, 1, 6],
    ]);
    if (!first || !second || !third) throw new Error("no entries");
    const trace = [first, { ...second, status: 304, responseBytes: 0 }, third];
    expect(possible(trace, 1_000)).toMatchObject({
      hitRate: 2 / 3,
      staleShare: 1 / 3,
      bytesSavedShare: 0.5,
    });
  });

  test("answers GETs with status 200 alone, of all requests", () => {
    const ok = gets([
      [0, 1, 5],
      [100, 1, 5],
    ]);
    const others = [
      ...ok.map((entry) => ({ ...entry, method: "POST", endpoint: "save" })),
      ...ok.map((entry) => ({ ...entry, key: 2, status: 404 })),
    ];
    const responses = [facts(), facts({ endpoint: "save", method: "POST" })];
    expect(possible([...ok, ...others], 1_000, responses).hitRate).toBe(1 / 6);
  });

  test.each<[string, ResponseFacts]>([
    ["private", facts({}, { cacheControl: "private, max-age=5" })],
    ["no-store", facts({}, { cacheControl: "no-store" })],
    ["a cookie is set", facts({}, { setCookie: true })],
    ["Vary: Cookie", facts({}, { vary: "cookie" })],
    [
      "asked for with a cookie",
      facts({ sent: { authorization: 0, cookie: 1, acceptEncoding: 0 } }),
    ],
    [
      "asked for with Authorization",
      facts({ sent: { authorization: 1, cookie: 0, acceptEncoding: 0 } }),
    ],
  ])("is not counted on for one user's answers: %s", (_, responses) => {
    const trace = gets([
      [0, 1, 5],
      [100, 1, 5],
    ]);
    expect(possible(trace, 1_000, [responses])).toMatchObject({ hitRate: 0, revalidatedShare: 0 });
  });
});

describe("as the headers are now", () => {
  const trace = gets([
    [0, 1, 5],
    [3_000, 1, 5],
    [6_000, 1, 5],
  ]);

  test("each endpoint has its own time, and the point's at the most", () => {
    const fiveSeconds = facts({}, { cacheControl: "max-age=5" });
    expect(now(trace, fiveSeconds)).toMatchObject({ hitRate: 1 / 3, revalidatedShare: 1 / 3 });
    expect(now(trace, fiveSeconds, 1_000)).toMatchObject({ hitRate: 0, revalidatedShare: 2 / 3 });
    expect(now(trace, facts({}, { cacheControl: "s-maxage=60" })).hitRate).toBe(2 / 3);
    expect(now(trace, facts({}, { cacheControl: "private, max-age=60" })).hitRate).toBe(0);
  });

  test("what is kept without a time is asked about each time, where that works", () => {
    expect(now(trace, facts())).toMatchObject({ hitRate: 0, revalidatedShare: 2 / 3 });
    const ignoring = probe({ etag: { sent: 3, notModified: 0, ignored: 3, changed: 0 } });
    expect(now(trace, facts(), Infinity, [ignoring])).toMatchObject({
      hitRate: 0,
      revalidatedShare: 0,
    });
    expect(now(trace, facts({}, { etag: "none" })).revalidatedShare).toBe(0);
  });
});

test("against a cache that is written down literally, on a long random trace", () => {
  // A fixed sequence of a linear congruential generator (Numerical Recipes).
  let state = 7;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let at = 0;
  const versions = new Map<number, number>();
  const trace = gets(
    Array.from({ length: 5_000 }, () => {
      at += next(20);
      const key = Math.floor(next(30) ** 2 / 30);
      if (next(10) === 0) versions.set(key, (versions.get(key) ?? 0) + 1);
      return [at, key, (versions.get(key) ?? 0) * 100 + key] as const;
    }),
  );
  for (const ttlMs of [50, 500, 5_000]) {
    const held = new Map<number, { body: number | undefined; until: number }>();
    let [hits, stale, same] = [0, 0, 0];
    for (const { atMs, key, body } of trace) {
      const entry = held.get(key);
      if (entry && atMs < entry.until) {
        hits += 1;
        if (entry.body !== body) stale += 1;
      } else {
        if (entry?.body === body) same += 1;
        held.set(key, { body, until: atMs + ttlMs });
      }
    }
    expect(possible(trace, ttlMs)).toMatchObject({
      hitRate: hits / 5_000,
      staleShare: stale / 5_000,
      revalidatedShare: same / 5_000,
    });
    expect(stale).toBeGreaterThan(0);
  }
});
