/** `perfopt/tracer`: what a Node service imports to have its cache accesses traced. See docs/tracer.md. */
export { traceIoredis, type IoredisLike } from "./ioredis.ts";
export { traceLruCache, type LruCacheLike, type TraceLruCacheOptions } from "./lru-cache.ts";
export {
  createCacheTracer,
  type CacheTracer,
  type CacheTracerOptions,
  type TracerCounts,
} from "./tracer.ts";
