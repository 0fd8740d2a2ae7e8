import { describe, expect, test } from "vitest";
import { FAIL_TOTAL, boundsFor } from "../../src/decide/gate-bounds.ts";
import { testConfirmation, testGate, type Series } from "../../src/decide/gate-test.ts";
import { randomFrom } from "../noise.ts";

/** Losses around a mean, all of one size: the standard error is known, and no luck is involved. */
function series(
  mean: number,
  spread: number,
  count: number,
  changes: Partial<Series> = {},
): Series {
  return {
    observed: Array.from({ length: count }, (_, pair) => ({
      pair,
      generation: pair,
      loss: mean + (pair % 2 === 0 ? spread : -spread),
    })),
    leastLoss: 0.03,
    marginLoss: 0.05,
    processSd: 0.015,
    ...changes,
  };
}

function go(all: readonly Series[], measured: number, ended = false, pairsMax = 30) {
  const { of, over, pairsNext } = testGate(all, { pairsMax, measured, ended });
  return { kinds: of.map(({ kind }) => kind), over, pairsNext, of };
}

function confirm(all: readonly Series[], measured: number) {
  return testConfirmation(all, { pairsMax: 30, measured, ended: false });
}

describe("one metric", () => {
  test.each([
    ["far worse", 0.2, 5, "fail"],
    ["unchanged", 0, 5, "pass"],
    ["better", -0.2, 5, "pass"],
    ["worse by less than counts", 0.02, 5, "pass"],
  ])("%s, with little noise", (_, mean, pairs, kind) => {
    const found = go([series(mean, 0.002, pairs)], pairs);
    expect(found.kinds).toEqual([kind]);
    expect(found.over).toBe(true);
  });

  test("proven worse but with an estimate below the least effect does not fail", () => {
    const found = go([series(0.025, 0.002, 5, { marginLoss: 0.026 })], 5);
    expect(found.kinds).toEqual(["open"]);
    expect(found.of[0]?.provenAmong).toBe(1);
  });

  test("is decided at looks only", () => {
    for (const pairs of [1, 2, 3, 4]) {
      expect(go([series(0.5, 0.002, pairs)], pairs)).toMatchObject({
        kinds: ["open"],
        pairsNext: 5 - pairs,
      });
    }
    // Decided at 5; what came later was not needed, and changes nothing.
    expect(go([series(0.5, 0.002, 6)], 6).of[0]?.moments?.count).toBe(5);
  });

  test("keeps a pass, whatever later pairs say", () => {
    const early = series(0, 0.002, 5).observed;
    const late = series(0.3, 0.002, 14).observed.slice(5);
    const other = series(0.02, 0.04, 14);
    const found = go([{ ...other, observed: [...early, ...late] }, other], 14);
    expect(found.kinds).toEqual(["pass", "open"]);
  });

  test("is inconclusive at the last look, and then only", () => {
    expect(go([series(0.03, 0.06, 20)], 20).kinds).toEqual(["open"]);
    expect(go([series(0.03, 0.06, 30)], 30)).toMatchObject({ kinds: ["inconclusive"], over: true });
  });

  test("ends for want of hope when the machine is far too noisy", () => {
    expect(go([series(0, 0.6, 14)], 14).over).toBe(false);
    const found = go([series(0, 0.6, 20)], 20);
    expect(found).toMatchObject({ kinds: ["open"], over: true });
    expect(found.of[0]?.hopeless).toBe(true);
  });

  test("an exact counter needs no spread", () => {
    expect(go([series(0.1, 0, 5)], 5).kinds).toEqual(["fail"]);
    expect(go([series(0, 0, 5)], 5).kinds).toEqual(["pass"]);
  });
});

