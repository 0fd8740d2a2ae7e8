/** `perfopt history`: series of runs that were measured alike, their change points, and what is said when there is little. */
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BenchResult } from "../../src/core/result.ts";
import { appendResult } from "../../src/results/history.ts";
import { sparkline } from "../../src/report/sparkline.ts";
import { benchResult } from "../report/bench-results.ts";
import { runOf, wobble } from "../results/histories.ts";
import { inProcess } from "./in-process.ts";

const FILE = "perf-history.jsonl";
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt history "));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function keep(runs: readonly BenchResult[]): Promise<void> {
  for (const run of runs) await appendResult(FILE, run, folder);
}

/** So many days at 20 ms and then so many at 24 ms. */
function days(before: number, after: number, change: Partial<BenchResult> = {}) {
  return Array.from({ length: before + after }, (_, day) =>
    runOf(day, wobble(day < before ? 20 : 24, day), day < before ? {} : change),
  );
}

test("a change is named with both runs around it, levels, counts and p", async () => {
  await keep(days(20, 12));
  const { code, out } = await inProcess(folder, "history");
  expect(code).toBe(0);
  expect(out).toMatch(
    /^1 CHANGE POINT perf-history\.jsonl: 32 runs in 1 group, 1 change for the worse/,
  );
  expect(out).toMatch(
    /API p95 \+\d\d\.\d % \([\d.]+ ms to [\d.]+ ms\), worse: between main \(a000013\) of 2026-01-20 and main \(a000014\) of 2026-01-21; 20 runs before, 12 after, p = 0\.00\d/,
  );
  expect(out).toContain("↑");
});

test("what else changed between the two runs is named", async () => {
  const { environment } = benchResult();
  await keep(days(20, 12, { environment: { ...environment, node: "v22.1.0", postgres: "17.2" } }));
  const { out } = await inProcess(folder, "history", "--format", "md");
  expect(out).toContain("also changed: Node 20.20 -> 22.1, PostgreSQL 18.4 -> 17.2");
  expect(out).toMatch(/^<!-- perfopt:history:/);
});

test("an improvement is called so, by the metric's direction", async () => {
  await keep(days(20, 12));
  const values = async (factor: number) => {
    const runs = days(20, 12).map((run) => ({
      ...run,
      metrics: {
        "cache.hitRate": {
          value: (run.metrics["api.latencyP95Ms"]?.value ?? 0) * factor,
          windows: 3,
        },
      },
    }));
    await rm(join(folder, FILE));
    await keep(runs);
    const { out } = await inProcess(folder, "history", "--metric", "hits", "--json");
    return JSON.parse(out).groups[0].series[0].changes;
  };
  expect(await values(0.02)).toMatchObject([{ index: 20, reading: "improvement" }]);
  expect(await values(-0.02)).toMatchObject([{ index: 20, reading: "regression" }]);
});

test("steady runs show no change", async () => {
  await keep(Array.from({ length: 40 }, (_, day) => runOf(day, wobble(20, day))));
  const { out } = await inProcess(folder, "history");
  expect(out).toContain("NO CHANGE SHOWN");
  expect(out).toMatch(/API p95.*│ none shown/);
});

test("too few runs: how many are needed is said", async () => {
  await keep(days(3, 3));
  const { out } = await inProcess(folder, "history");
  expect(out).toContain(
    "12 runs are needed before a change point can be told from chance: API p95 has 6",
  );
});

test("runs under another load or on another machine are another series", async () => {
  const { environment, load } = benchResult();
  await keep(days(8, 0));
  await keep([runOf(40, 90, { environment: { ...environment, cpu: "M4" } })]);
  await keep([runOf(41, 50, { load: { ...load, amount: 800 } })]);
  await keep([runOf(42, 20, { load: { ...load, amount: 413 }, seed: 9 })]);
  const { out } = await inProcess(folder, "history", "--json");
  const { groups } = JSON.parse(out);
  expect(groups.map(({ runs }: { runs: number }) => runs)).toEqual([9, 1, 1]);
});

/** The only group of the history, with the series of one endpoint. */
async function searched(...options: readonly string[]) {
  const args = ["--metric", "p95[GET /models/search]", "--json", ...options];
  return JSON.parse((await inProcess(folder, "history", ...args)).out).groups[0];
}

test("one endpoint, the latest runs, and larger changes only", async () => {
  const runs = days(20, 12).map((run) => ({
    ...run,
    endpoints: run.endpoints.map((endpoint) => ({
      ...endpoint,
      latencyP95Ms: run.metrics["api.latencyP95Ms"]?.value ?? 0,
    })),
  }));
  await keep(runs);
  expect((await searched()).series).toMatchObject([
    { endpoint: "GET /models/search", changes: [{ index: 20 }] },
  ]);
  expect((await searched("--last", "12")).series[0]).toMatchObject({ changes: [] });
  expect((await searched("--last", "12")).runs).toBe(12);
  expect((await searched("--change-min", "30%")).series[0].changes).toEqual([]);
});

test("runs without a valid window are counted, and in no series", async () => {
  await keep(days(4, 0));
  await keep([runOf(9, 20, { metrics: {}, windows: [] })]);
  const { out } = await inProcess(folder, "history");
  expect(out).toContain("1 run without a valid window: in no series");
  expect(out).toMatch(/API p95.*│ 4\s+│/);
});

test("broken lines are named and skipped", async () => {
  await keep(days(4, 0));
  await appendFile(join(folder, FILE), "{\n");
  const { code, out } = await inProcess(folder, "history");
  expect(code).toBe(0);
  expect(out).toContain("perf-history.jsonl:5 is not JSON");
});

test.each([
  [["--from", "nowhere.jsonl"], /nowhere\.jsonl cannot be read/],
  [["--from", "git-tag:x"], /no place for a history/],
  [["--metric", "p12"], /there is no metric "p12"/],
  [["--metric", "cpu[search]"], /cpu is not known by endpoint/],
  [["--last", "0"], /expected a whole number/],
  [["--change-min", "much"], /"much" is not a share/],
] as const)("%j is bad input", async (args, message) => {
  await keep(days(2, 0));
  const { code, err } = await inProcess(folder, "history", ...args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(err).toContain("what to do:");
});

test("a sparkline spans the values, and joins what is too many", () => {
  expect(sparkline([1, 2, 3], [])).toBe("▁▅█");
  expect(sparkline([5, 5], [])).toBe("▁▁");
  expect(sparkline([1, 1, 9, 9], [2])).toBe("▁▁↑██");
  expect(sparkline([9, 9, 1, 1], [2])).toBe("██↓▁▁");
  expect(sparkline([], [])).toBe("");
  const long = sparkline(
    Array.from({ length: 400 }, (_, index) => index),
    [],
  );
  expect(long).toMatch(/^▁.*█$/);
  expect(long).toHaveLength(40);
});
