/** The responses of a load window as accesses of a cache: what a response cache in front of the endpoints would be asked. */
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";
import type { TraceEntry } from "../../../core/sample.ts";
import { createTraceBuilder } from "./builder.ts";

/**
 * A POST that reads (a search) is sent again and again with the same body, one that writes is not: from this share of
 * repeats on, an endpoint that is not GET is taken for a read. The paired trial, not this guess, decides.
 */
const REPEATED_SHARE_OF_READS = 0.2;
const TWO_32 = 2 ** 32;

export interface EndpointRepetition {
  readonly name: string;
  readonly method: string;
  readonly requests: number;
  readonly keys: number;
  /** Requests whose key had been asked for before in the window, over all requests. */
  readonly repeatedShare: number;
  readonly cacheable: boolean;
}

export interface ResponseTrace extends CacheTrace {
  /** Of all requests of the window, those that the trace has: of endpoints that a response cache may answer. */
  readonly requestShare: number;
  /** All endpoints, busiest first. */
  readonly endpoints: readonly EndpointRepetition[];
}

/** Undefined when no endpoint's responses may be cached. Entries outside the window (its warm-up) are left out; prefixes are endpoints' names. */
export function traceOfResponses(
  trace: readonly TraceEntry[],
  windowMs: number,
): ResponseTrace | undefined {
  const entries = trace.filter(({ atMs }) => atMs >= 0 && atMs <= windowMs);
  const endpoints = repetitionOf(entries);
  const cacheable = new Set(
    endpoints
      .filter((endpoint) => endpoint.cacheable)
      .map(({ method, name }) => `${method} ${name}`),
  );
  const builder = createTraceBuilder("responses of the load", { rowsMax: entries.length + 1 });
  for (const { atMs, endpoint, method, key, responseBytes } of entries) {
    if (!cacheable.has(`${method} ${endpoint}`)) continue;
    builder.add({
      timeMs: atMs,
      hashHigh: Math.floor(key / TWO_32),
      hashLow: key % TWO_32,
      operation: GET,
      valueBytes: responseBytes,
      prefix: endpoint,
    });
  }
  if (builder.rows() === 0) return undefined;
  return { ...builder.finish(), requestShare: builder.rows() / entries.length, endpoints };
}

function repetitionOf(entries: readonly TraceEntry[]): readonly EndpointRepetition[] {
  const seen = new Map<
    string,
    { name: string; method: string; requests: number; keys: Set<number> }
  >();
  for (const { endpoint: name, method, key } of entries) {
    const id = `${method} ${name}`;
    const counts = seen.get(id) ?? { name, method, requests: 0, keys: new Set() };
    seen.set(id, counts);
    counts.requests += 1;
    counts.keys.add(key);
  }
  return [...seen.values()]
    .map(({ name, method, requests, keys }) => {
      const repeatedShare = 1 - keys.size / requests;
      const cacheable =
        method === "GET" || (method === "POST" && repeatedShare >= REPEATED_SHARE_OF_READS);
      return { name, method, requests, keys: keys.size, repeatedShare, cacheable };
    })
    .toSorted((a, b) => b.requests - a.requests || (a.name < b.name ? -1 : 1));
}
