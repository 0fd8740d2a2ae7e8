import { describe, expect, test } from "vitest";
import type { Knob } from "../src/core/knob.ts";
import { createNoise, randomFrom } from "./noise.ts";
import { createSimulator, SimulatedCrash, type Fault, type SimulatorOptions } from "./simulator.ts";

const ttl: Knob = {
  id: "ttl",
  title: "TTL",
  domain: { kind: "duration", min: 0, max: 60_000 },
  default: 0,
  scope: "restart",
  set: { kind: "env", variable: "TTL" },
};
const toFive = { kind: "set-knob", knob: "ttl", from: 0, to: 5_000 } as const;
const index = {
  kind: "create-index",
  index: {
    schema: "public",
    table: "runs",
    name: "runs_name",
    columns: [{ name: "name", descending: false }],
  },
} as const;
const statistics = {
  kind: "create-statistics",
  statistics: {
    schema: "public",
    table: "runs",
    name: "runs_status_stage",
    kinds: ["ndistinct"],
    columns: ["status", "stage"],
  },
} as const;
const request = {
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant",
  warmupMs: 500,
  windowMs: 2_000,
} as const;

function simulator(more: Partial<SimulatorOptions> = {}) {
  return createSimulator({
    knobs: [ttl],
    truth: ({ values }) => ({
      "api.latencyP95Ms": values["ttl"] === 5_000 ? 80 : 100,
      "api.errorRate": 0,
    }),
    noise: { cv: 0 },
    seed: 1,
    ...more,
  });
}

async function firstLatency(seed: number) {
  const { bench } = simulator({ noise: { cv: 0.05, processSd: 0.02 }, seed });
  const first = await bench.sample({ role: "incumbent", ...request });
  return first.metrics["api.latencyP95Ms"];
}

describe("the simulated bench", () => {
  test("measures the truth of the arm that is asked for", async () => {
    const { bench, clock } = simulator();
    await bench.setArm("candidate", [toFive]);
    const incumbent = await bench.sample({ role: "incumbent", ...request });
    const before = clock.now();
    const candidate = await bench.sample({ role: "candidate", ...request });
    expect(clock.now() - before).toBeGreaterThanOrEqual(2_500);
    expect(incumbent.metrics).toEqual({ "api.latencyP95Ms": 100, "api.errorRate": 0 });
    expect(candidate.metrics["api.latencyP95Ms"]).toBe(80);
    expect(candidate.load).toMatchObject({ windowMs: 2_000, requests: 200, errors: 0 });
    const view = await bench.observe(request);
    expect(view.values).toEqual({ ttl: 0 });
  });

  test("sets an arm from the baseline, whatever was on it", async () => {
    const { bench, arm, target, state } = simulator({ values: { ttl: 100 } });
    await bench.setArm("candidate", [toFive, index, statistics]);
    expect(arm("candidate")).toEqual({
      values: { ttl: 5_000 },
      indexes: ["runs_name"],
      statistics: ["runs_status_stage"],
    });
    await bench.setArm("candidate", []);
    expect(arm("candidate")).toEqual({ values: { ttl: 100 }, indexes: [] });
    expect(state().values).toEqual(target.baselineValues);
  });

  test("gives the same windows for the same seed, and others for another", async () => {
    expect(await firstLatency(3)).toBe(await firstLatency(3));
    expect(await firstLatency(3)).not.toBe(await firstLatency(4));
  });
});

describe("the simulated target", () => {
  test("applies and reverts, also twice, also what was never applied", async () => {
    const { target, state } = simulator();
    await target.apply(toFive);
    await target.apply(statistics);
    await target.apply(statistics);
    await target.apply(index);
    expect(state()).toEqual({
      values: { ttl: 5_000 },
      indexes: ["runs_name"],
      statistics: ["runs_status_stage"],
    });
    await target.revert(statistics);
    await target.revert(statistics);
    await target.revert(index);
    await target.revert(index);
    await target.revert(toFive);
    expect(state()).toEqual({ values: { ttl: 0 }, indexes: [] });
  });

  test("refuses what its knobs cannot have", async () => {
    const { target } = simulator();
    await expect(target.apply({ ...toFive, to: 90_000 })).rejects.toThrow(/outside 0 to 60000/);
    await expect(target.apply({ ...toFive, knob: "pool" })).rejects.toThrow(/no knob pool/);
  });
});

