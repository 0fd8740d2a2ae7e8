/** How many gets are answered with what has changed meanwhile, expected from a rate of change where a trace shows no changes. */
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";

export interface RateOptions {
  /** Of the times to live in the trace. */
  readonly ttlFactor: number;
  /** How often the value of a key changes. */
  readonly changesPerKeyHour: number;
}

/** Of all gets, memory unbounded; changes come to every key at random, at the same rate at any time. */
export function staleShareByRate(
  trace: CacheTrace,
  { ttlFactor, changesPerKeyHour }: RateOptions,
): number {
  const { rows, key, operation, timeMs, ttlMs } = trace;
  const storedAt = new Float64Array(trace.keyCount).fill(-1);
  const aliveUntil = new Float64Array(trace.keyCount);
  let gets = 0;
  let stale = 0;
  for (let row = 0; row < rows; row += 1) {
    const id = key[row] ?? 0;
    const now = timeMs[row] ?? 0;
    const what = operation[row];
    if (what === GET) {
      gets += 1;
      const stored = storedAt[id] ?? -1;
      if (stored >= 0 && now <= (aliveUntil[id] ?? 0)) {
        stale += staleChance(now - stored, changesPerKeyHour);
        continue;
      }
    } else if (what === DELETE) {
      storedAt[id] = -1;
      continue;
    } else if (what !== SET) {
      continue;
    }
    const lifeMs = (ttlMs?.[row] ?? 0) * ttlFactor;
    storedAt[id] = now;
    aliveUntil[id] = lifeMs > 0 ? now + lifeMs : Infinity;
  }
  return gets === 0 ? 0 : stale / gets;
}

const MS_PER_HOUR = 3_600_000;

/** Chance that a value of this age has changed meanwhile, were its changes to come at random at a steady rate. */
export function staleChance(ageMs: number, changesPerHour: number): number {
  return 1 - Math.exp((-ageMs / MS_PER_HOUR) * changesPerHour);
}
