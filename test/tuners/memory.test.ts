/** Memory: the young generation where it helps and where it only costs, limits of the heap from evidence, and what nothing can gain. */
import { expect, test } from "vitest";
import type { MetricId } from "../../src/core/metric.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { memory } from "../../src/tuners/memory.ts";
import { askOf, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { Phase, World } from "./worlds.ts";

const MB = 1024 ** 2;
const byShare: Phase = {
  tuner: memory,
  objective: "service.gcShare",
  settings: { "semi-space": 64 * MB },
};
const byMemory: Phase = { tuner: memory, objective: "service.memoryPeakBytes" };

interface Garbage {
  /** Share of the time that collections take at 16 MB. */
  readonly share: number;
  /** Of it, what grows as the young generation fills more often. */
  readonly young: number;
  readonly perMinute: number;
  readonly heapUsed: number;
}

const churning: Garbage = { share: 0.2, young: 0.8, perMinute: 600, heapUsed: 60 * MB };

/** Scavenges are as frequent as the young generation is small; each MB of it costs three; the heap grows to its limit or to 300 MB. */
function service({ share, young, perMinute, heapUsed }: Garbage): World {
  return {
    truth: ({ values }) => {
      const times = (16 * MB) / Number(values["young"]);
      const limit = Number(values["old"]);
      const heap = Math.min(limit === 0 ? 300 * MB : limit, 300 * MB);
      const tight = limit > 0 && limit < 1.5 * heapUsed ? 5 : 1;
      return {
        "service.gcShare": Math.min(0.9, share * tight * (1 - young + young * times)),
        "service.gcPerMinute": 4 * tight + perMinute * times,
        "service.gcMajorPerMinute": 4 * tight,
        "service.gcPauseP99Ms": 12,
        "service.memoryPeakBytes": 60 * MB + heap + 3 * Number(values["young"]),
        "service.memoryBytes": 50 * MB + heap + 3 * Number(values["young"]),
        "service.heapUsedBytes": heapUsed,
        "service.nonHeapBytes": 20 * MB,
        "api.latencyP99Ms": 90,
        "batch.recordsPerSecond": 9_000,
      };
    },
  };
}

test("a young generation that fills often: a larger one is kept, with GC, pauses and memory in the evidence", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const outcome = await runPhase(service(churning), byShare, seed);
    expect(Number(keptValues(outcome)["young"])).toBeGreaterThanOrEqual(32 * MB);
    expect(outcome.trials[0]?.candidate.evidence.join("; ")).toMatch(
      /single windows, [^;]* by young: 16\.0 MB: [^]*64\.0 MB: [^]*no setting of it can gain more than that[^]*collections a minute, \S+ of them major[^]*GC pause p99[^]*memory at its peak/,
    );
  }
});

test("collections a minute as the objective: fewer by a larger young generation, however little time they take", async () => {
  const phase: Phase = { ...byShare, objective: "service.gcPerMinute" };
  const outcome = await runPhase(service({ ...churning, share: 0.004 }), phase, 2);
  expect(Number(keptValues(outcome)["young"])).toBe(64 * MB);
});

test("one that only costs memory is not kept", async () => {
  const onlyCosts = service({ ...churning, young: 0 });
  const { share } = await keptShare(onlyCosts, byShare, 40);
  expect(share).toBeLessThanOrEqual(0.05);
});

test("one that does not fit into the memory that is left is not tried, and one that grew beyond it not chosen", async () => {
  const limited: Phase = {
    ...byShare,
    constraints: [{ kind: "limit", metric: "service.memoryBytes", limit: 500 * MB }],
  };
  const { probes } = await runPhase(service(churning), limited, 3);
  const tried = probes.flatMap(({ changes }) =>
    changes.flatMap((each) => (each.kind === "set-knob" ? [Number(each.to)] : [])),
  );
  expect(Math.max(...tried)).toBe(32 * MB);
  const full: Phase = {
    ...byShare,
    constraints: [{ kind: "limit", metric: "service.memoryBytes", limit: 420 * MB }],
  };
  const none = await runPhase(service(churning), full, 3);
  expect(none.trials).toEqual([]);
  expect(none.because).toMatch(/was not tried: the service has \S+ MB of the 420 MB/);
});

test("memory as the objective: a limit of the heap, never below twice what is in use", async () => {
  for (const seed of [1, 2, 3]) {
    const outcome = await runPhase(service({ ...churning, share: 0.01 }), byMemory, seed);
    const { old = 0 } = keptValues(outcome);
    expect(Number(old)).toBeGreaterThanOrEqual(120 * MB * 0.85);
    expect(Number(old)).toBeLessThan(200 * MB);
  }
});

test("memory as the objective, while collections are dear: no smaller young generation", async () => {
  const { because, probes } = await runPhase(service(churning), byMemory, 4);
  const turned = probes.flatMap(({ changes }) =>
    changes.flatMap((each) => (each.kind === "set-knob" ? [each.knob] : [])),
  );
  expect(turned).not.toContain("young");
  expect(because).toMatch(
    /a smaller young generation was not tried: collections take \S+ % of the time/,
  );
});

