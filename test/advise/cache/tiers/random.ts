/** Small random traces for comparisons with models of the same thing written plainly. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { CacheOperation, CacheTrace } from "../../../../src/core/cache-trace.ts";
import { createLruCache } from "../../../../src/advise/cache/tiers/lru-cache.ts";
import type { SimulatedCache } from "../../../../src/advise/cache/simulated-cache.ts";
import { traceOf, type TraceRow } from "../traces.ts";

/** From 0 to below `below`, again and again. */
export function dice(seed: number): (below: number) => number {
  const random = xoroshiro128plus(seed);
  return (below) => uniformInt(random, 0, below - 1);
}

export interface Shape {
  readonly rows: number;
  readonly keys: number;
  readonly processes?: number;
  /** Of 0, these. */
  readonly ttls?: readonly number[];
  readonly costs?: boolean;
}

/** Half of the keys have prefix `a`, the others `b`; several rows may have the same time. */
export function randomTrace(seed: number, shape: Shape): CacheTrace {
  const roll = dice(seed);
  const operations: readonly CacheOperation[] = [
    "get",
    "get",
    "get",
    "get",
    "get",
    "set",
    "delete",
    "write",
  ];
  let at = 0;
  const rows: TraceRow[] = [];
  for (let row = 0; row < shape.rows; row += 1) {
    at += roll(4) * roll(6);
    const key = Math.min(roll(shape.keys), roll(shape.keys));
    rows.push({
      at,
      key: `${key % 2 === 0 ? "a" : "b"}:${key}`,
      op: operations[roll(operations.length)] ?? "get",
      bytes: 1 + roll(50),
      ...(shape.ttls ? { ttl: shape.ttls[roll(shape.ttls.length)] ?? 0 } : {}),
      ...(shape.processes ? { process: roll(shape.processes) } : {}),
      ...(shape.costs ? { cost: 1 + roll(40) } : {}),
    });
  }
  return traceOf(rows, shape.processes ? { processes: shape.processes } : {});
}

/** As large as the row says, and a little more. */
export function bytesOf(trace: CacheTrace): Float64Array {
  return Float64Array.from(trace.valueBytes, (bytes) => bytes + 7);
}

/** A cache that holds all there is, each entry for its own time. */
export function unboundedCache(): SimulatedCache {
  return createLruCache({ bytesMax: undefined, ttlMs: 0 });
}
