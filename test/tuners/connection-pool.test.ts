/** Connection pool: which sizes it probes, which one it has decided, and what it says when none is better. */
import { describe, expect, test } from "vitest";
import { uslThroughput } from "../../src/advise/concurrency/pool/usl.ts";
import type { Knob } from "../../src/core/knob.ts";
import type { Ask, Past } from "../../src/core/observation.ts";
import { connectionPool } from "../../src/tuners/connection-pool.ts";
import { makeSample } from "../samples.ts";
import {
  askOf,
  candidateOf,
  decided,
  knobs,
  reasonOf,
  skewedKeys,
  strategyOf,
  traceOf,
  valuesOf,
  viewOf,
} from "./views.ts";
import type { ViewSketch } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { World } from "./worlds.ts";

const processes: Knob = {
  id: "workers",
  title: "Processes",
  role: "processes",
  domain: { kind: "int", min: 1, max: 8 },
  default: 1,
  scope: "restart",
  set: { kind: "env", variable: "WORKERS" },
};

/** Runs probes to the end of the search on a target whose p95 is a function of the pool's size. */
async function search(
  p95Ms: (size: number) => number,
  sketch: ViewSketch = {},
  ask: Partial<Ask<unknown>> = {},
) {
  const view = viewOf({
    metrics: { "api.latencyP95Ms": p95Ms(15), "pool.waitMs": 4, "pool.useRatio": 0.85 },
    ...sketch,
  });
  const observation = await connectionPool.observe(view);
  const history: Past[] = [...(ask.history ?? [])];
  const tried: number[] = [];
  for (let steps = 0; steps < 30; steps += 1) {
    const step = connectionPool.next(askOf(observation, { ...ask, history }));
    if (step.kind !== "probe") return { step, tried };
    const size = Number(valuesOf(step)["connections"]);
    tried.push(size);
    history.push({ ...step, sample: makeSample({ "api.latencyP95Ms": p95Ms(size) }) });
  }
  throw new Error("the search did not end");
}

/** A p95 by the size of the pool. */
const at = (special: Readonly<Record<number, number>>, otherwise: number) => (size: number) =>
  special[size] ?? otherwise;

test("climbs from the preset while it pays, and has the best decided", async () => {
  const { step, tried } = await search((size) => 300 / Math.min(size, 30));
  expect(tried).toEqual([30, 50]);
  const { changes, hypothesis, evidence } = candidateOf(step);
  expect(changes).toEqual([{ kind: "set-knob", knob: "connections", from: 15, to: 30 }]);
  expect(hypothesis).toMatch(/a pool of 30 instead of 15 makes/);
  expect(evidence.join("\n")).toMatch(
    /15: 20\.0 ms, 30: 10\.0 ms, 50: 10\.0 ms[^]*85\.0 %[^]*4\.00 ms[^]*12 connections open, 3 active/,
  );
});

test("leaves the server connections for both arms and does not go below the pool's own minimum", async () => {
  expect((await search((size) => 300 / size, { maxConnections: 80 })).tried).toEqual([30, 40]);
  expect(
    (await search((size) => 100 + size, { values: { "connections-least": 5 } })).tried,
  ).toEqual([30, 6, 5]);
});

test("says so when no size is better, with the numbers; a smaller pool that does as well is mentioned", async () => {
  const { step, tried } = await search(() => 100);
  expect(tried).toEqual([30, 6]);
  expect(reasonOf(step)).toMatch(
    /no pool size was better than 15 .* a pool of 6 measured the same as 15/,
  );
  expect(reasonOf(step)).toMatch(/15: 100 ms, 30: 100 ms, 6: 100 ms/);
});

test("a gain within the noise is not worth a trial", async () => {
  const slightly = at({ 30: 96 }, 100);
  expect((await search(slightly, {}, { noiseFloor: 0.1 })).step.kind).toBe("done");
  expect((await search(slightly, {}, { noiseFloor: 0.02 })).step.kind).toBe("candidate");
});

test.each(["keep", "discard", "inconclusive"] as const)(
  "is done after the trial: %s",
  async (verdict) => {
    const { step } = await search((size) => 300 / Math.min(size, 30));
    const history = [decided(candidateOf(step), verdict)];
    expect(reasonOf((await search(() => 100, {}, { history })).step)).toMatch(
      verdict === "keep" ? /was kept/ : /did not hold in pairs/,
    );
  },
);

test.each<[what: string, sketch: ViewSketch, reason: RegExp]>([
  [
    "there is no such knob",
    { knobs: knobs.filter((knob) => knob.role !== "pool-max") },
    /no knob .* pool-max/,
  ],
  ["the window was invalid", { invalidBecause: "the rate was missed" }, /API p95 was not measured/],
  ["the objective was not measured", { metrics: {} }, /API p95 was not measured/],
])("is done when %s", async (_, sketch, reason) => {
  expect(reasonOf((await search(() => 100, sketch)).step)).toMatch(reason);
});

test("probes no more often than the strategy allows", async () => {
  const strategy = strategyOf("api.latencyP95Ms", { probesMax: 1 });
  expect((await search((size) => 300 / size, {}, { strategy })).tried).toEqual([30]);
});

