/** Bulk work on the command line: names that a persona may not give, what the plan says of it, and the rows that a bench shows. */
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BENCH, parseResult } from "../../src/results/document.ts";
import { portOf } from "../load/servers.ts";
import { edit } from "../profiles/fixture.ts";
import { TARGET } from "../profiles/target-fixture.ts";
import { inProcess } from "./in-process.ts";

const folder = mkdtempSync(join(tmpdir(), "perfopt-tasks-"));
let imported = 0;
const server = createServer((request, response) => {
  request.resume();
  if (request.url === "/import") imported += 1;
  response.statusCode = request.url === "/broken" ? 503 : 200;
  request.on("end", () => response.end("ok"));
});
let url = "";
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${portOf(server)}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function persona(workload: string, tasks: string): string {
  const path = join(folder, "asker.yaml");
  const text = edit(
    readFileSync("profiles/speed-runner.yaml", "utf8"),
    "name: interactive",
    `name: ${workload}`,
  );
  writeFileSync(
    path,
    edit(text, "    tuner: micro-cache\n", `    tuner: micro-cache\n    tasks: ${tasks}\n`),
  );
  return path;
}

test("a strategy that names a task which its workload lacks is refused, with the names that there are", async () => {
  const args = ["run", "--dry-run", "--persona"];
  const wrong = await inProcess(folder, ...args, persona("analytical", "[best-runs, worst-runs]"));
  expect(wrong.code).toBe(2);
  expect(wrong.err).toMatch(
    /strategy micro-cache: the workload analytical of \S+ has no task worst-runs/,
  );
  expect(wrong.err).toContain("name some of import-metrics, best-runs,");
  const without = await inProcess(folder, ...args, persona("interactive", "[best-runs]"));
  expect(without.code).toBe(2);
  expect(without.err).toContain("has no task best-runs");
  expect(without.err).toContain("define tasks in that workload");
});

test("the plan says what windows do besides", async () => {
  const args = ["run", "--dry-run", "--persona"];
  const some = await inProcess(folder, ...args, persona("analytical", "[best-runs]"));
  expect(some.out).toMatch(
    /Beside the requests, windows do import-metrics, best-runs, .*goes on until/,
  );
  const none = await inProcess(folder, ...args, persona("interactive", "[]"));
  expect(none.code).toBe(0);
  expect(none.out).not.toContain("Beside the requests");
});

test("a bench does the workload's tasks and shows them, but not where they are left out", async () => {
  const target = join(folder, "target.yaml");
  const workload = `workloads:
  mixed:
    requests: [{ name: get, weight: 1, path: / }]
    tasks:
      - { name: import, kind: ingest, method: POST, path: /import, perWindow: 2, lines: { format: csv, count: 50, item: { no: "\${index}" } } }
      - { name: sums, kind: query, path: /sums }
      - { name: broken, kind: query, path: /broken }
`;
  writeFileSync(target, edit(TARGET, TARGET.slice(TARGET.indexOf("workloads:")), workload));
  const args = ["bench", "--url", url, "--target", target, "--rate", "50", "--busy-machine"].concat(
    ["--windows", "1", "--window", "600ms", "--warmup", "100ms", "--lag-max", "10s", "--json"],
  );
  const done = await inProcess(folder, ...args);
  const result = parseResult(done.out, "stdout", BENCH);
  expect(result.windows[0]?.tasks).toMatchObject([
    { name: "import", kind: "ingest", records: 100, failed: 0 },
    { name: "sums", kind: "query", records: 0, responseBytes: 2, failed: 0 },
    { name: "broken", kind: "query", durationsMs: [], failed: 1, failure: "status 503" },
  ]);
  expect(result.windows[0]?.checks.map(({ id }) => id)).toContain("tasks-done");
  expect(result.windows[0]?.metrics["batch.recordsPerSecond"]).toBeGreaterThan(0);
  expect(imported).toBe(2);
  expect(done.code).toBe(3);
  expect(done.err).toContain("tasks that were not done: broken (status 503)");

  const left = await inProcess(folder, ...args, "--no-tasks");
  expect(parseResult(left.out, "stdout", BENCH).windows[0]).not.toHaveProperty("tasks");
  expect(imported).toBe(2);
});
