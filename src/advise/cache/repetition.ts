/** How often requests repeat: which endpoints a short-lived cache could answer, and how popular their keys are. */
import type { TraceEntry } from "../../core/sample.ts";

/** Keys that were asked for equally often, together: all that a prediction needs of them. */
export interface PopularityGroup {
  readonly requestsPerKey: number;
  readonly keys: number;
  /** Sum over the keys of their mean response size. */
  readonly bytes: number;
}

export interface EndpointRepetition {
  readonly name: string;
  readonly method: string;
  readonly requests: number;
  readonly keys: number;
  /** Requests whose key had been asked for before in the window, over all requests. */
  readonly repeatedShare: number;
  readonly cacheable: boolean;
}

/**
 * A POST that reads (a search) is sent again and again with the same body, one that writes is not: from this share of
 * repeats on, an endpoint that is not GET is taken for a read. The paired trial, not this guess, decides.
 */
const REPEATED_SHARE_OF_READS = 0.2;

/** One entry an endpoint, busiest first. */
export function repetitionByEndpoint(trace: readonly TraceEntry[]): readonly EndpointRepetition[] {
  const byEndpoint = groupBy(trace, (entry) => `${entry.method} ${entry.endpoint}`);
  return [...byEndpoint.values()]
    .map((entries) => {
      const first = entries[0];
      const method = first?.method ?? "";
      const keys = new Set(entries.map((entry) => entry.key)).size;
      const repeatedShare = 1 - keys / entries.length;
      const cacheable =
        method === "GET" || (method === "POST" && repeatedShare >= REPEATED_SHARE_OF_READS);
      const name = first?.endpoint ?? "";
      return { name, method, requests: entries.length, keys, repeatedShare, cacheable };
    })
    .toSorted((a, b) => b.requests - a.requests || (a.name < b.name ? -1 : 1));
}

/** The requests that a response cache may answer. */
export function cacheableEntries(
  trace: readonly TraceEntry[],
  endpoints: readonly EndpointRepetition[],
): readonly TraceEntry[] {
  const names = new Set(
    endpoints
      .filter((endpoint) => endpoint.cacheable)
      .map((endpoint) => `${endpoint.method} ${endpoint.name}`),
  );
  return trace.filter((entry) => names.has(`${entry.method} ${entry.endpoint}`));
}

export function popularityOf(entries: readonly TraceEntry[]): readonly PopularityGroup[] {
  const byKey = new Map<number, { requests: number; bytes: number }>();
  for (const entry of entries) {
    const seen = byKey.get(entry.key) ?? { requests: 0, bytes: 0 };
    byKey.set(entry.key, {
      requests: seen.requests + 1,
      bytes: seen.bytes + entry.responseBytes,
    });
  }
  const groups = groupBy(byKey.values(), (key) => key.requests);
  return [...groups]
    .map(([requestsPerKey, keys]) => ({
      requestsPerKey,
      keys: keys.length,
      bytes: Math.round(keys.reduce((sum, key) => sum + key.bytes / key.requests, 0)),
    }))
    .toSorted((a, b) => b.requestsPerKey - a.requestsPerKey);
}

function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
