import { gzipSync } from "node:zlib";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { expect, test } from "vitest";
import type { ConditionalFacts, ValidatorProbe } from "../../src/core/sample.ts";
import type { WorkloadDefinition } from "../../src/core/workload.ts";
import { probeValidators } from "../../src/load/probes.ts";
import type { ProbeRun } from "../../src/load/probes.ts";
import { serve, template, uniqueId, workloadOf } from "./servers.ts";
import { json, step } from "./stage.ts";

const BODY = JSON.stringify(Array.from({ length: 100 }, (_, id) => ({ id, name: "model" })));
const MODIFIED = "Mon, 05 Jan 2026 10:00:00 GMT";
const NONE: ConditionalFacts = { sent: 0, notModified: 0, ignored: 0, changed: 0 };

const probe = (run: Omit<ProbeRun, "data" | "seed" | "timeoutMs">) =>
  probeValidators({ data: {}, seed: 1, timeoutMs: 2_000, ...run }, new AbortController().signal);

async function probesOf(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  workload: WorkloadDefinition,
): Promise<{ readonly probes: readonly ValidatorProbe[]; readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const server = await serve((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  const probes = await probe({ baseUrl: server.url, workload });
  await server.closed();
  return { probes, seen };
}

const each = (...names: readonly string[]) =>
  workloadOf(names.map((name) => template({ name, path: `/${name}` })));

test("who honours a validator and who does not is told apart, by ETag and by Last-Modified", async () => {
  let version = 0;
  const { probes, seen } = await probesOf(
    (request, response) => {
      const { url, headers } = request;
      version += 1;
      if (url === "/etag" || url === "/ignores") response.setHeader("etag", '"v1"');
      if (url === "/changes") response.setHeader("etag", `"${version}"`);
      if (url === "/modified") response.setHeader("last-modified", MODIFIED);
      const known =
        (url === "/etag" && headers["if-none-match"] === '"v1"') ||
        (url === "/modified" && headers["if-modified-since"] === MODIFIED);
      response.statusCode = known ? 304 : 200;
      response.end(known ? undefined : url === "/changes" ? String(version) : BODY);
    },
    each("etag", "ignores", "changes", "modified", "bare"),
  );
  const [etag, ignores, changes, modified, bare] = probes;
  expect(etag).toMatchObject({ endpoint: "etag", urls: 1, answered: 1 });
  expect(etag?.etag).toEqual({ sent: 1, notModified: 1, ignored: 0, changed: 0 });
  expect(ignores?.etag).toEqual({ sent: 1, notModified: 0, ignored: 1, changed: 0 });
  expect(changes?.etag).toEqual({ sent: 1, notModified: 0, ignored: 0, changed: 1 });
  expect(modified?.modified).toEqual({ sent: 1, notModified: 1, ignored: 0, changed: 0 });
  expect(bare).toMatchObject({ answered: 1, etag: NONE, modified: NONE });
  // Plain, conditional, and with gzip.
  expect(seen.filter((line) => line === "GET /etag")).toHaveLength(3);
});

test("compression is seen, with the Vary and the validators that belong to it", async () => {
  const { probes } = await probesOf(
    (request, response) => {
      const packs = request.url !== "/plain" && request.headers["accept-encoding"] === "gzip";
      const own = request.url === "/own" && packs;
      const etag = own ? '"v1-gzip"' : '"v1"';
      response.setHeader("etag", etag);
      if (request.url === "/own") response.setHeader("vary", "Origin, Accept-Encoding");
      // Like a proxy that adds a suffix, and does not know it when it comes back.
      const known = !packs && request.headers["if-none-match"] === etag;
      if (known) {
        response.writeHead(304).end();
        return;
      }
      if (packs) response.setHeader("content-encoding", "gzip");
      response.end(packs ? gzipSync(BODY) : BODY);
    },
    each("plain", "same", "own"),
  );
  const [plain, same, own] = probes.map(({ gzip }) => gzip);
  expect(plain).toMatchObject({ answered: 1, compressed: 0, plainBytes: BODY.length, etag: NONE });
  expect(plain?.gzipBytes).toBe(plain?.plainBytes);
  expect(same).toMatchObject({ compressed: 1, withoutVary: 1, sameStrongEtag: 1 });
  expect(same?.gzipBytes).toBeLessThan(BODY.length / 2);
  expect(own).toMatchObject({ compressed: 1, withoutVary: 0, sameStrongEtag: 0 });
  expect(own?.etag).toEqual({ sent: 1, notModified: 0, ignored: 1, changed: 0 });
});

test("only what is safe and stands alone is asked for, and not more often than was said", async () => {
  const workload: WorkloadDefinition = {
    ...workloadOf([], [uniqueId]),
    sessions: [
      {
        name: "train",
        weight: 1,
        steps: [
          step(
            { name: "create", method: "POST", path: "/runs" },
            { captures: [json("run", "id")] },
          ),
          step({ name: "show", path: "/runs/${run}" }),
          step({ name: "search", path: "/search/${id}" }),
        ],
      },
    ],
  };
  const { probes, seen } = await probesOf((_request, response) => response.end("ok"), workload);
  expect(probes).toMatchObject([{ endpoint: "search", urls: 3, answered: 3 }]);
  expect(seen).toHaveLength(6);
  expect(new Set(seen).size).toBe(3);
  expect(seen.every((line) => line.startsWith("GET /search/"))).toBe(true);
  const writes = workloadOf([
    template({ name: "write", method: "DELETE" }),
    template({ name: "never", weight: 0 }),
  ]);
  expect((await probesOf((_request, response) => response.end(), writes)).seen).toEqual([]);
});

test("what fails says nothing: errors, no answer in time, no service", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/error") response.writeHead(500, { etag: '"x"' }).end();
  });
  const run = { baseUrl: server.url, workload: each("error", "silent"), timeoutMs: 100 };
  expect(await probe(run)).toMatchObject([
    { urls: 1, answered: 0, etag: NONE },
    { urls: 1, answered: 0, etag: NONE },
  ]);
  server.kill();
  expect(await probe(run)).toMatchObject([{ answered: 0 }, { answered: 0 }]);
});

test("an abort ends the probes at once", async () => {
  const server = await serve(() => undefined);
  const abort = new AbortController();
  const probes = probeValidators(
    { baseUrl: server.url, workload: each("a"), data: {}, seed: 1, timeoutMs: 60_000 },
    abort.signal,
  );
  await once(server.server, "request");
  abort.abort();
  await expect(probes).rejects.toMatchObject({ code: "interrupted" });
  server.kill();
});
