/** Bulk work beside the requests: what one client does, when, and what of it a result says. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, describe, expect, test } from "vitest";
import type { LoadResult } from "../../src/core/sample.ts";
import type { TaskTemplate, WorkloadDefinition } from "../../src/core/workload.ts";
import { closeLoad, runWindow, type LoadRequest } from "../../src/load/engine.ts";
import { loadOf, serve, template, uniqueId, workloadOf, type TestServer } from "./servers.ts";
import { sessionsOf, step } from "./stage.ts";

afterAll(closeLoad);

type Request = Partial<TaskTemplate["request"]>;

function task(
  name: string,
  request: Request = {},
  rest: Partial<Omit<TaskTemplate, "request">> = {},
): TaskTemplate {
  return {
    name,
    kind: "query",
    request: template({ name, path: `/task/${name}`, ...request }),
    records: 0,
    perWindow: 1,
    timeoutMs: 10_000,
    ...rest,
  };
}

function withTasks(...tasks: readonly TaskTemplate[]): WorkloadDefinition {
  return { ...workloadOf([template({ path: "/plain" })], [uniqueId]), tasks };
}

interface Seen {
  readonly name: string;
  readonly type: string | undefined;
  readonly body: string;
  /** Requests of the mix that had come before it. */
  readonly after: number;
}

interface TaskServer extends TestServer {
  readonly seen: readonly Seen[];
  readonly plain: () => number;
}

/** Answers requests at once, and tasks as `answer` does; without it at once too. */
async function serveTasks(
  answer: (seen: Seen, response: ServerResponse) => void = (_, response) => response.end("x"),
): Promise<TaskServer> {
  const seen: Seen[] = [];
  const waiting: (() => void)[] = [];
  let plain = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const after = plain;
    const name = (request.url ?? "").replace("/task/", "");
    const type = request.headers["content-type"];
    const each = { name, type, body: await bodyOf(request), after };
    seen.push(each);
    // Whoever waits for requests to come is asked again with each.
    const look = (): void => {
      if (!response.writableEnded) answer({ ...each, after: plain }, response);
    };
    waiting.push(look);
    look();
  };
  const server = await serve((request, response) => {
    if (request.url !== "/plain") {
      void take(request, response);
      return;
    }
    plain += 1;
    response.end("x");
    for (const look of waiting) look();
  });
  return { ...server, seen, plain: () => plain };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function run(
  overrides: Partial<LoadRequest> & Pick<LoadRequest, "baseUrl" | "workload">,
  signal = new AbortController().signal,
): Promise<LoadResult> {
  return runWindow(loadOf({ tasks: "all", windowMs: 300, ...overrides }), signal);
}

function taskCheck({ checks }: LoadResult) {
  return checks.find(({ id }) => id === "tasks-done");
}

test("tasks are done in the workload's order, round and round, each as often as it may be", async () => {
  const server = await serveTasks((_, response) => response.end("12345"));
  const result = await run({
    baseUrl: server.url,
    windowMs: 2_000,
    requestsPerSecond: 50,
    workload: withTasks(
      task("a", {}, { perWindow: 3 }),
      task("b"),
      task("c", {}, { perWindow: 2, kind: "report" }),
    ),
  });
  await server.closed();
  expect(server.seen.map(({ name }) => name)).toEqual(["a", "b", "c", "a", "c", "a"]);
  expect(
    result.tasks?.map(({ durationsMs, ...rest }) => ({ ...rest, done: durationsMs.length })),
  ).toEqual([
    { name: "a", kind: "query", done: 3, records: 0, responseBytes: 15, failed: 0 },
    { name: "b", kind: "query", done: 1, records: 0, responseBytes: 5, failed: 0 },
    { name: "c", kind: "report", done: 2, records: 0, responseBytes: 10, failed: 0 },
  ]);
  expect(taskCheck(result)).toMatchObject({ ok: true, value: 0, limit: 0 });
  // They begin with the measured window: those of the warm-up of 100 ms were sent before.
  expect(server.seen[0]?.after).toBeGreaterThan(0);
  // Tasks are not among the requests.
  expect(result.requests).toBe(100);
  expect(result.endpoints.map(({ name }) => name)).toEqual(["get"]);
});

test("only those that are asked for are done, and without being asked none", async () => {
  const server = await serveTasks();
  const workload = withTasks(task("a"), task("b"), task("c"));
  const some = await run({ baseUrl: server.url, workload, tasks: ["c", "a"] });
  const { tasks: _, ...others } = loadOf({ baseUrl: server.url, workload, windowMs: 100 });
  const none = await runWindow(others, new AbortController().signal);
  const nothing = await run({ baseUrl: server.url, workload: withTasks(), windowMs: 100 });
  await server.closed();
  expect(some.tasks?.map(({ name }) => name)).toEqual(["a", "c"]);
  expect(server.seen.map(({ name }) => name)).toEqual(["a", "c"]);
  for (const result of [none, nothing]) {
    expect(result).not.toHaveProperty("tasks");
    expect(taskCheck(result)).toBeUndefined();
  }
});

