import { afterAll, expect, test } from "vitest";
import type { ResponseFacts } from "../../src/core/sample.ts";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import type { Seen } from "../../src/load/flights.ts";
import { mergeResponses, responseRecorder } from "../../src/load/responses.ts";
import { loadOf, serve, template, workloadOf } from "./servers.ts";

afterAll(closeLoad);

const generated = { endpoint: 0, method: "GET", path: "/", headers: {}, body: undefined } as const;
const signal = new AbortController().signal;

function seen(headers: Seen["headers"], body = 1, status = 200): Seen {
  return { status, headers, body, bytes: 10 };
}

function factsOf(...answers: readonly [key: number, seen: Seen][]): ResponseFacts {
  const recorder = responseRecorder({ workload: workloadOf([template({ name: "a" })]) });
  for (const [key, each] of answers) recorder.answered(0, key, each, undefined);
  const [facts] = recorder.facts();
  if (!facts) throw new Error("no facts");
  return facts;
}

test("a traced window says what caches decide by, and nothing that may be a secret", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/me") {
      response.setHeader("set-cookie", ["session=top-secret"]);
      response.end("me");
      return;
    }
    response.writeHead(200, {
      "Cache-Control": "Public, max-age=60",
      etag: 'W/"secret-version"',
      "last-modified": new Date(Date.now() - 3_600_000).toUTCString(),
      expires: new Date(Date.now() + 60_000).toUTCString(),
      vary: "Accept-Encoding",
      "content-type": "application/json; charset=utf-8",
    });
    response.end("{}");
  });
  const result = await runWindow(
    loadOf({
      baseUrl: server.url,
      workload: workloadOf([
        template({ name: "item", path: "/item" }),
        template({ name: "me", path: "/me", headers: { Cookie: "session=top-secret" } }),
        template({ name: "unused", weight: 0 }),
      ]),
      headers: { authorization: "Bearer top-secret" },
      trace: true,
    }),
    signal,
  );
  await server.closed();

  const [item, me] = result.responses ?? [];
  expect(result.responses).toHaveLength(2);
  expect(item).toMatchObject({ endpoint: "item", method: "GET", others: 0 });
  expect(item?.samples).toBe(result.endpoints.find(({ name }) => name === "item")?.requests);
  expect(item?.sent).toEqual({ authorization: item?.samples, cookie: 0, acceptEncoding: 0 });
  expect(item?.variants[0]).toMatchObject({
    status: 200,
    cacheControl: "public, max-age=60",
    etag: "weak",
    lastModified: true,
    age: false,
    vary: "accept-encoding",
    setCookie: false,
    contentType: "application/json",
  });
  expect(item?.variants[0]?.expiresSeconds).toBeCloseTo(60, -0.5);
  expect(item?.sinceModifiedSecondsMin).toBeGreaterThanOrEqual(3_599);
  // One URL: all but the first repeat it.
  expect(item?.validators).toMatchObject({ steady: (item?.samples ?? 0) - 1, unstable: 0 });
  expect(me?.variants).toMatchObject([{ setCookie: true, etag: "none" }]);
  expect(me?.sent).toMatchObject({ cookie: me?.samples });
  expect(JSON.stringify(result)).not.toContain("secret");
});

test("a trace has each answer's status and body: equal ones are equal, across threads too", async () => {
  let answers = 0;
  const server = await serve((request, response) => {
    answers += 1;
    if (request.url === "/gone") response.statusCode = 404;
    // In two chunks, and in one: the same body.
    if (request.url === "/same" && answers % 2 === 0) response.write("sa");
    response.end(request.url === "/other" ? `at ${answers}` : answers % 2 === 0 ? "me" : "same");
  });
  const names = ["same", "other", "gone"];
  const result = await runWindow(
    loadOf({
      baseUrl: server.url,
      workload: workloadOf(
        names.map((name) => template({ name, path: `/${name}`, expect: [200, 404] })),
      ),
      workers: 2,
      trace: true,
    }),
    signal,
  );
  await server.closed();
  const trace = result.trace ?? [];
  const of = (name: string) => trace.filter(({ endpoint }) => endpoint === name);
  expect(new Set(of("same").map(({ body }) => body)).size).toBe(1);
  expect(new Set(of("other").map(({ body }) => body)).size).toBe(of("other").length);
  expect(new Set(of("gone").map(({ status }) => status))).toEqual(new Set([404]));
  expect(of("same").every(({ status }) => status === 200)).toBe(true);
  for (const { body } of trace) expect(Number.isSafeInteger(body)).toBe(true);
  const samples = (result.responses ?? []).map((facts) => [facts.endpoint, facts.samples]);
  expect(samples).toEqual(names.map((name) => [name, of(name).length]));
});

