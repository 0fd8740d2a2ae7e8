import { once } from "node:events";
import { expect, test } from "vitest";
import type { SessionTemplate, WorkloadDefinition } from "../../src/core/workload.ts";
import { replayedEndpoints, sendInOrder } from "../../src/load/replay.ts";
import type { ReplayRun } from "../../src/load/replay.ts";
import { serve, template, uniqueId, workloadOf } from "./servers.ts";

const mix = workloadOf(
  [
    template({ name: "read", path: "/r/${id}" }),
    template({ name: "write", weight: 0, method: "POST", path: "/w", body: { id: "${id}" } }),
  ],
  [uniqueId],
);

function runOf(overrides: Partial<ReplayRun> & Pick<ReplayRun, "baseUrl">): ReplayRun {
  return {
    workload: mix,
    data: {},
    seed: 3,
    timeoutMs: 2_000,
    endpoint: "read",
    requests: 5,
    ...overrides,
  };
}

const send = (run: ReplayRun) => sendInOrder(run, new AbortController().signal);

test("requests of one endpoint go out one after another on one connection, the same for the same seed", async () => {
  const seen: string[] = [];
  let open = 0;
  let openMax = 0;
  const server = await serve((request, response) => {
    openMax = Math.max(openMax, (open += 1));
    seen.push(`${request.method} ${request.url}`);
    setTimeout(() => {
      open -= 1;
      response.end("four");
    }, 2);
  });
  let connections = 0;
  server.server.on("connection", () => (connections += 1));
  const run = runOf({ baseUrl: server.url });
  expect(await send(run)).toEqual({ requests: 5, errors: 0, responseBytes: 20 });
  const first = seen.splice(0);
  expect(first.every((line) => line.startsWith("GET /r/"))).toBe(true);
  expect(new Set(first).size).toBe(5);
  expect([connections, openMax]).toEqual([1, 1]);
  await send(run);
  expect(seen.splice(0)).toEqual(first);
  await send({ ...run, seed: 4 });
  expect(seen.splice(0).some((line) => first.includes(line))).toBe(false);
  // An endpoint that the mix never sends can be counted all the same.
  await send({ ...run, endpoint: "write", requests: 2 });
  expect(seen).toEqual(["POST /w", "POST /w"]);
  await server.closed();
});

test("a session is sent as a whole, its pauses left out, and counts as one", async () => {
  const seen: string[] = [];
  const server = await serve((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.statusCode = request.url === "/gone" ? 404 : 200;
    response.end(request.url === "/runs" ? '{"run":{"id":"r7"}}' : "ok");
  });
  const session: SessionTemplate = {
    name: "train",
    weight: 1,
    steps: [
      {
        request: template({ name: "create", method: "POST", path: "/runs" }),
        repeat: 1,
        captures: [{ name: "run", from: { kind: "json", path: ["run", "id"] } }],
      },
      {
        request: template({ name: "log", method: "POST", path: "/runs/${run}/log" }),
        repeat: 2,
        captures: [],
        think: { kind: "fixed", ms: 60_000 },
      },
    ],
  };
  const failing: SessionTemplate = {
    name: "broken",
    weight: 1,
    steps: ["/gone", "/never"].map((path) => ({
      request: template({ name: path, path }),
      repeat: 1,
      captures: [],
    })),
  };
  const workload: WorkloadDefinition = { ...workloadOf([]), sessions: [session, failing] };
  expect(replayedEndpoints(workload)).toEqual(["train", "broken"]);
  const run = runOf({ baseUrl: server.url, workload, endpoint: "train", requests: 2 });
  expect(await send(run)).toEqual({ requests: 2, errors: 0, responseBytes: 2 * (19 + 4) });
  const whole = ["POST /runs", "POST /runs/r7/log", "POST /runs/r7/log"];
  expect(seen.splice(0)).toEqual([...whole, ...whole]);
  expect(await send({ ...run, endpoint: "broken", requests: 1 })).toMatchObject({ errors: 1 });
  expect(seen).toEqual(["GET /gone"]);
  await server.closed();
});

test("requests that fail are counted: wrong statuses, no answer in time, no service", async () => {
  const server = await serve((request, response) => {
    if (request.url?.endsWith("0")) response.writeHead(500).end();
  });
  const run = runOf({ baseUrl: server.url, requests: 2, timeoutMs: 100 });
  expect(await send(run)).toMatchObject({ requests: 2, errors: 2 });
  server.kill();
  expect(await send(run)).toEqual({ requests: 2, errors: 2, responseBytes: 0 });
});

test("an endpoint that the workload lacks is bad input, and the names are listed", async () => {
  expect(replayedEndpoints(mix)).toEqual(["read", "write"]);
  const run = runOf({ baseUrl: "http://127.0.0.1:1", endpoint: "delete" });
  await expect(send(run)).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringContaining('no endpoint "delete"'),
    hint: "it has: read, write",
  });
});

test("an abort ends a replay that waits for an answer", async () => {
  const server = await serve(() => undefined);
  const abort = new AbortController();
  const replay = sendInOrder(runOf({ baseUrl: server.url, timeoutMs: 60_000 }), abort.signal);
  await once(server.server, "request");
  abort.abort();
  await expect(replay).rejects.toMatchObject({ code: "interrupted" });
  server.kill();
});
