import { afterAll, afterEach, expect, test } from "vitest";
import type { ThinkTime } from "../../src/core/workload.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { CompleteLoadRequest } from "../../src/load/request.ts";
import type { Part } from "../../src/load/sending.ts";
import { sendUsers } from "../../src/load/users.ts";
import { loadOf, serve, template, uniqueId, workloadOf, type TestServer } from "./servers.ts";
import { completed, stageOf, type Sent } from "./stage.ts";

const noThink: ThinkTime = { kind: "fixed", ms: 0 };
let server: TestServer | undefined;

afterEach(() => {
  server?.kill();
  server = undefined;
});
afterAll(closeLoad);

async function sentBy(
  request: CompleteLoadRequest,
  users: { readonly count: number; readonly think: ThinkTime },
  part: Part = { index: 0, of: 1 },
): Promise<Sent[]> {
  const { stage, sent } = stageOf(request);
  await sendUsers(request, users, part)(stage).finished;
  return sent;
}

function pathsOf(sent: readonly Sent[]): string[] {
  return sent.map(({ path }) => path).toSorted();
}

/** Of the session, which stands in its unique text between the seed's 7 characters and the counter's one. */
function numberOf(path: string): number {
  return Number.parseInt(path.slice(8, -1), 36);
}

/** Users of one request and no think time in it: the path says which round of which user it is. */
const mix = workloadOf([template({ path: "/${id}" })], [uniqueId]);

test("users start evenly over the warm-up, and a part has its own of them", async () => {
  const request = completed({ workload: mix, warmupMs: 100, windowMs: 50 });
  const think: ThinkTime = { kind: "fixed", ms: 1_000 };
  const all = await sentBy(request, { count: 10, think });
  expect(all.map(({ dueMs }) => Math.round(dueMs * 1e6) / 1e6)).toEqual(
    Array.from({ length: 10 }, (_, user) => user * 10),
  );
  expect(all.every(({ measured }) => !measured)).toBe(true);
  const parts = await Promise.all(
    [0, 1, 2].map((index) => sentBy(request, { count: 10, think }, { index, of: 3 })),
  );
  expect(parts.map((sent) => sent.length)).toEqual([4, 3, 3]);
  expect(pathsOf(parts.flat())).toEqual(pathsOf(all));
});

test("the next request is due when its user has thought, and never after the window", async () => {
  const request = completed({ workload: mix, warmupMs: 0, windowMs: 120 });
  const sent = await sentBy(request, { count: 1, think: { kind: "fixed", ms: 15 } });
  expect(sent.length).toBeGreaterThan(2);
  for (const [index, { dueMs }] of sent.entries()) {
    const before = sent[index - 1];
    if (before) expect(dueMs).toBeGreaterThanOrEqual(before.endedMs + 15);
    expect(dueMs).toBeLessThanOrEqual(120);
  }
});

test("what a user asks for does not depend on the others", async () => {
  const request = completed({ workload: mix, warmupMs: 0, windowMs: 60 });
  const think: ThinkTime = { kind: "exponential", meanMs: 5 };
  const alone = pathsOf(await sentBy(request, { count: 5, think }, { index: 3, of: 5 }));
  const among = await sentBy(request, { count: 5, think });
  // The user's own are those of its sessions' numbers, 3 and every fifth after it, as far as it came.
  const own = pathsOf(among).filter((path) => numberOf(path) % 5 === 3);
  const length = Math.min(alone.length, own.length);
  expect(length).toBeGreaterThan(1);
  expect(own.slice(0, length)).toEqual(alone.slice(0, length));
});

test("there are never more requests with the service than users, and no user waits for another", async () => {
  let present = 0;
  let most = 0;
  server = await serve((request, response) => {
    present += 1;
    most = Math.max(most, present);
    setTimeout(() => {
      present -= 1;
      response.end("{}");
    }, 5);
  });
  const load = loadOf({ baseUrl: server.url, workload: mix, users: { count: 7, think: noThink } });
  const result = await runWindow(load, new AbortController().signal);
  expect(most).toBe(7);
  expect(result.errors).toBe(0);
  expect(result.dropped).toBe(0);
  expect(result.statuses).toEqual({ 200: result.requests });
  // Each of the 7 can have sent no more than one request in 5 ms.
  expect(result.requests).toBeGreaterThan(7);
  expect(result.requests).toBeLessThanOrEqual(7 * (load.windowMs / 5 + 1));
  expect(result.checks.map(({ id }) => id)).not.toContain("rate-reached");
});

test("users that play sessions pause between them, and go on after one that failed", async () => {
  const steps = [
    { request: template({ name: "a", path: "/a" }), repeat: 2, captures: [] },
    { request: template({ name: "b", path: "/b" }), repeat: 1, captures: [] },
  ];
  const workload = { ...workloadOf([]), sessions: [{ name: "s", weight: 1, steps }] };
  const seen: string[] = [];
  server = await serve((request, response) => {
    seen.push(request.url ?? "");
    response.writeHead(seen.length === 2 ? 500 : 200).end();
  });
  const load = loadOf({
    baseUrl: server.url,
    workload,
    warmupMs: 0,
    windowMs: 300,
    errorRateMax: 1,
    users: { count: 1, think: { kind: "fixed", ms: 10 } },
  });
  const result = await runWindow(load, new AbortController().signal);
  expect(seen.slice(0, 5)).toEqual(["/a", "/a", "/a", "/a", "/b"]);
  expect(result.errors).toBe(1);
  // 10 ms lie between sessions: each is of three requests.
  expect(seen.length).toBeLessThanOrEqual(3 * (300 / 10 + 1));
});

test("a service that refuses connections is asked again and again, and does not hang the window", async () => {
  server = await serve((request) => request.socket.destroy());
  const users = { count: 3, think: { kind: "fixed", ms: 5 } as const };
  const load = loadOf({ baseUrl: server.url, workload: mix, users, windowMs: 200 });
  const result = await runWindow(load, new AbortController().signal);
  expect(result.errors).toBe(result.requests);
  expect(result.requests).toBeGreaterThan(3);
});
