/** The engines behind the bulk tuners: what a setting must not cost, how busy the cores were, which measured setting is chosen, how large a heap may be. */
import { describe, expect, test } from "vitest";
import { parallelMost, recordsOfImport } from "../../../src/advise/bulk/batches.ts";
import { besideCliff, chooseOf } from "../../../src/advise/bulk/choice.ts";
import { cpuShareOf, windowUse } from "../../../src/advise/bulk/cpu.ts";
import { costOf, memoryMost, refusalOf } from "../../../src/advise/bulk/guard.ts";
import type { Guard } from "../../../src/advise/bulk/guard.ts";
import { heapAdvice, largerSpaces } from "../../../src/advise/bulk/memory.ts";
import { nextMethod } from "../../../src/advise/bulk/method.ts";
import { nextSingle } from "../../../src/advise/bulk/single.ts";
import type { SearchMeasurement } from "../../../src/advise/concurrency/search.ts";
import type { KnobReading } from "../../../src/core/observation.ts";
import * as fc from "../../properties.ts";
import { makeSample } from "../../samples.ts";
import { GB, knobs, MB } from "../../tuners/views.ts";

const guard: Guard = {
  constraints: [
    { kind: "no-regression", metric: "api.latencyP95Ms", tolerance: 0.25 },
    { kind: "no-regression", metric: "cache.hitRate", tolerance: 0.05 },
    { kind: "limit", metric: "service.memoryBytes", limit: 1_000 * MB },
  ],
  objective: "batch.recordsPerSecond",
  observed: {
    "api.latencyP95Ms": 100,
    "cache.hitRate": 0.9,
    "service.memoryBytes": 300 * MB,
    "service.memoryPeakBytes": 400 * MB,
  },
  machineMemoryBytes: 4 * GB,
};

