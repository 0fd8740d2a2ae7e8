/** What the command line says of a persona that asks how much the service carries, before anything is started. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { inProcess } from "./in-process.ts";

const folder = mkdtempSync(join(tmpdir(), "perfopt-capacity-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const speedRunner = readFileSync("profiles/speed-runner.yaml", "utf8");

function personaWith(slo: string): string {
  const path = join(folder, "carrier.yaml");
  const block = `capacity:
  users: { think: { uniform: [1s, 3s] }, slos: ["${slo}"], window: 3s }
  overload: { window: 5s }
objectives:
  - { metric: api.usersSustained, goal: 500, stretch: 600, weight: 3 }`;
  writeFileSync(path, speedRunner.replace("objectives:", block));
  return path;
}

test("personas show names the goals of capacity and how they are measured", async () => {
  const { out } = await inProcess(folder, "personas", "show", personaWith("p95<200ms"));
  expect(out).toContain("concurrent users within the SLO > 500, stretch > 600, weight 3");
  expect(out).toMatch(/users within p95<200ms: .*1.00 s to 3.00 s.* at most 24 windows of 3.00 s/);
  expect(out).toContain("2 times what the baseline completes, for 5.00 s");
});

test("the plan says what of the time is set aside, and what does not fit", async () => {
  const args = ["run", "--dry-run", "--persona", personaWith("p95<200ms")];
  const long = await inProcess(folder, ...args, "--budget", "30m");
  expect(long.out).toMatch(/Capacity, before and after: .*are set aside for it/);
  expect(long.out).not.toContain("Note: capacity");
  const quick = await inProcess(folder, ...args, "--quick");
  expect(quick.out).toMatch(/Note: capacity: how many users the service carries is not measured/);
});

test("an SLO of an endpoint that the workload does not have is refused before anything starts", async () => {
  const path = personaWith("p95[no-such]<200ms");
  const { code, err } = await inProcess(folder, "run", "--dry-run", "--persona", path);
  expect(code).toBe(2);
  expect(err).toContain("p95[no-such]<200ms names an endpoint that the workload interactive");
});

test("the plan says which phases are overload, and where their constraints are judged", async () => {
  const { out } = await inProcess(folder, "run", "--dry-run", "--persona", "multi-tasker");
  expect(out).toMatch(
    /All windows of .+ are overload: .+ at [\d.]+ times what the baseline completes; .+ the constraints are judged in 5 more pairs at the usual load\./,
  );
});