test("a task that the workload lacks is refused", async () => {
  const workload = withTasks(task("a"), task("b"));
  await expect(
    run({ baseUrl: "http://127.0.0.1:1", workload, tasks: ["b", "d"] }),
  ).rejects.toMatchObject({
    code: "bad-input",
    message: 'workload "test" has no task d',
    hint: "use some of a, b",
  });
});

describe("a task that outlives the window", () => {
  // At 200/s: 20 requests in the warm-up and 60 in the window.
  const enough = 120;
  const late = (seen: Seen, response: ServerResponse): void => {
    if (seen.after >= enough) response.end("done");
  };

  test.each<[string, Partial<LoadRequest>]>([
    ["constant arrivals", {}],
    ["poisson arrivals", { arrivals: "poisson" }],
    ["two threads", { workers: 2 }],
    ["users", { users: { count: 1, think: { kind: "fixed", ms: 10 } } }],
  ])("finishes under the same load, which is not measured: %s", async (_, overrides) => {
    const server = await serveTasks(late);
    const result = await run({
      baseUrl: server.url,
      workload: withTasks(task("slow"), task("quick")),
      ...overrides,
    });
    await server.closed();
    expect(result.tasks?.map(({ durationsMs }) => durationsMs.length)).toEqual([1, 1]);
    expect(taskCheck(result)?.ok).toBe(true);
    expect(server.plain()).toBeGreaterThanOrEqual(enough);
    if (!overrides.users) expect(result.requests).toBe(60);
    expect(result.requests).toBeLessThan(server.plain());
    expect(result.overtimeMs).toBeGreaterThan(0);
    expect(result.timeouts + result.dropped).toBe(0);
    const recorded = Object.values(result.statuses).reduce((sum, count) => sum + count, 0);
    expect(recorded).toBe(result.requests);
  });

  test("finishes under the same load: sessions", async () => {
    const server = await serveTasks(late);
    const sessions = [{ name: "s", weight: 1, steps: [step({ name: "only", path: "/plain" })] }];
    const result = await run({
      baseUrl: server.url,
      workload: { ...sessionsOf(sessions), tasks: [task("slow")] },
    });
    await server.closed();
    expect(result.tasks?.[0]?.durationsMs).toHaveLength(1);
    expect(result.requests).toBe(60);
    expect(server.plain()).toBeGreaterThanOrEqual(enough);
  });

  test("is followed by what is left of the first round, and by nothing of the second", async () => {
    const server = await serveTasks((seen, response) => {
      if (seen.name !== "slow" || seen.after >= enough) response.end("done");
    });
    const result = await run({
      baseUrl: server.url,
      workload: withTasks(
        task("slow", {}, { perWindow: 5 }),
        task("other", {}, { perWindow: 5 }),
        task("last"),
      ),
    });
    await server.closed();
    expect(server.seen.map(({ name }) => name)).toEqual(["slow", "other", "last"]);
    expect(taskCheck(result)?.ok).toBe(true);
  });
});

