import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { ThinkTime, WorkloadDefinition } from "../../src/core/workload.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import { findSaturation } from "../../src/load/saturation.ts";
import { sendSessions } from "../../src/load/sessions.ts";
import { loadOf, serve, type TestServer } from "./servers.ts";
import { completed, json, sessionsOf, stageOf, step, user } from "./stage.ts";

const whole = { index: 0, of: 1 };
const noSignal = new AbortController().signal;
let server: TestServer | undefined;

afterEach(() => {
  server?.kill();
  server = undefined;
});
afterAll(closeLoad);

/** Create, log three times, finish: as the id and the token of the first answer say. */
function training(think?: ThinkTime): WorkloadDefinition {
  const pause = think ? { think } : {};
  const steps = [
    step(
      { name: "create", method: "POST", path: "/runs", body: { user: "${user.id}" } },
      {
        captures: [
          json("run", "run", "ids", 0),
          { name: "token", from: { kind: "header", header: "X-Token" } },
        ],
      },
    ),
    step(
      {
        name: "log",
        method: "POST",
        path: "/runs/${run}/log",
        headers: { authorization: "Bearer ${token}" },
        body: { run: "${run}", user: "${user.name}" },
      },
      { repeat: 3, ...pause },
    ),
    step({ name: "finish", method: "POST", path: "/runs/${run}/finish", body: {} }, pause),
  ];
  return sessionsOf([{ name: "training", weight: 1, steps }], [user]);
}

interface Seen {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
  readonly cameAt: number;
  /** Just before the answer was written. */
  readonly answeredAt: number;
}

/** Numbers every creation; `answerOf` may answer something else than success. */
async function registry(
  answerOf: (path: string, run: number) => { status?: number; body?: unknown } = () => ({}),
): Promise<{
  readonly url: string;
  readonly seen: Seen[];
  readonly ofRun: (run: number) => Seen[];
}> {
  const seen: Seen[] = [];
  let created = 0;
  server = await serve((request, response) => {
    const cameAt = performance.now();
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      const path = request.url ?? "";
      if (path === "/runs") created += 1;
      const run = path === "/runs" ? created : Number(path.split("/")[2]);
      const { status = 200, body = { run: { ids: [run] } } } = answerOf(path, run);
      const { authorization } = request.headers;
      seen.push({
        path: path === "/runs" ? `/runs/${run}/create` : path,
        authorization,
        body: JSON.parse(text),
        cameAt,
        answeredAt: performance.now(),
      });
      response.writeHead(status, { "x-token": `secret-${run}` });
      response.end(JSON.stringify(body));
    });
  });
  const ofRun = (run: number): Seen[] => seen.filter(({ path }) => path.split("/")[2] === `${run}`);
  return { url: server.url, seen, ofRun };
}

const WHOLE_SESSION = ["create", "log", "log", "log", "finish"];

/** False for a session that the window's end has cut off; any other order of steps fails. */
function isWhole(seen: readonly Seen[], steps: readonly string[]): boolean {
  expect(stepsOf(seen)).toEqual(steps.slice(0, seen.length));
  return seen.length === steps.length;
}

function stepsOf(seen: readonly Seen[]): string[] {
  return seen.map(({ path }) => path.split("/").at(-1) ?? "");
}

