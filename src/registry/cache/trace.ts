// Tells the tracer of every read as one cache would see it, whatever tier answered.

import type { CacheTracer } from "../../tracer/tracer.ts";
import { cacheKey } from "./keys.ts";
import type { Cache, CachedRead, Load } from "./read-through.ts";

/** `ttlMs` is how long the shared tier keeps an answer. */
export function traceReads(
  cache: Cache,
  tracer: Pick<CacheTracer, "active" | "depends" | "hit" | "miss" | "loaded">,
  ttlMs: number,
): Cache {
  const readTraced: Cache["read"] = async (what: CachedRead, load: Load) => {
    const key = cacheKey(what.entity, what.scopes, what.parameters);
    let costMs: number | undefined;
    const loadTimed: Load = async () => {
      const startedMs = performance.now();
      const body = await load();
      costMs = performance.now() - startedMs;
      return body;
    };
    tracer.depends(key, what.scopes);
    try {
      const answer = await cache.read(what, loadTimed);
      const bytes = Buffer.byteLength(answer.body);
      // Who joins another's read finds in the cache what that one stores.
      if (costMs === undefined) {
        tracer.hit(key, bytes);
      } else {
        tracer.miss(key);
        tracer.loaded(key, bytes, ttlMs, costMs);
      }
      return answer;
    } catch (error) {
      tracer.miss(key);
      throw error;
    }
  };
  return {
    ...cache,
    read: (what, load) => (tracer.active() ? readTraced(what, load) : cache.read(what, load)),
  };
}
