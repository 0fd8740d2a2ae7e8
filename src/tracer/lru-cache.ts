/** Traces an lru-cache (10 or 11): what is asked of it, stored and deleted, by wrapping the methods of one instance. */
import { createMisses, type Misses } from "./fills.ts";
import type { CacheTracer } from "./tracer.ts";

/** What of an LRUCache is used; its types differ between versions. */
export interface LruCacheLike {
  get(key: never, options?: never): unknown;
  set(key: never, value: never, options?: never): unknown;
  delete(key: never): unknown;
  clear(): unknown;
  has(key: never): boolean;
  keys(): Iterable<unknown>;
}

export interface TraceLruCacheOptions {
  /** Of a value; asked when it is stored. Default: the length of a string or of bytes, or what `size` or `sizeCalculation` of the cache say. */
  readonly bytesOf?: ((value: unknown) => number) | undefined;
}

type Method = (...parameters: unknown[]) => unknown;

interface Traced {
  readonly cache: Readonly<Record<string, unknown>>;
  readonly tracer: CacheTracer;
  readonly misses: Misses;
  readonly bytesOf: ((value: unknown) => number) | undefined;
  /** A method of the cache is under way that calls others of it: only the outer one is traced. */
  inside: boolean;
}

/** The same cache, traced while the tracer is active. `has` and `peek` are no gets. Keys that are neither strings nor numbers are left out. */
export function traceLruCache<Cache extends LruCacheLike>(
  cache: Cache,
  tracer: CacheTracer,
  options: TraceLruCacheOptions = {},
): Cache {
  if (!isRecord(cache)) return cache;
  const methods: Record<string, unknown> = cache;
  const traced: Traced = {
    cache: methods,
    tracer,
    misses: createMisses(),
    bytesOf: options.bytesOf,
    inside: false,
  };
  wrap(methods, "get", traced, (original, parameters) => {
    const value = original(...parameters);
    noteGet(traced, parameters[0], value);
    return value;
  });
  wrap(methods, "set", traced, (original, parameters) => {
    const result = inside(traced, () => original(...parameters));
    const [key, value, how] = parameters;
    if (value === undefined) noteDelete(traced, key);
    else noteSet(traced, key, value, how);
    return result;
  });
  wrap(methods, "delete", traced, (original, parameters) => {
    const result = original(...parameters);
    noteDelete(traced, parameters[0]);
    return result;
  });
  wrap(methods, "clear", traced, (original, parameters) => {
    const keys = [...cache.keys()];
    const result = inside(traced, () => original(...parameters));
    for (const key of keys) noteDelete(traced, key);
    return result;
  });
  wrap(methods, "fetch", traced, (original, parameters) =>
    fetchTraced(traced, original, parameters),
  );
  wrap(methods, "memo", traced, (original, parameters) => {
    const [key] = parameters;
    const before = peek(traced, key);
    noteGet(traced, key, before);
    const value = inside(traced, () => original(...parameters));
    if (before === undefined) noteFill(traced, key, value, parameters[1]);
    return value;
  });
  return cache;
}

function wrap(
  methods: Record<string, unknown>,
  name: string,
  traced: Traced,
  around: (original: Method, parameters: unknown[]) => unknown,
): void {
  const found = methods[name];
  if (!isMethod(found)) return;
  const original: Method = (...parameters) => found.apply(methods, parameters);
  methods[name] = (...parameters: unknown[]): unknown =>
    traced.tracer.active() && !traced.inside
      ? around(original, parameters)
      : original(...parameters);
}

/** The value that is loaded meanwhile is stored by the cache itself; newer versions do not call their own `set` for it. */
async function fetchTraced(
  traced: Traced,
  original: Method,
  parameters: unknown[],
): Promise<unknown> {
  const [key, how] = parameters;
  const before = peek(traced, key);
  noteGet(traced, key, before);
  const value = await inside(traced, () => original(...parameters));
  if (before === undefined && value !== undefined) noteFill(traced, key, value, how);
  return value;
}

function inside<T>(traced: Traced, call: () => T): T {
  traced.inside = true;
  try {
    return call();
  } finally {
    traced.inside = false;
  }
}

/** The value if it is there and alive, without making it the most recent; while it is being loaded, it is not there. */
function peek({ cache }: Traced, key: unknown): unknown {
  const { has, peek: look } = cache;
  if (typeof has !== "function" || typeof look !== "function") return undefined;
  return has.call(cache, key) === true ? look.call(cache, key) : undefined;
}

function noteGet({ tracer, misses }: Traced, key: unknown, value: unknown): void {
  const name = nameOf(key);
  if (name === undefined) return;
  if (value !== undefined) {
    return tracer.hit(name, tracer.sampled(name) ? lengthOf(value) : Number.NaN);
  }
  tracer.miss(name);
  if (tracer.sampled(name)) misses.missed(name);
}

function noteSet(traced: Traced, key: unknown, value: unknown, how: unknown): void {
  const name = nameOf(key);
  if (name === undefined || !traced.tracer.sampled(name)) return;
  const tookMs = traced.misses.filled(name);
  const bytes = sizeOf(traced, value, key, how);
  const ttlMs = ttlOf(traced, how);
  if (tookMs === undefined) traced.tracer.stored(name, bytes, ttlMs);
  else traced.tracer.loaded(name, bytes, ttlMs, tookMs);
}

/** Unless the cache's own `set` was seen to store it. */
function noteFill(traced: Traced, key: unknown, value: unknown, how: unknown): void {
  const name = nameOf(key);
  const tookMs = name === undefined ? undefined : traced.misses.filled(name);
  if (name === undefined || tookMs === undefined) return;
  traced.tracer.loaded(name, sizeOf(traced, value, key, how), ttlOf(traced, how), tookMs);
}

function noteDelete({ tracer, misses }: Traced, key: unknown): void {
  const name = nameOf(key);
  if (name === undefined) return;
  misses.forget(name);
  tracer.deleted(name);
}

function nameOf(key: unknown): string | undefined {
  return typeof key === "string" ? key : typeof key === "number" ? String(key) : undefined;
}

/** What is quick to know; NaN otherwise: the reader of the trace takes what was stored. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.byteLength : Number.NaN;
}

function sizeOf({ cache, bytesOf }: Traced, value: unknown, key: unknown, how: unknown): number {
  try {
    if (bytesOf) return bytesOf(value);
    const quick = lengthOf(value);
    if (!Number.isNaN(quick)) return quick;
    const given = optionOf(how, "size");
    if (typeof given === "number" && given > 0) return given;
    const calculate = optionOf(how, "sizeCalculation") ?? cache["sizeCalculation"];
    return typeof calculate === "function" ? Number(calculate(value, key)) : Number.NaN;
  } catch {
    // The service's function failed on a value that the cache has taken already.
    return Number.NaN;
  }
}

function ttlOf({ cache }: Traced, how: unknown): number {
  const ttl = optionOf(how, "ttl") ?? cache["ttl"];
  return typeof ttl === "number" ? ttl : 0;
}

function optionOf(how: unknown, name: string): unknown {
  return isRecord(how) ? how[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isMethod(value: unknown): value is Method {
  return typeof value === "function";
}
