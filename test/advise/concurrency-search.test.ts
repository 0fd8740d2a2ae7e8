/** The shared search against services of known truth: one knob and several, cliffs, failures, limits; and its benchmark on few seeds. */
import { describe, expect, test } from "vitest";
import { run } from "../../bench/search.ts";
import { nextSearchStep } from "../../src/advise/concurrency/search.ts";
import type {
  SearchKnob,
  SearchMeasurement,
  SearchSettings,
  Values,
} from "../../src/advise/concurrency/search.ts";
import * as fc from "../properties.ts";

const pool: SearchKnob = { id: "pool", start: 15, min: 1, max: 200 };
const workers: SearchKnob = { id: "workers", start: 4, min: 1, max: 64 };
const settings: SearchSettings = {
  knobs: [pool],
  better: "lower",
  compare: "ratio",
  noiseFloor: 0.02,
  probesMax: 12,
};

type Truth = (values: Values) => number | undefined;

/** Runs the search to its end. */
function search(truth: Truth, changed: Partial<SearchSettings> = {}) {
  const all = { ...settings, ...changed };
  const start = Object.fromEntries(all.knobs.map((knob) => [knob.id, knob.start]));
  const measured: SearchMeasurement[] = [{ values: start, metric: truth(start) }];
  for (let steps = 0; steps < 60; steps += 1) {
    const step = nextSearchStep(all, measured);
    if (step.kind !== "probe") return { step, tried: measured.slice(1), measured };
    expect(nextSearchStep(all, measured)).toEqual(step);
    measured.push({ values: step.values, metric: truth(step.values) });
  }
  throw new Error("the search did not end");
}

const of = (values: Values, knob: string) => values[knob] ?? Number.NaN;

/** Latency with its lowest point at `best`, symmetric in the logarithm of the knob. */
const bowl =
  (best: number, knob = "pool", depth = 0.15) =>
  (values: Values) =>
    100 * Math.exp(depth * Math.log(of(values, knob) / best) ** 2);

const cliff = (values: Values) =>
  of(values, "pool") > 100 ? 500 : 100 / of(values, "pool") ** 0.5;

const hits = (values: Values) => (of(values, "pool") < 30 ? 0 : 0.4);

const two = (values: Values) =>
  1 / (bowl(12, "pool", -2)(values) + 1.5 * bowl(150, "pool", -2)(values) + 10);

const both = (values: Values) => (bowl(40)(values) * bowl(10, "workers", 0.3)(values)) / 100;

const product = (values: Values) =>
  of(values, "pool") * of(values, "workers") > 400 ? undefined : both(values);

const linear = (values: Values) => Math.min(8, of(values, "workers"));

const peak = (values: Values) => 1 - 0.1 * Math.abs(of(values, "p") - 3);

describe("one knob", () => {
  test.each([3, 6, 12, 30, 60, 150])("finds the lowest point at %d", (best) => {
    const truth = bowl(best);
    const { step, tried } = search(truth);
    if (step.kind !== "best") throw new Error(step.kind);
    expect(truth(step.values)).toBeLessThan(105);
    expect(step.gain).toBeCloseTo(Math.log(truth({ pool: 15 }) / truth(step.values)));
    expect(tried.length).toBeLessThanOrEqual(12);
  });

  test("begins with the hypothesis, and goes on from there by a factor of 2.5", () => {
    const { tried } = search(bowl(60), { knobs: [{ ...pool, first: 30 }] });
    expect(tried.slice(0, 3).map(({ values }) => values["pool"])).toEqual([30, 75, 187]);
  });

  test("a hypothesis below the present value is tried first, too", () => {
    const { tried } = search(bowl(6), { knobs: [{ ...pool, first: 8 }] });
    expect(tried.slice(0, 2).map(({ values }) => values["pool"])).toEqual([8, 3]);
  });

  test("of settings as good as the best, the smallest", () => {
    const { step } = search(() => 100);
    expect(step.kind === "best" && of(step.values, "pool")).toBeLessThanOrEqual(15);
  });

  test("a metric that should be high, compared by difference, and zero at the start", () => {
    const { step } = search(hits, { better: "higher", compare: "difference" });
    expect(step).toMatchObject({ kind: "best", gain: 0.4 });
  });

  test("a real knob whose range begins with zero", () => {
    const delay: SearchKnob = { id: "delay", start: 0, min: 0, max: 1, real: true };
    const { step, tried } = search((values) => 100 - 50 * of(values, "delay"), { knobs: [delay] });
    expect(step).toMatchObject({ kind: "best", values: { delay: 1 } });
    expect(tried.some(({ values }) => !Number.isInteger(of(values, "delay")))).toBe(true);
  });

  test("without a measurement of the start there is nothing to compare with", () => {
    expect(search(() => undefined).step.kind).toBe("unmeasurable");
    expect(nextSearchStep(settings, []).kind).toBe("unmeasurable");
  });

  test("no probe allowed: the present setting", () => {
    expect(search(bowl(60), { probesMax: 0 })).toMatchObject({
      step: { kind: "best", values: { pool: 15 }, gain: 0 },
      tried: [],
    });
  });
});

