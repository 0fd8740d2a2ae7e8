/** What several windows of one load say together. */
import { describe, expect, test } from "vitest";
import type { Reading } from "../../src/limit/reading.ts";
import { verdictsOf } from "../../src/limit/verdict.ts";

const NOISE = 0.1;

function reading(
  distance: number,
  changes: Partial<Reading> = {},
  leastDistance = distance,
): Reading {
  const each = {
    subject: "p95<200ms",
    distance,
    leastDistance,
    noise: NOISE,
    words: `at ${distance}`,
  };
  return { load: 100, kind: "probe", use: "full", unusable: "", distances: [each], ...changes };
}

function disturbed(distance: number, least = distance): Reading {
  return reading(distance, { use: "one-sided", unusable: "the generator was late" }, least);
}

/** Both objectives of one window. */
function two(first: number, second: number): Reading {
  const errors = reading(second).distances.map((each) => ({ ...each, subject: "errors<1%" }));
  return { ...reading(first), distances: [...reading(first).distances, ...errors] };
}

function outcomeOf(...readings: readonly Reading[]) {
  const [verdict, ...others] = verdictsOf(readings);
  if (!verdict || others.length > 0) throw new Error("these are windows of one load");
  return verdict.outcome;
}

describe("windows of one load", () => {
  test("far from the limit, one is enough", () => {
    expect(outcomeOf(reading(-0.6))).toBe("holds");
    expect(outcomeOf(reading(0.6))).toBe("breaks");
  });

  test("near the limit, one is not, and a few that agree are", () => {
    expect(outcomeOf(reading(-0.15))).toBe("open");
    expect(outcomeOf(reading(-0.15), reading(-0.17), reading(-0.16), reading(-0.14))).toBe("holds");
  });

  test("at the limit they end as unclear, after three when there is no hope", () => {
    expect(outcomeOf(reading(0.05), reading(-0.06))).toBe("open");
    expect(outcomeOf(reading(0.05), reading(-0.06), reading(0.01))).toBe("unclear");
  });

  test("two that do not agree decide nothing, however far one is", () => {
    expect(outcomeOf(reading(-0.3), reading(2.5))).toBe("open");
  });

  test("a stall among them is tamed", () => {
    expect(outcomeOf(reading(2.5), reading(-0.5), reading(-0.45), reading(-0.5))).toBe("holds");
  });

  test("a long one that is beyond the limit takes the word from the short ones", () => {
    const short = [reading(-0.4), reading(-0.4), reading(-0.4)];
    expect(outcomeOf(...short)).toBe("holds");
    expect(outcomeOf(...short, reading(0.05, { kind: "confirm" }))).toBe("open");
    expect(outcomeOf(...short, reading(0.6, { kind: "confirm" }))).toBe("breaks");
  });

  test("with two objectives, both have to hold and one is enough to break", () => {
    expect(outcomeOf(two(-0.6, -0.6))).toBe("holds");
    expect(outcomeOf(two(-0.6, -0.1))).toBe("open");
    expect(outcomeOf(two(-0.6, 0.6))).toBe("breaks");
  });
});

describe("disturbed windows", () => {
  test("within the limit although disturbed, one shows that the load holds", () => {
    expect(outcomeOf(disturbed(-0.6))).toBe("holds");
  });

  test("beyond the limit by no more than the disturbance, they show nothing and are given up", () => {
    expect(outcomeOf(disturbed(0.6, -0.2))).toBe("open");
    expect(outcomeOf(disturbed(0.6, -0.2), disturbed(0.6, -0.2), disturbed(0.6, -0.2))).toBe(
      "invalid",
    );
  });

  test("beyond the limit by more than that, one shows a break", () => {
    expect(outcomeOf(disturbed(1.2, 0.8))).toBe("breaks");
  });

  test("are never averaged with valid ones", () => {
    const [verdict] = verdictsOf([reading(0.5), disturbed(-3), reading(0.5)]);
    expect(verdict).toMatchObject({ outcome: "breaks", windows: 2 });
    expect(verdict?.worst?.distance).toBeCloseTo(0.5, 10);
  });

  test("that contradict each other show nothing", () => {
    expect(outcomeOf(disturbed(-0.6), disturbed(1.2, 0.8))).toBe("open");
  });
});

test("windows that scatter more than expected are trusted less, at every load", () => {
  const scattered = [0.6, -0.5, 0.3, -0.7].map((distance) => reading(distance, { load: 50 }));
  const near = [reading(-0.2), reading(-0.3)];
  expect(verdictsOf(near).at(-1)?.outcome).toBe("holds");
  expect(verdictsOf([...scattered, ...near]).at(-1)?.outcome).toBe("open");
});