describe("several metrics", () => {
  test("one failure ends the trial", () => {
    const found = go([series(0.3, 0.01, 5), series(0.04, 0.05, 5)], 5);
    expect(found).toMatchObject({ kinds: ["fail", "open"], over: true });
  });

  test("share the level, and one that is proven worse passes its share on", () => {
    const alone = boundsFor(FAIL_TOTAL, 30)[0]!.errors;
    const shared = boundsFor(FAIL_TOTAL / 2, 30)[0]!.errors;
    const between = (alone + shared) / 2;
    // The standard error of 5 values of this size around their mean.
    const losses = series(0, 0.01, 5).observed.map(({ loss }) => loss);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / 5;
    const error = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 20);
    const near = series(between * error - mean, 0.01, 5);
    expect(go([near, series(0, 0.002, 5)], 5).kinds[0]).toBe("open");
    expect(go([near, series(0.5, 0.002, 5)], 5).kinds).toEqual(["fail", "fail"]);
  });

  test("each has its own pairs, and is looked at by them", () => {
    const few = series(0, 0.002, 10);
    const half = { ...few, observed: few.observed.filter(({ pair }) => pair % 2 === 0) };
    expect(
      go([series(0.03, 0.06, 9), { ...half, observed: half.observed.slice(0, 4) }], 9),
    ).toMatchObject({
      kinds: ["open", "open"],
      pairsNext: 1,
    });
    expect(go([series(0.03, 0.06, 10), half], 10).kinds).toEqual(["open", "pass"]);
  });

  test("none at all is over at once", () => {
    expect(go([], 0)).toMatchObject({ kinds: [], over: true });
  });
});

describe("a trial that has to end", () => {
  test("gets a last look at what there is", () => {
    const twelve = series(0.05, 0.045, 12);
    expect(go([twelve], 12).kinds).toEqual(["open"]);
    expect(go([twelve], 12, true).kinds).toEqual(["fail"]);
    expect(go([series(0.03, 0.06, 12)], 12, true)).toMatchObject({
      kinds: ["inconclusive"],
      over: true,
    });
  });

  test("judges nothing by fewer than 5 pairs, unless no more were planned", () => {
    expect(go([series(0.5, 0.002, 4)], 4, true).kinds).toEqual(["unusable"]);
    expect(go([series(0.5, 0.002, 4)], 4, true, 4).kinds).toEqual(["fail"]);
  });

  test("waits no longer for a metric that never comes", () => {
    expect(go([series(0, 0.002, 0)], 9).kinds).toEqual(["open"]);
    expect(go([series(0, 0.002, 0)], 10)).toMatchObject({ kinds: ["unusable"], over: true });
  });

  test("errs no more often for it", () => {
    const random = randomFrom(5);
    const runs = 4_000;
    const counts = { fail: 0, pass: 0 };
    for (let run = 0; run < runs; run += 1) {
      const measured = 8 + Math.floor(random.uniform() * 20);
      const noise = Array.from({ length: measured }, () => 0.06 * random.normal());
      const at = (mean: number) => {
        const observed = noise.map((each, pair) => ({ pair, generation: pair, loss: mean + each }));
        return go([series(0, 0, 0, { observed })], measured, true).kinds[0];
      };
      counts.fail += Number(at(0) === "fail");
      counts.pass += Number(at(0.05) === "pass");
    }
    // Nominal 1 % and 4.5 %, with three standard errors of the simulation.
    expect(counts.fail / runs).toBeLessThan(0.015);
    expect(counts.pass / runs).toBeLessThan(0.06);
    expect(counts.pass / runs).toBeGreaterThan(0.02);
  });
});

describe("the confirmation", () => {
  test("confirms what is there again, and ends with the first", () => {
    const found = confirm([series(0.1, 0.01, 5), series(0.03, 0.08, 5)], 5);
    expect(found.of.map(({ kind }) => kind)).toEqual(["fail", "open"]);
    expect(found.over).toBe(true);
  });

  test("does not confirm less than counts, nor what is not there", () => {
    expect(confirm([series(0.02, 0.001, 5)], 5).of[0]?.kind).toBe("open");
    expect(confirm([series(-0.1, 0.01, 5)], 5)).toMatchObject({
      over: true,
      of: [{ hopeless: true }],
    });
    expect(confirm([series(0.02, 0.001, 30)], 30).of[0]?.kind).toBe("inconclusive");
  });
});