describe("the cliff guard", () => {
  test("of a cliff the middle is tried, not the same again; then it is narrowed down and kept away from", () => {
    const { step, tried } = search(cliff, { knobs: [{ ...pool, first: 60 }], probesMax: 15 });
    if (step.kind !== "best") throw new Error(step.kind);
    const values = tried.map((each) => of(each.values, "pool"));
    expect(values.filter((value) => value > 100)).toHaveLength(
      new Set(values.filter((value) => value > 100)).size,
    );
    const nearest = Math.min(...values.filter((value) => value > 100));
    expect(of(step.values, "pool")).toBeLessThanOrEqual(Math.ceil(0.85 * nearest));
    expect(of(step.values, "pool")).toBeGreaterThan(80);
    expect(step.boundary?.map(({ value }) => value)).toContain(nearest);
  });

  test("a shallow cliff in a rising curve, lower behind it but not much lower than before, is one", () => {
    const shallow = (values: Values) =>
      (of(values, "pool") > 30 ? 1 / 0.6 : 1) * (100 / of(values, "pool") ** 0.4);
    const { step } = search(shallow);
    if (step.kind !== "best") throw new Error(step.kind);
    expect(of(step.values, "pool")).toBeGreaterThan(22);
    expect(of(step.values, "pool")).toBeLessThanOrEqual(30);
  });

  test("a present setting that is past a cliff itself: what is good lies below, and is not taken for a bad fit", () => {
    const past = (values: Values) => (of(values, "pool") > 12 ? 3 : 1) * bowl(10)(values);
    const { step } = search(past);
    if (step.kind !== "best") throw new Error(step.kind);
    expect(of(step.values, "pool")).toBeGreaterThanOrEqual(7);
    expect(of(step.values, "pool")).toBeLessThanOrEqual(12);
  });

  test("half of the workers doing half of the work is no cliff", () => {
    const { step } = search(linear, {
      knobs: [{ ...workers, start: 2, min: 1 }],
      better: "higher",
    });
    expect(step).toMatchObject({ kind: "best" });
    expect(step).not.toHaveProperty("boundary");
  });

  test("an outlier of the present setting is measured once more, not taken for a cliff", () => {
    let calls = 0;
    const { step, tried } = search((values) =>
      of(values, "pool") === 15 && calls++ === 0 ? 500 : bowl(12)(values),
    );
    expect(tried.some(({ values }) => values["pool"] === 15)).toBe(true);
    if (step.kind !== "best") throw new Error(step.kind);
    expect(bowl(12)(step.values)).toBeLessThan(105);
  });

  test("an outlier that does not repeat is forgiven", () => {
    let calls = 0;
    const rising = (values: Values) => 100 / of(values, "pool") ** 0.5;
    const { step } = search((values) =>
      of(values, "pool") === 38 && calls++ === 0 ? 500 : rising(values),
    );
    expect(step.kind === "best" && of(step.values, "pool")).toBeGreaterThan(38);
    expect(step).not.toHaveProperty("boundary");
  });

  test("a setting that cannot be measured is a boundary once a second one could not be, either", () => {
    const { step, tried } = search((values) =>
      of(values, "pool") > 20 ? undefined : 100 / of(values, "pool"),
    );
    const failed = tried.map(({ values }) => of(values, "pool")).filter((value) => value > 20);
    expect(failed[0]).toBe(38);
    if (step.kind !== "best") throw new Error(step.kind);
    expect(step.boundary).toContainEqual({ knob: "pool", value: 38 });
    expect(of(step.values, "pool")).toBeLessThanOrEqual(20);
  });

  test("a valley between two good settings is no cliff", () => {
    const { step } = search(two, { mode: "scout", probesMax: 15 });
    if (step.kind !== "best") throw new Error(step.kind);
    expect(of(step.values, "pool")).toBeGreaterThan(90);
    expect(step).not.toHaveProperty("boundary");
  });
});

