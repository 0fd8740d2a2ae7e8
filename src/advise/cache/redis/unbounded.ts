/** Misses that a cache without limits has: cold keys, expired and invalidated values. What a limited one has beyond is capacity's. */
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";

export interface UnboundedMisses {
  readonly compulsory: number;
  readonly expired: number;
  readonly invalidated: number;
  /** All of them. */
  readonly misses: number;
  /** Of all, those from `lateFromMs` on. */
  readonly missesLate: number;
}

/** In place of the time until which a value lives. */
const NEVER_STORED = -2;
const DELETED = -1;

export function unboundedMisses(
  trace: CacheTrace,
  ttlFactor = 1,
  lateFromMs = Infinity,
): UnboundedMisses {
  /** By key. */
  const aliveUntilMs = new Float64Array(trace.keyCount).fill(NEVER_STORED);
  let [compulsory, expired, invalidated, missesLate] = [0, 0, 0, 0];
  for (let row = 0; row < trace.rows; row += 1) {
    const key = trace.key[row] ?? 0;
    const operation = trace.operation[row];
    const timeMs = trace.timeMs[row] ?? 0;
    const aliveUntil = aliveUntilMs[key] ?? NEVER_STORED;
    if (operation === DELETE && aliveUntil !== NEVER_STORED) aliveUntilMs[key] = DELETED;
    if (operation !== GET && operation !== SET) continue;
    if (operation === GET) {
      if (timeMs <= aliveUntil) continue;
      if (aliveUntil === NEVER_STORED) compulsory += 1;
      else if (aliveUntil === DELETED) invalidated += 1;
      else expired += 1;
      if (timeMs >= lateFromMs) missesLate += 1;
    }
    const ttlMs = (trace.ttlMs?.[row] ?? 0) * ttlFactor;
    aliveUntilMs[key] = ttlMs > 0 ? timeMs + ttlMs : Infinity;
  }
  const misses = compulsory + expired + invalidated;
  return { compulsory, expired, invalidated, misses, missesLate };
}
