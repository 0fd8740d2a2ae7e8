/** Bounds of a one-sided group-sequential test: how high z must be at each look so that all looks together err at most at `total`. */
import { normalDensity, normalTail } from "./distribution.ts";

/** Hwang, Shih and DeCani, Statistics in Medicine 9 (1990): gamma -1 spends a little more early than O'Brien-Fleming does. */
const GAMMA = -1;

/** Grid points of the density between looks (even, for Simpson's rule), and how far below zero it reaches. */
const STEPS = 200;
const REACH = 8;
/** Halvings of a bound between -REACH and REACH: to 1e-9. */
const ROUNDS = 34;

/**
 * The z bound at each look. `fractions` are the shares of the planned information, rising, mostly to 1; the last look spends
 * all that is left, also where a trial has to end before its plan does. Stopping early for any other reason only lowers the
 * error, so nothing else needs to be known (the bounds are "non-binding").
 * Method: Armitage, McPherson and Rowe (1969), the density of the score that has not crossed yet, carried from look to look.
 */
export function spendingBounds(total: number, fractions: readonly number[]): readonly number[] {
  const bounds: number[] = [];
  let before: Grid = { points: [0], mass: [1], information: 0 };
  let spentBefore = 0;
  for (const [index, information] of fractions.entries()) {
    const spent = index === fractions.length - 1 ? total : spentBy(total, information);
    const bound = boundAt(before, information, spent - spentBefore);
    bounds.push(bound);
    before = carry(before, information, bound);
    spentBefore = spent;
  }
  return bounds;
}

function spentBy(total: number, information: number): number {
  return (total * Math.expm1(-GAMMA * information)) / Math.expm1(-GAMMA);
}

/** The score (z times the root of the information) on a grid, each point with the probability around it. */
interface Grid {
  readonly points: readonly number[];
  readonly mass: readonly number[];
  readonly information: number;
}

/** The z that exactly `spend` of the probability crosses, found by bisection. */
function boundAt(before: Grid, information: number, spend: number): number {
  let low = -REACH;
  let high = REACH;
  for (let round = 0; round < ROUNDS; round += 1) {
    const middle = (low + high) / 2;
    if (crossing(before, information, middle) > spend) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function crossing(before: Grid, information: number, z: number): number {
  const score = z * Math.sqrt(information);
  const spread = Math.sqrt(information - before.information);
  return before.points.reduce(
    (sum, point, index) => sum + (before.mass[index] ?? 0) * normalTail((score - point) / spread),
    0,
  );
}

function carry(before: Grid, information: number, bound: number): Grid {
  const spread = Math.sqrt(information - before.information);
  const low = -REACH * Math.sqrt(information);
  const step = (bound * Math.sqrt(information) - low) / STEPS;
  const points = Array.from({ length: STEPS + 1 }, (_, index) => low + index * step);
  const mass = points.map((score, index) => {
    const density = before.points.reduce(
      (sum, point, at) => sum + (before.mass[at] ?? 0) * normalDensity((score - point) / spread),
      0,
    );
    return (density / spread) * simpsonWeight(index) * step;
  });
  return { points, mass, information };
}

function simpsonWeight(index: number): number {
  if (index === 0 || index === STEPS) return 1 / 3;
  return index % 2 === 1 ? 4 / 3 : 2 / 3;
}
