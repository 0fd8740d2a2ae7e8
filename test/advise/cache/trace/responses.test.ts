import { expect, test } from "vitest";
import type { TraceEntry } from "../../../../src/core/sample.ts";
import { traceOfResponses } from "../../../../src/advise/cache/trace/responses.ts";

const entry = (atMs: number, method: string, endpoint: string, key: number): TraceEntry => ({
  atMs,
  method,
  endpoint,
  key,
  responseBytes: key % 1_000,
});

test("responses of GETs, and of POSTs that repeat, become gets; others are left out and counted", () => {
  const big = 2 ** 52 + 123;
  const trace = traceOfResponses(
    [
      entry(-5, "GET", "model", 9),
      entry(0, "GET", "model", 1),
      entry(10, "POST", "search", big),
      entry(20, "POST", "create", 100),
      entry(30, "GET", "model", 1),
      entry(40, "POST", "create", 101),
      entry(50, "POST", "search", big),
      entry(60, "GET", "model", 2),
      entry(1_001, "GET", "model", 9),
    ],
    1_000,
  );
  expect(trace).toBeDefined();
  expect(Array.from(trace?.timeMs ?? [])).toEqual([0, 10, 30, 50, 60]);
  expect(Array.from(trace?.key ?? [])).toEqual([0, 1, 0, 1, 2]);
  expect(Array.from(trace?.valueBytes ?? [])).toEqual([1, big % 1_000, 1, big % 1_000, 2]);
  expect(trace?.prefixes).toEqual(["", "model", "search"]);
  expect(trace?.requestShare).toBeCloseTo(5 / 7, 12);
  expect(trace?.endpoints.map(({ name, cacheable }) => [name, cacheable])).toEqual([
    ["model", true],
    ["create", false],
    ["search", true],
  ]);
});

test("there is no trace of writes alone", () => {
  expect(traceOfResponses([entry(0, "POST", "create", 1), entry(1, "PUT", "put", 1)], 10)).toBe(
    undefined,
  );
  expect(traceOfResponses([], 10)).toBeUndefined();
});
