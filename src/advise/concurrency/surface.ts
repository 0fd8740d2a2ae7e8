/** After the probes: the top of the fitted surface and places beside it are measured until they say nothing new; and which setting to recommend. */
import { isBehind, towards } from "./fence.ts";
import type { Fence } from "./fence.ts";
import { fitSurface } from "./model.ts";
import type { Surface } from "./model.ts";
import type { Probe } from "./probes.ts";
import type { SearchSettings } from "./search.ts";
import { distance, highest, keyOf, placeOf, valuesAt } from "./space.ts";
import type { Place, Point } from "./space.ts";

/** tuning.md 1.5: no further than a factor of 2.7 from the best. */
const REACH = Math.log(2.7);
/** While no more than one setting a knob is known, and beyond the lowest and the highest value that were measured. */
const REACH_FIRST = 0.5;
const REACH_OUT = 0.4;
/** A top that moves by less than 7 % says nothing new; with so few points that it is mostly the prior's, less than 1.5. */
const SAME_PLACE = 0.07;
const SAME_PLACE_FIRST = 0.4;
/** tuning.md 1.5: every second trial beside the top, by a factor of 1.3 to 2. */
const BESIDE_LEAST = 1.3;
const BESIDE_MOST = 2;
/** Half of the least factor beside a top: nearer than that two settings are alike. */
const NEIGHBOUR_LEAST = Math.log(BESIDE_LEAST) / 2;
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;
/** Between measured values a surface is surer than outside of them. */
const INSIDE_BONUS = 0.03;
/** tuning.md 2: the smallest setting within 2 % of the best frees memory and connections. */
const AS_GOOD_AS_BEST = 0.02;
/** A trial between the last good value and a boundary may hurt: what it has to promise. */
const WORTH_A_BRACKET = 0.02;
/** What a suspected cliff has to promise behind it before it is measured again. */
const WORTH_ANOTHER_LOOK = 0.06;
/** Of the difference between one measurement and the surface, so much is believed. */
const TRUST = 0.25;
const SWEEPS = 6;
const CUTS = 24;
const ROUNDING = 1e-9;

/** What to measure next; undefined when nothing would be new. */
export function nextProposal(
  settings: SearchSettings,
  points: readonly Point[],
  start: Point,
  fence: Fence,
): Probe | undefined {
  const check = suspectInTheWay(settings, points, start, fence);
  if (check) return check;
  const { best, surface } = viewOf(settings, start, fence);
  const few = fence.usable.length <= settings.knobs.length;
  const turn = points.length;
  const top = topBesideCliffs(settings, surface, best, fence, few ? REACH_FIRST : REACH);
  const enough = points.length > settings.knobs.length + 2;
  const least = enough ? SAME_PLACE : SAME_PLACE_FIRST;
  const isTurnOfTop =
    fence.boundaries.length > 0 || turn % 2 === 0 || points.length < settings.knobs.length + 4;
  if (isTurnOfTop && isNew(settings, points, fence, top, least)) {
    const why = `the top of a surface through ${points.length} settings`;
    return { values: valuesAt(settings.knobs, top), why };
  }
  const beside = besideTop(settings, points, fence, surface, top);
  if (beside) return beside;
  if (!isNew(settings, points, fence, top, SAME_PLACE)) {
    return wholeNeighbour(settings, points, fence, best);
  }
  return { values: valuesAt(settings.knobs, top), why: "the top of the surface" };
}

/** Of small whole numbers the factors beside a top round to few values; the next ones up and down from the best are then as far as a factor. */
function wholeNeighbour(
  settings: SearchSettings,
  points: readonly Point[],
  fence: Fence,
  best: Point,
): Probe | undefined {
  for (const [index, { id, real, start }] of settings.knobs.entries()) {
    if (real === true) continue;
    for (const step of [1, -1]) {
      const values = { ...best.values, [id]: (best.values[id] ?? start) + step };
      const place = placeOf(settings.knobs, values);
      const isFar = distance(place, best.place) >= NEIGHBOUR_LEAST;
      const [low, high] = [fence.low[index] ?? 0, fence.high[index] ?? 0];
      const height = place[index] ?? 0;
      const isInside = height >= low - ROUNDING && height <= high + ROUNDING;
      if (!isFar || !isInside || !isRecommendable(fence, place)) continue;
      if (!isNew(settings, points, fence, place, 0)) continue;
      return { values, why: `the next whole number of ${id} beside the best` };
    }
  }
  return undefined;
}