test("small whole numbers: the ones beside the best are tried where factors round to what is known", () => {
  const { step } = search(peak, {
    knobs: [{ id: "p", start: 5, min: 1, max: 8 }],
    better: "higher",
    probesMax: 7,
  });
  expect(step).toMatchObject({ kind: "best", values: { p: 3 } });
});

describe("several knobs", () => {
  test("are probed in the order given, then moved together", () => {
    const { step, tried } = search(both, { knobs: [pool, workers], probesMax: 15 });
    expect(tried[0]?.values).toEqual({ pool: 38, workers: 4 });
    expect(tried.some(({ values }) => values["pool"] !== 38 && values["workers"] !== 4)).toBe(true);
    expect(step.kind === "best" && both(step.values)).toBeLessThan(105);
  });

  test("a limit on their product is not proposed past once it is known", () => {
    const { step } = search(product, { knobs: [pool, workers], probesMax: 20 });
    expect(step.kind === "best" && product(step.values)).toBeLessThan(118);
  });
});

test("whatever is measured: it ends within its probes, inside its limits, and recommends what was measured", () => {
  const metric = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined });
  const knob = fc
    .record({
      min: fc.integer({ min: 0, max: 50 }),
      width: fc.integer({ min: 0, max: 5_000 }),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ min, width, at }) => ({ min, max: min + width, start: min + Math.round(width * at) }));
  const shape = fc.record({
    knobs: fc.array(knob, { minLength: 1, maxLength: 3 }),
    metrics: fc.array(metric, { minLength: 30, maxLength: 30 }),
    compare: fc.constantFrom("ratio", "difference"),
    mode: fc.constantFrom("local", "scout"),
    probesMax: fc.integer({ min: 0, max: 14 }),
  });
  fc.assert(
    fc.property(shape, ({ knobs: drawn, metrics, compare, mode, probesMax }) => {
      const knobs = drawn.map((each, index) => ({ ...each, id: `knob ${index}` }));
      let calls = 0;
      const { step, tried, measured } = search(() => metrics[calls++], {
        knobs,
        compare,
        mode,
        probesMax,
      });
      const starts = Object.fromEntries(knobs.map(({ id, start }) => [id, start]));
      const repeats = tried.filter(({ values }) =>
        knobs.every(({ id }) => values[id] === starts[id]),
      );
      expect(tried.length - repeats.length).toBeLessThanOrEqual(probesMax);
      for (const { values } of tried) {
        for (const { id, min, max } of knobs) {
          expect(of(values, id)).toBeGreaterThanOrEqual(min);
          expect(of(values, id)).toBeLessThanOrEqual(max);
        }
      }
      if (step.kind !== "best") return;
      expect(measured.map(({ values }) => values)).toContainEqual(step.values);
      expect(Number.isFinite(step.gain)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test("the benchmark on few seeds keeps what the whole of it promises, but for chance", async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(rows.length).toBeGreaterThan(60);
  expect(acceptance).toHaveLength(16);
  // Twelve services a family: one or two of them may be unlucky.
  expect(acceptance.filter(({ ok }) => !ok).length).toBeLessThanOrEqual(3);
  expect(acceptance.at(-1)).toMatchObject({ value: "0", ok: true });
});
