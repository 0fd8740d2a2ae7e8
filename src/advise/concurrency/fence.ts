/** The cliff guard: which settings fall off a cliff (out of memory, out of connections), and what that leaves to the search. */
import type { SearchSettings } from "./search.ts";
import { distance, heightOf, highest, settableHeight } from "./space.ts";
import type { Place, Point, SearchKnob } from "./space.ts";

/** From this value on, seen from the best, the knob falls off a cliff. */
export interface Boundary {
  readonly knob: string;
  readonly value: number;
}

export interface Fence {
  /** The only measurement on their side that was far worse than its neighbour: perhaps a cliff, perhaps an outlier. */
  readonly suspects: readonly Cliff[];
  /** Without what fell off a cliff, be it once or twice, and what lies behind a cliff. */
  readonly usable: readonly Point[];
  /** The usable points, and the suspects as bad as a point may be that is no cliff. */
  readonly tempered: readonly Point[];
  /** Where two measurements were bad: of one setting, or of two on the same side. */
  readonly boundaries: readonly Boundary[];
  /** By knob, where the search may still go. */
  readonly low: Place;
  readonly high: Place;
  /** By knob, what was good up to a boundary; else as far as the knob goes. */
  readonly goodLow: Place;
  readonly goodHigh: Place;
  /** By knob, what may be recommended: at a distance from a boundary. */
  readonly recommendedLow: Place;
  readonly recommendedHigh: Place;
  /** Whether a place lies at or beyond a suspect, or a cliff that several knobs together fall off. */
  readonly forbids: (place: Place) => boolean;
}

/** tuning.md 1.4: a point below 65 % of its neighbour is a suspected cliff. */
const CLIFF_SHARE = 0.65;
/** Or one below 75 % of a good one (and four times the noise) where that is steeper than an inverse proportion. */
const STEEP_SHARE = 0.75;
const STEEP_NOISES = 4;
/** Half of the workers do half of the work: what falls in proportion, and by no more than this below it, is no cliff. */
const PROPORTION_NOISE = 0.2;
/**
 * What is recommended stays at 85 % of the nearest value that fell. tuning.md 1.4 says 85 % of the last good one: that pays the distance twice,
 * as the last good value is already at a distance from the first bad one (docs/search.md).
 */
const KEEP_AWAY = -Math.log(0.85);
/** A suspect says so much of what a measurement says. */
const SUSPECT_WEIGHT = 0.3;
const CONFIRMED = 2;

export interface Cliff {
  readonly point: Point;
  readonly inner: Point;
  /** The knobs by which the point is further out than its neighbour. */
  readonly knobs: readonly number[];
}

export function fenceOf(settings: SearchSettings, points: readonly Point[], start: Point): Fence {
  // The present setting may be past a cliff itself.
  const best = highest(points);
  const cliffs = cliffsOf(settings, points, best);
  const confirmed = cliffs.filter((cliff) => badMeasurements(cliffs, cliff, best) >= CONFIRMED);
  const suspects = cliffs.filter((cliff) => !confirmed.includes(cliff));
  const fallen = new Set(cliffs.map((cliff) => cliff.point));
  const usable = points.filter(
    (point) =>
      !fallen.has(point) &&
      (settings.mode === "scout" || !confirmed.some((cliff) => isBehind(point.place, cliff))),
  );
  const single = confirmed.filter((cliff) => cliff.knobs.length === 1);
  const several = cliffs.filter((cliff) => !single.includes(cliff));
  const sides = settings.knobs.map((knob, index) =>
    sideOf(
      knob,
      index,
      { best, start },
      usable,
      single.filter((cliff) => cliff.knobs[0] === index),
    ),
  );
  return {
    suspects,
    usable,
    tempered: [
      ...usable,
      ...suspects.map(({ point, inner }) => ({
        ...point,
        score: leastBeside(settings, inner, point.place),
        measurements: SUSPECT_WEIGHT,
      })),
    ],
    boundaries: single.flatMap((cliff) => boundaryOf(settings, cliff)),
    low: sides.map((side) => side.low),
    high: sides.map((side) => side.high),
    goodLow: sides.map((side) => side.goodLow),
    goodHigh: sides.map((side) => side.goodHigh),
    recommendedLow: sides.map((side) => side.recommendedLow),
    recommendedHigh: sides.map((side) => side.recommendedHigh),
    forbids: (place) => several.some((cliff) => isBehind(place, cliff)),
  };
}

/** Of a cliff by one knob: all on its side. What is bad nearer to the best says that it is bad further out, and the other way about. */
function badMeasurements(cliffs: readonly Cliff[], cliff: Cliff, best: Point): number {
  return cliffs
    .filter((other) => other === cliff || isSameSide(other, cliff, best))
    .reduce((sum, { point }) => sum + point.measurements, 0);
}

function isSameSide(cliff: Cliff, other: Cliff, best: Point): boolean {
  const [index] = other.knobs;
  if (index === undefined || other.knobs.length > 1) return false;
  if (cliff.knobs.length !== 1 || cliff.knobs[0] !== index) return false;
  const at = best.place[index] ?? 0;
  return (cliff.point.place[index] ?? at) > at === (other.point.place[index] ?? at) > at;
}

interface Side {
  readonly low: number;
  readonly high: number;
  readonly goodLow: number;
  readonly goodHigh: number;
  readonly recommendedLow: number;
  readonly recommendedHigh: number;
}