/** The smallest measured setting within 2 % of the best, both as the surface smooths them, at a distance from cliffs. */
export function recommend(settings: SearchSettings, start: Point, fence: Fence): Point {
  const allowed = viewOf(settings, start, fence).smoothed.filter(
    ({ point }) => point === start || isRecommendable(fence, point.place),
  );
  // All that is good lies too near to a cliff, and the present setting past it.
  if (allowed.length === 0) return highest(fence.usable);
  const top = Math.max(...allowed.map((each) => each.score));
  // The distance that is kept from a cliff has freed enough already.
  const spared =
    fence.boundaries.length + fence.suspects.length > 0
      ? 0
      : AS_GOOD_AS_BEST * scaleOf(settings, start, fence.usable);
  const good = allowed.filter((each) => each.score >= top - spared);
  return good.map((each) => each.point).reduce((a, b) => (sizeOf(b) < sizeOf(a) ? b : a));
}

function sizeOf(point: Point): number {
  return point.place.reduce((sum, height) => sum + height, 0);
}

interface View {
  readonly best: Point;
  readonly surface: Surface;
  readonly smoothed: readonly { readonly point: Point; readonly score: number }[];
}

/** The surface about the best measurement, and every usable point moved towards it. */
function viewOf(settings: SearchSettings, start: Point, fence: Fence): View {
  const centre = highest(fence.usable);
  const surface = surfaceOf(settings, start, fence.tempered, fence.usable);
  const smoothed = fence.usable.map((point) => {
    const expected = surface.at(point.place) + centre.score;
    const isFar = distance(point.place, centre.place) > 2 * REACH;
    const trust = isFar ? 1 : 1 - (1 - TRUST) ** point.measurements;
    return { point, score: expected + trust * (point.score - expected) };
  });
  const best = smoothed.reduce((a, b) => (b.score > a.score ? b : a)).point;
  return { best, surface, smoothed };
}

function surfaceOf(
  settings: SearchSettings,
  start: Point,
  points: readonly Point[],
  usable: readonly Point[],
): Surface {
  const scale = scaleOf(settings, start, usable);
  return fitSurface(points, highest(usable), { scale, bumps: settings.mode === "scout" });
}

/** What a relative change of 1 is in scores: 1 for logarithms. */
function scaleOf(settings: SearchSettings, start: Point, usable: readonly Point[]): number {
  if (settings.compare === "ratio") return 1;
  const scores = usable.map((point) => point.score);
  return Math.max(Math.abs(start.score), Math.max(...scores) - Math.min(...scores)) || 1;
}

/**
 * What the surface without the suspects would go past the middle to is measured again; of a single knob at first the middle, which hurts less and
 * says more: bad, it confirms the suspect, and good, it is a good place nearer to it.
 */
function suspectInTheWay(
  settings: SearchSettings,
  points: readonly Point[],
  start: Point,
  fence: Fence,
): Probe | undefined {
  if (fence.suspects.length === 0) return undefined;
  const best = highest(fence.usable);
  const before = fence.usable.filter(
    (point) => point === best || !fence.suspects.some((cliff) => isBehind(point.place, cliff)),
  );
  const surface = surfaceOf(settings, start, before, fence.usable);
  const top = topOf(settings, surface, best, { ...fence, forbids: () => false }, REACH);
  const worth = WORTH_ANOTHER_LOOK * scaleOf(settings, start, fence.usable);
  const promised = surface.at(top) - surface.at(best.place);
  if (promised <= Math.max(worth, settings.noiseFloor)) return undefined;
  const suspect = fence.suspects.find(({ point, inner, knobs }) =>
    knobs.every((index) => {
      const from = inner.place[index] ?? 0;
      const to = point.place[index] ?? 0;
      return ((top[index] ?? 0) - from) / (to - from) >= 0.5;
    }),
  );
  if (!suspect) return undefined;
  const between = suspect.inner.place.map((good, index) =>
    towards(good, suspect.point.place[index] ?? good),
  );
  if (suspect.knobs.length === 1 && isNew(settings, points, fence, between, SAME_PLACE)) {
    const why = "what lies behind was far worse, and is in the way: half of the way there";
    return { values: valuesAt(settings.knobs, between), why };
  }
  return {
    values: suspect.point.values,
    why: "far worse than its neighbour, and in the way: measured once more before it is excluded",
  };
}

/** The highest place that is good for sure, unless one between the last good value and a boundary promises more than such a trial costs. */
function topBesideCliffs(
  settings: SearchSettings,
  surface: Surface,
  best: Point,
  fence: Fence,
  reach: number,
): Place {
  const low = fence.goodLow.map((height, index) =>
    Math.max(height, fence.recommendedLow[index] ?? height),
  );
  const high = fence.goodHigh.map((height, index) =>
    Math.min(height, fence.recommendedHigh[index] ?? height),
  );
  const sure = topOf(settings, surface, best, { ...fence, low, high }, reach);
  if (fence.boundaries.length === 0) return sure;
  const further = topOf(settings, surface, best, fence, reach);
  const worth = WORTH_A_BRACKET * scaleOf(settings, best, fence.usable);
  return surface.at(further) - surface.at(sure) > worth ? further : sure;
}

