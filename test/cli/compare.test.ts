/** `perfopt compare`: what it refuses, what it shows, and that it says what it does not prove. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BenchResult } from "../../src/core/result.ts";
import { writeResult } from "../../src/results/document.ts";
import { benchResult, limitResult } from "../report/bench-results.ts";
import { passResult } from "../report/gate-results.ts";
import { runOf } from "../results/histories.ts";
import { inProcess } from "./in-process.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt compare "));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function compare(a: BenchResult, b: BenchResult, ...options: readonly string[]) {
  await writeResult(join(folder, "a.json"), a);
  await writeResult(join(folder, "b.json"), b);
  return inProcess(folder, "compare", "a.json", "b.json", ...options);
}

test("a difference is shown with its interval, and informs only: exit code 0", async () => {
  const { code, out, err } = await compare(runOf(1, 20), runOf(2, 24));
  expect(code).toBe(0);
  expect(err).toBe("");
  expect(out).toMatch(
    /API p95\s*│ 20\.0 ms │ 24\.0 ms │ \+20\.0 % │ \+14\.\d % to \+25\.\d %\s*│ worse/,
  );
  expect(out).toContain("unpaired");
  expect(out).toContain("GET /models/search");
});

test("what a stored baseline cannot prove is said, and what does", async () => {
  for (const format of ["text", "md"]) {
    const { out } = await compare(runOf(1, 20), runOf(2, 20), "--format", format);
    expect(out).toContain("measured one after the other, not in turns");
    expect(out).toContain("perfopt gate --base A --head B");
  }
});

/** A run of windows with these hit rates. */
function hitting(rates: readonly number[]): BenchResult {
  const [window] = benchResult().windows;
  if (!window) throw new Error("the fixture has a window");
  return runOf(1, 20, {
    metrics: { "cache.hitRate": { value: rates[0] ?? 0, windows: rates.length } },
    windows: rates.map((rate) => ({ ...window, metrics: { "cache.hitRate": rate } })),
  });
}

test("the interval is Welch's", async () => {
  const { out } = await compare(hitting([0.5, 0.6, 0.7]), hitting([0.8, 0.9, 0.7, 0.8]), "--json");
  const { metrics } = JSON.parse(out);
  // By hand: variances 0.01 / 3 and 0.00667 / 4, their sum 0.005; 3.87 degrees of freedom, rounded down to 3, whose t is 3.182.
  expect(metrics).toEqual([
    {
      metric: "cache.hitRate",
      compare: "difference",
      a: 0.5,
      b: 0.8,
      estimate: expect.closeTo(0.2, 9),
      low: expect.closeTo(0.2 - 3.1824 * Math.sqrt(0.005), 4),
      high: expect.closeTo(0.2 + 3.1824 * Math.sqrt(0.005), 4),
    },
  ]);
});

test("one window has no interval; windows that are not valid do not count", async () => {
  const [first, ...rest] = runOf(1, 20).windows;
  if (!first) throw new Error("the fixture has windows");
  const lone = runOf(1, 20, {
    windows: [first, ...rest.map((window) => ({ ...window, valid: false, invalidBecause: ["x"] }))],
  });
  const { out } = await compare(lone, runOf(2, 20), "--json");
  const { metrics, a } = JSON.parse(out);
  expect(a.windows).toEqual({ valid: 1, all: 3 });
  expect(metrics[0].low).toBeUndefined();
  const text = await inProcess(folder, "compare", "a.json", "b.json");
  expect(text.out).toContain("too few windows");
});

