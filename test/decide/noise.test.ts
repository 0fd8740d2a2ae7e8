import { describe, expect, test } from "vitest";
import { fixedEffects, isWorse, noiseOf } from "../../src/decide/noise.ts";
import { momentsOf } from "../../src/decide/moments.ts";
import { gainsOf } from "../../src/decide/gain.ts";
import { looksFor } from "../../src/decide/sequential.ts";
import { makePairs, makeSample } from "../samples.ts";
import { simulatedPairs } from "../simulated-trial.ts";

const LATENCY = "api.latencyP95Ms";
const HIT_RATE = "cache.hitRate";

describe("the noise of A/A pairs", () => {
  test("is how far two windows of the same thing are apart", () => {
    const log = 0.05;
    const pairs = makePairs(LATENCY, [
      [100, 100 * Math.exp(log)],
      [100, 100 * Math.exp(-log)],
    ]);
    expect(noiseOf(pairs, LATENCY, 10).noiseFloor).toBeCloseTo(Math.expm1(log), 10);
  });

  test("of a share is a difference", () => {
    const pairs = makePairs(HIT_RATE, [
      [0.5, 0.52],
      [0.5, 0.48],
    ]);
    expect(noiseOf(pairs, HIT_RATE, 10).noiseFloor).toBeCloseTo(0.02, 10);
  });

  test("can be seen through by more pairs", () => {
    const pairs = makePairs(LATENCY, [
      [100, 105],
      [100, 96],
      [100, 103],
    ]);
    const few = noiseOf(pairs, LATENCY, 5).detectable;
    const many = noiseOf(pairs, LATENCY, 30).detectable;
    expect(many).toBeLessThan(few / 2);
  });

  test("is not known when a window lacks the metric", () => {
    const pairs = makePairs(LATENCY, [
      [100, 105],
      [100, undefined],
    ]);
    expect(() => noiseOf(pairs, LATENCY, 10)).toThrow(
      "the noise of API p95 is unknown: API p95 is missing in the candidate's window of pair 2",
    );
  });

  test.each([10, 30])(
    "a gain of just the detectable size is proven 4 times in 5 by %d pairs",
    (pairsMax) => {
      const cv = 0.05;
      const aa = makePairs(LATENCY, [
        [100, 100 * Math.exp(cv * Math.SQRT2)],
        [100, 100 * Math.exp(-cv * Math.SQRT2)],
      ]);
      const { detectable } = noiseOf(aa, LATENCY, pairsMax);
      const last = looksFor(pairsMax).at(-1)!;
      const trials = 1_000;
      let proven = 0;
      for (let seed = 1; seed <= trials; seed += 1) {
        const next = simulatedPairs({
          truth: {
            incumbent: { [LATENCY]: 100 },
            candidate: { [LATENCY]: 100 * (1 - detectable) },
          },
          noise: { cv },
          seed,
        });
        const { mean, standardError } = momentsOf(
          gainsOf(LATENCY, Array.from({ length: pairsMax }, next)),
        );
        proven += Number(mean > last.efficacyT * standardError);
      }
      expect(proven / trials).toBeGreaterThan(0.75);
      expect(proven / trials).toBeLessThan(0.85);
    },
  );
});

describe("effects of a fixed number of pairs", () => {
  test("leave out what some window lacks", () => {
    const pairs = makePairs(LATENCY, [
      [100, 80],
      [100, 82],
      [100, 81],
    ]);
    expect(fixedEffects(pairs, [LATENCY, HIT_RATE]).map(({ metric }) => metric)).toEqual([LATENCY]);
    expect(fixedEffects(pairs.slice(0, 1), [LATENCY])).toEqual([]);
  });

  test("cover the truth in 95 of 100", () => {
    const trials = 2_000;
    let covered = 0;
    for (let seed = 1; seed <= trials; seed += 1) {
      const next = simulatedPairs({
        truth: { incumbent: { [LATENCY]: 100 }, candidate: { [LATENCY]: 80 } },
        noise: { cv: 0.05, drift: { correlation: 0.8, sd: 0.05 } },
        seed,
      });
      const [effect] = fixedEffects(Array.from({ length: 7 }, next), [LATENCY]);
      covered += Number(effect!.low <= 0.8 && 0.8 <= effect!.high);
    }
    expect(covered / trials).toBeGreaterThan(0.93);
    expect(covered / trials).toBeLessThan(0.97);
  });

  test.each([
    [
      "higher latency",
      LATENCY,
      [
        [100, 120],
        [100, 121],
        [100, 122],
      ],
      true,
    ],
    [
      "lower latency",
      LATENCY,
      [
        [100, 80],
        [100, 81],
        [100, 82],
      ],
      false,
    ],
    [
      "latency that may be the same",
      LATENCY,
      [
        [100, 120],
        [100, 90],
        [100, 110],
      ],
      false,
    ],
    [
      "fewer hits",
      HIT_RATE,
      [
        [0.5, 0.3],
        [0.5, 0.31],
        [0.5, 0.32],
      ],
      true,
    ],
    [
      "more hits",
      HIT_RATE,
      [
        [0.5, 0.7],
        [0.5, 0.71],
        [0.5, 0.72],
      ],
      false,
    ],
  ] as const)("call %s worse: %#", (_, metric, values, worse) => {
    const [effect] = fixedEffects(makePairs(metric, values), [metric]);
    expect(isWorse(effect!)).toBe(worse);
  });

  test("never use an invalid window", () => {
    const [pair, ...others] = makePairs(LATENCY, [
      [100, 90],
      [100, 90],
    ]);
    const incumbent = makeSample({ [LATENCY]: 90 }, { invalidBecause: "too many errors" });
    expect(() => fixedEffects([{ ...pair!, incumbent }, ...others], [LATENCY])).toThrow(
      /too many errors/,
    );
  });
});
