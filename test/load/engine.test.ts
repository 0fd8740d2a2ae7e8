import { execFile } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import type { LoadResult, ValidityCheck } from "../../src/core/sample.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { LoadRequest } from "../../src/load/engine.ts";
import { decodeHistogram, latencyHistogram } from "../../src/load/histogram.ts";
import { loadOf, serve, template, uniqueId, workloadOf } from "./servers.ts";

afterAll(closeLoad);

function run(request: LoadRequest): Promise<LoadResult> {
  return runWindow(request, new AbortController().signal);
}

const BUSY_MACHINE = ["generator-lag", "generator-cpu", "host-pressure", "host-steal"] as const;

/** The checks that failed, without those that a busy machine alone can fail. */
function failedChecks(
  result: LoadResult,
  busyMachine: readonly ValidityCheck["id"][] = BUSY_MACHINE,
): ValidityCheck["id"][] {
  return result.checks
    .filter((check) => !check.ok && !busyMachine.includes(check.id))
    .map((check) => check.id);
}

/** Where the service is fast: half a second of window leaves it 50 ms to answer the last request in time. */
const busyAndFast = [...BUSY_MACHINE, "rate-reached"] as const;

function totalOf(histogram: string): number {
  return decodeHistogram(histogram).totalCount;
}

test("every request of the window is counted once, in every place that counts", async () => {
  const seen: string[] = [];
  const server = await serve((request, response) => {
    seen.push(request.url ?? "");
    response.end(request.url === "/base/large" ? "x".repeat(1_000) : "x");
  });
  const result = await run(
    loadOf({
      baseUrl: `${server.url}/base/`,
      // One after another, so that the server sees them in the order in which they were due.
      connections: 1,
      workload: workloadOf([
        template({ name: "small", weight: 3, path: "/small" }),
        template({ name: "large", weight: 1, path: "/large" }),
        template({ name: "unused", weight: 0 }),
      ]),
      trace: true,
    }),
  );
  await server.closed();

  // 200 requests/s: 20 in the warm-up, which the result leaves out, 100 in the window.
  expect(seen).toHaveLength(120);
  expect(result).toMatchObject({ requests: 100, errors: 0, timeouts: 0, dropped: 0 });
  expect(result.statuses).toEqual({ "200": 100 });
  expect(failedChecks(result, busyAndFast)).toEqual([]);
  expect(result.requestsPerSecondReached).toBeGreaterThan(0);
  expect(result.requestsPerSecondReached).toBeLessThanOrEqual(200);
  for (const histogram of Object.values(result.histograms)) expect(totalOf(histogram)).toBe(100);

  expect(result.endpoints.map((each) => each.name)).toEqual(["small", "large"]);
  expect(result.endpoints.map((each) => each.responseBytesMean)).toEqual([1, 1_000]);
  expect(result.endpoints.reduce((sum, each) => sum + each.requests, 0)).toBe(100);

  const trace = result.trace ?? [];
  expect(trace).toHaveLength(100);
  expect(trace.map((each) => each.atMs)).toEqual(Array.from({ length: 100 }, (_, i) => i * 5));
  expect(new Set(trace.map((each) => each.key)).size).toBe(2);
  expect(trace.map((each) => each.endpoint)).toEqual(
    seen.slice(20).map((path) => path.replace("/base/", "")),
  );
  expect(
    trace.every((each) => each.responseBytes === (each.endpoint === "large" ? 1_000 : 1)),
  ).toBe(true);
});

test("histograms merge without loss: those of the endpoints add up to the whole", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const names = ["a", "b", "c"];
  const result = await run(
    loadOf({
      baseUrl: server.url,
      workload: workloadOf(names.map((name) => template({ name, path: `/${name}` }))),
      arrivals: "poisson",
    }),
  );
  await server.closed();
  const merged = latencyHistogram();
  for (const endpoint of result.endpoints) merged.add(decodeHistogram(endpoint.response));
  const whole = decodeHistogram(result.histograms.response);
  expect(merged.totalCount).toBe(whole.totalCount);
  for (let percentile = 0; percentile <= 100; percentile += 0.5) {
    expect(merged.getValueAtPercentile(percentile)).toBe(whole.getValueAtPercentile(percentile));
  }
});

