/** How steeply the worst objective rises with the load near its limit, and where it crosses it: a straight line through logarithms. */
import type { LoadVerdict } from "./verdict.ts";

export interface Line {
  /** Natural logarithm of the load at which the distance is zero. */
  readonly crossing: number;
  /** Of distance by the logarithm of the load: 2 is twice the percentage. */
  readonly slope: number;
}

/** A service that drowns says no more about the limit than one that is 1.6 times beyond it (measured: bench/limit.ts). */
const DISTANCE_MAX = 0.5;

/** By least squares, weighted by windows; undefined when the distance does not rise. */
export function lineThrough(verdicts: readonly LoadVerdict[]): Line | undefined {
  const points = verdicts.filter(({ windows }) => windows > 0).map(pointOf);
  const total = points.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (of: (point: Point) => number) =>
    points.reduce((sum, point) => sum + point.weight * of(point), 0) / total;
  const x = mean((point) => point.x);
  const y = mean((point) => point.y);
  const slope =
    mean((point) => (point.x - x) * (point.y - y)) / mean((point) => (point.x - x) ** 2);
  return slope > 0 ? { slope, crossing: x - y / slope } : undefined;
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

function pointOf({ load, worst, windows }: LoadVerdict): Point {
  const y = Math.max(-DISTANCE_MAX, Math.min(DISTANCE_MAX, worst?.distance ?? 0));
  return { x: Math.log(load), y, weight: windows };
}
