/** Backpressure: how many requests may be under way, on services whose truth under overload is known. */
import { describe, expect, test } from "vitest";
import type { Ask, Past, Step } from "../../src/core/observation.ts";
import type { Strategy } from "../../src/core/persona.ts";
import type { WindowRequest } from "../../src/core/ports.ts";
import type { MetricValues } from "../../src/core/sample.ts";
import { backpressure } from "../../src/tuners/backpressure.ts";
import { makeSample } from "../samples.ts";
import { goodRatioAt, rejectRatioAt } from "../simulated-overload.ts";
import type { WorldState } from "../simulator.ts";
import { candidateOf, decided, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import type { ViewSketch } from "./views.ts";
import { keptValues, runPhase, SATURATION } from "./worlds.ts";
import type { Phase, World } from "./worlds.ts";

const overload = { factor: 2, windowMs: 4_000, withinMs: 500 };
const phase: Phase = { tuner: backpressure, objective: "api.goodRatio", overload };

/** Little's law at the saturation rate of these worlds: a quarter of what could be answered in 500 ms. */
const HYPOTHESIS = 125;

/** A service that does `capacity` requests a second; a limit below `burst` turns requests away at the usual load, too. */
function service(capacity = SATURATION, burst = 0): World {
  return {
    truth: ({ values }: WorldState, request: Omit<WindowRequest, "role">): MetricValues => {
      const limit = Number(values["under-way"]);
      const offered = request.requestsPerSecond;
      const usual = { "api.latencyP95Ms": 40, "api.latencyP99Ms": 80 };
      if (!request.overload) return { ...usual, "api.errorRate": limit < burst ? 0.05 : 0 };
      return {
        ...usual,
        "api.goodRatio": goodRatioAt(limit, offered, capacity, request.overload.withinMs),
        "api.rejectRatio": rejectRatioAt(limit, offered, capacity, request.windowMs),
        "queue.jobsPerSecond": 40,
      };
    },
  };
}

describe("in the loop", () => {
  test("a limit near Little's is kept, and proven under overload", async () => {
    for (const seed of [1, 2, 3]) {
      const outcome = await runPhase(service(), phase, seed);
      const limit = Number(keptValues(outcome)["under-way"]);
      expect(limit).toBeGreaterThanOrEqual(HYPOTHESIS / 2.5);
      expect(limit).toBeLessThanOrEqual(HYPOTHESIS * 2);
      expect(outcome.because).toMatch(/^kept: at most \d+ instead of 10000 requests under way/);
      expect(outcome.probes.length).toBeLessThanOrEqual(5);
      const [trial] = outcome.trials;
      expect(trial?.candidate.evidence.join("\n")).toMatch(
        /Little's law: 1000 requests\/s [^]* are 125 requests under way[^]*by limit: [^]*10000: [^]*with 10000 under overload: [^]*refused[^]*jobs\/s done/,
      );
      // Windows of the phase's own load, which is overload.
      expect(outcome.probes.every(({ load }) => load === undefined)).toBe(true);
    }
  });

  test("where the limit changes nothing, no flicker becomes a candidate", async () => {
    const flat: World = {
      truth: (_, request) => ({
        "api.latencyP95Ms": 40,
        ...(request.overload ? { "api.goodRatio": 0.3 } : {}),
      }),
    };
    let trials = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const outcome = await runPhase(flat, phase, seed);
      expect(outcome.kept).toEqual([]);
      trials += outcome.trials.length;
    }
    expect(trials).toBeLessThanOrEqual(2);
  });

  test("refusals at the usual load discard a limit, and a larger one is tried", async () => {
    const constraints = [{ kind: "limit", metric: "api.errorRate", limit: 0.01 }] as const;
    // Long requests in small numbers: in 500 ms 1000 of them a second could be done, but bursts reach 300.
    const bursty = service(SATURATION, 300);
    const { trials, kept } = await runPhase(
      { ...bursty, noise: { cv: 0 } },
      { ...phase, constraints },
      4,
    );
    expect(trials[0]?.decision).toMatchObject({ verdict: "discard", because: "constraint" });
    expect(trials.length).toBe(2);
    const limits = trials.map(({ candidate: { changes } }) =>
      changes.map((change) => (change.kind === "set-knob" ? change.to : undefined)),
    );
    expect(Number(limits[1]?.[0])).toBeGreaterThan(Number(limits[0]?.[0]));
    expect(kept).toEqual(Number(limits[1]?.[0]) >= 300 ? trials[1]?.candidate.changes : []);
  });

  test("a limit that wastes what the service could do is raised", async () => {
    const outcome = await runPhase({ ...service(), values: { "under-way": 3 } }, phase, 5);
    expect(Number(keptValues(outcome)["under-way"])).toBeGreaterThan(20);
  });
});

