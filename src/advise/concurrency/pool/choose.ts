/** The size to set: the smallest that is as good as the best, within what holds it from below and above. */
import type {
  DeadlockFloor,
  PoolAdvice,
  PoolBound,
  PoolPoint,
  ServerLimit,
} from "../../../core/pool-advice.ts";

/** research/tuning.md section 2: within 2 % of the best, the smallest frees memory and lowers the tail. */
const AS_GOOD_SHARE = 0.98;

export interface Choice {
  readonly best: PoolPoint;
  /** Absent where no measured size is allowed. Not to be recommended where the verdict is unclear. */
  readonly recommended: PoolPoint | undefined;
  /** Where it decides, and not throughput. */
  readonly bound: PoolBound | undefined;
  readonly verdict: PoolAdvice["verdict"];
  /** Which side of what was measured may hold a better size. */
  readonly edges: readonly ("larger" | "smaller")[];
}

export interface Bounds {
  /** Of the pool of one process, as `limit` is. */
  readonly floor?: DeadlockFloor;
  readonly limit?: ServerLimit;
  /** Whose connections a size counts together: 1 where it is that of one pool. */
  readonly pools?: number;
  /** Of the setting itself. */
  readonly sizeMin?: number;
  readonly sizeMax?: number;
}

/** `points` by size, at least one. */
export function choose(points: readonly PoolPoint[], bounds: Bounds, clear: boolean): Choice {
  const { least, most } = rangeOf(bounds);
  const allowed = points.filter(({ size }) => size >= least && size <= most);
  const best = greatest(points);
  const bestAllowed = allowed.length === 0 ? undefined : greatest(allowed);
  const recommended = bestAllowed && smallestAsGood(allowed, bestAllowed);
  if (!recommended || !bestAllowed) {
    return { best, recommended: undefined, bound: undefined, verdict: "unclear", edges: [] };
  }
  const edges = edgesOf(points, bestAllowed, recommended, { least, most });
  const unbounded = smallestAsGood(points, best) ?? best;
  const bound = boundOf(bounds, unbounded, 1 - recommended.throughput / best.throughput);
  const verdict = bound ? "bounded" : edges.length > 0 ? "edge" : "sized";
  return { best, recommended, bound, verdict: clear ? verdict : "unclear", edges };
}

function smallestAsGood(points: readonly PoolPoint[], best: PoolPoint): PoolPoint | undefined {
  return points.find(({ throughput }) => throughput >= AS_GOOD_SHARE * best.throughput);
}

/** Undefined where what throughput alone would choose may be set. */
function boundOf(bounds: Bounds, { size }: PoolPoint, costShare: number): PoolBound | undefined {
  const { floor, limit, pools = 1 } = bounds;
  const { least, most } = rangeOf(bounds);
  if (size >= least && size <= most) return undefined;
  const cost = { unbounded: size, costShare };
  if (size < least) {
    const byFloor = floor !== undefined && floor.size * pools === least;
    return { by: byFloor ? "deadlock-floor" : "setting", size: least, ...cost };
  }
  const byServer = limit !== undefined && limit.size * pools === most;
  return { by: byServer ? "server-limit" : "setting", size: most, ...cost };
}

export function rangeOf({ floor, limit, pools = 1, sizeMin, sizeMax }: Bounds): {
  readonly least: number;
  readonly most: number;
} {
  return {
    least: Math.max(1, (floor?.size ?? 1) * pools, sizeMin ?? 1),
    most: Math.min(limit ? limit.size * pools : Infinity, sizeMax ?? Infinity),
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
