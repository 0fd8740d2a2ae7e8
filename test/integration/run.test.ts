/** Whole runs as a user makes them: on a small service whose slow query an index cures; stopped, killed, rolled back. */
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Entry } from "../../src/core/event.ts";
import { readJournal } from "../../src/journal/read.ts";
import { makePlace, perfopt, program, type Place } from "../cli/perfopt.ts";

const fixtures = resolve(import.meta.dirname, "../target");

const TARGET = `
name: fixture
title: Fixture
description: a small service whose query lacks an index
service:
  start: [node, fixture-service.mjs]
  directory: ${JSON.stringify(fixtures)}
  env: { PORT: "\${port}", DATABASE_URL: "\${postgres.url}", REDIS_URL: "\${redis.url}" }
  ready: /ready
postgres:
  embedded: { database: shop, settings: { max_parallel_workers_per_gather: "0" } }
redis:
  local: { settings: {} }
seed:
  command: [node, fixture-seed.mjs, "\${scale}", "\${seed}"]
  directory: ${JSON.stringify(fixtures)}
  scales: [big]
  default: big
  quick: big
knobs:
  pool-max: { title: Pool, role: pool-max, type: int, min: 1, max: 50, default: 5, env: POOL_MAX }
workloads:
  lookups:
    parameters:
      owner: { int: { min: 1, max: 30000 } }
    requests:
      - { name: items-of-owner, weight: 1, path: "/\${owner}" }
`;

const PERSONA = `
name: hurried
title: Hurried
description: for tests
priority: response time
workload: { name: lookups, arrivals: constant, rate: { requestsPerSecond: 20 }, warmup: 300ms, window: 1s, timeout: 5s }
objectives:
  - { metric: api.latencyP50Ms, goal: 2s, weight: 1 }
strategies:
  - { name: indexes, title: Indexes, tuner: index-advisor, objective: api.latencyP50Ms }
constraints:
  - { metric: api.errorRate, limit: 1% }
minEffect: { ratio: 3%, difference: 1% }
budget: { total: 4m, pairsMax: 10, candidatesMax: 1 }
`;

let place: Place;
beforeAll(async () => {
  place = makePlace();
  // PostgreSQL's unprivileged user has to get through the folder to the home in it.
  chmodSync(place.folder, 0o755);
  writeFileSync(join(place.folder, "target.yaml"), TARGET);
  writeFileSync(join(place.folder, "hurried.yaml"), PERSONA);
  const seeded = await perfopt(place, ["target", "seed", "--target", "target.yaml"]);
  expect(seeded.err + seeded.out).toContain("300,000 rows");
}, 120_000);
afterAll(() => place.remove());

/** Other tests run beside this one. */
const RUN = ["run", "--persona", "hurried.yaml", "--target", "target.yaml", "--busy-machine"];

function startRun(): ChildProcess {
  return spawn(process.execPath, [program, ...RUN], {
    cwd: place.folder,
    env: { ...process.env, PERFOPT_HOME: place.home, CI: "true" },
    stdio: "ignore",
  });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((done) => child.once("exit", (code) => done(code)));
}

function runFolders(): readonly string[] {
  const reports = join(place.folder, "reports");
  return existsSync(reports) ? readdirSync(reports).toSorted() : [];
}

/** Waits until the journal of the run that just began has `count` events of a type. */
async function untilEvent(
  child: ChildProcess,
  known: readonly string[],
  type: Entry["event"]["type"],
  count: number,
): Promise<string> {
  const deadline = Date.now() + 150_000;
  while (Date.now() < deadline && child.exitCode === null) {
    const name = runFolders().find((each) => !known.includes(each));
    const journal =
      name === undefined ? undefined : join(place.folder, "reports", name, "run.jsonl");
    if (journal !== undefined && existsSync(journal)) {
      const found = (await readJournal(journal)).filter(({ event }) => event.type === type);
      if (found.length >= count) return journal;
    }
    await delay(5);
  }
  throw new Error(`the run never wrote ${type}`);
}

interface Result {
  readonly run: string;
  readonly report: string;
  readonly kept: readonly { readonly kind: string }[];
}

interface Status {
  readonly run: string;
  readonly state: string;
  readonly changes: readonly string[];
  readonly leftovers: readonly string[];
}

