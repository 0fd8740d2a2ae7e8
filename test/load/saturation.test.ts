import { once } from "node:events";
import { expect, test } from "vitest";
import { findSaturation, hasSettled } from "../../src/load/saturation.ts";
import type { SaturationRequest } from "../../src/load/saturation.ts";
import { serve, template, uniqueId, workloadOf } from "./servers.ts";

function saturationOf(
  overrides: Partial<SaturationRequest> & Pick<SaturationRequest, "baseUrl">,
): SaturationRequest {
  return {
    workload: workloadOf([template()]),
    data: {},
    seed: 1,
    connections: 8,
    warmupMs: 200,
    durationMs: 600,
    timeoutMs: 2_000,
    ...overrides,
  };
}

test("the workload's own mix is sent, no request twice, by as many connections as asked", async () => {
  const seen: string[] = [];
  let open = 0;
  let openMax = 0;
  const server = await serve((request, response) => {
    open += 1;
    openMax = Math.max(openMax, open);
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      seen.push(
        `${request.method} ${request.url} ${String(request.headers["x-id"] ?? "-")} ${body}`,
      );
      // Answered one turn later, so that all connections are seen to be in use together.
      setTimeout(() => {
        open -= 1;
        response.end("ok");
      }, 5);
    });
  });
  const { requestsPerSecond, errors } = await findSaturation(
    saturationOf({
      baseUrl: `${server.url}/base`,
      workload: workloadOf(
        [
          template({ name: "read", weight: 1, path: "/r/${id}" }),
          template({
            name: "write",
            weight: 1,
            method: "POST",
            path: "/w",
            headers: { "x-id": "${id}" },
            body: { id: "${id}" },
          }),
        ],
        [uniqueId],
      ),
    }),
    new AbortController().signal,
  );
  await server.closed();
  expect(errors).toBe(0);
  expect(openMax).toBe(8);
  expect(new Set(seen).size).toBe(seen.length);
  const writes = seen.filter((line) => /^POST \/base\/w (\w+) \{"id":"\1"\}$/.test(line));
  const reads = seen.filter((line) => /^GET \/base\/r\/\w+ - $/.test(line));
  expect(reads.length + writes.length).toBe(seen.length);
  expect(reads.length / seen.length).toBeGreaterThan(0.35);
  expect(reads.length / seen.length).toBeLessThan(0.65);
  // The warm-up's answers are not in the rate: fewer are counted than were given.
  expect(requestsPerSecond * 0.6).toBeGreaterThan(0);
  expect(requestsPerSecond * 0.6).toBeLessThan(seen.length);
});

test("only answers with an expected status count", async () => {
  const server = await serve((request, response) => {
    response.statusCode = request.url === "/missing" ? 404 : 503;
    response.end();
  });
  const result = await findSaturation(
    saturationOf({
      baseUrl: server.url,
      workload: workloadOf([
        template({ name: "missing", path: "/missing", expect: [404] }),
        template({ name: "failing", path: "/failing" }),
      ]),
    }),
    new AbortController().signal,
  );
  await server.closed();
  const share = result.errors / (result.requestsPerSecond * 0.6 + result.errors);
  expect(share).toBeGreaterThan(0.4);
  expect(share).toBeLessThan(0.6);
});

test("a service that answers nothing cannot be measured, nor one that is not there", async () => {
  const silent = await serve(() => undefined);
  await expect(
    findSaturation(saturationOf({ baseUrl: silent.url }), new AbortController().signal),
  ).rejects.toMatchObject({ name: "PerfoptError", code: "cannot-measure" });
  await silent.closed();
  await expect(
    findSaturation(saturationOf({ baseUrl: silent.url }), new AbortController().signal),
  ).rejects.toMatchObject({ code: "cannot-measure", message: expect.stringContaining(silent.url) });
});

test.each([
  [undefined, 100, false],
  [100, 105, true],
  [105, 100, true],
  [100, 106, false],
  [106, 100, false],
  [0, 5, false],
  [5, 0, false],
  [0, 0, true],
])("two windows in succession have settled: %s and %s", (before, completed, settled) => {
  expect(hasSettled(before === undefined ? before : { completed: before }, { completed })).toBe(
    settled,
  );
});

/** How slow it is in the first window, in the second, and from then on. */
const WARMING_MS = [100, 20, 2] as const;

test("a service that gets faster is measured when it is warm, and no request twice", async () => {
  const connections = 4;
  const seen = new Set<string>();
  let answers = 0;
  let opened = 0;
  /** Each window opens its own connections. */
  const delays = new WeakMap<object, number>();
  const server = await serve((request, response) => {
    answers += 1;
    seen.add(request.url ?? "");
    setTimeout(() => response.end(), delays.get(request.socket));
  });
  server.server.on("connection", (socket) => {
    delays.set(socket, WARMING_MS[Math.floor(opened / connections)] ?? WARMING_MS[2]);
    opened += 1;
  });
  const request = saturationOf({
    baseUrl: server.url,
    workload: workloadOf([template({ path: "/${id}" })], [uniqueId]),
    connections,
    warmupMs: 50,
    durationMs: 300,
  });
  const { signal } = new AbortController();
  const { requestsPerSecond } = await findSaturation({ ...request, settleMsMax: 20_000 }, signal);
  await server.closed();
  expect(opened / connections).toBeGreaterThanOrEqual(3);
  // The most that a closed loop can have of the first window's service.
  expect(requestsPerSecond).toBeGreaterThan((connections * 1_000) / WARMING_MS[0]);
  expect(seen.size).toBe(answers);
});

test("windows end when the time is used up, whether the rate has settled or not", async () => {
  let delayMs = 160;
  let opened = 0;
  const server = await serve((_request, response) => {
    setTimeout(() => response.end(), delayMs);
  });
  server.server.on("connection", () => {
    opened += 1;
    delayMs *= 0.8;
  });
  const request = saturationOf({ baseUrl: server.url, connections: 1, warmupMs: 0 });
  const { signal } = new AbortController();
  // Time for a second window of 600 ms if it begins at once, and never for a third.
  await findSaturation({ ...request, settleMsMax: 1_500 }, signal);
  await server.closed();
  expect(opened).toBeLessThanOrEqual(2);
});

test("an abort ends the run and closes its connections", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const abort = new AbortController();
  const run = findSaturation(
    saturationOf({ baseUrl: server.url, durationMs: 300_000 }),
    abort.signal,
  );
  await once(server.server, "request");
  abort.abort();
  await expect(run).rejects.toMatchObject({ code: "interrupted" });
  await server.closed();
}, 30_000);
