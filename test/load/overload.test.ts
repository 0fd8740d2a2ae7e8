import { expect, test } from "vitest";
import type { LoadResult } from "../../src/core/sample.ts";
import { overloadConnections, runWindow } from "../../src/load/engine.ts";
import { loadOf, serve, template, workloadOf } from "./servers.ts";

const { signal } = new AbortController();
const WITHIN_MS = 1_500;

const mix = workloadOf(
  ["good", "found", "missing", "refused", "late"].map((name) =>
    template({ name, path: `/${name}`, ...(name === "missing" ? { expect: [404] } : {}) }),
  ),
);

function counts({ endpoints }: LoadResult): Readonly<Record<string, number>> {
  return Object.fromEntries(endpoints.map(({ name, requests }) => [name, requests]));
}

test.each([1, 2])("good answers within the limit are counted, by %s threads", async (workers) => {
  const server = await serve((request, response) => {
    const status = { "/found": 302, "/missing": 404, "/refused": 503 }[request.url ?? ""];
    response.statusCode = status ?? 200;
    // Later than the limit from its arrival is later than the limit from its due time.
    if (request.url === "/late") setTimeout(() => response.end(), WITHIN_MS + 100);
    else response.end();
  });
  const load = loadOf({ baseUrl: server.url, workload: mix, warmupMs: 0, windowMs: 300, workers });
  const result = await runWindow({ ...load, overload: { withinMs: WITHIN_MS } }, signal);
  await server.closed();
  const { good = 0, found = 0, refused = 0, late = 0 } = counts(result);
  expect(Math.min(good, found, refused, late)).toBeGreaterThan(0);
  expect(result.goodInTime).toBe(good + found);
  expect(result.statuses).toMatchObject({ "200": good + late, "302": found, "503": refused });
  // Requests failed and came late, and neither makes it invalid.
  const ids = result.checks.map(({ id }) => id);
  for (const id of ["rate-reached", "errors", "no-drops"]) expect(ids).not.toContain(id);
  expect(result.checks.find(({ id }) => id === "all-answered")?.ok).toBe(true);
});

test("a window that is no overload counts nothing of the kind", async () => {
  const server = await serve((_request, response) => response.end());
  const result = await runWindow(loadOf({ baseUrl: server.url, windowMs: 100 }), signal);
  await server.closed();
  expect(result).not.toHaveProperty("goodInTime");
});

/** Answers nothing before so many requests are with it at once. */
async function opensAt(atOnce: number) {
  const held: (() => void)[] = [];
  let open = false;
  return serve((_request, response) => {
    held.push(() => response.end());
    open ||= held.length >= atOnce;
    if (open) for (const answer of held.splice(0)) answer();
  });
}

test("a service is shown more requests at once than usual", async () => {
  const server = await opensAt(300);
  const load = loadOf({ baseUrl: server.url, requestsPerSecond: 1_000, warmupMs: 0 });
  const overload = { withinMs: 5_000 };
  const result = await runWindow({ ...load, windowMs: 400, overload }, signal);
  await server.closed();
  expect(result.statuses).toEqual({ "200": 400 });
});

test("the client gives up no sooner than the limit, and its end is that of the last request's time", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/") setTimeout(() => response.end(), 300);
  });
  const workload = workloadOf([template(), template({ name: "never", path: "/never" })]);
  const load = loadOf({ baseUrl: server.url, workload, warmupMs: 0, windowMs: 200 });
  const overload = { withinMs: 2_000 };
  const result = await runWindow({ ...load, timeoutMs: 50, overload }, signal);
  await server.closed();
  const { get = 0, never = 0 } = counts(result);
  expect(result).toMatchObject({ goodInTime: get, timeouts: never });
  expect(get).toBeGreaterThan(0);
  expect(never).toBeGreaterThan(0);
});

test.each([
  [100, 1_000, 512],
  [400, 2_000, 800],
  [5_000, 2_000, 960],
])("of %s requests/s within %s ms, %s can be with the service", (rate, withinMs, connections) => {
  const load = { requestsPerSecond: rate, windowMs: 5_000 };
  expect(overloadConnections(load, { withinMs })).toBe(connections);
});

test("a limit that is none is refused", async () => {
  const load = loadOf({ baseUrl: "http://127.0.0.1:1", overload: { withinMs: 0 } });
  await expect(runWindow(load, signal)).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringContaining("overload.withinMs 0"),
  });
});