async function lastStatus(): Promise<Status> {
  const { out } = await perfopt(place, ["status", "--json"]);
  const all: readonly Status[] = JSON.parse(out);
  const last = all.at(-1);
  if (!last) throw new Error("status knows no run");
  return last;
}

/** Processes that any run of this place started and that are still there. */
function leftProcesses(): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return environment.includes(place.folder) || command.includes(place.home);
    } catch {
      return false;
    }
  });
}

async function rolledBack(): Promise<void> {
  const undone = await perfopt(place, ["rollback"]);
  expect(undone.err).not.toContain("error:");
  expect(undone.code).toBe(0);
  expect(await lastStatus()).toMatchObject({ state: "clean", changes: [], leftovers: [] });
  expect(leftProcesses()).toEqual([]);
}

describe("a run", () => {
  test("proves the index, applies it, reports it; rollback takes it away again", async () => {
    const run = await perfopt(place, [...RUN, "--json"]);
    expect(run.err).toContain("KEEP index-advisor-1");
    expect(run.code).toBe(0);
    const [result]: readonly Result[] = JSON.parse(run.out);
    expect(result?.kept).toMatchObject([{ kind: "create-index" }]);
    const report = readFileSync(join(place.folder, result?.report ?? ""), "utf8");
    expect(report).toContain("items (owner");
    expect(report).toContain(`perfopt rollback ${result?.run}`);
    expect(await lastStatus()).toMatchObject({ state: "applied", leftovers: [] });

    const undone = await perfopt(place, ["rollback", result?.run ?? ""]);
    expect(undone.out).toMatch(/undone: index public\.perfopt_items_owner/);
    expect(undone.code).toBe(0);
    expect(leftProcesses()).toEqual([]);
  }, 240_000);

  test.each([
    ["resource-creating", 4],
    ["sampled", 3],
    ["change-applying", 1],
    ["change-applied", 1],
  ] as const)(
    "killed with -9 at %s %i, rollback ends at the baseline",
    async (type, count) => {
      const known = runFolders();
      const child = startRun();
      const gone = ended(child);
      const journal = await untilEvent(child, known, type, count);
      child.kill("SIGKILL");
      await gone;

      const entries = await readJournal(journal);
      expect(entries.some(({ event }) => event.type === "run-finished")).toBe(false);
      expect(await lastStatus()).toMatchObject({ state: "dirty" });
      const refused = await perfopt(place, RUN);
      expect(refused.code).toBe(4);
      expect(refused.err).toContain("perfopt rollback");

      await rolledBack();
      const twice = await perfopt(place, ["rollback"]);
      expect(twice.out).toContain("nothing was applied and nothing was left behind");
    },
    240_000,
  );

  test("Ctrl-C undoes what was kept, writes a partial report, and exits 130", async () => {
    const known = runFolders();
    const child = startRun();
    const gone = ended(child);
    const journal = await untilEvent(child, known, "change-applied", 1);
    child.kill("SIGINT");
    expect(await gone).toBe(130);
    const events = (await readJournal(journal)).map(({ event }) => event);
    expect(events.filter((event) => event.type === "change-reverted").length).toBe(1);
    expect(events.find((event) => event.type === "run-finished")).toMatchObject({
      outcome: "interrupted",
    });
    expect(existsSync(journal.replace("run.jsonl", "report.md"))).toBe(true);
    expect(await lastStatus()).toMatchObject({ state: "clean", changes: [], leftovers: [] });
    expect(leftProcesses()).toEqual([]);
  }, 240_000);

  test("a service that dies while it is measured ends the run, with its log, and nothing is left", async () => {
    const dying = TARGET.replace('path: "/${owner}"', "path: /die");
    writeFileSync(join(place.folder, "dying.yaml"), dying);
    const run = await perfopt(place, [
      "run",
      "--persona",
      "hurried.yaml",
      "--target",
      "dying.yaml",
    ]);
    expect(run.code).toBe(3);
    expect(run.err).toMatch(/ended with signal SIGKILL|ended with SIGKILL/);
    expect(await lastStatus()).toMatchObject({ state: "clean", leftovers: [] });
    expect(leftProcesses()).toEqual([]);
  }, 120_000);
});
