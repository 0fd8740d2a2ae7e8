import { afterAll, describe, expect, test } from "vitest";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WorkloadDefinition } from "../../src/core/workload.ts";
import { ARRIVING_CLIENTS, openCookies } from "../../src/load/cookies.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { LoadRequest } from "../../src/load/engine.ts";
import { loadOf, serve, template, workloadOf } from "./servers.ts";
import { sessionsOf, step } from "./stage.ts";

afterAll(closeLoad);

function jarOf(...lines: readonly string[]) {
  const cookies = openCookies({ workload: { ...workloadOf([template()]), cookies: true } });
  const jar = cookies?.of(1);
  jar?.note({ headers: { "set-cookie": [...lines] } });
  return { cookies, sent: (headers = {}) => jar?.over(headers) };
}

describe("a jar", () => {
  test("sends back what it was set, the last of each name, after the request's own", () => {
    const { sent } = jarOf("a=1; Path=/x; HttpOnly", "b=2=3", "a=4; Max-Age=60");
    expect(sent({ accept: "*/*" })).toEqual({ accept: "*/*", cookie: "a=4; b=2=3" });
    expect(sent({ Cookie: "own=1" })).toEqual({ Cookie: "own=1; a=4; b=2=3" });
  });

  test.each([
    "a=; Max-Age=0",
    "a=x; max-age=-1; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
  ])("gives up what is deleted: %s", (line) => {
    expect(jarOf("a=1", "b=2", line).sent()).toEqual({ cookie: "b=2" });
    expect(jarOf("a=1", line).sent()).toEqual({});
  });

  test.each(["a=2; Expires=Fri, 01 Jan 2100 00:00:00 GMT", "a=2; Expires=never", "a=2; Max-Age=x"])(
    "keeps what lives on, or says nothing that can be read: %s",
    (line) => {
      expect(jarOf(line).sent()).toEqual({ cookie: "a=2" });
    },
  );

  test("has nothing of what is no cookie or cannot be sent, and no more than 50", () => {
    expect(jarOf("plain", "=1", "a=\u0007", "b=\u4e2d").sent()).toEqual({});
    const many = Array.from({ length: 60 }, (_, index) => `c${index}=1`);
    expect(
      jarOf(...many)
        .sent()
        ?.["cookie"]?.split("; "),
    ).toHaveLength(50);
  });

  test("is its client's alone", () => {
    expect(jarOf("a=1").cookies?.of(2).over({})).toEqual({});
    expect(openCookies({ workload: workloadOf([template()]) })).toBeUndefined();
  });
});

interface Asked {
  readonly path: string;
  /** What came, or what was set. */
  readonly visitor: string;
  readonly isNew: boolean;
}

/** Sets a cookie for who has none. */
async function visited(workload: WorkloadDefinition, request: Partial<LoadRequest> = {}) {
  const asked: Asked[] = [];
  const server = await serve((incoming: IncomingMessage, response: ServerResponse) => {
    const { cookie } = incoming.headers;
    const visitor = cookie ?? `visitor=secret-${asked.length}`;
    asked.push({ path: incoming.url ?? "", visitor, isNew: cookie === undefined });
    if (cookie === undefined) response.setHeader("set-cookie", `${visitor}; Path=/`);
    response.end("{}");
  });
  const load = loadOf({ baseUrl: server.url, workload, warmupMs: 0, windowMs: 300, ...request });
  const result = await runWindow(load, new AbortController().signal);
  await server.closed();
  return { asked, result, visitors: new Set(asked.map(({ visitor }) => visitor)) };
}

describe("clients that keep cookies", () => {
  const keeping = { ...workloadOf([template()]), cookies: true } as const;

  test("users are one visitor each, and no value is in a result", async () => {
    const users = { count: 3, think: { kind: "fixed", ms: 2 } } as const;
    const { asked, visitors, result } = await visited(keeping, { users, trace: true });
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.filter(({ isNew }) => isNew)).toHaveLength(3);
    expect(visitors.size).toBe(3);
    expect(JSON.stringify(result)).not.toContain("secret-");
    expect(result.responses?.[0]?.sent.cookie).toBe(result.requests - 3);
  });

  test("sessions are a visitor each, through all their steps", async () => {
    const steps = ["/1", "/2", "/3"].map((path) => step({ name: path.slice(1), path }));
    const workload = sessionsOf([{ name: "visit", weight: 1, steps }]);
    const { asked } = await visited({ ...workload, cookies: true }, { requestsPerSecond: 50 });
    const later = asked.filter(({ path }) => path !== "/1");
    expect(later.length).toBeGreaterThan(0);
    for (const { path, isNew } of asked) expect(isNew).toBe(path === "/1");
  });

  test.each([1, 2])("arrivals take turns as so many clients, of %s threads", async (workers) => {
    const { asked, visitors } = await visited(keeping, {
      requestsPerSecond: 600,
      windowMs: 1_500,
      workers,
    });
    expect(asked.length).toBe(900);
    // A client whose first answer is late may be taken for a visitor twice.
    expect(visitors.size).toBeGreaterThanOrEqual(ARRIVING_CLIENTS);
    expect(asked.some(({ isNew }) => !isNew)).toBe(true);
  });

  test("without them, everybody is new each time", async () => {
    const { asked } = await visited(workloadOf([template()]));
    expect(asked.every(({ isNew }) => isNew)).toBe(true);
  });
});