describe("against a service", () => {
  test("steps come in order, with what the first answer gave, in its own type", async () => {
    const { url, seen, ofRun } = await registry();
    const load = loadOf({ baseUrl: url, workload: training(), requestsPerSecond: 50 });
    const result = await runWindow(load, noSignal);
    const runs = [...new Set(seen.map(({ path }) => Number(path.split("/")[2])))];
    expect(runs).toHaveLength(30);
    const whole = runs.filter((run) => isWhole(ofRun(run), WHOLE_SESSION));
    expect(whole.length).toBeGreaterThan(10);
    for (const run of whole) {
      const own = ofRun(run);
      const id = own[0]?.body["user"];
      for (const log of own.slice(1, 4)) {
        expect(log.body).toEqual({ run, user: `user-${String(id)}` });
        expect(log.authorization).toBe(`Bearer secret-${run}`);
      }
    }
    expect(result.errors).toBe(0);
    expect(result.dropped).toBe(0);
    const counts = Object.fromEntries(
      result.endpoints.map(({ name, requests }) => [name, requests]),
    );
    expect(counts["create"]).toBe(25);
    expect(counts["log"]).toBeGreaterThan(30);
    expect(result.statuses).toEqual({ 200: result.requests });
  });

  test("think time passes between an answer and the next request", async () => {
    const { url, ofRun } = await registry();
    const thinkMs = 30;
    const load = loadOf({
      baseUrl: url,
      workload: training({ kind: "fixed", ms: thinkMs }),
      requestsPerSecond: 20,
    });
    const result = await runWindow(load, noSignal);
    expect(result.errors).toBe(0);
    const pauses = [1, 2, 3, 4, 5].flatMap((run) => {
      const own = ofRun(run);
      return own.slice(1).map(({ cameAt }, index) => cameAt - (own[index]?.answeredAt ?? cameAt));
    });
    expect(pauses.length).toBeGreaterThan(4);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(thinkMs);
  });

  test("a step that fails ends its session, and is one error", async () => {
    const { url, ofRun } = await registry((path, run) => ({
      status: path.endsWith("/log") && run % 2 === 0 ? 503 : 200,
    }));
    const load = loadOf({ baseUrl: url, workload: training(), requestsPerSecond: 50, warmupMs: 0 });
    const result = await runWindow(load, noSignal);
    expect([1, 3, 5].some((run) => isWhole(ofRun(run), WHOLE_SESSION))).toBe(true);
    for (const run of [2, 4, 6, 8, 10]) isWhole(ofRun(run), ["create", "log"]);
    expect(result.errors).toBeGreaterThan(1);
    expect(result.statuses["503"]).toBe(result.errors);
    expect(result.endpoints.find(({ name }) => name === "create")?.errors).toBe(0);
    expect(result.endpoints.find(({ name }) => name === "log")?.errors).toBe(result.errors);
  });

  test("an answer without what is to be captured is an error of its own kind, and ends its session", async () => {
    const { url, ofRun } = await registry((path, run) =>
      path === "/runs" && run > 2 ? { body: { run: { ids: [] } } } : {},
    );
    const load = loadOf({ baseUrl: url, workload: training(), requestsPerSecond: 50, warmupMs: 0 });
    const result = await runWindow(load, noSignal);
    expect([1, 2].some((run) => isWhole(ofRun(run), WHOLE_SESSION))).toBe(true);
    for (const run of [3, 4, 5]) expect(stepsOf(ofRun(run))).toEqual(["create"]);
    expect(result.statuses["no-capture"]).toBe(23);
    expect(result.statuses["200"]).toBe(result.requests - 23);
    expect(result.errors).toBe(23);
    expect(result.checks.find(({ id }) => id === "errors")?.ok).toBe(false);
    expect(result.checks.find(({ id }) => id === "all-answered")?.ok).toBe(true);
  });

  test("saturation is of sessions that do not pause, and nothing secret is in a result", async () => {
    const { url } = await registry();
    const headers = { "x-api-key": "s3cr3t-key" };
    const workload = training({ kind: "fixed", ms: 10_000 });
    const signal = noSignal;
    const load = { baseUrl: url, workload, data: {}, seed: 1, timeoutMs: 5_000, headers };
    const found = await findSaturation(
      { ...load, connections: 2, warmupMs: 100, durationMs: 400 },
      signal,
    );
    expect(found.requestsPerSecond).toBeGreaterThan(0);
    expect(found.errors).toBe(0);
    const quick = { ...loadOf(load), workload: training(), trace: true, timelineMs: 100 };
    const text = JSON.stringify(await runWindow(quick, signal));
    // The header of every request, and the token that the answers gave.
    expect(text).not.toContain("s3cr3t-key");
    expect(text).not.toContain("secret-");
  });

  test("several threads begin the same sessions as one", async () => {
    const { url, seen } = await registry();
    const load = loadOf({ baseUrl: url, workload: training(), requestsPerSecond: 60 });
    const usersOf = (from: number): string[] =>
      seen
        .slice(from)
        .filter(({ path }) => path.endsWith("/create"))
        .map(({ body }) => String(body["user"]))
        .toSorted();
    await runWindow(load, noSignal);
    const alone = usersOf(0);
    const from = seen.length;
    await runWindow({ ...load, workers: 2 }, noSignal);
    expect(alone).toHaveLength(36);
    expect(usersOf(from)).toEqual(alone);
  });
});

describe("on schedule", () => {
  const think: ThinkTime = { kind: "fixed", ms: 12 };
  const two = sessionsOf([
    {
      name: "two",
      weight: 1,
      steps: [step({ name: "a", path: "/a" }), step({ name: "b", path: "/b" }, { think })],
    },
  ]);

  test("first requests are due when sessions begin, later ones from the answer before and the think time", async () => {
    const request = completed({ workload: two });
    const { stage, sent } = stageOf(request);
    await sendSessions(request, whole)(stage).finished;
    const first = sent.filter(({ path }) => path === "/a");
    expect(first).toHaveLength(15);
    for (const [index, { dueMs }] of first.entries()) expect(dueMs).toBeCloseTo(index * 10, 6);
    const later = sent.filter(({ path }) => path === "/b");
    expect(later.length).toBeGreaterThan(0);
    for (const [index, { dueMs }] of later.entries()) {
      expect(dueMs).toBeGreaterThanOrEqual((first[index]?.endedMs ?? Infinity) + 12);
    }
    for (const { dueMs, measured } of sent) expect(measured).toBe(dueMs >= 50 - 1e-6);
  });

  test("sessions begin on time though none of them is answered, and none hangs the window", async () => {
    const request = completed({ workload: two });
    const { stage, sent } = stageOf(request, () => undefined);
    await sendSessions(request, whole)(stage).finished;
    expect(sent.map(({ path }) => path)).toEqual(Array.from({ length: 15 }, () => "/a"));
  });

  test("nothing is sent that is due after the window", async () => {
    const slow = { ...think, ms: 60 };
    const steps = [step({ path: "/a" }), step({ path: "/b" }, { repeat: 50, think: slow })];
    const request = completed({ workload: sessionsOf([{ name: "long", weight: 1, steps }]) });
    const { stage, sent } = stageOf(request);
    await sendSessions(request, whole)(stage).finished;
    expect(Math.max(...sent.map(({ dueMs }) => dueMs))).toBeLessThanOrEqual(150);
  });

  test("a session that begins while too many requests wait is dropped", async () => {
    const request = completed({ workload: two, outstandingMax: 4 });
    const { stage, sent } = stageOf(request, () => undefined);
    await sendSessions(request, whole)(stage).finished;
    expect(sent).toHaveLength(4);
    const record = stage.recorder.record({ share: 0, source: "loop" });
    expect(record.dropped).toBe(10);
  });
});
