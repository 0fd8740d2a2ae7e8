import { afterAll, describe, expect, test } from "vitest";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { LoadResult } from "../../src/core/sample.ts";
import type { WorkloadDefinition } from "../../src/core/workload.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { LoadRequest } from "../../src/load/engine.ts";
import { openRevalidation } from "../../src/load/revalidation.ts";
import { loadOf, serve, template, uniqueId, workloadOf } from "./servers.ts";
import { json, step } from "./stage.ts";

afterAll(closeLoad);

interface Asked {
  readonly url: string;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

const BODY = JSON.stringify({ id: "r7", text: "x".repeat(500) });
const MODIFIED = "Mon, 05 Jan 2026 10:00:00 GMT";

/** Answers with what `headersOf` gives, and with 304 where the request's validator says so. */
async function load(
  headersOf: (url: string) => Readonly<Record<string, string>>,
  request: Partial<LoadRequest>,
): Promise<{ readonly result: LoadResult; readonly asked: readonly Asked[] }> {
  const asked: Asked[] = [];
  const server = await serve((incoming: IncomingMessage, response: ServerResponse) => {
    const url = incoming.url ?? "";
    const ifNoneMatch = incoming.headers["if-none-match"];
    const ifModifiedSince = incoming.headers["if-modified-since"];
    asked.push({ url, ifNoneMatch, ifModifiedSince });
    const headers = headersOf(url);
    const known =
      ifNoneMatch === undefined
        ? ifModifiedSince !== undefined && ifModifiedSince === headers["last-modified"]
        : ifNoneMatch === headers["etag"];
    response.writeHead(known ? 304 : 200, headers);
    response.end(known ? undefined : BODY);
  });
  const result = await runWindow(
    loadOf({ baseUrl: server.url, ...request }),
    new AbortController().signal,
  );
  await server.closed();
  return { result, asked };
}

function keeping(revalidate: number, workload = workloadOf([template()])): WorkloadDefinition {
  return { ...workload, revalidate };
}

const etag = () => ({ etag: '"v1"' });

describe("clients that keep validators", () => {
  test("repeat a URL with its ETag, and a 304 is a success without a body", async () => {
    const { result, asked } = await load(etag, {
      workload: keeping(1),
      connections: 1,
      trace: true,
    });
    expect(asked[0]?.ifNoneMatch).toBeUndefined();
    expect(asked.at(-1)?.ifNoneMatch).toBe('"v1"');
    expect(result).toMatchObject({ requests: 100, errors: 0 });
    expect(result.statuses["304"]).toBeGreaterThan(20);
    expect(result.responses?.[0]?.conditional).toMatchObject({
      notModified: result.statuses["304"],
      ignored: 0,
      changed: 0,
    });
    // What a 304 stands for is the body that the client has.
    const bodies = new Set((result.trace ?? []).map(({ body }) => body));
    expect(bodies.size).toBe(1);
    const [endpoint] = result.endpoints;
    expect(endpoint?.responseBytesMean).toBeLessThan(BODY.length / 2);
  });

  test("fall back on Last-Modified, and send both where both were given", async () => {
    const modified = await load(() => ({ "last-modified": MODIFIED }), {
      workload: keeping(1),
      connections: 1,
    });
    expect(modified.asked.at(-1)).toMatchObject({
      ifNoneMatch: undefined,
      ifModifiedSince: MODIFIED,
    });
    expect(modified.result).toMatchObject({ errors: 0 });
    expect(modified.result.statuses["304"]).toBeGreaterThan(20);
    const both = await load(() => ({ etag: '"v1"', "last-modified": MODIFIED }), {
      workload: keeping(1),
      connections: 1,
    });
    expect(both.asked.at(-1)).toMatchObject({ ifNoneMatch: '"v1"', ifModifiedSince: MODIFIED });
  });

  test("are none unless asked for, keep nothing of no-store, and change no POST", async () => {
    const off = await load(etag, {});
    expect(off.asked.every(({ ifNoneMatch }) => ifNoneMatch === undefined)).toBe(true);
    expect(off.result.statuses).toEqual({ "200": 100 });
    const forbidden = await load(() => ({ etag: '"v1"', "cache-control": "no-store" }), {
      workload: keeping(1),
    });
    expect(forbidden.result.statuses).toEqual({ "200": 100 });
    const posts = keeping(1, workloadOf([template({ method: "POST", body: {} })]));
    expect((await load(etag, { workload: posts })).result.statuses).toEqual({ "200": 100 });
  });

  test("an unasked 304 stays an error", async () => {
    const server = await serve((_request, response) => response.writeHead(304).end());
    const result = await runWindow(
      loadOf({ baseUrl: server.url, workload: keeping(1) }),
      new AbortController().signal,
    );
    await server.closed();
    expect(result.errors).toBe(100);
  });

  test("a service that ignores validators, or whose answers change, is told apart", async () => {
    const server = await serve((request, response) => {
      response.setHeader("etag", '"v1"');
      response.end(request.url === "/changes" ? String(Math.random()) : "the same");
    });
    const result = await runWindow(
      loadOf({
        baseUrl: server.url,
        workload: keeping(
          1,
          workloadOf(["same", "changes"].map((name) => template({ name, path: `/${name}` }))),
        ),
        trace: true,
      }),
      new AbortController().signal,
    );
    await server.closed();
    const [same, changes] = result.responses ?? [];
    expect(same?.conditional).toMatchObject({ ignored: same?.conditional?.sent, changed: 0 });
    expect(changes?.conditional).toMatchObject({ ignored: 0, changed: changes?.conditional?.sent });
    expect(changes?.validators.wrong).toBeGreaterThan(0);
  });
});

test("a session goes on after a 304, and steps that take something from the answer stay whole", async () => {
  const workload: WorkloadDefinition = {
    ...workloadOf([]),
    sessions: [
      {
        name: "read",
        weight: 1,
        steps: [
          step({ name: "list", path: "/list" }),
          step({ name: "pick", path: "/pick" }, { captures: [json("id", "id")] }),
          step({ name: "show", path: "/show/${id}" }),
        ],
      },
    ],
    revalidate: 1,
  };
  const { result, asked } = await load(etag, { workload, requestsPerSecond: 50, connections: 1 });
  expect(result).toMatchObject({ errors: 0 });
  const conditional = (url: string) =>
    asked.filter((each) => each.url === url && each.ifNoneMatch !== undefined).length;
  expect(conditional("/list")).toBeGreaterThan(3);
  expect(conditional("/show/r7")).toBeGreaterThan(3);
  expect(conditional("/pick")).toBe(0);
});

test("users come back, and each remembers for itself", async () => {
  const { result, asked } = await load(etag, {
    workload: keeping(1),
    users: { count: 4, think: { kind: "fixed", ms: 20 } },
  });
  expect(result.errors).toBe(0);
  expect(asked.filter(({ ifNoneMatch }) => ifNoneMatch === undefined)).toHaveLength(4);
  expect(asked.length).toBeGreaterThan(8);
});

const request = {
  endpoint: 0,
  method: "GET",
  path: "/a",
  headers: {},
  body: undefined,
} as const;
const answer = { status: 200, headers: { etag: '"v1"' }, body: 5, bytes: 1 };
const openMemory = () => {
  const revalidation = openRevalidation({ workload: keeping(1), seed: 1 });
  if (!revalidation) throw new Error("nobody keeps validators");
  return revalidation.open;
};

function keepers(path: string, seed: number): boolean[] {
  const revalidation = openRevalidation({ workload: keeping(0.3), seed });
  return Array.from(
    { length: 2_000 },
    (_, client) => revalidation?.open({ ...request, path }, client) !== undefined,
  );
}

describe("the memory of validators", () => {
  test("keeps answers apart by URL and by the headers of the request", () => {
    const ask = openMemory();
    const alice = { ...request, headers: { authorization: "alice" } };
    ask(alice, 0)?.note(answer);
    expect(ask(alice, 1)?.headers).toEqual({ authorization: "alice", "if-none-match": '"v1"' });
    expect(ask(alice, 1)?.held?.body).toBe(5);
    expect(ask({ ...request, headers: { authorization: "bob" } }, 0)?.held).toBeUndefined();
    expect(ask({ ...request, path: "/b" }, 0)?.held).toBeUndefined();
  });

  test("forgets what came without a validator, and not for an error or a 304", () => {
    const ask = openMemory();
    ask(request, 0)?.note(answer);
    ask(request, 0)?.note({ ...answer, status: 503, headers: {} });
    ask(request, 0)?.note({ ...answer, status: 304, headers: {} });
    expect(ask(request, 0)?.held?.etag).toBe('"v1"');
    ask(request, 0)?.note({ ...answer, headers: {} });
    expect(ask(request, 0)?.held).toBeUndefined();
  });

  test("leaves requests alone that are conditional, or partial, by themselves", () => {
    const ask = openMemory();
    for (const name of ["If-None-Match", "if-modified-since", "Range"]) {
      expect(ask({ ...request, headers: { [name]: "x" } }, 0)).toBeUndefined();
    }
    expect(
      openRevalidation({ workload: workloadOf([template()], [uniqueId]), seed: 1 }),
    ).toBeUndefined();
    expect(openRevalidation({ workload: keeping(0), seed: 1 })).toBeUndefined();
  });

  test("a client either keeps validators or does not, for all of its requests, by the seed", () => {
    const first = keepers("/a", 1);
    expect(keepers("/b", 1)).toEqual(first);
    expect(keepers("/a", 2)).not.toEqual(first);
    const share = first.filter(Boolean).length / first.length;
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.35);
  });
});
