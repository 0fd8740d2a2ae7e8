// From a real server over the load engine to the audit: what is wrong is found, what is right is left alone.
import { afterAll, expect, test } from "vitest";
import { auditResponses } from "../../../../src/advise/cache/http/audit.ts";
import type { HttpAudit } from "../../../../src/core/cache-advice.ts";
import type { WorkloadDefinition } from "../../../../src/core/workload.ts";
import { closeLoad, runWindow } from "../../../../src/load/engine.ts";
import { probeValidators } from "../../../../src/load/probes.ts";
import { loadOf, serve, template, workloadOf } from "../../../load/servers.ts";

afterAll(closeLoad);

const TEXT = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: "model" })));

async function audited(workload: WorkloadDefinition): Promise<HttpAudit> {
  let answers = 0;
  const server = await serve((request, response) => {
    answers += 1;
    const path = (request.url ?? "").split("?", 1)[0];
    response.setHeader("content-type", "application/json");
    if (path === "/good") {
      response.setHeader("cache-control", "public, max-age=60");
      response.setHeader("etag", '"v1"');
      if (request.headers["if-none-match"] === '"v1"') {
        response.writeHead(304).end();
        return;
      }
      response.end("{}");
      return;
    }
    if (path === "/unstable") response.setHeader("etag", `"${answers}"`);
    if (path === "/unstable") response.setHeader("cache-control", "no-cache");
    response.end(path === "/search" ? '{"hits":[]}' : TEXT);
  });
  const signal = new AbortController().signal;
  const run = { baseUrl: server.url, workload, data: {}, seed: 1, timeoutMs: 5_000 };
  const result = await runWindow(loadOf({ ...run, trace: true }), signal);
  const probes = await probeValidators(run, signal);
  await server.closed();
  return auditResponses(result.responses ?? [], result.trace ?? [], probes);
}

const workload = workloadOf(
  [
    template({ name: "good", path: "/good?id=${id}" }),
    template({ name: "bare", path: "/bare" }),
    template({ name: "unstable", path: "/unstable" }),
    template({ name: "search", path: "/search", method: "POST", body: { q: "${id}" } }),
  ],
  [{ name: "id", source: { kind: "int", min: 1, max: 3 }, distribution: { kind: "uniform" } }],
);

test("a service is audited as it answers", async () => {
  const audit = await audited(workload);
  const byName = new Map(audit.endpoints.map((each) => [each.name, each] as const));
  const kinds = (name: string) => byName.get(name)?.findings.map(({ kind }) => kind);
  expect(kinds("good")).toEqual([]);
  expect(kinds("bare")).toEqual(["no-cache-control", "no-validator", "uncompressed"]);
  expect(kinds("unstable")).toEqual(["unstable-validator", "uncompressed"]);
  expect(kinds("search")).toEqual(["post-read"]);
  expect(byName.get("good")).toMatchObject({ edge: "stored", browser: "stored" });
  expect(byName.get("unstable")).toMatchObject({ edge: "revalidated" });
  expect(byName.get("bare")).toMatchObject({ edge: "not stored", unchangedShare: 1 });

  // Three URLs of one endpoint are the service's, all others the edge's: counted by hand.
  const good = byName.get("good")?.requests ?? 0;
  expect(audit.edgeHitRateNow).toBeCloseTo((good - 3) / audit.requests);
  const gets = audit.requests - (byName.get("search")?.requests ?? 0);
  expect(audit.edge.at(-1)?.hitRate).toBeCloseTo((gets - 5) / audit.requests);
  expect(audit.edge.at(-1)?.staleShare).toBe(0);
});

test("what conditional clients are answered is judged like what others are", async () => {
  const audit = await audited({ ...workload, revalidate: 1 });
  const good = audit.endpoints.find(({ name }) => name === "good");
  expect(good).toMatchObject({ edge: "stored", findings: [], unchangedShare: 1 });
  const unstable = audit.endpoints.find(({ name }) => name === "unstable");
  expect(unstable?.findings.map(({ kind }) => kind)).toContain("unstable-validator");
});
