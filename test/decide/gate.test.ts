import { describe, expect, test } from "vitest";
import type { GateRule, MetricVerdict } from "../../src/core/gate.ts";
import { judgeConfirmation } from "../../src/decide/confirmation.ts";
import { judgeGate, type GateJudgement } from "../../src/decide/gate.ts";
import { usablePairs } from "../../src/decide/usable.ts";
import { CPU, gated, P50, P95, pairsOf, spoilt } from "./gate-pairs.ts";

const rule: GateRule = { metrics: [gated(CPU), gated(P50), gated(P95)], pairsMax: 30 };
const only = (...metrics: Parameters<typeof gated>): GateRule => ({
  metrics: [gated(...metrics)],
  pairsMax: 30,
});

function decided(judgement: GateJudgement): readonly MetricVerdict[] {
  if (judgement.kind !== "decided") throw new Error(`continue: ${judgement.open.join(", ")}`);
  return judgement.metrics;
}

describe("the trial", () => {
  test("passes unchanged code, with an interval that ends below the margin", () => {
    const metrics = decided(judgeGate(pairsOf({ [CPU]: 1, [P50]: 1, [P95]: 1 }, 10), rule));
    expect(metrics.map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass"]);
    for (const { effect, pairs, detail } of metrics) {
      expect(effect!.high).toBeLessThan(1.05);
      expect(effect!.confidence).toBe(0.9);
      expect(effect!.pairs).toBe(pairs);
      expect(detail).toMatch(/^A regression of 5\.0 % is excluded: .*90 % interval.* pairs\)\.$/);
    }
  });

  test("fails what got worse, and leaves the others as they are", () => {
    const [cpu, p50, p95] = decided(
      judgeGate(pairsOf({ [CPU]: 1, [P50]: 1.3, [P95]: 1.045 }, 5), rule),
    );
    expect(p50).toMatchObject({
      verdict: "fail",
      pairs: 5,
      tier: 2,
      margin: 0.05,
      minEffect: 0.03,
    });
    expect(p50!.effect!.low).toBeGreaterThan(1);
    expect(p50!.detail).toContain(
      "A regression is proven, and by no less than the 3.0 % that counts",
    );
    expect(cpu!.verdict).toBe("pass");
    expect(p95).toMatchObject({ verdict: "inconclusive" });
    expect(p95!.detectable).toBeGreaterThan(0.03);
  });

  test("tells an improvement, and passes it", () => {
    const [p50] = decided(judgeGate(pairsOf({ [P50]: 0.8 }, 5), only(P50)));
    expect(p50).toMatchObject({ verdict: "pass" });
    expect(p50!.detail).toContain("It got better.");
  });

  test("a metric that is better high gets worse by falling", () => {
    const high = only("api.requestsPerSecond");
    const [fell] = decided(judgeGate(pairsOf({ "api.requestsPerSecond": 0.8 }, 5), high));
    const [rose] = decided(judgeGate(pairsOf({ "api.requestsPerSecond": 1.2 }, 5), high));
    expect([fell!.verdict, rose!.verdict]).toEqual(["fail", "pass"]);
  });

  test("says how many pairs it waits for, and for what", () => {
    expect(judgeGate(pairsOf({ [CPU]: 1, [P50]: 1, [P95]: 1 }, 3), rule)).toEqual({
      kind: "continue",
      pairsNext: 2,
      open: [CPU, P50, P95],
    });
  });

  test("is inconclusive when the pairs end, with what they could have seen", () => {
    const wobble = [1.2, 0.85, 1.1, 0.9, 1.15, 0.8, 1.05, 0.95];
    const [p50] = decided(judgeGate(pairsOf({ [P50]: 1.02 }, 16, wobble), only(P50), true));
    expect(p50!.verdict).toBe("inconclusive");
    expect(p50!.detail).toContain(
      "Neither a regression nor the absence of one of 5.0 % is proven: API p50 ",
    );
    expect(p50!.detail).toMatch(
      /With this noise 16 pairs find a regression of \d+\.\d %, and 30 pairs one of \d+\.\d % in 80 of 100 trials\.$/,
    );
  });

  test("a rule that makes no sense is refused", () => {
    const pairs = pairsOf({ [P50]: 1 }, 5);
    for (const changes of [{ margin: 0 }, { minEffect: 0.06 }, { minEffect: -0.1 }]) {
      expect(() => judgeGate(pairs, only(P50, changes))).toThrow(RangeError);
    }
    expect(() => judgeGate(pairs, { ...only(P50), pairsMax: 1 })).toThrow(RangeError);
  });
});

