import { once } from "node:events";
import { expect, test } from "vitest";
import { findSaturation } from "../../src/load/saturation.ts";
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
