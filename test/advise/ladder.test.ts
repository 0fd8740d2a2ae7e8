/** The ladder against knobs whose best value is known: smooth, noisy, with a cliff, flat. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { describe, expect, test } from "vitest";
import { gainOf, nextLadderStep } from "../../src/advise/concurrency/ladder.ts";
import type { LadderSettings, Measurement } from "../../src/advise/concurrency/ladder.ts";

const settings: LadderSettings = {
  start: 15,
  first: 30,
  min: 1,
  max: 200,
  better: "lower",
  compare: "ratio",
  noiseFloor: 0.02,
  probesMax: 5,
};

/** Runs the ladder to its end on a function of the knob. */
function climb(
  measure: (value: number) => number | undefined,
  changed: Partial<LadderSettings> = {},
) {
  const all = { ...settings, ...changed };
  const measured: Measurement[] = [{ value: all.start, metric: measure(all.start) }];
  for (let steps = 0; steps < 50; steps += 1) {
    const step = nextLadderStep(all, measured);
    if (step.kind !== "probe") return { step, tried: measured.slice(1).map((each) => each.value) };
    measured.push({ value: step.value, metric: measure(step.value) });
  }
  throw new Error("the ladder did not end");
}

/** Latency with its lowest point at `best`, symmetric in the logarithm of the knob. */
const bowl =
  (best: number, depth = 0.15) =>
  (value: number) =>
    100 * Math.exp(depth * Math.log(value / best) ** 2);

const power = (exponent: number) => (value: number) => 100 * value ** exponent;
const fromStep = (from: number, below: number, above: number) => (value: number) =>
  value < from ? below : above;

const cliff = (value: number) => (value > 100 ? 500 : 100 / value);

describe("which values are tried", () => {
  test.each<
    [what: string, measure: (value: number) => number | undefined, tried: number[], best: number]
  >([
    ["a flat knob: the hypothesis, one rung the other way, no more", () => 100, [30, 6], 6],
    ["only larger is better: up to the limit", (value) => 1_000 / value, [30, 75, 188, 200], 200],
    ["only smaller is better: the hypothesis, then down", (value) => 100 + value, [30, 6, 2, 1], 1],
    ["best near 30: up, once beyond, and stop", bowl(30), [30, 75], 30],
    ["best near 6: down", bowl(6), [30, 6, 2], 6],
  ])("%s", (_, measure, tried, best) => {
    const result = climb(measure);
    expect(result.tried).toEqual(tried);
    expect(result.step).toMatchObject({ kind: "best", best: { value: best } });
  });

  test("the vertex of a parabola, once four points are measured", () => {
    const { tried, step } = climb(bowl(110), { probesMax: 6 });
    expect(tried.slice(0, 3)).toEqual([30, 75, 188]);
    expect(tried[3]).toBeGreaterThan(95);
    expect(tried[3]).toBeLessThan(125);
    expect(step).toMatchObject({ kind: "best", best: { value: tried[3] } });
  });

  test("a metric that should be high is climbed the other way", () => {
    expect(climb((value) => 10 * value, { better: "higher", max: 75 }).tried).toEqual([30, 75]);
  });

  test("a share is compared by difference, and may be zero", () => {
    const hits = fromStep(30, 0, 0.4);
    const { step } = climb(hits, { better: "higher", compare: "difference" });
    expect(step).toMatchObject({ kind: "best", best: { value: 30 } });
    expect(step.kind === "best" && gainOf(step.best, step.start)).toBeCloseTo(0.4);
  });

  test("gains within the noise are no gains", () => {
    const slightly = power(-0.05);
    expect(climb(slightly, { noiseFloor: 0.02 }).tried).toContain(75);
    expect(climb(slightly, { noiseFloor: 0.2 }).tried).toEqual([30, 6]);
  });

  test("of values as good as the best, the smallest", () => {
    const saturating = fromStep(30, 100, 50);
    expect(climb(saturating).step).toMatchObject({ best: { value: 30 } });
  });

  test("no more than the probes allowed, and nothing outside the limits", () => {
    const { tried } = climb((value) => 1_000 / value, { probesMax: 2, max: 40 });
    expect(tried).toEqual([30, 40]);
    expect(climb((value) => 1_000 / value, { probesMax: 0 }).tried).toEqual([]);
  });
});

describe("the cliff guard", () => {
  test("a rung far below its neighbour is measured twice, then excluded, and nothing beyond it is tried", () => {
    const { tried, step } = climb(cliff, { first: 40 });
    expect(tried).toEqual([40, 100, 200, 200]);
    expect(step).toMatchObject({ kind: "best", best: { value: 100 } });
  });

  test("an outlier is forgiven when it does not repeat", () => {
    let calls = 0;
    const once = (value: number) => (value === 30 && calls++ === 0 ? 300 : value === 30 ? 20 : 100);
    expect(climb(once).step).toMatchObject({ kind: "best", best: { value: 30 } });
  });

  test("a setting that cannot be measured is a cliff", () => {
    const { tried, step } = climb((value) => (value > 20 ? undefined : 100 - value));
    expect(tried.slice(0, 2)).toEqual([30, 30]);
    expect(step).toMatchObject({ kind: "best", best: { value: 15 } });
  });

  test("without a measurement of the start there is nothing to compare with", () => {
    expect(climb(() => undefined).step.kind).toBe("unmeasurable");
  });
});

/** research/tuning.md section 10, T1 and T3, for five probes: at 5 % noise most searches end near the best. */
describe("under noise of 5 %", () => {
  test.each([
    [
      "a pool past its knee (USL)",
      (value: number) => (1 + 0.05 * (value - 1) + 0.002 * value * (value - 1)) / value,
    ],
    ["a bowl", bowl(40)],
    ["a cliff past 120", (value: number) => (value > 120 ? 90 : 3 + 60 / value)],
  ])("%s", (_, truth) => {
    const values = Array.from({ length: 200 }, (_unused, index) => index + 1);
    const lowest = Math.min(...values.map(truth));
    let near = 0;
    let worse = 0;
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = xoroshiro128plus(seed);
      const noise = () =>
        1 +
        0.05 * (uniformFloat64(random) + uniformFloat64(random) + uniformFloat64(random) - 1.5) * 2;
      const { step } = climb((value) => truth(value) * noise(), { noiseFloor: 0.05 });
      if (step.kind !== "best") continue;
      if (truth(step.best.value) <= lowest * 1.1) near += 1;
      if (truth(step.best.value) > truth(settings.start) * 1.1) worse += 1;
    }
    expect(near).toBeGreaterThanOrEqual(150);
    expect(worse).toBeLessThanOrEqual(4);
  });
});
