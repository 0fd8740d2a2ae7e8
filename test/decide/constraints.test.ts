import { describe, expect, test } from "vitest";
import type { Constraint } from "../../src/core/persona.ts";
import { judge, type Rule } from "../../src/decide/judge.ts";
import { makeSample } from "../samples.ts";
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

describe("constraints", () => {
  const limit: Constraint = { kind: "limit", metric: ERRORS, limit: 0.01 };
  const slo: Constraint = { kind: "limit", metric: "api.latencyP99Ms", limit: 200 };
  const floor: Constraint = { kind: "limit", metric: HIT_RATE, limit: 0.5 };
  const memory: Constraint = { kind: "no-regression", metric: MEMORY, tolerance: 0.1 };
  const rate: Constraint = { kind: "no-regression", metric: RATE, tolerance: 0.02 };
  type Others = Parameters<typeof improving>[0];

  test.each<[string, Constraint, Others, string, RegExp]>([
    [
      "a limit that holds",
      limit,
      { [ERRORS]: [0, 0.01] },
      "keep",
      /1\.0 % in the candidate, within the limit of 1\.0 %/,
    ],
    [
      "a limit that the change breaks",
      limit,
      { [ERRORS]: [0, 0.02] },
      "discard: constraint",
      /beyond the limit of 1\.0 %, which the incumbent holds with 0 %/,
    ],
    [
      "a limit broken already, and no worse",
      slo,
      { "api.latencyP99Ms": [300, 290] },
      "keep",
      /the incumbent breaks too with 300 ms; the candidate is not proven worse/,
    ],
    [
      "a limit broken already, and worse",
      slo,
      { "api.latencyP99Ms": [300, 400] },
      "discard: constraint",
      /the incumbent breaks too.*the candidate is worse/,
    ],
    [
      "a lower limit, where higher is better",
      floor,
      { [HIT_RATE]: [0.6, 0.4] },
      "discard: constraint",
      /cache hit: median 40\.0 % in the candidate, beyond/,
    ],
    ["a lower limit that holds", floor, { [HIT_RATE]: [0.6, 0.9] }, "keep", /within the limit/],
    [
      "a regression within tolerance",
      memory,
      { [MEMORY]: [1e8, 1.09e8] },
      "keep",
      /\+9\.0 %.*at most 10\.0 % worse is allowed/,
    ],
    [
      "a regression beyond tolerance",
      memory,
      { [MEMORY]: [1e8, 1.2e8] },
      "discard: constraint",
      /\+20\.0 %.*at most 10\.0 % worse is allowed/,
    ],
    ["an improvement", memory, { [MEMORY]: [1e8, 0.5e8] }, "keep", /-50\.0 %/],
    ["less of what should be more", rate, { [RATE]: [100, 90] }, "discard: constraint", /-10\.0 %/],
    ["more of what should be more", rate, { [RATE]: [100, 190] }, "keep", /\+90\.0 %/],
    [
      "a limit on what the candidate does not report",
      limit,
      { [ERRORS]: [0, undefined] },
      "discard: constraint",
      /cannot be checked: error rate is missing in the candidate's window of pair 1/,
    ],
    [
      "a regression of what the incumbent does not report",
      memory,
      { [MEMORY]: [undefined, 1e8] },
      "discard: constraint",
      /cannot be checked: service memory is missing/,
    ],
    [
      "a limit on a value that is not a number",
      limit,
      { [ERRORS]: [0, Number.NaN] },
      "discard: constraint",
      /error rate is NaN/,
    ],
  ])("%s", (_, constraint, others, verdict, detail) => {
    const judgement = judge(improving(others), { ...rule, constraints: [constraint] });
    expect(verdictOf(judgement)).toBe(verdict);
    const { constraints, decision } = decided(judgement);
    expect(constraints).toHaveLength(1);
    expect(constraints[0]?.metric).toBe(constraint.metric);
    expect(constraints[0]?.ok).toBe(verdict === "keep");
    expect(constraints[0]?.detail).toMatch(detail);
    if (verdict !== "keep") expect(decision.detail).toContain(constraints[0]?.detail);
  });

  test("an apparent regression that may be noise does not discard", () => {
    const noisy = [0.5, 2, 0.6, 2.5, 1.2].map((factor) => [1e8, 1e8 * factor] as const);
    const pairs = improving({}).map((pair, index) => ({
      ...pair,
      incumbent: makeSample({ ...pair.incumbent.metrics, [MEMORY]: noisy[index]![0] }),
      candidate: makeSample({ ...pair.candidate.metrics, [MEMORY]: noisy[index]![1] }),
    }));
    const judgement = judge(pairs, { ...rule, constraints: [memory] });
    expect(verdictOf(judgement)).toBe("keep");
    expect(decided(judgement).constraints[0]?.detail).toMatch(
      /the interval does not exclude no change/,
    );
  });

  /** With pairs enough for an objective that is open at the first look. */
  const patient = { ...rule, pairsMax: 30 };

  test("a breach beyond doubt ends a trial whose objective is still open", () => {
    const pairs = wobbly(LATENCY, 0.97, 5, [0.9, 1.1, 1, 0.95, 1.05]).map((pair) => ({
      ...pair,
      incumbent: makeSample({ ...pair.incumbent.metrics, [ERRORS]: 0 }),
      candidate: makeSample({ ...pair.candidate.metrics, [ERRORS]: 0.3 }),
    }));
    expect(verdictOf(judge(pairs, patient))).toBe("continue to 7");
    expect(verdictOf(judge(pairs, { ...patient, constraints: [limit] }))).toBe(
      "discard: constraint",
    );
  });

  test("a breach of the median alone waits for the objective", () => {
    const errors = [0.3, 0.3, 0, 0.3, 0];
    const pairs = wobbly(LATENCY, 0.97, 5, [0.9, 1.1, 1, 0.95, 1.05]).map((pair, index) => ({
      ...pair,
      incumbent: makeSample({ ...pair.incumbent.metrics, [ERRORS]: 0 }),
      candidate: makeSample({ ...pair.candidate.metrics, [ERRORS]: errors[index]! }),
    }));
    expect(verdictOf(judge(pairs, { ...patient, constraints: [limit] }))).toBe("continue to 7");
  });
});