test("leaves the server connections for every process of both arms", async () => {
  const several: ViewSketch = {
    maxConnections: 240,
    knobs: [...knobs.filter((knob) => knob.role !== "processes"), processes],
    values: { workers: 4 },
  };
  const { tried, step } = await search((size) => 300 / size, several);
  // 240 over 4 processes and 2 arms.
  expect(tried[0]).toBe(30);
  expect(Math.max(...tried)).toBe(30);
  expect(candidateOf(step).evidence.join("\n")).toMatch(/240 over 4 processes and 2 arms is 30/);
});

test("does not go below the deadlock floor that the strategy knows of", async () => {
  const strategy = strategyOf("api.latencyP95Ms", { requestsAtATime: 6, connectionsPerRequest: 3 });
  const { tried, step } = await search((size) => 100 + size, {}, { strategy });
  expect(Math.min(...tried)).toBe(13);
  expect(JSON.stringify(step)).toMatch(
    /deadlock floor: 6 requests with 3 connections each: at least 13/,
  );
});

test("explains idle connections by the window's own arrivals", async () => {
  const trace = traceOf(skewedKeys(900, 100));
  const { step } = await search((size) => 300 / Math.min(size, 30), { trace });
  expect(candidateOf(step).evidence.join("\n")).toMatch(
    /10\.0 s of arrivals a connection that was used again had idled for at most/,
  );
});

test("says nothing of idle connections from a window that was invalid", async () => {
  const view = viewOf({
    metrics: { "pool.useRatio": 0.85 },
    trace: traceOf(skewedKeys(900, 100)),
    invalidBecause: "the rate was missed",
  });
  expect(await connectionPool.observe(view)).toMatchObject({ idle: [] });
});

describe("with senders, throughput of a closed loop is searched", () => {
  const strategy = strategyOf("api.latencyP95Ms", { senders: 32 });
  const law = { lambda: 100, sigma: 0.02, kappa: 0.001 };

  /** Throughput by size follows the law; windows are late, as those of a closed loop are on a busy machine. */
  async function saturated(at: (size: number) => number, late = true, noiseFloor = 0.03) {
    const observation = await connectionPool.observe(viewOf());
    const history: Past[] = [];
    for (let steps = 0; steps < 20; steps += 1) {
      const step = connectionPool.next(askOf(observation, { strategy, history, noiseFloor }));
      if (step.kind !== "probe") return { step, history };
      expect(step.load).toEqual({ kind: "users", count: 32 });
      const size = Number(valuesOf(step)["connections"] ?? 15);
      const sample = makeSample(
        { "api.requestsPerSecond": at(size), "pool.waitMs": 30 / size },
        late ? { invalidBecause: "requests left late" } : {},
      );
      history.push({ ...step, sample });
    }
    throw new Error("the search did not end");
  }

  test("the present size first, then the ladder, with the law as evidence and the objective to decide", async () => {
    const { step, history } = await saturated((size) => uslThroughput(law, size));
    expect(history[0]).toMatchObject({ changes: [] });
    const { evidence, hypothesis } = candidateOf(step);
    expect(hypothesis).toMatch(/makes API p95 better/);
    expect(evidence.join("\n")).toMatch(
      /with 32 requests under way, requests\/s by pool size: 15: /,
    );
    expect(evidence.join("\n")).toMatch(/wait for a connection by pool size, probed: 15: 2\.00 ms/);
    expect(evidence.join("\n")).toMatch(/scalability law: (?:N\* 3\d\.|too few points)/);
  });

  test("the noise of the objective is none of theirs", async () => {
    const { step } = await saturated((size) => uslThroughput(law, size), true, 50);
    expect(candidateOf(step).hypothesis).toMatch(/makes API p95 better/);
  });

  test("a present size that cannot be measured ends it", async () => {
    const { step } = await saturated(() => Number.NaN);
    expect(reasonOf(step)).toMatch(/requests\/s was not measured/);
  });
});

/** Too few make requests wait, too many compete: the best is about the root of what both cost. */
const pooled = (waitEach: number, competeEach: number, busy = 0.9): World => ({
  truth: ({ values }) => {
    const size = Number(values["connections"]);
    return {
      "api.latencyP95Ms": 20 + waitEach / size + competeEach * size,
      "pool.waitMs": waitEach / size / 4,
      "pool.useRatio": busy,
    };
  },
  view: () => ({ database: viewOf({ maxConnections: 200 }).database }),
});

describe("on services whose truth is known", () => {
  const phase = { tuner: connectionPool, objective: "api.latencyP95Ms" } as const;
  test("a pool that requests wait for grows, one whose connections compete shrinks", async () => {
    for (const seed of [1, 2, 3]) {
      const larger = keptValues(await runPhase(pooled(1_500, 0.3), phase, seed));
      expect(Number(larger["connections"])).toBeGreaterThan(25);
      const small = { ...phase, settings: { "pool-max": 6 } };
      const smaller = keptValues(await runPhase(pooled(20, 4), small, seed));
      expect(Number(smaller["connections"])).toBeLessThan(10);
    }
  });

  test("a pool that changes nothing keeps hardly any, and one that nobody waits for is not searched", async () => {
    const { share } = await keptShare(pooled(0, 0), phase, 30);
    expect(share).toBeLessThanOrEqual(0.05);
    const exact = { cv: 0, differenceSd: 0 };
    const { probes, trials, because } = await runPhase(
      { ...pooled(0, 0, 0.02), noise: exact },
      phase,
      1,
    );
    expect([...probes, ...trials]).toEqual([]);
    expect(because).toMatch(
      /no pool size was tried: a request waits 0 s for a connection .* and 0\.300 of 15 are in use/,
    );
  });
});
