/** The cliff guard: which settings fall off a cliff (out of memory, out of connections), and what that leaves to the search. */
import type { SearchSettings } from "./search.ts";
import { distance, heightOf, settableHeight } from "./space.ts";
import type { Place, Point, SearchKnob } from "./space.ts";

/** From this value on, seen from the start, the knob falls off a cliff. */
export interface Boundary {
  readonly knob: string;
  readonly value: number;
}

export interface Fence {
  /** Could not be measured, once: to be measured again at once. */
  readonly unmeasured: Point | undefined;
  /** Measured once and far worse than their neighbours: to be measured again before the search turns away from what lies there. */
  readonly suspects: readonly Cliff[];
  /** Without what fell off a cliff, be it once or twice. */
  readonly usable: readonly Point[];
  /** The usable points, and the suspects as bad as a point may be that is no cliff. */
  readonly tempered: readonly Point[];
  /** Measured twice. */
  readonly boundaries: readonly Boundary[];
  /** By knob, where the search may still go. */
  readonly low: Place;
  readonly high: Place;
  /** By knob, what may be recommended: at a distance from a cliff. */
  readonly recommendedLow: Place;
  readonly recommendedHigh: Place;
  /** Whether a place lies at or beyond a suspect, or a cliff that several knobs together fall off. */
  readonly forbids: (place: Place) => boolean;
}

/** tuning.md 1.4: a point below 65 % of its neighbour is a suspected cliff; what is recommended stays at 85 % of the last good value. */
const CLIFF_SHARE = 0.65;
const KEEP_AWAY = Math.log(0.85);
/** A suspect says so much of what a measurement says. */
const SUSPECT_WEIGHT = 0.3;
/** Between a good value and a cliff the middle is tried until it was bad once: each such trial hurts the service. */
const BRACKETS = 1;

export interface Cliff {
  readonly point: Point;
  readonly inner: Point;
  /** The knobs by which the point is further out than its neighbour. */
  readonly knobs: readonly number[];
}

export function fenceOf(settings: SearchSettings, points: readonly Point[], start: Point): Fence {
  const cliffs = cliffsOf(settings, points, start);
  const fallen = new Set(cliffs.map((cliff) => cliff.point));
  const usable = points.filter((point) => !fallen.has(point));
  const twice = cliffs.filter((cliff) => cliff.point.measurements > 1);
  // Between a good value and a cliff that was measured twice, one measurement is enough.
  const confirmed = cliffs.filter(
    (cliff) => twice.includes(cliff) || twice.some((other) => isSameSide(cliff, other, start)),
  );
  const suspects = cliffs.filter((cliff) => !confirmed.includes(cliff));
  const single = confirmed.filter((cliff) => cliff.knobs.length === 1);
  const several = cliffs.filter((cliff) => !single.includes(cliff));
  const sides = settings.knobs.map((knob, index) =>
    sideOf(
      knob,
      index,
      start,
      usable,
      single.filter((cliff) => cliff.knobs[0] === index),
    ),
  );
  return {
    unmeasured: suspects.find((cliff) => cliff.point.score === Number.NEGATIVE_INFINITY)?.point,
    suspects,
    usable,
    tempered: [
      ...usable,
      ...suspects.map(({ point, inner }) => ({
        ...point,
        score: leastScore(settings, inner.score),
        measurements: SUSPECT_WEIGHT,
      })),
    ],
    boundaries: single.flatMap((cliff) => boundaryOf(settings, cliff)),
    low: sides.map((side) => side.low),
    high: sides.map((side) => side.high),
    recommendedLow: sides.map((side) => side.recommendedLow),
    recommendedHigh: sides.map((side) => side.recommendedHigh),
    forbids: (place) => several.some((cliff) => isBeyond(place, cliff)),
  };
}

function isSameSide(cliff: Cliff, other: Cliff, start: Point): boolean {
  const [index] = other.knobs;
  if (index === undefined || other.knobs.length > 1) return false;
  if (cliff.knobs.length !== 1 || cliff.knobs[0] !== index) return false;
  const at = start.place[index] ?? 0;
  return (cliff.point.place[index] ?? at) > at === (other.point.place[index] ?? at) > at;
}

/** How far a knob may go on either side: to the last good value, or half of the way from there to the cliff while that was tried but once. */
function sideOf(
  knob: SearchKnob,
  index: number,
  start: Point,
  usable: readonly Point[],
  cliffs: readonly Cliff[],
): { low: number; high: number; recommendedLow: number; recommendedHigh: number } {
  const at = start.place[index] ?? 0;
  const ends = cliffs.map((cliff) => cliff.point.place[index] ?? at);
  const above = ends.filter((height) => height > at);
  const below = ends.filter((height) => height < at);
  const ceiling = Math.min(...above);
  const floor = Math.max(...below);
  const heights = usable.map((point) => point.place[index] ?? at);
  const high = Math.max(at, ...heights.filter((height) => height < ceiling));
  const low = Math.min(at, ...heights.filter((height) => height > floor));
  const [lowest, highest] = [heightOf(knob, knob.min), heightOf(knob, knob.max)];
  return {
    low: below.length === 0 ? lowest : below.length <= BRACKETS ? (low + floor) / 2 : low,
    high: above.length === 0 ? highest : above.length <= BRACKETS ? (high + ceiling) / 2 : high,
    recommendedLow:
      below.length === 0 ? lowest : Math.min(at, settableHeight(knob, low - KEEP_AWAY)),
    recommendedHigh:
      above.length === 0 ? highest : Math.max(at, settableHeight(knob, high + KEEP_AWAY)),
  };
}

function boundaryOf(settings: SearchSettings, cliff: Cliff): readonly Boundary[] {
  const knob = settings.knobs[cliff.knobs[0] ?? -1];
  const value = knob && cliff.point.values[knob.id];
  return knob && value !== undefined ? [{ knob: knob.id, value }] : [];
}

/** From the start outwards, each seen from its nearest good neighbour on the start's side in every knob. The start itself never falls. */
function cliffsOf(
  settings: SearchSettings,
  points: readonly Point[],
  start: Point,
): readonly Cliff[] {
  const good: Point[] = [start];
  const cliffs: Cliff[] = [];
  const outwards = points
    .filter((point) => point !== start)
    .toSorted((a, b) => distance(a.place, start.place) - distance(b.place, start.place));
  for (const point of outwards) {
    const inner = good
      .filter((each) => isBetween(each.place, start.place, point.place))
      .reduce(
        (near, each) =>
          distance(each.place, point.place) < distance(near.place, point.place) ? each : near,
        start,
      );
    const least = leastScore(settings, inner.score);
    if (point.score >= least || isValley(points, point, inner, least)) {
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

/** Further out it is good again: no cliff. */
function isValley(points: readonly Point[], point: Point, inner: Point, least: number): boolean {
  return (
    point.score !== Number.NEGATIVE_INFINITY &&
    points.some(
      (each) =>
        each !== point && each.score >= least && isBetween(point.place, inner.place, each.place),
    )
  );
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

function isBeyond(place: Place, { point, inner, knobs }: Cliff): boolean {
  return knobs.every((index) => {
    const end = point.place[index] ?? 0;
    const height = place[index] ?? 0;
    return end > (inner.place[index] ?? 0) ? height >= end : height <= end;
  });
}
