/** Puts what the cache held when a capture began into the trace, as far as the capture shows it. */
import { GET, OUTCOME_HIT, SET, WRITE, type CacheTrace } from "../../core/cache-trace.ts";

/**
 * A key whose first get hit was stored before the capture: it becomes a SET at the beginning, so that a simulation does not
 * count its first get as a compulsory miss. What else was there, and was not asked for, is unknown and left out; so a
 * simulation of a larger cache than the captured one is told low rather than high. The same trace when no first get hit.
 */
export function primed(trace: CacheTrace): CacheTrace {
  const held = heldBefore(trace);
  if (held.length === 0) return trace;
  const { rows } = trace;
  const joined = <T extends Float64Array | Uint32Array | Uint8Array | Float32Array>(
    column: T,
    make: (length: number) => T,
    valueOf: (row: number) => number,
  ): T => {
    const all = make(rows + held.length);
    held.forEach((row, index) => (all[index] = valueOf(row)));
    all.set(column, held.length);
    return all;
  };
  const { ttlMs, costMs, outcome, process } = trace;
  return {
    ...trace,
    rows: rows + held.length,
    timeMs: joined(trace.timeMs, floats, () => trace.timeMs[0] ?? 0),
    key: joined(trace.key, words, (row) => trace.key[row] ?? 0),
    operation: joined(trace.operation, bytes, () => SET),
    valueBytes: joined(trace.valueBytes, words, (row) => trace.valueBytes[row] ?? 0),
    ...(ttlMs ? { ttlMs: joined(ttlMs, words, remainingOf(trace, ttlMs)) } : {}),
    ...(costMs
      ? {
          costMs: joined(
            costMs,
            (length) => new Float32Array(length),
            () => 0,
          ),
        }
      : {}),
    ...(outcome ? { outcome: joined(outcome, bytes, () => 0) } : {}),
    ...(process ? { process: joined(process, bytes, (row) => process[row] ?? 0) } : {}),
  };
}

const floats = (length: number): Float64Array => new Float64Array(length);
const words = (length: number): Uint32Array => new Uint32Array(length);
const bytes = (length: number): Uint8Array => new Uint8Array(length);

/** Rows of first gets that hit, the last first: what is asked for soonest was, most likely, used last. */
function heldBefore(trace: CacheTrace): readonly number[] {
  const { rows, key, keyCount, operation, outcome, timeMs, ttlMs } = trace;
  if (!outcome) return [];
  const start = timeMs[0] ?? 0;
  const seen = new Uint8Array(keyCount);
  const found: number[] = [];
  for (let row = 0; row < rows; row += 1) {
    const each = key[row] ?? 0;
    // A write that the cache was not told of takes nothing away.
    if (seen[each] === 1 || operation[row] === WRITE) continue;
    seen[each] = 1;
    const ttl = ttlMs?.[row] ?? 0;
    // What lives shorter than the time until then was stored in between by somebody who was not seen.
    const lived = ttl === 0 || (timeMs[row] ?? 0) - start <= ttl;
    if (operation[row] === GET && outcome[row] === OUTCOME_HIT && lived) found.push(row);
  }
  return found.toReversed();
}

/**
 * Such a key was alive at its first get, and was stored at any moment of the time to live before that: half of what the time
 * to live leaves beyond the first get is its mean.
 */
function remainingOf(trace: CacheTrace, ttlMs: Uint32Array): (row: number) => number {
  const start = trace.timeMs[0] ?? 0;
  return (row) => {
    const whole = ttlMs[row] ?? 0;
    if (whole === 0) return 0;
    const untilGet = (trace.timeMs[row] ?? 0) - start;
    return Math.max(1, Math.ceil(untilGet + Math.max(0, whole - untilGet) / 2));
  };
}