test("the same seed sends the same requests, in the same order of arrival", async () => {
  const bodies: string[] = [];
  const server = await serve((request, response) => {
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => bodies.push(`${request.url} ${chunk}`));
    request.on("end", () => response.end());
  });
  const load = loadOf({
    baseUrl: server.url,
    workload: workloadOf(
      [template({ method: "POST", path: "/${id}", body: { id: "${id}" } })],
      [uniqueId],
    ),
    arrivals: "poisson",
    trace: true,
    seed: 99,
  });
  const first = await run(load);
  const firstBodies = bodies.splice(0);
  const second = await run(load);
  await server.closed();
  expect(second.trace?.map((each) => [each.key, each.atMs])).toEqual(
    first.trace?.map((each) => [each.key, each.atMs]),
  );
  expect(bodies.toSorted()).toEqual(firstBodies.toSorted());
  expect(firstBodies[0]).toMatch(/^\/(\w+) \{"id":"\1"\}$/);
});

test("a request that is never answered has waited for the time limit, from when it was due", async () => {
  const server = await serve(() => undefined);
  const timeoutMs = 300;
  // Fewer connections than requests: those that never got one are held to the limit as well.
  const result = await run(loadOf({ baseUrl: server.url, timeoutMs, connections: 10 }));
  await server.closed();
  expect(result).toMatchObject({ requests: 100, errors: 100, timeouts: 100 });
  expect(result.statuses).toEqual({ timeout: 100 });
  expect(failedChecks(result)).toEqual(["rate-reached", "errors"]);
  const response = decodeHistogram(result.histograms.response);
  const lag = decodeHistogram(result.histograms.lag);
  expect(response.totalCount).toBe(100);
  expect(response.minNonZeroValue).toBeGreaterThanOrEqual(timeoutMs * 1_000 * 0.999);
  // Sent late, it waited longer by that: the latest sets the maximum, to the histogram's three digits.
  expect(response.maxValue).toBeLessThanOrEqual((timeoutMs * 1_000 + lag.maxValue) * 1.002);
});

test("requests beyond the most that may be outstanding are dropped, counted, and fail the checks", async () => {
  const server = await serve(() => undefined);
  const result = await run(
    loadOf({ baseUrl: server.url, timeoutMs: 2_000, warmupMs: 0, outstandingMax: 7 }),
  );
  await server.closed();
  expect(result).toMatchObject({ requests: 7, dropped: 93, timeouts: 7 });
  expect(failedChecks(result)).toEqual(["rate-reached", "no-drops", "errors"]);
  expect(totalOf(result.histograms.response)).toBe(7);
});

test("a service slower than the rate is noticed, with drops and without", async () => {
  const inTurn = slowListener(20);
  const server = await serve(inTurn);
  // 50 requests/s are asked for 150 in half a second.
  const load = loadOf({
    baseUrl: server.url,
    requestsPerSecond: 300,
    warmupMs: 0,
    timeoutMs: 20_000,
  });
  const limited = await run({ ...load, outstandingMax: 20 });
  expect(failedChecks(limited)).toEqual(["rate-reached", "no-drops"]);
  const patient = await run(load);
  await server.closed();
  expect(patient).toMatchObject({ requests: 150, errors: 0, dropped: 0 });
  expect(patient.requestsPerSecondReached).toBeLessThan(100);
  expect(failedChecks(patient)).toEqual(["rate-reached"]);
});

