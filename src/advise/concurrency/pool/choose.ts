/** The size to set: the smallest that is as good as the best, within what holds it from below and above. */
import type {
  DeadlockFloor,
  PoolAdvice,
  PoolPoint,
  ServerLimit,
} from "../../../core/pool-advice.ts";
import { SIZES_LEAST } from "./fit.ts";

/** research/tuning.md section 2: within 2 % of the best, the smallest frees memory and lowers the tail. */
const AS_GOOD_SHARE = 0.98;

export interface Choice {
  readonly best: PoolPoint;
  /** Absent where no measured size is allowed. */
  readonly recommended: PoolPoint | undefined;
  readonly verdict: PoolAdvice["verdict"];
  /** Which side of what was measured may hold a better size. */
  readonly edges: readonly ("larger" | "smaller")[];
}

export interface Bounds {
  readonly floor?: DeadlockFloor;
  readonly limit?: ServerLimit;
  /** Of the setting itself. */
  readonly sizeMin?: number;
  readonly sizeMax?: number;
}

/** `points` by size, at least one. */
export function choose(points: readonly PoolPoint[], bounds: Bounds): Choice {
  const { least, most } = rangeOf(bounds);
  const allowed = points.filter(({ size }) => size >= least && size <= most);
  const best = greatest(points);
  const bestAllowed = allowed.length === 0 ? undefined : greatest(allowed);
  const recommended =
    bestAllowed &&
    allowed.find(({ throughput }) => throughput >= AS_GOOD_SHARE * bestAllowed.throughput);
  if (!recommended || !bestAllowed)
    return { best, recommended: undefined, verdict: "unclear", edges: [] };
  const edges = edgesOf(points, bestAllowed, recommended, { least, most });
  const few = points.length < SIZES_LEAST;
  return {
    best,
    recommended,
    verdict: few ? "unclear" : edges.length > 0 ? "edge" : "sized",
    edges,
  };
}

export function rangeOf({ floor, limit, sizeMin, sizeMax }: Bounds): {
  readonly least: number;
  readonly most: number;
} {
  return {
    least: Math.max(1, floor?.size ?? 1, sizeMin ?? 1),
    most: Math.min(limit?.size ?? Infinity, sizeMax ?? Infinity),
  };
}

/** A best at the end of what was measured and may be set, still rising: nobody has seen the other side. */
function edgesOf(
  points: readonly PoolPoint[],
  best: PoolPoint,
  recommended: PoolPoint,
  { least, most }: { readonly least: number; readonly most: number },
): Choice["edges"] {
  const last = points.at(-1);
  const before = points.at(-2);
  const rising =
    best === last &&
    best.size < most &&
    before !== undefined &&
    before.throughput < AS_GOOD_SHARE * best.throughput;
  const flatFromTheStart = recommended === points[0] && recommended.size > least;
  return [
    ...(rising ? (["larger"] as const) : []),
    ...(flatFromTheStart ? (["smaller"] as const) : []),
  ];
}

function greatest(points: readonly PoolPoint[]): PoolPoint {
  return points.reduce((best, point) => (point.throughput > best.throughput ? point : best));
}
