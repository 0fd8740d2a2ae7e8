import { describe, expect, test } from "vitest";
import type { GateRule } from "../../src/core/gate.ts";
import { detectableLoss, pairsToSee } from "../../src/decide/gate-power.ts";
import { testGate } from "../../src/decide/gate-test.ts";
import { noiseForGate } from "../../src/decide/self-test.ts";
import { randomFrom } from "../noise.ts";
import { CPU, gated, P50, pairsOf, spoilt } from "./gate-pairs.ts";

const rule: GateRule = { metrics: [gated(CPU), gated(P50)], pairsMax: 30 };

describe("the noise of A/A pairs", () => {
  test("on a quiet machine lets the gate see its margin", () => {
    const found = noiseForGate(pairsOf({ [P50]: 1 }, 10), gated(P50), rule, 12_000);
    expect(found).toMatchObject({ metric: P50, tier: 2, pairs: 10, margin: 0.05, ok: true });
    expect(found.noise).toBeGreaterThan(0.01);
    expect(found.noise).toBeLessThan(0.02);
    expect(found.effect.low).toBeLessThan(1);
    expect(found.effect.high).toBeGreaterThan(1);
    expect(found.detectable).toBeLessThan(0.05);
    expect(found.pairsForMargin).toBeLessThanOrEqual(30);
    expect(found.msForMargin).toBe(found.pairsForMargin! * 12_000);
  });

  test("on a noisy machine says that it does not, and what it would take", () => {
    const wobble = [1.2, 0.85, 1.1, 0.9, 1.15, 0.8, 1.05, 0.95];
    const found = noiseForGate(pairsOf({ [P50]: 1 }, 8, wobble), gated(P50), rule, 12_000);
    expect(found.ok).toBe(false);
    expect(found.detectable).toBeGreaterThan(0.05);
    expect(found.pairsForMargin).toBeGreaterThan(30);
  });

  test("so great that no number of pairs would do is told as null", () => {
    const wobble = [3, 0.3, 2.5, 0.4, 2, 0.5, 1.5, 0.6];
    const found = noiseForGate(pairsOf({ [P50]: 1 }, 8, wobble), gated(P50), rule, 12_000);
    expect(found).toMatchObject({ ok: false, pairsForMargin: null, msForMargin: null });
    expect(Number.isFinite(found.detectable)).toBe(true);
  });

  test("is greater where pairs share their processes", () => {
    const fresh = pairsOf({ [P50]: 1 }, 10);
    const shared = fresh.map((pair) => ({ ...pair, generation: 0 }));
    const [own, common] = [fresh, shared].map((pairs) => noiseForGate(pairs, gated(P50), rule, 1));
    expect(common!.noise).toBeGreaterThan(1.5 * own!.noise);
  });

  test("of too few usable pairs is refused, with the reasons", () => {
    const pairs = pairsOf({ [CPU]: 1, [P50]: 1 }, 6).map((pair) => ({
      ...pair,
      candidate: spoilt(pair.candidate, "host-pressure"),
    }));
    expect(noiseForGate(pairs, gated(CPU), rule, 1).pairs).toBe(6);
    expect(() => noiseForGate(pairs, gated(P50), rule, 1)).toThrow(
      /the noise of API p50 is unknown, since 0 of 6 pairs can be used and 5 are needed: 6 pairs: the check host-pressure failed/,
    );
  });
});

describe("what a number of pairs can see", () => {
  const noise = { spread: 0.06, metrics: 2 };
  const [margin, least] = [Math.log(1.05), Math.log(1.03)];

  test("is less with more pairs", () => {
    const seen = [5, 10, 30, 60].map((pairs) => detectableLoss(noise, pairs, least));
    expect(seen).toEqual(seen.toSorted((left, right) => right - left));
    expect(detectableLoss({ ...noise, spread: 0 }, 5, least)).toBeCloseTo(least, 12);
  });

  test("is found and excluded about 4 times in 5 with the pairs that it asks for", () => {
    const pairsMax = pairsToSee(noise, margin, least)!;
    expect(pairsMax).toBeGreaterThan(10);
    const random = randomFrom(17);
    const runs = 1_500;
    const share = (mean: number, kind: string) => {
      let hits = 0;
      for (let run = 0; run < runs; run += 1) {
        const series = [mean, 0].map((each) => ({
          observed: Array.from({ length: pairsMax }, (_, pair) => ({
            pair,
            generation: pair,
            loss: each + noise.spread * random.normal(),
          })),
          leastLoss: least,
          marginLoss: margin,
          processSd: 0,
        }));
        const { of } = testGate(series, { pairsMax, measured: pairsMax, ended: false });
        hits += Number(of[0]?.kind === kind);
      }
      return hits / runs;
    };
    // Early looks and ends for want of hope move it a little.
    expect(share(margin, "fail")).toBeGreaterThan(0.72);
    expect(share(0, "pass")).toBeGreaterThan(0.74);
    expect(Math.min(share(margin, "fail"), share(0, "pass"))).toBeLessThan(0.88);
  });
});
