/** What the command line says to good and bad input, without starting anything. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makePlace, perfopt, root, type Place } from "./perfopt.ts";

let place: Place;
beforeAll(() => {
  place = makePlace();
});
afterAll(() => place.remove());

const speedRunner = readFileSync(join(root, "profiles", "speed-runner.yaml"), "utf8");

describe("personas", () => {
  test("list says what runs", async () => {
    const { code, out } = await perfopt(place, ["personas", "list"]);
    expect(code).toBe(0);
    expect(out).toMatch(/speed-runner[^\n]*4 of 4/);
    expect(out).toMatch(/multi-tasker[^\n]*5 of 5/);
    expect(out).toMatch(/data-analyst[^\n]*4 of 4/);
  });

  test("show prints goals", async () => {
    const speed = await perfopt(place, ["personas", "show", "speed-runner"]);
    expect(speed.out).toContain("API p95 < 200 ms, stretch < 100 ms");
    const analyst = await perfopt(place, ["personas", "show", "data-analyst"]);
    expect(analyst.out).toContain("bulk records/s > 10000/s");
  });

  test("a broken file is reported with file, line and column, exit code 2", async () => {
    const path = join(place.folder, "mine.yaml");
    writeFileSync(path, speedRunner.replace("pairsMax: 14", "pairsMax: many"));
    const { code, err } = await perfopt(place, ["personas", "validate", path]);
    expect(code).toBe(2);
    expect(err).toMatch(/mine\.yaml:\d+:\d+: budget\.pairsMax: expected .*found/);
    expect(err).toContain("what to do:");
  });

  test("a copy that was edited works", async () => {
    const path = join(place.folder, "edited.yaml");
    writeFileSync(
      path,
      speedRunner.replace("name: speed-runner", "name: edited").replace("window: 5s", "window: 3s"),
    );
    const { code, out } = await perfopt(place, ["run", "--persona", path, "--dry-run", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject([{ persona: "edited", windowMs: 3_000 }]);
  });
});

describe("run", () => {
  test("--dry-run prints the plan and what it costs, and starts nothing", async () => {
    const { code, out } = await perfopt(place, ["run", "--persona", "speed-runner", "--dry-run"]);
    expect(code).toBe(0);
    for (const title of ["Micro-cache", "Composite indexes", "Connection pool", "Redis memory"]) {
      expect(out).toContain(title);
    }
    expect(out).toMatch(/Time: .* at most/);
  });

  test("the founding command is understood: three plans, and what they take together", async () => {
    const { code, out } = await perfopt(place, [
      "run",
      "--persona",
      "all",
      "--performance",
      "--seq",
      "--dry-run",
    ]);
    expect(code).toBe(0);
    expect(out).toContain("Speed Runner on Model registry");
    expect(out).toContain("Multi-Tasker on Model registry");
    expect(out).toContain("Data Analyst on Model registry");
    expect(out).toContain("In sequence: Speed Runner, then Multi-Tasker, then Data Analyst.");
  });

  test.each([
    [["run"], "required option '--persona"],
    [["run", "--persona", "sped-runner"], "did you mean"],
    [["run", "--persona", "speed-runner", "speed-runner"], "speed-runner is named twice"],
    [["run", "--persona", "all", "--budget", "2m"], "for all 3 personas together"],
    [["run", "--persona", "speed-runner", "--scale", "huge"], "use one of small, medium, large"],
    [["run", "--persona", "speed-runner", "--budget", "5"], "write it as 90s, 10m or 1h"],
    [["run", "--persona", "speed-runner", "--seed", "-1"], "expected a whole number"],
    [["run", "--persona", "speed-runner", "--phases", "micro-cash"], "has no strategy micro-cash"],
    [["run", "--persona", "speed-runner", "--target", "nowhere.yaml"], "nowhere.yaml"],
    [["report", "nowhere"], "there is no run nowhere"],
    [["rollback"], "no run was made on this machine yet"],
    [["walk"], "unknown command 'walk'"],
  ])("%j: exit code 2, what is wrong, what to do", async (args, message) => {
    const { code, out, err } = await perfopt(place, args);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).not.toMatch(/\n\s+at /);
  });

  test("stores of the user's own are not changed without --yes", async () => {
    const path = join(place.folder, "own.yaml");
    const target = readFileSync(join(root, "profiles", "targets", "model-registry.yaml"), "utf8")
      .replace(/^postgres:\n(?:(?: .*|#.*)?\n)*/m, "postgres:\n  url: ${env:MY_DATABASE}\n\n")
      .replace(/^seed:\n(?:(?: .*|#.*)?\n)*/m, "");
    writeFileSync(path, target);
    const env = { MY_DATABASE: "postgresql://someone:hunter2@127.0.0.1:1/db" };
    const { code, err } = await perfopt(
      place,
      ["run", "--persona", "speed-runner", "--target", path],
      env,
    );
    expect(err).toContain("say so with --yes");
    expect(code).toBe(2);
    const missing = await perfopt(place, ["run", "--persona", "speed-runner", "--target", path], {
      MY_DATABASE: undefined,
    });
    expect(missing.code).toBe(2);
    expect(missing.err).toMatch(/own\.yaml:\d+:\d+.*MY_DATABASE/);
  });
});

test("without a Redis on the PATH a run says what to install, before it seeds anything", async () => {
  const { code, err } = await perfopt(place, ["run", "--persona", "speed-runner"], { PATH: "" });
  expect(err).toContain("neither redis-server nor valkey-server is on the PATH");
  expect(err).toContain("apt-get install redis-server");
  expect(err).not.toContain("starting PostgreSQL");
  expect(code).not.toBe(0);
});

describe("status", () => {
  test("on a machine without runs nothing is applied", async () => {
    const { code, out } = await perfopt(place, ["status"]);
    expect(code).toBe(0);
    expect(out).toContain("nothing is applied");
  });
});