test("time spent waiting for a free connection is response time, not service time", async () => {
  const server = await serve(slowListener(10));
  const result = await run(
    loadOf({ baseUrl: server.url, requestsPerSecond: 300, warmupMs: 0, connections: 1 }),
  );
  await server.closed();
  const service = decodeHistogram(result.histograms.service);
  const response = decodeHistogram(result.histograms.response);
  // One connection has one request with the service: the queue of 100 others stands in the generator.
  expect(response.getValueAtPercentile(50)).toBeGreaterThan(5 * service.getValueAtPercentile(50));
});

test("statuses are successes only where the request expects them", async () => {
  const server = await serve((request, response) => {
    response.statusCode = 404;
    response.end(request.url);
  });
  const result = await run(
    loadOf({
      baseUrl: server.url,
      workload: workloadOf([
        template({ name: "expected", path: "/a", expect: [200, 404] }),
        template({ name: "unexpected", path: "/b" }),
      ]),
    }),
  );
  await server.closed();
  const [expected, unexpected] = result.endpoints;
  expect(expected?.errors).toBe(0);
  expect(unexpected?.errors).toBe(unexpected?.requests);
  expect(result.errors).toBe(unexpected?.errors);
  expect(failedChecks(result, busyAndFast)).toEqual(["errors"]);
});

test("a service that dies in the middle gives a result that fails its checks", async () => {
  let answered = 0;
  const server = await serve((_request, response) => {
    response.end("ok");
    answered += 1;
    if (answered === 60) setImmediate(server.kill);
  });
  const result = await run(loadOf({ baseUrl: server.url }));
  expect(result.requests).toBe(100);
  expect(result.statuses["200"]).toBeGreaterThan(0);
  expect(result.statuses["error"]).toBe(result.errors);
  expect(result.errors).toBeGreaterThan(30);
  expect(failedChecks(result)).toEqual(["rate-reached", "errors"]);
  // Refused at once, and still not quick: unanswered requests count as the time limit.
  expect(result.latency.maxMs).toBeGreaterThanOrEqual(5_000);
});

test("an abort ends the window at once and leaves no connection open", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const abort = new AbortController();
  const window = runWindow(loadOf({ baseUrl: server.url, windowMs: 300_000 }), abort.signal);
  await once(server.server, "request");
  abort.abort();
  await expect(window).rejects.toMatchObject({ name: "PerfoptError", code: "interrupted" });
  await server.closed();
  await expect(runWindow(loadOf({ baseUrl: server.url }), abort.signal)).rejects.toMatchObject({
    code: "interrupted",
  });
}, 30_000);

test("what cannot be sent is bad input, from this thread and from the worker's", async () => {
  const load = loadOf({ baseUrl: "http://127.0.0.1:1" });
  const badInput = { name: "PerfoptError", code: "bad-input" };
  await expect(run({ ...load, requestsPerSecond: 0 })).rejects.toMatchObject({
    ...badInput,
    message: expect.stringContaining("requestsPerSecond 0"),
  });
  await expect(run({ ...load, baseUrl: "localhost" })).rejects.toMatchObject(badInput);
  await expect(
    run({ ...load, workload: workloadOf([template({ path: "/${missing}" })]) }),
  ).rejects.toMatchObject({
    ...badInput,
    message: expect.stringContaining("${missing}"),
    hint: expect.stringContaining("placeholder"),
  });
});

test("the worker that waits for the next window does not keep the process alive", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const load = loadOf({ baseUrl: server.url });
  const engine = new URL("../../src/load/engine.ts", import.meta.url).href;
  const script = `
    const { runWindow } = await import(${JSON.stringify(engine)});
    const result = await runWindow(${JSON.stringify(load)}, new AbortController().signal);
    console.log(result.requests);`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    { cwd: fileURLToPath(new URL("../..", import.meta.url)), timeout: 30_000 },
  );
  await server.closed();
  expect(stdout.trim()).toBe("100");
});

/** Answers one request at a time, each after `eachMs`. */
function slowListener(eachMs: number): Parameters<typeof serve>[0] {
  let freeAt = 0;
  return (_request, response) => {
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + eachMs;
    setTimeout(() => response.end("ok"), freeAt - now);
  };
}