describe("faults", () => {
  test.each<[string, Fault, number]>([
    ["before it took", { on: "apply", call: 1, kind: "throws", when: "before" }, 0],
    ["after it took", { on: "apply", call: 1, kind: "throws", when: "after" }, 5_000],
  ])("an apply that fails %s", async (_, fault, value) => {
    const { target, state } = simulator({ faults: [fault] });
    await expect(target.apply(toFive)).rejects.toThrow("simulated fault at: apply knob ttl=5000");
    expect(state().values).toEqual({ ttl: value });
    await target.apply(toFive);
    expect(state().values).toEqual({ ttl: 5_000 });
  });

  test("after a crash nothing works until a new perfopt looks at what is left", async () => {
    const faults: Fault[] = [{ on: "any", call: 2, kind: "crashes", when: "after" }];
    const { target, journal, state, events, entries, revive, calls } = simulator({ faults });
    await journal.append({ type: "change-applying", changeId: "c1", change: toFive });
    await expect(target.apply(toFive)).rejects.toBeInstanceOf(SimulatedCrash);
    await expect(target.revert(toFive)).rejects.toBeInstanceOf(SimulatedCrash);
    await expect(journal.append({ type: "warning", message: "late" })).rejects.toBeInstanceOf(
      SimulatedCrash,
    );
    expect(state().values).toEqual({ ttl: 5_000 });
    expect(events.map(({ type }) => type)).toEqual(["change-applying"]);
    expect(entries(0)).toEqual([]);
    expect(entries()[0]).toMatchObject({ seq: 0, event: { changeId: "c1" } });
    revive();
    await target.revert(toFive);
    expect(state().values).toEqual({ ttl: 0 });
    expect(calls).toEqual([
      "append change-applying",
      "apply knob ttl=5000",
      "revert knob ttl=5000",
    ]);
  });

  test("of a window: invalid, or a metric that is not what it should be", async () => {
    const faults: Fault[] = [
      { on: "sample", call: 1, kind: "invalid", because: "the generator lagged" },
      { on: "sample", call: 2, kind: "reports", metric: "api.errorRate", value: undefined },
      { on: "sample", call: 3, kind: "reports", metric: "api.errorRate", value: 0.5 },
    ];
    const { bench } = simulator({ faults });
    const next = () => bench.sample({ role: "incumbent", ...request });
    expect(await next()).toMatchObject({ valid: false, invalidBecause: ["the generator lagged"] });
    expect((await next()).metrics).toEqual({ "api.latencyP95Ms": 100 });
    expect(await next()).toMatchObject({
      valid: true,
      metrics: { "api.errorRate": 0.5 },
      load: { errors: 100 },
    });
    expect((await next()).metrics["api.errorRate"]).toBe(0);
  });
});

describe("the noise", () => {
  test("is what its settings say", () => {
    const noise = createNoise({ cv: 0.05, drift: { correlation: 0.8, sd: 0.05 } }, 1);
    const logs = Array.from({ length: 20_000 }, () =>
      Math.log(noise.window({ "api.latencyP50Ms": 1 }, 0)["api.latencyP50Ms"]!),
    );
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const product = (lag: number) =>
      logs.slice(lag).reduce((sum, log, at) => sum + (log - mean) * (logs[at]! - mean), 0) /
      (logs.length - lag);
    expect(Math.abs(mean)).toBeLessThan(0.005);
    expect(product(0)).toBeCloseTo(0.05 ** 2 + 0.05 ** 2, 3);
    // Only the drift is shared by neighbours.
    expect(product(1)).toBeCloseTo(0.8 * 0.05 ** 2, 3);
  });

  test("slows what should be low and lowers what should be high; shares stay shares", () => {
    const noise = createNoise(
      { cv: 0, trendPerWindow: 0.1, differenceSd: 5, exact: ["db.statementsPerRequest"] },
      1,
    );
    const truth = {
      "api.latencyP50Ms": 100,
      "api.requestsPerSecond": 100,
      "db.statementsPerRequest": 3,
      "cache.hitRate": 0.5,
    };
    const window = noise.window(truth, 0);
    expect(window["api.latencyP50Ms"]).toBeCloseTo(100 * Math.exp(0.1), 8);
    expect(window["api.requestsPerSecond"]).toBeCloseTo(100 * Math.exp(-0.1), 8);
    expect(window["db.statementsPerRequest"]).toBe(3);
    expect([0, 1]).toContain(window["cache.hitRate"]);
  });

  test("of neighbouring seeds has nothing in common", () => {
    const seeds = Array.from({ length: 2_000 }, (_, seed) => randomFrom(seed + 1).uniform());
    const mean = seeds.reduce((sum, value) => sum + value, 0) / seeds.length;
    const lag = seeds
      .slice(1)
      .reduce((sum, value, at) => sum + (value - mean) * (seeds[at]! - mean), 0);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(Math.abs((12 * lag) / seeds.length)).toBeLessThan(0.09);
  });
});