describe("pairs that cannot be used", () => {
  const pairs = pairsOf({ [CPU]: 1, [P50]: 1 }, 12);
  const lagged = pairs.map((pair, index) =>
    index % 2 === 0 ? { ...pair, candidate: spoilt(pair.candidate, "generator-lag") } : pair,
  );
  const dropped = pairs.map((pair) => ({ ...pair, incumbent: spoilt(pair.incumbent, "no-drops") }));

  test("CPU time is good where only the clients' times are spoilt", () => {
    expect(usablePairs(CPU, 1, lagged).usable).toHaveLength(12);
    expect(usablePairs(P50, 2, lagged).usable).toHaveLength(6);
    expect(usablePairs(CPU, 1, dropped).usable).toHaveLength(0);
  });

  test("a window that is invalid for no known reason is never used", () => {
    const odd = pairs.map((pair) => ({
      ...pair,
      candidate: { ...pair.candidate, valid: false, invalidBecause: ["who knows"] },
    }));
    expect(usablePairs(CPU, 1, odd)).toMatchObject({
      usable: [],
      reasons: [{ example: "who knows", pairs: 12 }],
    });
  });

  test.each([
    ["missing", undefined],
    ["not a number", Number.NaN],
    ["zero, of which there is no ratio", 0],
  ])("a value that is %s is never a pass", (_, value) => {
    const broken = pairs.map((pair) => ({
      ...pair,
      candidate: {
        ...pair.candidate,
        metrics: value === undefined ? {} : { [P50]: value },
      },
    }));
    const [p50] = decided(judgeGate(broken, only(P50)));
    expect(p50).toMatchObject({ verdict: "invalid", pairs: 0 });
    expect(p50!.detail).toContain("0 of 12 measured pairs can be used");
  });

  test("reasons are counted, the commonest first", () => {
    const mixed = dropped.map((pair, index) => (index === 3 ? lagged[0]! : pair));
    const [p50] = decided(judgeGate(mixed, only(P50), true));
    expect(p50!.verdict).toBe("invalid");
    expect(p50!.detail).toContain(
      "(11 pairs: the check no-drops failed; 1 pair: the check generator-lag failed)",
    );
  });

  test("a trial whose windows are spoilt again and again ends by itself", () => {
    const wobble = [1.2, 0.85, 1.1, 0.9, 1.15, 0.8, 1];
    const many = pairsOf({ [P50]: 1.02 }, 45, wobble).map((pair, index) =>
      index % 4 === 0 ? pair : { ...pair, candidate: spoilt(pair.candidate, "host-pressure") },
    );
    expect(judgeGate(many.slice(0, 44), only(P50)).kind).toBe("continue");
    expect(decided(judgeGate(many, only(P50)))[0]!.pairs).toBe(12);
  });
});

describe("the confirmation", () => {
  const seen = decided(judgeGate(pairsOf({ [CPU]: 1, [P50]: 1.3, [P95]: 1.3 }, 5), rule));

  test("makes a failure final when it is there again", () => {
    const block = pairsOf({ [CPU]: 1, [P50]: 1.25, [P95]: 1.25 }, 5);
    const metrics = decided(judgeConfirmation(block, seen, rule));
    expect(metrics.map(({ verdict }) => verdict)).toEqual(["pass", "fail", "fail"]);
    expect(metrics[1]!.confirmation).toMatchObject({ confirmed: true, effect: { pairs: 5 } });
    expect(metrics[1]!.detail).toContain("Confirmed on fresh processes: API p50 +2");
    expect(metrics[0]).toBe(seen[0]);
  });

  test("takes it back when it is not", () => {
    const block = pairsOf({ [CPU]: 1, [P50]: 1, [P95]: 1 }, 14);
    expect(judgeConfirmation(block.slice(0, 4), seen, rule)).toMatchObject({
      kind: "continue",
      pairsNext: 1,
      open: [P50, P95],
    });
    const metrics = decided(judgeConfirmation(block, seen, rule));
    expect(metrics.map(({ verdict }) => verdict)).toEqual(["pass", "inconclusive", "inconclusive"]);
    expect(metrics[1]!.confirmation).toMatchObject({ confirmed: false });
    expect(metrics[1]!.detail).toContain("Seen once, not confirmed: API p50 ");
  });

  test("without usable pairs it confirms nothing", () => {
    const block = pairsOf({ [CPU]: 1 }, 10);
    const [, p50] = decided(judgeConfirmation(block, seen, rule));
    expect(p50).toMatchObject({ verdict: "inconclusive" });
    expect(p50!.confirmation).toBeUndefined();
    expect(p50!.detail).toContain("0 of 10 pairs of API p50 could be used");
  });
});
