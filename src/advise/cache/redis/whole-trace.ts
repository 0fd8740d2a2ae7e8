/** A trace that is too long to play as it is: what is played of it, and what is counted over all of it. */
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";
import type { Footprint } from "./footprint.ts";
import { expectedGets } from "./simulate.ts";
import { unboundedMisses, type UnboundedMisses } from "./unbounded.ts";

/** Below, a sample says too little (research/cache.md section 7). */
const KEYS_SIMULATED_LEAST = 16_384;

/** A trace with what all of its miniatures have in common. */
export interface WholeTrace {
  readonly trace: CacheTrace;
  readonly footprint: Footprint;
  /** Of the rows, that are played. */
  readonly rowsShare: number;
  /** The first rows; the trace itself where all are played. */
  readonly stretch: CacheTrace;
  /** When the later half of the stretch begins; Infinity where all is played. */
  readonly lateFromMs: number;
  /** Gets after the stretch, for each one of its later half. */
  readonly restPerLate: number;
  readonly gets: number;
  /** By factor of the times to live. */
  readonly unbounded: (ttlFactor: number) => UnboundedOf;
}

export interface UnboundedOf {
  readonly all: UnboundedMisses;
  readonly stretch: UnboundedMisses;
}

/** Of the keys and of the rows, how many a simulation plays; together at most `rowsMax` rows. */
export interface Shares {
  readonly keys: number;
  readonly rows: number;
}

/**
 * Fewer keys where a trace has too many rows, but not too few of them; and fewer rows where these keys still have too many.
 */
export function sharesFor({ keyCount, rows }: CacheTrace, rowsMax: number): Shares {
  const keys = Math.min(1, Math.max(rowsMax / Math.max(1, rows), KEYS_SIMULATED_LEAST / keyCount));
  return { keys, rows: Math.min(1, rowsMax / Math.max(1, rows * keys)) };
}

/**
 * Where not all rows are played it is the first ones: what a cache held at the beginning of a trace is known (nothing, or what the
 * trace was primed with), what it held later is not. All that follows is taken to go on as the later half of these rows, in which
 * the cache has filled; what follows and is different in kind, such as the night after the day, is not seen. Nor is
 * the memory that expiry frees where times to live are longer than the stretch: the hit rate is then told too low by some points.
 */
export function wholeTrace(trace: CacheTrace, footprint: Footprint, rowsShare = 1): WholeTrace {
  const rows = Math.min(trace.rows, Math.ceil(trace.rows * rowsShare));
  const cut = rows < trace.rows;
  const stretch = cut ? firstRows(trace, rows) : trace;
  const lateFromMs = cut ? (trace.timeMs[rows >> 1] ?? 0) : Infinity;
  const known = new Map<number, UnboundedOf>();
  const unboundedFor = (ttlFactor: number): UnboundedOf => {
    const all = unboundedMisses(trace, ttlFactor);
    return { all, stretch: cut ? unboundedMisses(stretch, ttlFactor, lateFromMs) : all };
  };
  return {
    trace,
    footprint,
    stretch,
    rowsShare: trace.rows === 0 ? 1 : rows / trace.rows,
    lateFromMs,
    restPerLate: cut ? restPerLate(trace, rows, lateFromMs) : 0,
    gets: expectedGets(trace),
    unbounded: (ttlFactor) => {
      const misses = known.get(ttlFactor) ?? unboundedFor(ttlFactor);
      known.set(ttlFactor, misses);
      return misses;
    },
  };
}

function restPerLate(trace: CacheTrace, rows: number, lateFromMs: number): number {
  let [late, rest] = [0, 0];
  for (let row = 0; row < trace.rows; row += 1) {
    if (trace.operation[row] !== GET) continue;
    if (row >= rows) rest += 1;
    else if ((trace.timeMs[row] ?? 0) >= lateFromMs) late += 1;
  }
  return late === 0 ? 0 : rest / late;
}

/** Views into the columns that a simulation reads. */
function firstRows(trace: CacheTrace, rows: number): CacheTrace {
  const { getsOfAll: _, ...part } = trace;
  return {
    ...part,
    rows,
    timeMs: trace.timeMs.subarray(0, rows),
    key: trace.key.subarray(0, rows),
    operation: trace.operation.subarray(0, rows),
    valueBytes: trace.valueBytes.subarray(0, rows),
    ...(trace.ttlMs === undefined ? {} : { ttlMs: trace.ttlMs.subarray(0, rows) }),
  };
}
