import { describe, expect, test } from "vitest";
import { clusteredMoments, type Observation } from "../../src/decide/generations.ts";
import { momentsOf } from "../../src/decide/moments.ts";
import { randomFrom } from "../noise.ts";

function observed(losses: readonly number[], pairsEach: number): readonly Observation[] {
  return losses.map((loss, pair) => ({ pair, generation: Math.floor(pair / pairsEach), loss }));
}

const LOSSES = [0.01, -0.02, 0.03, 0, -0.01, 0.02, -0.03, 0.01];

describe("the error of pairs that share processes", () => {
  test("is the ordinary one when every pair has fresh processes", () => {
    const plain = momentsOf(LOSSES);
    const found = clusteredMoments(observed(LOSSES, 1), 0.015);
    expect(found.mean).toBeCloseTo(plain.mean, 12);
    expect(found.standardError).toBeCloseTo(plain.standardError, 12);
  });

  test("grows by what processes are known to differ by", () => {
    const plain = momentsOf(LOSSES).standardError;
    const [two, four, all] = [2, 4, 8].map(
      (each) => clusteredMoments(observed(LOSSES, each), 0.015).standardError,
    );
    expect(two).toBeGreaterThan(plain);
    expect(four).toBeGreaterThan(two!);
    expect(all).toBeGreaterThan(four!);
    // One pair of processes for all: their difference stays, however many pairs there are.
    expect(all! ** 2 - plain ** 2).toBeCloseTo(2 * 0.015 ** 2 * (1 - 1 / 8), 10);
  });

  test("sees processes that differ by more than is known", () => {
    const steps = [0.05, 0.051, -0.04, -0.041, 0.06, 0.059, -0.07, -0.071];
    const { standardError } = clusteredMoments(observed(steps, 2), 0);
    expect(standardError).toBeGreaterThan(1.3 * momentsOf(steps).standardError);
  });

  test("stays zero for exact counters", () => {
    expect(clusteredMoments(observed([0.1, 0.1, 0.1, 0.1], 2), 0.015).standardError).toBe(0);
  });

  test.each([1, 2, 3])(
    "holds the true mean as often as a t interval should, new processes every %d pairs",
    (each) => {
      const random = randomFrom(each);
      const runs = 2_000;
      let outside = 0;
      for (let run = 0; run < runs; run += 1) {
        let process = 0;
        const losses = Array.from({ length: 30 }, (_, pair) => {
          if (pair % each === 0) process = 0.015 * Math.SQRT2 * random.normal();
          return process + 0.015 * random.normal();
        });
        const { mean, standardError } = clusteredMoments(observed(losses, each), 0.015);
        // Two-sided 5 % of Student's t with 29 degrees of freedom.
        outside += Number(Math.abs(mean) > 2.045 * standardError);
      }
      expect(outside / runs).toBeLessThan(0.065);
    },
  );
});
