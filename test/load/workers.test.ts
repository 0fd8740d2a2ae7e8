import { afterAll, expect, test } from "vitest";
import { segmentsOf } from "../../src/core/scenario.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { LoadRequest } from "../../src/load/engine.ts";
import { decodeHistogram } from "../../src/load/histogram.ts";
import { workersFor } from "../../src/load/workers.ts";
import { loadOf, serve, template, uniqueId, workloadOf } from "./servers.ts";

afterAll(closeLoad);

const run = (request: LoadRequest) => runWindow(request, new AbortController().signal);

const unique = workloadOf([template({ path: "/${id}" })], [uniqueId]);

test("a low rate has one thread; more need a core each, and leave one to the rest", () => {
  expect(workersFor(20, 8)).toBe(1);
  expect(workersFor(8_000, 8)).toBe(1);
  expect(workersFor(8_001, 8)).toBe(2);
  expect(workersFor(100_000, 8)).toBe(7);
  expect(workersFor(100_000, 2)).toBe(1);
  expect(workersFor(100_000, 1)).toBe(1);
  expect(workersFor(Number.POSITIVE_INFINITY, 4)).toBe(3);
});

test.each(["constant", "poisson"] as const)(
  "three workers send what one would, at the same times (%s)",
  async (arrivals) => {
    const seen: string[] = [];
    const server = await serve((request, response) => {
      seen.push(request.url ?? "");
      response.end("ok");
    });
    const load = loadOf({
      baseUrl: server.url,
      workload: unique,
      arrivals,
      trace: true,
      timelineMs: 200,
      connections: 10,
    });
    const alone = await run(load);
    const singles = seen.splice(0);
    const together = await run({ ...load, workers: 3 });
    await server.closed();

    expect(together).toMatchObject({ requests: 100, errors: 0, dropped: 0 });
    expect(together.statuses).toEqual({ "200": 100 });
    const times = (result: typeof alone) => result.trace?.map(({ atMs }) => atMs);
    expect(times(together)).toEqual(times(alone));
    // Every worker has texts of its own, the first one those that it has alone.
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
    expect(seen.filter((path) => singles.includes(path))).toHaveLength(40);
    for (const histogram of Object.values(together.histograms)) {
      expect(decodeHistogram(histogram).totalCount).toBe(100);
    }
    expect(together.timeline?.map(({ atMs, lengthMs }) => [atMs, lengthMs])).toEqual([
      [0, 200],
      [200, 200],
      [400, 100],
    ]);
    expect(together.timeline?.map(({ requests }) => requests)).toEqual(
      alone.timeline?.map(({ requests }) => requests),
    );
    expect(together.checks.find(({ id }) => id === "littles-law")?.ok).toBe(true);
  },
);

test("workers that cannot fill the workload fail together, and the next window works", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const load = loadOf({ baseUrl: server.url, workers: 2 });
  const broken = workloadOf([template({ path: "/${missing}" })]);
  await expect(run({ ...load, workload: broken })).rejects.toMatchObject({ code: "bad-input" });
  expect(await run(load)).toMatchObject({ requests: 100, errors: 0 });
  await server.closed();
});

test("there are never more workers than requests", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const result = await run(
    loadOf({ baseUrl: server.url, workers: 4, requestsPerSecond: 4, warmupMs: 0 }),
  );
  await server.closed();
  expect(result.requests).toBe(2);
  expect(result.generator.cpuShare).toBeGreaterThan(0);
});

test("a spike is sent as it is drawn, and its timeline shows it", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const segments = segmentsOf({ kind: "spike", rate: 50, peak: 250, lengthMs: 900 });
  const result = await run(
    loadOf({ baseUrl: server.url, windowMs: 900, segments, timelineMs: 300, workers: 2 }),
  );
  await server.closed();
  expect(result.requests).toBe(15 + 75 + 15);
  expect(result.timeline).toMatchObject([
    { target: expect.closeTo(50), requests: 15, errors: 0 },
    { target: expect.closeTo(250), requests: 75 },
    { target: expect.closeTo(50), requests: 15 },
  ]);
});

test.each<[string, Partial<LoadRequest>, RegExp]>([
  ["no workers", { workers: 0 }, /workers 0/],
  ["half a worker", { workers: 1.5 }, /workers 1\.5/],
  ["pieces of no length", { timelineMs: 0 }, /timelineMs 0/],
  ["too many pieces", { timelineMs: 0.1 }, /timelineMs 0\.1 \(5000 pieces/],
  [
    "segments of another length",
    { segments: [{ lengthMs: 100, from: 1, to: 1 }] },
    /segments of 100 ms in a window of 500 ms/,
  ],
  ["a negative rate", { segments: [{ lengthMs: 500, from: -1, to: 1 }] }, /a segment's from -1/],
  ["no arrivals", { segments: [{ lengthMs: 500, from: 0, to: 0 }] }, /send nothing/],
  ["no users", { users: { count: 0, think: { kind: "fixed", ms: 0 } } }, /0 users/],
  ["no requests", { workload: workloadOf([]) }, /has no requests/],
])("%s cannot be sent", async (_, overrides, message) => {
  await expect(run(loadOf({ baseUrl: "http://127.0.0.1:1", ...overrides }))).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringMatching(message),
  });
});