test("a request that is not answered has neither status nor body; a window without a trace no facts", async () => {
  const server = await serve((_request, response) => response.destroy());
  const load = loadOf({ baseUrl: server.url, requestsPerSecond: 20, warmupMs: 0 });
  const traced = await runWindow({ ...load, trace: true }, signal);
  expect(traced.trace).toHaveLength(10);
  for (const entry of traced.trace ?? []) {
    expect(entry).not.toHaveProperty("status");
    expect(entry).not.toHaveProperty("body");
  }
  expect(traced.responses).toEqual([]);
  expect(await runWindow(load, signal)).not.toHaveProperty("responses");
  server.kill();
});

test("validators are compared request by request, of answers with status 200 alone", () => {
  const facts = factsOf(
    [1, seen({ etag: '"a"' }, 1)],
    [1, seen({ etag: '"a"' }, 1)],
    [1, seen({ etag: '"b"' }, 1)],
    [1, seen({ etag: '"b"' }, 2)],
    [1, seen({ etag: '"c"' }, 3)],
    [2, seen({ etag: '"c"' }, 9)],
    [2, seen({}, 8, 500)],
    [2, seen({ etag: 'W/"c"' }, 9)],
    [2, seen({ etag: 'W/"c"' }, 10)],
  );
  expect(facts.validators).toEqual({ steady: 1, unstable: 2, wrong: 1, loose: 1, changed: 1 });
});

test("combinations are bounded, and those beyond are counted", () => {
  const answers = Array.from({ length: 30 }, (_, index): [number, Seen] => [
    index,
    seen({ "cache-control": `max-age=${index < 20 ? 1 : index}` }),
  ]);
  const facts = factsOf(...answers);
  expect(facts.variants).toHaveLength(8);
  expect(facts.variants[0]).toMatchObject({ count: 20, cacheControl: "max-age=1" });
  expect(facts.others).toBe(3);
  const [merged] = mergeResponses([[facts], [facts]]);
  expect(merged).toMatchObject({ samples: 60, others: 6 });
  expect(merged?.variants.map(({ count }) => count)).toEqual([40, 2, 2, 2, 2, 2, 2, 2]);
});

test("facts of several threads add up to those of one", () => {
  const answers: [number, Seen][] = [
    [1, seen({ etag: '"a"', age: "5" })],
    [1, seen({ etag: '"a"', age: "9" })],
    [2, seen({ expires: "0" })],
    [2, seen({ expires: "0" }, 2)],
  ];
  const whole = factsOf(...answers);
  const [merged] = mergeResponses([
    [factsOf(...answers.slice(0, 2))],
    [factsOf(...answers.slice(2))],
  ]);
  expect(merged).toEqual(whole);
  expect(whole).toMatchObject({ ageSecondsMax: 9, samples: 4 });
  expect(whole.variants).toContainEqual(expect.objectContaining({ expiresSeconds: "invalid" }));
});

test("headers that every request carries count as those of the template, whatever their case", () => {
  const workload = workloadOf([template({ name: "a" })]);
  const recorder = responseRecorder({ workload, headers: { AUTHORIZATION: "x" } });
  recorder.sent({ ...generated, headers: { "Accept-Encoding": "gzip", authorization: "y" } });
  expect(recorder.facts()[0]?.sent).toEqual({ authorization: 1, cookie: 0, acceptEncoding: 1 });
});
