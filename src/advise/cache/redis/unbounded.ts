/** Misses that a cache without limits has: cold keys, expired and invalidated values. What a limited one has beyond is capacity's. */
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import type { RedisSetting } from "./simulate.ts";

export function unboundedMisses(
  trace: CacheTrace,
  { ttlOf, ttlFactor = 1, speed = 1 }: Pick<RedisSetting, "ttlOf" | "ttlFactor" | "speed">,
): number {
  /** By key: until when the value lives; -1 without one. */
  const aliveUntilMs = new Float64Array(trace.keyCount).fill(-1);
  let misses = 0;
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    const operation = trace.operation[row];
    const timeMs = (trace.timeMs[row] ?? 0) / speed;
    if (operation === DELETE) aliveUntilMs[key] = -1;
    if (operation !== GET && operation !== SET) continue;
    if (operation === GET) {
      if (timeMs <= (aliveUntilMs[key] ?? -1)) continue;
      misses += 1;
    }
    const ttlMs = (ttlOf === undefined ? (trace.ttlMs?.[row] ?? 0) : ttlOf(key)) * ttlFactor;
    aliveUntilMs[key] = ttlMs > 0 ? timeMs + ttlMs : Infinity;
  }
  return misses;
}
