import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import type { MetricId } from "../../src/core/metric.ts";
import type { Pair } from "../../src/core/trial.ts";
import { judge, type Rule } from "../../src/decide/judge.ts";
import { makePairs, makeSample } from "../samples.ts";
import { simulatedPairs, simulatedTrial } from "../simulated-trial.ts";
import { decided, improving, verdictOf, wobbly } from "./trials.ts";

const LATENCY = "api.latencyP95Ms";
const RATE = "api.requestsPerSecond";
const HIT_RATE = "cache.hitRate";
const ERRORS = "api.errorRate";
const MEMORY = "service.memoryBytes";

const rule: Rule = {
  objective: LATENCY,
  minEffect: 0.03,
  constraints: [],
  pairsMax: 10,
  watch: [],
};

describe("a trial's verdict", () => {
  test.each<[string, readonly Pair[], string]>([
    ["a clear gain at the first look", wobbly(LATENCY, 0.7, 5), "keep"],
    ["a clear loss", wobbly(LATENCY, 1.5, 5), "discard: worse"],
    ["nothing, measured well", wobbly(LATENCY, 1, 5), "discard: no-gain"],
    [
      "a gain below the minimum, measured well",
      wobbly(LATENCY, 0.985, 5, [1, 1.001, 0.999, 1, 1.001]),
      "discard: no-gain",
    ],
    ["before the first look", wobbly(LATENCY, 0.5, 4), "continue to 5"],
    ["no pairs yet", [], "continue to 5"],
    ["between looks, however good it looks", wobbly(LATENCY, 0.5, 6), "continue to 7"],
    [
      "unclear at the first look, with too few pairs left to become clear",
      wobbly(LATENCY, 0.97, 5, [0.9, 1.1, 1, 0.95, 1.05]),
      "inconclusive",
    ],
    [
      "unclear at the last look",
      wobbly(LATENCY, 0.97, 10, [0.9, 1.1, 1, 0.95, 1.05]),
      "inconclusive",
    ],
    ["one of five says the opposite", wobbly(LATENCY, 0.9, 5, [1, 1, 1, 1, 1.2]), "continue to 7"],
  ])("%s", (_, pairs, verdict) => {
    expect(verdictOf(judge(pairs, rule))).toBe(verdict);
  });

  test.each<[string, MetricId, readonly (readonly [number, number])[], number, string]>([
    [
      "higher is better, a ratio",
      RATE,
      [
        [100, 130],
        [100, 131],
        [101, 130],
        [99, 131],
        [100, 129],
      ],
      0.03,
      "keep",
    ],
    [
      "higher is better, and it fell",
      RATE,
      [
        [100, 70],
        [100, 71],
        [101, 70],
        [99, 71],
        [100, 69],
      ],
      0.03,
      "discard: worse",
    ],
    [
      "a share that rose",
      HIT_RATE,
      [
        [0, 0.5],
        [0, 0.52],
        [0, 0.51],
        [0, 0.5],
        [0, 0.49],
      ],
      0.01,
      "keep",
    ],
    [
      "a share that fell",
      HIT_RATE,
      [
        [0.5, 0.1],
        [0.5, 0.11],
        [0.5, 0.12],
        [0.5, 0.1],
        [0.5, 0.1],
      ],
      0.01,
      "discard: worse",
    ],
    [
      "an exact counter that halved",
      "db.statementsPerRequest",
      [
        [8, 4],
        [8, 4],
        [8, 4],
        [8, 4],
        [8, 4],
      ],
      0.03,
      "keep",
    ],
    [
      "an exact counter that stayed",
      "db.statementsPerRequest",
      [
        [8, 8],
        [8, 8],
        [8, 8],
        [8, 8],
        [8, 8],
      ],
      0.03,
      "discard: no-gain",
    ],
    [
      "two exact zeros",
      ERRORS,
      [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      0.01,
      "discard: no-gain",
    ],
  ])("%s", (_, objective, values, minEffect, verdict) => {
    const pairs = makePairs(objective, values);
    expect(verdictOf(judge(pairs, { ...rule, objective, minEffect }))).toBe(verdict);
  });

  test("proven but too small is not kept", () => {
    const pairs = wobbly(LATENCY, 0.98, 5, [1, 1.001, 0.999, 1.0005, 0.9995]);
    expect(verdictOf(judge(pairs, rule))).toBe("discard: no-gain");
    expect(verdictOf(judge(pairs, { ...rule, minEffect: 0.01 }))).toBe("keep");
  });

  test("says in numbers what was proven", () => {
    const { decision, effects } = decided(judge(wobbly(LATENCY, 0.7, 5), { ...rule, pairsMax: 5 }));
    expect(decision.detail).toBe(
      "Proven better, and by no less than the 3.0 % that a change must gain: API p95 -30.0 % (95 % interval -31.4 % to -28.6 %, 5 pairs).",
    );
    expect(effects.map(({ metric }) => metric)).toEqual([LATENCY]);
  });

  test("names what these pairs could have proven when they cannot tell", () => {
    const pairs = wobbly(LATENCY, 0.97, 10, [0.9, 1.1, 1, 0.95, 1.05]);
    const { decision } = decided(judge(pairs, rule));
    if (decision.verdict !== "inconclusive") throw new Error("expected inconclusive");
    expect(decision.detectable).toBeGreaterThan(0.05);
    expect(decision.detectable).toBeLessThan(0.15);
    expect(decision.detail).toMatch(/10 pairs prove a gain of \d+\.\d % in 80 of 100 trials/);
  });

  test("shows the effects of watched metrics, once each, and leaves out what is missing", () => {
    const pairs = improving({ [HIT_RATE]: [0.1, 0.8], [MEMORY]: [1e8, undefined] });
    const watch = [HIT_RATE, LATENCY, HIT_RATE, MEMORY] as const;
    const { effects } = decided(judge(pairs, { ...rule, watch }));
    expect(effects.map(({ metric }) => metric)).toEqual([LATENCY, HIT_RATE]);
  });
});

describe("what must never pass", () => {
  test("a window without the objective, or with one that is not finite", () => {
    const broken = fc.constantFrom(undefined, Number.NaN, Infinity, -Infinity, 0, -5);
    const place = fc.record({ pair: fc.nat(4), candidate: fc.boolean(), value: broken });
    fc.assert(
      fc.property(place, ({ pair, candidate, value }) => {
        const pairs = wobbly(LATENCY, 0.5, 5).map((each, index) => {
          if (index !== pair) return each;
          const sample = makeSample(value === undefined ? {} : { [LATENCY]: value });
          return candidate ? { ...each, candidate: sample } : { ...each, incumbent: sample };
        });
        const { decision, effects } = decided(judge(pairs, rule));
        expect(decision.verdict).toBe("inconclusive");
        expect(decision.detail).toMatch(/^The objective cannot be judged: API p95 is .* pair \d/);
        expect(effects).toEqual([]);
      }),
    );
  });

  test("an invalid window", () => {
    const pairs = wobbly(LATENCY, 0.5, 5).map((pair) => ({
      ...pair,
      incumbent: makeSample({ [LATENCY]: 100 }, { invalidBecause: "requests were dropped" }),
    }));
    expect(() => judge(pairs, rule)).toThrow(/must not be judged: requests were dropped/);
  });

  test.each([
    ["a negative minimum", { minEffect: -0.1 }],
    ["a minimum that is no number", { minEffect: Number.NaN }],
    ["a fall of 100 %", { minEffect: 1 }],
    ["fewer pairs than were measured", { pairsMax: 4 }],
  ])("a rule with %s", (_, wrong) => {
    expect(() => judge(wobbly(LATENCY, 0.5, 5), { ...rule, ...wrong })).toThrow(RangeError);
  });
});

describe("symmetry", () => {
  const values = fc.array(
    fc.tuple(
      fc.double({ min: 50, max: 150, noNaN: true }),
      fc.double({ min: 50, max: 150, noNaN: true }),
    ),
    {
      minLength: 5,
      maxLength: 5,
    },
  );

  test("what is a gain for a metric that should be low is a loss for one that should be high", () => {
    // With a minimum of 0 the thresholds of both directions are the same.
    const either = { ...rule, minEffect: 0, pairsMax: 5 };
    fc.assert(
      fc.property(values, (each) => {
        const low = verdictOf(judge(makePairs(LATENCY, each), either));
        const swapped = each.map(([incumbent, candidate]) => [candidate, incumbent] as const);
        const high = verdictOf(judge(makePairs(RATE, swapped), { ...either, objective: RATE }));
        expect(high).toBe(low);
      }),
    );
  });

  test("both arms are never called better", () => {
    fc.assert(
      fc.property(values, (each) => {
        const there = verdictOf(judge(makePairs(LATENCY, each), { ...rule, pairsMax: 5 }));
        const swapped = each.map(([incumbent, candidate]) => [candidate, incumbent] as const);
        const back = verdictOf(judge(makePairs(LATENCY, swapped), { ...rule, pairsMax: 5 }));
        if (there === "keep") expect(back).toBe("discard: worse");
      }),
    );
  });

  test("the unit and the time of day do not matter", () => {
    const next = simulatedPairs({
      truth: { incumbent: { [LATENCY]: 100 }, candidate: { [LATENCY]: 92 } },
      noise: { cv: 0.05 },
      seed: 5,
    });
    const pairs = Array.from({ length: 10 }, next);
    const scaled = pairs.map((pair, index) => ({
      ...pair,
      incumbent: makeSample({ [LATENCY]: pair.incumbent.metrics[LATENCY]! * (index + 1) * 1_000 }),
      candidate: makeSample({ [LATENCY]: pair.candidate.metrics[LATENCY]! * (index + 1) * 1_000 }),
    }));
    expect(verdictOf(judge(scaled, rule))).toBe(verdictOf(judge(pairs, rule)));
  });
});

describe("a trial over several metrics", () => {
  test("ends within its budget, for any truth", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0.7, max: 1.3, noNaN: true }),
        fc.integer({ min: 2, max: 20 }),
        (seed, ratio, pairsMax) => {
          const { pairs } = simulatedTrial({
            truth: { incumbent: { [LATENCY]: 100 }, candidate: { [LATENCY]: 100 * ratio } },
            noise: { cv: 0.05 },
            seed,
            rule: { ...rule, pairsMax },
          });
          expect(pairs.length).toBeLessThanOrEqual(pairsMax);
        },
      ),
      { numRuns: 50 },
    );
  });
});