test("a limit that makes collections dear is not chosen, whatever memory it frees", async () => {
  const tight = service({ share: 0.015, young: 0, perMinute: 60, heapUsed: 60 * MB });
  const strict: World = {
    truth: (state, request) => ({
      ...tight.truth(state, request),
      ...(Number(state.values["old"]) > 0 ? { "service.gcShare": 0.3 } : {}),
    }),
  };
  for (const seed of [1, 2, 3]) {
    expect(keptValues(await runPhase(strict, byMemory, seed))["old"]).toBeUndefined();
  }
});

test("a service without garbage keeps hardly any, and memory that nothing changes neither", async () => {
  const flat: World = { truth: () => ({ ...measured, "service.gcShare": 0.2 }) };
  for (const phase of [byShare, byMemory]) {
    const { share } = await keptShare(flat, phase, 30);
    expect(share).toBeLessThanOrEqual(0.05);
  }
});

const measured: MetricValues = {
  "service.gcShare": 0.004,
  "service.gcPerMinute": 200,
  "service.gcMajorPerMinute": 2,
  "service.gcPauseP99Ms": 3,
  "service.memoryPeakBytes": 400 * MB,
  "service.heapUsedBytes": 60 * MB,
  "service.nonHeapBytes": 20 * MB,
  "api.latencyP99Ms": 100,
  "batch.recordsPerSecond": 9_000,
};

async function stepOf(objective: MetricId, metrics: MetricValues, values = {}) {
  const observation = await memory.observe(viewOf({ metrics, values }));
  return memory.next(askOf(observation, { strategy: strategyOf(objective), noiseFloor: 0.005 }));
}

test("says that nothing can gain more than what collections take", async () => {
  expect(reasonOf(await stepOf("service.gcShare", measured))).toMatch(
    /less than a change must gain; GC takes 0\.40 % of the time: no setting of it can gain more than that; GC 0\.40 %[^]*heap in use 60\.0 MB/,
  );
  expect(reasonOf(await stepOf("batch.recordsPerSecond", measured))).toMatch(/no setting of it/);
  // Of a single pause, and of memory, it would not be true.
  expect(reasonOf(await stepOf("api.latencyP99Ms", measured))).not.toMatch(/no setting of it/);
});

test("the slowest requests: only where pauses are long enough to be what they wait for", async () => {
  expect(reasonOf(await stepOf("api.latencyP99Ms", measured))).toMatch(/was not tried/);
  const paused = { ...measured, "service.gcPauseP99Ms": 40 };
  expect(valuesOf(await stepOf("api.latencyP99Ms", paused))).toEqual({ young: 32 * MB });
});

test.each([
  ["the heap", "service.heapUsedBytes"],
  ["what is outside of it", "service.nonHeapBytes"],
] as const)("without %s no limit of the heap is tried", async (_, missing) => {
  const { [missing]: _gone, ...rest } = measured;
  const because = reasonOf(
    await stepOf("service.memoryPeakBytes", { ...rest, "service.gcShare": 0.1 }),
  );
  expect(because).toMatch(/no limit of the heap was tried: what is in use of it/);
});

test("seldom collections, and those that nobody counted, are left alone", async () => {
  const seldom = { ...measured, "service.gcShare": 0.05, "service.gcPerMinute": 5 };
  expect(reasonOf(await stepOf("service.gcShare", seldom))).toMatch(
    /3\.00 times a minute, which is seldom/,
  );
  const { "service.gcPerMinute": _, ...uncounted } = seldom;
  expect(reasonOf(await stepOf("service.gcShare", uncounted))).toMatch(
    /how often it is collected was not measured/,
  );
});

test("buffers that are seen in memory are lowered, others not", async () => {
  const large = { body: (8 * MB) / 2, "read-ahead": 4 };
  const quiet = {
    ...measured,
    "service.gcShare": 0.1,
    "service.heapUsedBytes": 300 * MB,
    "service.memoryPeakBytes": 330 * MB,
  };
  expect(valuesOf(await stepOf("service.memoryPeakBytes", quiet, large))).toEqual({ body: MB });
  expect(valuesOf(await stepOf("service.memoryPeakBytes", quiet, { "read-ahead": 4 }))).toEqual({
    "read-ahead": 1,
  });
});

test("nothing is measured for which no trial is left", async () => {
  const observation = await memory.observe(
    viewOf({ metrics: { ...measured, "service.gcShare": 0.2 } }),
  );
  const ask = { strategy: strategyOf("service.gcShare"), noiseFloor: 0.005, candidatesMax: 0 };
  expect(reasonOf(memory.next(askOf(observation, ask)))).toMatch(
    /young was not tried: no trial is left/,
  );
});