describe("runs that were not measured alike", () => {
  const { environment, load } = benchResult();
  const other: readonly (readonly [string, Partial<BenchResult>, RegExp])[] = [
    ["target", { target: "shop" }, /target: model-registry in A, shop in B/],
    ["workload", { workload: "writes" }, /workload: /],
    ["scale", { scale: "large" }, /scale: none in A, large in B/],
    ["seed", { seed: 7 }, /seed: 42 in A, 7 in B/],
    ["rate", { load: { ...load, amount: 420 } }, /load: 412 \/s in A, 420 \/s in B/],
    ["scenario", { load: { ...load, scenario: "flat" } }, /scenario: /],
    ["window", { load: { ...load, windowMs: 5_000 } }, /window: 30.0 s in A, 5.00 s in B/],
    ["cpu", { environment: { ...environment, cpu: "M4" } }, /CPU: /],
    ["memory", { environment: { ...environment, memoryBytes: 2 ** 33 } }, /memory: /],
    ["node", { environment: { ...environment, node: "v22.1.0" } }, /Node: 20\.20 in A, 22\.1 in B/],
    ["postgres", { environment: { ...environment, postgres: "17.1" } }, /PostgreSQL: /],
  ];

  test.each(other)("%s: refused, and what differs is listed", async (_, change, message) => {
    const { code, err, out } = await compare(runOf(1, 20), runOf(2, 20, change));
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(message);
    expect(err).toContain("--force");
  });

  test("every difference is listed at once, and shown when it is forced", async () => {
    const change = { seed: 7, environment: { ...environment, redis: "8.0.0", cores: 8 } };
    const refused = await compare(runOf(1, 20), runOf(2, 20, change));
    expect(refused.err).toMatch(/seed: [^]*cores: [^]*Redis: /);
    const forced = await inProcess(folder, "compare", "a.json", "b.json", "--force");
    expect(forced.code).toBe(0);
    expect(forced.out).toContain("COMPARED although measured differently");
    expect(forced.out).toMatch(/Redis\s*│ 7\.0\.15\s*│ 8\.0\.0/);
  });

  test.each<readonly [string, Partial<BenchResult>]>([
    ["another day, side and patch of Node", { environment: { ...environment, node: "v20.20.9" } }],
    ["a derived rate that is 0.5 % off", { load: { ...load, amount: 410 } }],
  ])("%s: compared", async (_, change) => {
    expect((await compare(runOf(1, 20), runOf(2, 20, change))).code).toBe(0);
  });
});

describe("what is no result to compare", () => {
  test("nothing valid, with the reason", async () => {
    const windows = runOf(2, 20).windows.map((window) => ({
      ...window,
      valid: false,
      invalidBecause: ["generator CPU 91 % is above 70 %"],
    }));
    const { code, err } = await compare(runOf(1, 20), runOf(2, 20, { windows }));
    expect(code).toBe(2);
    expect(err).toContain("b.json has no valid window: generator CPU 91 %");
  });

  test.each([
    [
      "a gate's result",
      JSON.stringify(passResult()),
      /written by perfopt gate, not by perfopt bench/,
    ],
    ["another version", '{"schema":"perfopt-result/v2"}', /v1 only/],
    ["no JSON", "no", /is not JSON/],
  ])("%s", async (_, text, message) => {
    await writeResult(join(folder, "a.json"), runOf(1, 20));
    await writeFile(join(folder, "b.json"), text);
    const { code, err } = await inProcess(folder, "compare", "a.json", "b.json", "--force");
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(err).toContain("what to do:");
  });
});

test("what only one of the two has is named, not compared", async () => {
  const a = runOf(1, 20);
  const b = runOf(2, 20, {
    metrics: { ...a.metrics, "redis.usedBytes": { value: 5, windows: 3 } },
    endpoints: [],
  });
  const { out } = await compare(a, b);
  expect(out).toContain("only A has the endpoints GET /models/search");
  expect(out).toContain("only B has the metrics Redis data");
});

test("limits that a search found are put side by side", async () => {
  const { code, out } = await compare(limitResult(), limitResult());
  expect(code).toBe(0);
  expect(out).toContain("A holds 1,180 requests/s, B holds 1,180 requests/s");
});

test("names of others cannot break the Markdown", async () => {
  const side = { label: "a|b <img> @team ![x](y)" };
  const { out } = await compare(runOf(1, 20, { side }), runOf(2, 20, { side }), "--format", "md");
  expect(out).not.toMatch(/(?<!\\)<img>|@team|!\[x\]\(/);
});