describe("what a setting must not cost", () => {
  test.each([
    ["within all of it", {}, undefined],
    ["slower requests, as one window may be", { "api.latencyP95Ms": 130 }, undefined],
    ["much slower requests", { "api.latencyP95Ms": 230 }, /API p95 \+130\.0 %, where a single/],
    ["a share that is worse", { "cache.hitRate": 0.8 }, /cache hit 80\.0 % against 90\.0 %/],
    ["memory", { "service.memoryBytes": 1_100 * MB }, /service memory 1\.07 GB, beyond the limit/],
    ["a peak of it", { "service.memoryPeakBytes": 1_100 * MB }, /peak 1\.07 GB, beyond the limit/],
    ["requests that nobody timed", { "api.latencyP95Ms": undefined }, /API p95 was not measured/],
  ])("%s", (_, changed, because) => {
    const metrics = Object.fromEntries(
      Object.entries({ ...guard.observed, ...changed }).filter(([, value]) => value !== undefined),
    );
    const said = costOf(guard, metrics);
    if (because === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(because);
  });

  test("half of the machine's memory is the most, whatever the persona says; and an invalid window says why", () => {
    const free = { ...guard, constraints: [] };
    expect(memoryMost(free)).toBe(2 * GB);
    expect(memoryMost(guard)).toBe(1_000 * MB);
    expect(costOf(free, { "service.memoryPeakBytes": 3 * GB })).toMatch(
      /3\.00 GB of the machine's 4\.00 GB/,
    );
    expect(refusalOf(free, makeSample({}, { invalidBecause: "it died" }))).toBe("it died");
  });

  test("a limit that is broken already is the loop's matter, and the objective the search's", () => {
    const broken = { ...guard, observed: { ...guard.observed, "service.memoryBytes": 2_000 * MB } };
    const metrics = { ...guard.observed, "service.memoryBytes": 2_100 * MB };
    expect(costOf(broken, metrics)).toBeUndefined();
    const own: Guard = { ...guard, objective: "api.latencyP95Ms" };
    expect(costOf(own, { ...guard.observed, "api.latencyP95Ms": 500 })).toBeUndefined();
  });
});

const cpuMsFor = (cpuMs: number, overtimeMs: number) => ({
  "service.cpuMsPerRequest": cpuMs / (800 * ((9_000 + overtimeMs) / 8_000)),
});

describe("how busy the cores were while a task ran", () => {
  const window = {
    windowMs: 8_000,
    warmupMs: 1_000,
    overtimeMs: 0,
    requests: 800,
    generatorCores: 0,
    foreignShare: 0,
  };

  test("is a lower bound of the truth, and the truth itself when the requests use all that they may", () => {
    const shares = fc.record({
      beside: fc.double({ min: 0, max: 0.5, noNaN: true }),
      during: fc.double({ min: 0.5, max: 1, noNaN: true }),
      taskMs: fc.integer({ min: 500, max: 20_000 }),
      cores: fc.integer({ min: 1, max: 16 }),
    });
    fc.assert(
      fc.property(shares, ({ beside, during, taskMs, cores }) => {
        const overtimeMs = Math.max(0, taskMs - 8_000);
        const elapsedMs = 9_000 + overtimeMs;
        const cpuMs = cores * (beside * (elapsedMs - taskMs) + during * taskMs);
        const question = {
          metrics: cpuMsFor(cpuMs, overtimeMs),
          use: { ...window, overtimeMs, taskMs },
          cores,
        };
        const exact = cpuShareOf({ ...question, ofSaturation: beside });
        expect(exact).toBeCloseTo(during, 6);
        const cautious = cpuShareOf({ ...question, ofSaturation: beside + 0.2 }) ?? 1;
        expect(cautious).toBeLessThanOrEqual(during + 1e-9);
        const unknown = cpuShareOf({ ...question, ofSaturation: undefined }) ?? 1;
        expect(unknown).toBeLessThanOrEqual(during + 1e-9);
      }),
    );
  });

  test("is not known without the service's CPU time; of the database and of others it takes what is measured", () => {
    const use = { ...window, taskMs: 8_000 };
    const question = { use, cores: 2, ofSaturation: 0.2 };
    expect(cpuShareOf({ ...question, metrics: { "db.cpuMsPerRequest": 5 } })).toBeUndefined();
    const metrics = { "service.cpuMsPerRequest": 5, "db.cpuMsPerRequest": 5 };
    const alone = cpuShareOf({ ...question, metrics: { "service.cpuMsPerRequest": 5 } }) ?? 0;
    const both = cpuShareOf({ ...question, metrics }) ?? 0;
    expect(both).toBeGreaterThan(alone);
    const foreign = { ...question, use: { ...use, foreignShare: 0.1 }, metrics };
    expect(cpuShareOf(foreign)).toBeCloseTo(both + 0.1, 9);
    expect(windowUse(makeSample({}), 500)).toMatchObject({ taskMs: 0, warmupMs: 500 });
  });
});

const at = (rows: number, metric: number | undefined): SearchMeasurement => ({
  values: { rows },
  metric,
});

const of = (
  measured: readonly SearchMeasurement[],
  rows: number,
  gain: number,
  noiseFloor = 0.04,
) => ({
  measured,
  noiseFloor,
  step: { kind: "best" as const, values: { rows }, gain, because: "tests" },
});

describe("the choice among measured settings", () => {
  const measured = [at(100, 8_000), at(500, 11_800), at(1_250, 12_000), at(3_000, 6_000)];

  test("less is preferred where it is as good within the noise, and nothing where nothing is gained", () => {
    expect(chooseOf(of(measured, 1_250, 0.4), "batch.recordsPerSecond")?.values).toEqual({
      rows: 500,
    });
    expect(chooseOf(of(measured, 1_250, 0.4, 0.001), "batch.recordsPerSecond")?.values).toEqual({
      rows: 1_250,
    });
    expect(chooseOf(of(measured, 1_250, 0.02), "batch.recordsPerSecond")).toBeUndefined();
    expect(chooseOf(of(measured, 100, 0), "batch.recordsPerSecond")).toBeUndefined();
  });

  test("noise gives away five per cent at most, and what pairs refused bounds the choice", () => {
    const noisy = [at(100, 8_000), at(500, 10_000), at(1_250, 12_000)];
    expect(chooseOf(of(noisy, 1_250, 0.4, 0.2), "batch.recordsPerSecond")?.values).toEqual({
      rows: 1_250,
    });
    const below = { rows: 1_250 };
    expect(chooseOf(of(measured, 1_250, 0.4), "batch.recordsPerSecond", below)?.values).toEqual({
      rows: 500,
    });
    expect(
      chooseOf(of(measured, 1_250, 0.4), "batch.recordsPerSecond", { rows: 500 }),
    ).toBeUndefined();
  });
});

const reading = (id: string, value?: string | number): KnobReading => {
  const knob = knobs.find((each) => each.id === id);
  if (!knob) throw new Error(`no knob ${id}`);
  return { knob, value: value ?? knob.default };
};
const metrics = { "batch.recordsPerSecond": 10_000 };
const open: Guard = { ...guard, constraints: [], observed: metrics };
const asked = {
  objective: "batch.recordsPerSecond",
  metrics,
  history: [],
  noiseFloor: 0.03,
  guard: open,
} as const;

const copied = (records: number) => ({
  kind: "probe" as const,
  changes: [{ kind: "set-knob" as const, knob: "way", from: "insert", to: "copy" }],
  why: "tests",
  sample: makeSample({ "batch.recordsPerSecond": records }),
});

describe("the other method", () => {
  const question = { ...asked, method: reading("way"), wanted: "copy" };

  test.each([
    ["no window yet", [], "probe"],
    ["much better", [copied(20_000)], "copy"],
    ["a little better, once", [copied(11_500)], "probe"],
    ["a little better, twice", [copied(11_500), copied(11_600)], "copy"],
    ["better by luck", [copied(11_500), copied(9_900)], "insert"],
    ["no better", [copied(10_100)], "insert"],
  ])("%s", (_, history, expected) => {
    const said = nextMethod({ ...question, history });
    expect(said.kind === "probe" ? "probe" : said.method).toBe(expected);
  });

  test("is not asked for where there is none, or it is the present one", () => {
    expect(nextMethod({ ...question, method: undefined })).toMatchObject({
      kind: "base",
      changes: [],
    });
    expect(nextMethod({ ...question, wanted: "telepathy" })).toMatchObject({
      kind: "base",
      changes: [],
    });
    expect(nextMethod({ ...question, method: reading("way", "copy") })).toMatchObject({
      kind: "base",
      method: "copy",
    });
  });
});

test("one knob's values: those outside of its domain and the present one are not tried", () => {
  const hypotheses = [17, 4, 0, 8, 8].map((value) => ({ value, why: "tests" }));
  const question = { ...asked, candidatesMax: 3, reading: reading("hands"), hypotheses };
  expect(nextSingle(question)).toMatchObject({ kind: "probe", value: 8 });
  expect(nextSingle({ ...question, hypotheses: [] })).toMatchObject({ kind: "none" });
});

test("records of an import, and batches at a time", () => {
  const sample = makeSample({});
  const task = { name: "a", kind: "ingest", responseBytes: 0, failed: 0 } as const;
  const tasks = [
    { ...task, durationsMs: [10, 10], records: 400 },
    { ...task, durationsMs: [], records: 0 },
    { ...task, kind: "report" as const, durationsMs: [5], records: 900 },
  ];
  expect(recordsOfImport({ ...sample, load: { ...sample.load, tasks } })).toBe(200);
  expect(recordsOfImport(sample)).toBeUndefined();
  expect([parallelMost(1, 10), parallelMost(6, 3), parallelMost(1, undefined)]).toEqual([
    9,
    6,
    undefined,
  ]);
});

test("a heap's limit is never below twice what is in use, and only from what was measured", () => {
  const sizes = fc.record({
    used: fc.integer({ min: MB, max: 2 * GB }),
    outside: fc.integer({ min: 0, max: GB }),
    rest: fc.integer({ min: 0, max: 4 * GB }),
    present: fc.constantFrom(0, 256 * MB, GB),
    preset: fc.option(fc.integer({ min: 16 * MB, max: GB }), { nil: undefined }),
  });
  fc.assert(
    fc.property(sizes, ({ used, outside, rest, present, preset }) => {
      const advice = heapAdvice(present, preset, {
        "service.heapUsedBytes": used,
        "service.nonHeapBytes": outside,
        "service.memoryPeakBytes": used + outside + rest,
      });
      if (advice.kind === "none") return;
      expect(advice.limit).toBeGreaterThanOrEqual(2 * used);
      expect(advice.limit).toBeLessThan(used + rest);
      if (present > 0) expect(advice.limit).toBeLessThan(present);
    }),
  );
  expect(heapAdvice(0, undefined, { "service.heapUsedBytes": MB })).toMatchObject({ kind: "none" });
});

const spaces = (room: number) =>
  largerSpaces(16 * MB, 64 * MB, { room }).map(({ value }) => value / MB);

test("a larger young generation costs three times its growth, and has to fit", () => {
  expect(spaces(GB)).toEqual([64, 32, 64]);
  expect(spaces(60 * MB)).toEqual([32]);
  expect(spaces(40 * MB)).toEqual([]);
});

test("the best too near to a cliff is measured once more at a distance from it, and only once", () => {
  const measured = [
    { values: { rows: 100, writers: 1 }, metric: 5_000 },
    { values: { rows: 3_125, writers: 1 }, metric: 15_000 },
    { values: { rows: 7_813, writers: 2 }, metric: 32_000 },
    { values: { rows: 19_533, writers: 1 }, metric: undefined },
  ];
  const objective = "batch.recordsPerSecond";
  const choice = { values: { rows: 3_125, writers: 1 }, gain: 1 };
  const nearer = { rows: 6_641, writers: 2 };
  expect(besideCliff({ measured }, objective, choice, "rows")).toEqual(nearer);
  const again = [...measured, { values: nearer, metric: 33_000 }];
  expect(besideCliff({ measured: again }, objective, choice, "rows")).toBeUndefined();
  const best = { values: { rows: 7_813, writers: 2 }, gain: 2 };
  expect(besideCliff({ measured }, objective, best, "rows")).toBeUndefined();
  expect(
    besideCliff({ measured: measured.slice(0, 3) }, objective, choice, "rows"),
  ).toBeUndefined();
});