function isRecommendable(fence: Fence, place: Place): boolean {
  return place.every(
    (height, index) =>
      height >= (fence.recommendedLow[index] ?? height) - ROUNDING &&
      height <= (fence.recommendedHigh[index] ?? height) + ROUNDING,
  );
}

/** The surface's highest place in the trust region about the best, knob by knob until nothing moves. */
function topOf(
  settings: SearchSettings,
  surface: Surface,
  best: Point,
  limits: Fence,
  reach: number,
): Place {
  let place: Place = best.place.map((height, index) =>
    Math.min(limits.high[index] ?? height, Math.max(limits.low[index] ?? height, height)),
  );
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const before = place;
    for (const index of settings.knobs.keys()) {
      const centre = best.place[index] ?? 0;
      const [out, far] = rangeOf(limits, index);
      const low = Math.max(centre - reach, out - REACH_OUT, limits.low[index] ?? centre);
      const high = Math.min(centre + reach, far + REACH_OUT, limits.high[index] ?? centre);
      place = topAlong(surface, place, index, [low, high], limits.forbids);
    }
    if (place === before) break;
  }
  return place;
}

/** The lowest and the highest value of a knob that was measured and is no cliff. */
function rangeOf(fence: Fence, index: number): readonly [number, number] {
  const heights = fence.usable.map((point) => point.place[index] ?? 0);
  return [Math.min(...heights), Math.max(...heights)];
}

function topAlong(
  surface: Surface,
  place: Place,
  index: number,
  [low, high]: readonly [number, number],
  forbids: (place: Place) => boolean,
): Place {
  let top = place;
  let score = surface.at(place);
  for (let cut = 0; cut <= CUTS; cut += 1) {
    const height = low + ((high - low) * cut) / CUTS;
    const other = place.map((each, at) => (at === index ? height : each));
    const found = surface.at(other);
    if (found <= score || forbids(other)) continue;
    score = found;
    top = other;
  }
  return top;
}

/** A new place beside the top by one knob, in turn, to see how the surface bends there: on the side that promises more. */
function besideTop(
  settings: SearchSettings,
  points: readonly Point[],
  fence: Fence,
  surface: Surface,
  top: Place,
): Probe | undefined {
  const { knobs } = settings;
  const turn = points.length;
  const share = (turn * GOLDEN_RATIO) % 1;
  const factor = Math.log(BESIDE_LEAST + (BESIDE_MOST - BESIDE_LEAST) * share);
  const scale = scaleOf(settings, highest(fence.usable), fence.usable);
  for (const shift of knobs.keys()) {
    const index = (Math.floor(turn / 2) + shift) % knobs.length;
    const [low, high] = rangeOf(fence, index);
    const promiseOf = (place: Place) => {
      const height = place[index] ?? 0;
      return surface.at(place) + (height > low && height < high ? INSIDE_BONUS * scale : 0);
    };
    const lowest = Math.max(fence.recommendedLow[index] ?? low, low - REACH_OUT);
    const highestAllowed = Math.min(fence.recommendedHigh[index] ?? high, high + REACH_OUT);
    const place = [factor, -factor]
      .map((step) =>
        top.map((height, at) =>
          at === index ? Math.min(highestAllowed, Math.max(lowest, height + step)) : height,
        ),
      )
      .toSorted((a, b) => promiseOf(b) - promiseOf(a))
      .find((each) => isNew(settings, points, fence, each, SAME_PLACE));
    if (place) {
      const why = `beside the top, to see how ${knobs[index]?.id ?? "it"} bends there`;
      return { values: valuesAt(knobs, place), why };
    }
  }
  return undefined;
}

/** Good, but nearer to a boundary than what may be recommended: it does not stand for a place that may be. */
function isTooFarOut(fence: Fence, point: Point, place: Place): boolean {
  return (
    fence.usable.includes(point) &&
    !isRecommendable(fence, point.place) &&
    isRecommendable(fence, place)
  );
}

/** Whether the settings at a place are allowed and unlike all that were measured. */
function isNew(
  settings: SearchSettings,
  points: readonly Point[],
  fence: Fence,
  place: Place,
  least: number,
): boolean {
  const { knobs } = settings;
  const values = valuesAt(knobs, place);
  const key = keyOf(knobs, values);
  const real = placeOf(knobs, values);
  return (
    !fence.forbids(real) &&
    points.every(
      (point) =>
        keyOf(knobs, point.values) !== key &&
        (distance(point.place, real) > least || isTooFarOut(fence, point, real)),
    )
  );
}
