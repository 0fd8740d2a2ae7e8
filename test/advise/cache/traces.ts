/** Small traces made for tests: from rows written by hand, or drawn from a known distribution. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import {
  cacheOperations,
  type CacheOperation,
  type CacheTrace,
} from "../../../src/core/cache-trace.ts";

export interface TraceRow {
  readonly at: number;
  readonly key: string;
  readonly op?: CacheOperation;
  readonly bytes?: number;
  readonly ttl?: number;
  readonly cost?: number;
  readonly process?: number;
  readonly outcome?: "hit" | "miss";
}

/** Keys are numbered in order of appearance; the prefix is what stands before the first colon. */
export function traceOf(rows: readonly TraceRow[], changes: Partial<CacheTrace> = {}): CacheTrace {
  const keys = [...new Set(rows.map(({ key }) => key))];
  const numbers = new Map(keys.map((key, index) => [key, index]));
  const prefixes = [...new Set(keys.map(prefixOf))];
  const has = (name: keyof TraceRow) => rows.some((row) => row[name] !== undefined);
  return {
    source: "a test",
    rows: rows.length,
    timeMs: Float64Array.from(rows, ({ at }) => at),
    key: Uint32Array.from(rows, ({ key }) => numbers.get(key) ?? 0),
    keyCount: keys.length,
    operation: Uint8Array.from(rows, ({ op }) => cacheOperations.indexOf(op ?? "get")),
    valueBytes: Uint32Array.from(rows, ({ bytes }) => bytes ?? 100),
    ...(has("ttl") ? { ttlMs: Uint32Array.from(rows, ({ ttl }) => ttl ?? 0) } : {}),
    ...(has("cost") ? { costMs: Float32Array.from(rows, ({ cost }) => cost ?? 0) } : {}),
    ...(has("process") ? { process: Uint8Array.from(rows, (row) => row.process ?? 0) } : {}),
    ...(has("outcome")
      ? {
          outcome: Uint8Array.from(rows, ({ outcome }) =>
            outcome === undefined ? 0 : outcome === "hit" ? 1 : 2,
          ),
        }
      : {}),
    processes: Math.max(1, ...rows.map((row) => (row.process ?? 0) + 1)),
    keyBytes: Uint16Array.from(keys, (key) => key.length),
    prefixOf: Uint16Array.from(keys, (key) => prefixes.indexOf(prefixOf(key))),
    prefixes: prefixes.length > 0 ? prefixes : [""],
    sampledShare: 1,
    ...changes,
  };
}

function prefixOf(key: string): string {
  const colon = key.indexOf(":");
  return colon < 0 ? "" : key.slice(0, colon);
}

export interface Drawn {
  readonly rows: number;
  readonly keys: number;
  /** Exponent of the popularity. */
  readonly zipf: number;
  readonly getsPerSecond: number;
  readonly seed: number;
  /** Share of the rows that are of this kind instead of a get. */
  readonly writes?: { readonly share: number; readonly op: "set" | "delete" | "write" };
  readonly ttlMs?: number;
  /** Mean of a lognormal-like spread of sizes; each key has one. */
  readonly bytes?: number;
  readonly processes?: number;
}

/** Independent draws, evenly spaced in time; key number 0 is the most popular. */
export function drawnTrace(drawn: Drawn): CacheTrace {
  const random = xoroshiro128plus(drawn.seed);
  const next = (): number => uniformFloat64(random);
  const cumulative = new Float64Array(drawn.keys);
  let sum = 0;
  for (let key = 0; key < drawn.keys; key += 1) {
    sum += 1 / (key + 1) ** drawn.zipf;
    cumulative[key] = sum;
  }
  const bytesOf = Uint32Array.from({ length: drawn.keys }, () =>
    Math.max(16, Math.round((drawn.bytes ?? 300) * Math.exp((next() + next() + next() - 1.5) * 2))),
  );
  const { rows } = drawn;
  const key = Uint32Array.from({ length: rows }, () => lowerBound(cumulative, next() * sum));
  const { share, op } = drawn.writes ?? { share: 0, op: "set" };
  return {
    source: "drawn",
    rows,
    timeMs: Float64Array.from({ length: rows }, (_, row) => (row * 1000) / drawn.getsPerSecond),
    key,
    keyCount: drawn.keys,
    operation: Uint8Array.from({ length: rows }, () =>
      next() < share ? cacheOperations.indexOf(op) : 0,
    ),
    valueBytes: Uint32Array.from(key, (each) => bytesOf[each] ?? 0),
    ...(drawn.ttlMs === undefined ? {} : { ttlMs: new Uint32Array(rows).fill(drawn.ttlMs) }),
    ...(drawn.processes === undefined
      ? {}
      : {
          process: Uint8Array.from({ length: rows }, () =>
            Math.floor(next() * (drawn.processes ?? 1)),
          ),
        }),
    processes: drawn.processes ?? 1,
    keyBytes: new Uint16Array(drawn.keys).fill(24),
    prefixOf: new Uint16Array(drawn.keys),
    prefixes: [""],
    sampledShare: 1,
  };
}

/** The first place whose value is at least `wanted`. */
function lowerBound(values: Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
