import { describe, expect, test } from "vitest";
import type {
  CounterFinding,
  CounterVerdict,
  GateVerdict,
  MetricVerdict,
  SloVerdict,
} from "../../src/core/gate.ts";
import type { Effect } from "../../src/core/trial.ts";
import { overallVerdict } from "../../src/decide/overall.ts";

const metric = (verdict: GateVerdict, effect?: Effect): MetricVerdict => ({
  metric: "api.latencyP50Ms",
  tier: 2,
  verdict,
  margin: 0.05,
  minEffect: 0.03,
  pairs: 7,
  detail: `metric ${verdict}.`,
  ...(effect ? { effect } : {}),
});
const slo = (verdict: GateVerdict): SloVerdict => ({
  slo: { metric: "api.latencyP95Ms", limit: 200, text: "p95<200ms" },
  verdict,
  windows: 5,
  detail: `slo ${verdict}.`,
});
const finding = (kind: CounterFinding["kind"], index = 0): CounterFinding => ({
  counter: "statements",
  endpoint: `GET /${index}`,
  base: 1,
  head: 2,
  kind,
  detail: `finding ${kind} ${index}.`,
});
const counters = (verdict: GateVerdict, ...findings: CounterFinding[]): CounterVerdict => ({
  verdict,
  findings,
  endpoints: 1,
  requests: 10,
  unmeasured: [],
  detail: `counters ${verdict}.`,
});
const better: Effect = {
  metric: "api.latencyP50Ms",
  compare: "ratio",
  estimate: 0.8,
  low: 0.75,
  high: 0.85,
  confidence: 0.9,
  pairs: 7,
  permutationP: 0.01,
  incumbentMedian: 100,
  candidateMedian: 80,
};

describe("the verdict over all tiers", () => {
  test.each<[string, GateVerdict, readonly GateVerdict[]]>([
    ["all pass", "pass", ["pass", "pass", "pass"]],
    ["one fails", "fail", ["invalid", "inconclusive", "fail"]],
    ["one is invalid", "invalid", ["pass", "invalid", "inconclusive"]],
    ["one is inconclusive", "inconclusive", ["pass", "pass", "inconclusive"]],
  ])("%s: %s", (_, expected, [first, second, third]) => {
    const found = overallVerdict(counters(first!), [metric(second!)], [slo(third!)]);
    expect(found.verdict).toBe(expected);
  });

  test("nothing measured is never a pass", () => {
    expect(overallVerdict(undefined, [], [])).toEqual({
      verdict: "invalid",
      reasons: ["Nothing was compared, so nothing can pass."],
    });
  });

  test("tells what decided first", () => {
    const { reasons } = overallVerdict(
      counters("fail", finding("regression"), finding("improvement"), finding("noise")),
      [metric("inconclusive"), metric("fail"), metric("pass")],
      [slo("invalid")],
    );
    expect(reasons).toEqual([
      "finding regression 0.",
      "metric fail.",
      "slo invalid.",
      "metric inconclusive.",
      "finding improvement 0.",
    ]);
  });

  test("tells improvements, which fail nothing", () => {
    const { verdict, reasons } = overallVerdict(
      counters("pass", finding("improvement")),
      [metric("inconclusive", better)],
      [],
    );
    expect(verdict).toBe("inconclusive");
    expect(reasons[1]).toBe("Better: API p50 -20.0 % (90 % interval -25.0 % to -15.0 %, 7 pairs).");
    expect(reasons).toContain("finding improvement 0.");
  });

  test("counts what is too much to tell", () => {
    const many = Array.from({ length: 8 }, (_, index) => finding("regression", index));
    const { reasons } = overallVerdict(counters("fail", ...many), [], []);
    expect(reasons).toHaveLength(6);
    expect(reasons.at(-1)).toBe("3 more counters grew.");
  });
});