describe("what fails", () => {
  test("a status that is no success, with the others still done", async () => {
    const server = await serveTasks((seen, response) => {
      response.statusCode = seen.name === "bad" ? 503 : seen.name === "odd" ? 404 : 200;
      response.end("the body, which is nobody's business");
    });
    const result = await run({
      baseUrl: server.url,
      windowMs: 1_000,
      workload: withTasks(
        task("bad", {}, { perWindow: 2 }),
        task("odd", { expect: [404] }),
        task("good"),
      ),
    });
    await server.closed();
    expect(result.tasks).toMatchObject([
      { name: "bad", durationsMs: [], failed: 2, failure: "status 503", responseBytes: 0 },
      { name: "odd", failed: 0 },
      { name: "good", failed: 0 },
    ]);
    expect(taskCheck(result)).toMatchObject({
      ok: false,
      value: 1,
      detail: "tasks that were not done: bad (status 503)",
    });
    // The requests are as good as ever.
    expect(result.errors).toBe(0);
  });

  test("one that fails at times is not done, for only its good times would count", async () => {
    const server = await serveTasks(({ name }, response) => {
      response.statusCode = name === "at-times" && server.seen.length === 1 ? 503 : 200;
      response.end("x");
    });
    const result = await run({
      baseUrl: server.url,
      windowMs: 1_000,
      workload: withTasks(task("at-times", {}, { perWindow: 2 })),
    });
    await server.closed();
    expect(result.tasks).toMatchObject([{ failed: 1, durationsMs: [expect.any(Number)] }]);
    expect(taskCheck(result)).toMatchObject({
      ok: false,
      detail: "tasks that were not done: at-times (status 503, 1 of 2 times)",
    });
  });

  test("no answer within the task's own time, or only a part of one", async () => {
    const server = await serveTasks((seen, response) => {
      if (seen.name === "part" && !response.headersSent) response.write("a part");
      if (seen.name === "broken") response.destroy();
      if (seen.name === "good") response.end();
    });
    const result = await run({
      baseUrl: server.url,
      workload: withTasks(
        task("never", {}, { timeoutMs: 200 }),
        task("part", {}, { timeoutMs: 200 }),
        task("broken"),
        task("good"),
      ),
    });
    server.kill();
    const [never, part, broken, good] = result.tasks ?? [];
    const late = "no complete answer within 200 ms";
    expect(never).toMatchObject({ failed: 1, failure: late, durationsMs: [] });
    expect(part).toMatchObject({ failed: 1, failure: late, durationsMs: [], responseBytes: 0 });
    expect(broken?.failure).toMatch(/other side closed|socket hang up|ECONNRESET/);
    expect(good?.durationsMs).toHaveLength(1);
    expect(taskCheck(result)).toMatchObject({ ok: false, value: 3 });
  });

  test("an interrupt ends a task that would take long", async () => {
    const stop = new AbortController();
    const server = await serveTasks(() => stop.abort());
    const workload = withTasks(task("never", {}, { timeoutMs: 60_000 }));
    await expect(run({ baseUrl: server.url, workload }, stop.signal)).rejects.toMatchObject({
      code: "interrupted",
    });
    server.kill();
  });

  test("a placeholder that nothing fills is refused before anything is sent", async () => {
    const server = await serveTasks();
    const lines = { format: "csv", count: 1, item: { a: "${nobody}" } } as const;
    const workload = withTasks(task("a", { method: "POST" }, { lines }));
    await expect(run({ baseUrl: server.url, workload })).rejects.toMatchObject({
      code: "bad-input",
    });
    await server.closed();
    expect(server.plain()).toBe(0);
  });
});

test("bodies of lines, with their length and type, the service's headers over their own", async () => {
  const seen: { readonly length: string | undefined; readonly auth: string | undefined }[] = [];
  const server = await serveTasks();
  server.server.on("request", ({ url, headers }) => {
    if (url === "/plain") return;
    seen.push({ length: headers["content-length"], auth: headers.authorization });
  });
  const item = { no: "${index}", id: "${id}", fixed: 7 };
  const ingest = { kind: "ingest", records: 2_500 } as const;
  const result = await run({
    baseUrl: server.url,
    headers: { authorization: "Bearer right" },
    workload: withTasks(
      task(
        "ndjson",
        { method: "POST", headers: { Authorization: "Bearer wrong" } },
        { ...ingest, lines: { format: "ndjson", count: 2_500, item } },
      ),
      task(
        "csv",
        { method: "PUT" },
        { ...ingest, records: 3, lines: { format: "csv", count: 3, item } },
      ),
      task(
        "json",
        { method: "POST", body: { $repeat: 2, item: "${id}" } },
        { ...ingest, records: 2 },
      ),
      task("typed", { method: "POST", headers: { "Content-Type": "text/plain" }, body: [] }),
    ),
  });
  await server.closed();
  const [ndjson, csv, json, typed] = server.seen;
  expect(server.seen.map(({ type }) => type)).toEqual([
    "application/x-ndjson",
    "text/csv",
    "application/json",
    "text/plain",
  ]);
  const rows = (ndjson?.body ?? "").trimEnd().split("\n");
  expect(rows).toHaveLength(2_500);
  expect(rows[2_499]).toMatch(/^\{"no":2499,"id":"[^"]+","fixed":7\}$/);
  expect(new Set(rows).size).toBe(2_500);
  expect(csv?.body).toMatch(/^no,id,fixed\n0,\w+,7\n1,\w+,7\n2,\w+,7\n$/);
  expect(JSON.parse(json?.body ?? "")).toHaveLength(2);
  expect(typed?.body).toBe("[]");
  expect(seen.map(({ length }) => Number(length))).toEqual(
    server.seen.map(({ body }) => Buffer.byteLength(body)),
  );
  expect(new Set(seen.map(({ auth }) => auth))).toEqual(new Set(["Bearer right"]));
  expect(result.tasks?.map(({ records }) => records)).toEqual([2_500, 3, 2, 0]);
});