/** How far a knob may go on either side. */
function sideOf(
  knob: SearchKnob,
  index: number,
  { best, start }: { readonly best: Point; readonly start: Point },
  usable: readonly Point[],
  cliffs: readonly Cliff[],
): Side {
  const at = best.place[index] ?? 0;
  // Where the present setting is good, it may be kept however near the cliff is.
  const kept = usable.includes(start) ? (start.place[index] ?? at) : undefined;
  const ends = cliffs.map((cliff) => cliff.point.place[index] ?? at);
  const ceiling = Math.min(...ends.filter((height) => height > at));
  const floor = Math.max(...ends.filter((height) => height < at));
  const heights = usable.map((point) => point.place[index] ?? at);
  const lastBelow = Math.max(at, ...heights.filter((height) => height < ceiling));
  const lastAbove = Math.min(at, ...heights.filter((height) => height > floor));
  const [lowest, highest] = [heightOf(knob, knob.min), heightOf(knob, knob.max)];
  const above =
    ceiling === Number.POSITIVE_INFINITY
      ? { high: highest, goodHigh: highest, recommendedHigh: highest }
      : {
          high: towards(lastBelow, ceiling),
          goodHigh: lastBelow,
          recommendedHigh: Math.max(kept ?? lowest, settableHeight(knob, ceiling - KEEP_AWAY)),
        };
  const below =
    floor === Number.NEGATIVE_INFINITY
      ? { low: lowest, goodLow: lowest, recommendedLow: lowest }
      : {
          low: towards(lastAbove, floor),
          goodLow: lastAbove,
          recommendedLow: Math.min(kept ?? highest, settableHeight(knob, floor + KEEP_AWAY)),
        };
  return { ...above, ...below };
}

/** From the last good height towards a bad one: half of the way, but no nearer to it than what may be recommended. */
export function towards(good: number, bad: number): number {
  const room = Math.abs(bad - good);
  return good + Math.sign(bad - good) * Math.max(0, Math.min(room / 2, room - KEEP_AWAY));
}

function boundaryOf(settings: SearchSettings, cliff: Cliff): readonly Boundary[] {
  const knob = settings.knobs[cliff.knobs[0] ?? -1];
  const value = knob && cliff.point.values[knob.id];
  return knob && value !== undefined ? [{ knob: knob.id, value }] : [];
}

/** From the best outwards, each seen from the good points on the best's side in every knob. */
function cliffsOf(
  settings: SearchSettings,
  points: readonly Point[],
  best: Point,
): readonly Cliff[] {
  const good: Point[] = [best];
  const cliffs: Cliff[] = [];
  const outwards = points
    .filter((point) => point !== best)
    .toSorted((a, b) => distance(a.place, best.place) - distance(b.place, best.place));
  for (const point of outwards) {
    const between = good.filter((each) => isBetween(each.place, best.place, point.place));
    const inner = between.reduce(
      (near, each) =>
        distance(each.place, point.place) < distance(near.place, point.place) ? each : near,
      best,
    );
    const hasFallen =
      point.score < leastBeside(settings, inner, point.place) ||
      between.some((each) => isSteep(settings, each, point));
    if (!hasFallen || isValley(settings, points, point, inner)) {
      good.push(point);
      continue;
    }
    const knobs = point.place.flatMap((height, index) =>
      height === inner.place[index] ? [] : [index],
    );
    cliffs.push({ point, inner, knobs });
  }
  return cliffs;
}

/** A shallow cliff shows only near to it: there it falls by more than the knob changed, which no contention does, and by more than the noise. */
function isSteep(settings: SearchSettings, inner: Point, point: Point): boolean {
  if (settings.compare !== "ratio") return false;
  const drop = inner.score - point.score;
  const noise = STEEP_NOISES * settings.noiseFloor;
  return (
    drop > Math.max(-Math.log(STEEP_SHARE), noise, distance(inner.place, point.place)) &&
    drop > fewerBy(inner.place, point.place) + Math.max(PROPORTION_NOISE, noise)
  );
}

/**
 * Further out it is good again: no cliff. A shallow cliff in a rising curve looks like that, too, so that it has to be as good as before the
 * valley; but not to one who looks for a second top.
 */
function isValley(
  settings: SearchSettings,
  points: readonly Point[],
  point: Point,
  inner: Point,
): boolean {
  const wanted =
    settings.mode === "scout" ? leastBeside(settings, inner, point.place) : inner.score;
  return (
    point.score !== Number.NEGATIVE_INFINITY &&
    points.some(
      (each) =>
        each !== point && each.score >= wanted && isBetween(point.place, inner.place, each.place),
    )
  );
}

/** The same at a place: fewer do less, and that is no cliff. */
function leastBeside(settings: SearchSettings, inner: Point, place: Place): number {
  const least = leastScore(settings, inner.score);
  if (settings.compare !== "ratio") return least;
  const fewer = fewerBy(inner.place, place);
  return fewer > 0 ? Math.min(least, inner.score - fewer - PROPORTION_NOISE) : least;
}

function fewerBy(from: Place, to: Place): number {
  return from.reduce((sum, height, index) => sum + Math.max(0, height - (to[index] ?? height)), 0);
}

/** The least score beside a neighbour that is not a cliff. */
export function leastScore(settings: SearchSettings, inner: number): number {
  if (settings.compare === "ratio") return inner + Math.log(CLIFF_SHARE);
  return inner - (1 - CLIFF_SHARE) * Math.abs(inner) - settings.noiseFloor;
}

function isBetween(place: Place, from: Place, to: Place): boolean {
  return place.every((height, index) => {
    const a = from[index] ?? height;
    const b = to[index] ?? height;
    return height >= Math.min(a, b) && height <= Math.max(a, b);
  });
}

/** At or further out than a cliff in every knob that it has to do with. */
export function isBehind(place: Place, { point, inner, knobs }: Cliff): boolean {
  return knobs.every((index) => {
    const end = point.place[index] ?? 0;
    const height = place[index] ?? 0;
    return end > (inner.place[index] ?? 0) ? height >= end : height <= end;
  });
}
