/** A share of a trace's keys, chosen by hash, with all of their rows: what a miniature simulation plays. */
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";

const TWO_32 = 2 ** 32;
const ABSENT = 0xffff_ffff;

/** Keys are numbered anew. `share` is of the trace's keys; another salt takes others. */
export function sampleTrace(trace: CacheTrace, share: number, salt: number): CacheTrace {
  const numbers = new Uint32Array(trace.keyCount).fill(ABSENT);
  const kept: number[] = [];
  for (let key = 0; key < trace.keyCount; key += 1) {
    if (hashOf(key, salt) >= share) continue;
    numbers[key] = kept.length;
    kept.push(key);
  }
  const rows = rowsOf(trace, numbers);
  const take = <T extends ColumnArray>(column: T, empty: T): T => {
    for (let index = 0; index < rows.length; index += 1)
      empty[index] = column[rows[index] ?? 0] ?? 0;
    return empty;
  };
  const count = rows.length;
  return {
    source: trace.source,
    rows: count,
    timeMs: take(trace.timeMs, new Float64Array(count)),
    key: take(trace.key, new Uint32Array(count)).map((key) => numbers[key] ?? 0),
    keyCount: kept.length,
    operation: take(trace.operation, new Uint8Array(count)),
    valueBytes: take(trace.valueBytes, new Uint32Array(count)),
    ...(trace.ttlMs === undefined ? {} : { ttlMs: take(trace.ttlMs, new Uint32Array(count)) }),
    processes: trace.processes,
    keyBytes: Uint16Array.from(kept, (key) => trace.keyBytes[key] ?? 0),
    prefixOf: Uint16Array.from(kept, (key) => trace.prefixOf[key] ?? 0),
    prefixes: trace.prefixes,
    sampledShare: trace.sampledShare * share,
    // Of a sampled trace that did not count all gets, the sample's own tell best.
    getsOfAll: trace.getsOfAll ?? getsOf(trace) / trace.sampledShare,
  };
}

type ColumnArray = Float64Array | Uint32Array | Uint8Array;

function rowsOf(trace: CacheTrace, numbers: Uint32Array): Uint32Array {
  let count = 0;
  for (const key of trace.key) if (numbers[key] !== ABSENT) count += 1;
  const rows = new Uint32Array(count);
  let at = 0;
  for (let row = 0; row < trace.rows; row += 1) {
    if (numbers[trace.key[row] ?? 0] === ABSENT) continue;
    rows[at] = row;
    at += 1;
  }
  return rows;
}

function getsOf(trace: CacheTrace): number {
  let gets = 0;
  for (const operation of trace.operation) if (operation === GET) gets += 1;
  return gets;
}

/** 0 to 1. The key is mixed before the salt comes in: salts xor-ed into dense numbers choose correlated samples. */
function hashOf(key: number, salt: number): number {
  return (mix(mix(key) + Math.imul(salt, 0x9e3779b1)) >>> 0) / TWO_32;
}

/** fmix32 of MurmurHash3. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
