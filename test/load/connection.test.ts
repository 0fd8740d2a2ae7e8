import { once } from "node:events";
import { createServer } from "node:https";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { closeLoad, runWindow } from "../../src/load/engine.ts";
import { findSaturation } from "../../src/load/saturation.ts";
import { selfSigned } from "./certificate.ts";
import { loadOf, portOf, serve, template, workloadOf } from "./servers.ts";

const { key, cert } = selfSigned();
const secure = createServer({ key, cert }, (_request, response) => response.end("ok"));
let baseUrl = "";

beforeEach(async () => {
  if (secure.listening) return;
  secure.listen(0, "127.0.0.1");
  await once(secure, "listening");
  baseUrl = `https://127.0.0.1:${portOf(secure)}`;
});

afterEach(() => secure.closeAllConnections());
afterAll(async () => {
  secure.close();
  await closeLoad();
});

const run = (tls?: { readonly ca?: string; readonly verify: boolean }) =>
  runWindow(loadOf({ baseUrl, ...(tls ? { tls } : {}) }), new AbortController().signal);

test("a certificate that no known authority signed is refused, and the errors' check says why", async () => {
  const result = await run();
  expect(result).toMatchObject({ requests: 100, errors: 100, statuses: { error: 100 } });
  const errors = result.checks.find(({ id }) => id === "errors");
  expect(errors?.ok).toBe(false);
  expect(errors?.detail).toMatch(/broken off: .*self.signed certificate/);
});

test("it is accepted from an authority that was named, or when verification is switched off", async () => {
  expect(await run({ ca: cert, verify: true })).toMatchObject({ requests: 100, errors: 0 });
  expect(await run({ verify: false })).toMatchObject({ requests: 100, errors: 0 });
});

test("saturation verifies certificates as well", async () => {
  const request = {
    baseUrl,
    workload: workloadOf([template()]),
    data: {},
    seed: 1,
    connections: 4,
    warmupMs: 100,
    durationMs: 200,
    timeoutMs: 1_000,
  };
  const { signal } = new AbortController();
  await expect(findSaturation(request, signal)).rejects.toMatchObject({
    code: "cannot-measure",
    message: expect.stringMatching(/self.signed certificate/),
  });
  const tls = { ca: cert, verify: true };
  expect(await findSaturation({ ...request, tls }, signal)).toMatchObject({ errors: 0 });
});

test("headers of the request are sent with every request, in place of the template's own", async () => {
  const seen: unknown[] = [];
  const server = await serve((request, response) => {
    const { authorization, accept } = request.headers;
    seen.push([authorization, accept, request.headers["x-own"]]);
    response.end("ok");
  });
  const result = await runWindow(
    loadOf({
      baseUrl: server.url,
      workload: workloadOf([template({ headers: { authorization: "none", "X-Own": "1" } })]),
      headers: { Authorization: "Bearer ${not.a.placeholder}", Accept: "text/plain" },
      trace: true,
    }),
    new AbortController().signal,
  );
  await server.closed();
  expect(seen).toHaveLength(120);
  expect(new Set(seen.map((each) => JSON.stringify(each)))).toEqual(
    new Set([JSON.stringify(["Bearer ${not.a.placeholder}", "text/plain", "1"])]),
  );
  expect(JSON.stringify(result)).not.toContain("Bearer");
});
