/** Services that fall off a cliff (out of memory, out of connections): by where it lies, how deep it falls and how steep it is. */
import { randomFrom } from "../../test/noise.ts";
import { batch, bestOf, logBetween, ofOne, pool } from "./families.ts";
import type { Curve, Family, Instance, Random, Shape } from "./families.ts";

/** Where the limit lies, by what would be the best value without it. */
export type Place =
  | "before the top"
  | "past the top"
  | "far past it"
  | "below the start"
  | "start past it";

/** Throughput past the limit over the same without; `fails`: not measurable at all; `soft`: down to 0.3 within a factor of 1.3. */
export type Depth = "x0.3" | "x0.6" | "fails" | "soft";

/** Of that best value. */
const MULTIPLES: Record<Place, readonly [number, number]> = {
  "before the top": [0.4, 1],
  "past the top": [1, 3],
  "far past it": [3, 8],
  "below the start": [0.5, 1.5],
  "start past it": [0.6, 1.5],
};
/** The start works, and so does a little more (or less) than the start. */
const FROM_START = 1.2;
const ABOVE_BEST = 4;
const SOFT_FACTOR = 1.3;
const DEEP = 0.3;
const SHALLOW = 0.6;

const depths: readonly Depth[] = ["x0.3", "x0.6", "fails", "soft"];

/** One family for every depth; without those whose present setting could not be measured. */
export function cliffsAt(place: Place): readonly Family[] {
  return depths
    .filter((depth) => place !== "start past it" || depth !== "fails")
    .map((depth) => cliff(place, depth));
}

export function cliff(place: Place, depth: Depth): Family {
  return {
    name: `cliff ${place}, ${depth}`,
    instance: (seed) => {
      const random = randomFrom(seed);
      const shape = (seed % 2 === 0 ? pool : batch)(random);
      if (place === "below the start") return below(random, shape, depth);
      if (place === "start past it") return fallen(random, shape, depth);
      return above(random, shape, depth, MULTIPLES[place]);
    },
  };
}

function above(
  random: Random,
  { knob, curve }: Shape,
  depth: Depth,
  [nearest, furthest]: readonly [number, number],
): Instance {
  const drawn = logBetween(random, nearest, furthest) * bestOf({ knob, curve });
  const limit = Math.floor(Math.max(FROM_START * knob.start, drawn));
  return { ...ofOne({ knob, curve: cut(curve, depth, (value) => value / limit) }), limit };
}

/** Too small is what fails: buffers that spill, a pool that deadlocks. The best lies below the start. */
function below(random: Random, { knob, curve }: Shape, depth: Depth): Instance {
  const best = bestOf({ knob, curve });
  const start = Math.min(knob.max, Math.round(ABOVE_BEST * best));
  const drawn = logBetween(random, ...MULTIPLES["below the start"]) * best;
  const limit = Math.max(knob.min, Math.ceil(Math.min(start / FROM_START, drawn)));
  const shape = { knob: { ...knob, start }, curve: cut(curve, depth, (value) => limit / value) };
  return { ...ofOne(shape), limit, isBelow: true };
}

/** The present value is past the limit already. */
function fallen(random: Random, { knob, curve }: Shape, depth: Depth): Instance {
  const limit = Math.ceil(
    logBetween(random, ...MULTIPLES["start past it"]) * bestOf({ knob, curve }),
  );
  const start = Math.min(knob.max, Math.round(logBetween(random, FROM_START, 3) * limit));
  const shape = { knob: { ...knob, start }, curve: cut(curve, depth, (value) => value / limit) };
  return { ...ofOne(shape), limit };
}

/** `past`: above 1 beyond the limit. */
function cut(curve: Curve, depth: Depth, past: (value: number) => number): Curve {
  return (value) => curve(value) * shareAt(depth, past(value));
}

function shareAt(depth: Depth, past: number): number {
  if (past <= 1) return 1;
  if (depth === "fails") return 0;
  if (depth === "x0.3") return DEEP;
  if (depth === "x0.6") return SHALLOW;
  return DEEP ** Math.min(1, Math.log(past) / Math.log(SOFT_FACTOR));
}