describe("ends with a reason where there is nothing to search", () => {
  const overloaded = { "api.goodRatio": 0.05, "api.rejectRatio": 0 };
  const strategy = { ...strategyOf("api.goodRatio"), overload };

  test.each<[what: string, sketch: ViewSketch, strategy: Strategy, message: RegExp]>([
    ["no knob", { knobs: [], metrics: overloaded }, strategy, /no knob .*requests-in-flight/],
    [
      "no overload",
      { metrics: overloaded },
      strategyOf("api.goodRatio"),
      /has no overload.*write "overload: \{ factor: 2, window: 4s, within: 500ms \}"/,
    ],
    [
      "another objective",
      { metrics: overloaded },
      { ...strategy, objective: "api.latencyP95Ms" },
      /API p95 does not say .* write "objective: api\.goodRatio"/,
    ],
    ["nothing measured", { metrics: {} }, strategy, /was not measured in the observed window$/],
    [
      "an invalid window",
      { metrics: overloaded, invalidBecause: "the generator was late" },
      strategy,
      /was not measured in the observed window: the generator was late/,
    ],
    [
      "a service that answers in time already",
      { metrics: { ...overloaded, "api.goodRatio": 0.46, "queue.jobsPerSecond": 12 } },
      strategy,
      /at 2 times .* answers 92\.0\/s, 92\.0 % of the 100\/s that it can do, in time: nothing to gain.*12\.0 jobs\/s done/,
    ],
  ])("%s", async (_, sketch, of, message) => {
    const observation = await backpressure.observe(viewOf(sketch));
    expect(reasonOf(backpressure.next(ask(observation, of)))).toMatch(message);
  });

  test("no limit that is better: which were measured", async () => {
    const { last, probed } = await play({ metrics: overloaded }, () => 0.06);
    expect(reasonOf(last)).toMatch(
      /^no limit was better than 10000 by more than one short pause of the service makes \(2\.5 points\)\. .* by limit: .*10000: 5\.0 %.*Little's law/,
    );
    expect(probed.length).toBeLessThanOrEqual(5);
  });

  test("windows that are not valid are tried twice, and no more", async () => {
    const { last, probed } = await play({ metrics: overloaded }, () => undefined);
    expect(probed).toEqual([13, 13]);
    expect(reasonOf(last)).toMatch(/a limit of 13 could not be measured/);
  });
});

describe("the steps of the search", () => {
  const metrics = { "api.goodRatio": 0.05 };

  test("Little's limit, a rung below, one above, and the chosen one twice", async () => {
    // Of 100 requests a second 50 could be answered in time.
    const { probed, last } = await play({ metrics }, peakAt(13));
    expect(probed.slice(0, 3)).toEqual([13, 5, 33]);
    expect(probed.filter((limit) => limit === 13)).toHaveLength(2);
    expect(probed.every((limit) => limit >= 2 && limit <= 50)).toBe(true);
    expect(valuesOf(last)).toEqual({ "under-way": 13 });
  });

  test("with a single candidate two windows have to do", async () => {
    const { probed, last } = await play({ metrics }, peakAt(13), { candidatesMax: 1 });
    expect(probed).toEqual([13, 5]);
    expect(valuesOf(last)).toEqual({ "under-way": 13 });
  });

  test("a setting of the strategy is a hypothesis too; each process has its own limit", async () => {
    const strategy = {
      ...strategyOf("api.goodRatio", { "requests-in-flight": 10 }),
      overload,
    };
    const { probed } = await play({ metrics, values: { copies: 2 } }, peakAt(10), { strategy });
    expect(probed.slice(0, 2)).toEqual([6, 10]);
  });

  test("a limit that is good in one window and bad in the next is not the one to prove", async () => {
    let windows = 0;
    const atTheEdge = (limit: number) => {
      if (limit === 13) return windows++ === 0 ? 0.42 : 0.09;
      return limit < 13 ? 0.29 : 0.02;
    };
    const { last, probed } = await play({ metrics }, atTheEdge);
    expect(probed.filter((limit) => limit === 13)).toHaveLength(2);
    expect(Number(valuesOf(last)["under-way"])).toBeLessThan(13);
  });

  test("a discard that is not about a constraint ends the phase, with what was measured", async () => {
    const { last, history, observation } = await play({ metrics }, peakAt(13));
    const candidate = candidateOf(last);
    const lost = backpressure.next(
      ask(observation, undefined, { history: [...history, decided(candidate, "discard")] }),
    );
    expect(reasonOf(lost)).toMatch(/^a limit of 13 did not hold in pairs: no better\. .*by limit/);
  });

  test("after a broken constraint the largest limit that was better, once", async () => {
    const { last, history, observation } = await play({ metrics }, peakAt(13));
    const first = [...history, broken(last)];
    const second = backpressure.next(ask(observation, undefined, { history: first }));
    expect(valuesOf(second)).toEqual({ "under-way": 33 });
    expect(candidateOf(second).id).not.toBe(candidateOf(last).id);
    const third = backpressure.next(
      ask(observation, undefined, { history: [...first, broken(second)] }),
    );
    expect(reasonOf(third)).toMatch(/limit of 33 did not hold .*too many errors.*No trial/);
  });
});

const peakAt = (best: number) => (limit: number) => 0.45 - 0.1 * Math.abs(Math.log(limit / best));

const broken = (of: Step): Past => ({
  kind: "trial",
  candidate: candidateOf(of),
  decision: { verdict: "discard", because: "constraint", detail: "too many errors" },
});

function ask(
  observation: unknown,
  strategy: Strategy = { ...strategyOf("api.goodRatio"), overload },
  more: Partial<Ask<unknown>> = {},
): Ask<unknown> {
  return { observation, history: [], strategy, noiseFloor: 0, candidatesMax: 4, ...more };
}

/** A phase up to its first step that is no probe; `truth` is the good ratio by limit, undefined an invalid window. */
async function play(
  sketch: ViewSketch,
  truth: (limit: number) => number | undefined,
  more: Partial<Ask<unknown>> = {},
) {
  const observation = await backpressure.observe(viewOf(sketch));
  const history: Past[] = [];
  const probed: number[] = [];
  for (;;) {
    const step = backpressure.next(ask(observation, undefined, { ...more, history }));
    if (step.kind !== "probe") return { last: step, history, probed, observation };
    const limit = Number(valuesOf(step)["under-way"]);
    probed.push(limit);
    const ratio = truth(limit);
    const sample =
      ratio === undefined
        ? makeSample({}, { invalidBecause: "the generator was late" })
        : makeSample({ "api.goodRatio": ratio });
    history.push({ ...step, sample });
  }
}
