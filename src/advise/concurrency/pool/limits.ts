/** What bounds a pool from below and above, and what formulas would say. */
import type {
  DeadlockFloor,
  PoolFormula,
  PoolPoint,
  ServerLimit,
} from "../../../core/pool-advice.ts";

/**
 * Tn * (Cm - 1) + 1 (HikariCP wiki, About Pool Sizing): with one connection less, all of `threads` could hold all but the last of
 * the `connectionsEach` that each needs, and wait for each other for ever.
 */
export function deadlockFloor(threads: number, connectionsEach: number): DeadlockFloor {
  return { size: threads * (connectionsEach - 1) + 1, threads, connectionsEach };
}

/** floor((max_connections - reserved - others) / (processes * copies)); below 1 where nothing is left. */
export function serverLimit(server: Omit<ServerLimit, "size">): ServerLimit {
  const { maxConnections, reserved, others, processes, copies } = server;
  const left = Math.max(0, maxConnections - reserved - others);
  return { size: Math.floor(left / (processes * copies)), ...server };
}

/** Of the whole database server, so of all pools together. `share` says what a size that was measured, or lies on the curve, is worth. */
export function formulasOf(
  cores: number | undefined,
  points: readonly PoolPoint[],
  fitted: ((size: number) => number | undefined) | undefined,
  processes: number,
): readonly PoolFormula[] {
  if (cores === undefined) return [];
  const best = Math.max(...points.map(({ throughput }) => throughput));
  const range = { least: points.at(0)?.size ?? 0, most: points.at(-1)?.size ?? 0 };
  const of = (name: string, text: string, all: number): PoolFormula => {
    const size = Math.max(1, Math.round(all / processes));
    const measured = points.find((point) => point.size === size);
    const onCurve = size >= range.least && size <= range.most ? fitted?.(size) : undefined;
    const share = measured
      ? { value: measured.shareOfBest, how: "measured" as const }
      : onCurve === undefined
        ? undefined
        : { value: onCurve / best, how: "fitted" as const };
    return { name, text, size, ...(share ? { share } : {}) };
  };
  return [
    of("HikariCP wiki", `${cores} cores x 2 + 1 spindle`, 2 * cores + 1),
    of("Oracle RWP, least", `1 for each of ${cores} cores`, cores),
    of("Oracle RWP, most", `10 for each of ${cores} cores`, 10 * cores),
  ];
}
