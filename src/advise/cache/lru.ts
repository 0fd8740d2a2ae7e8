/** An LRU cache with a time to live and a limit in bytes, replayed over a trace: what share of requests would hit. */
import type { TraceEntry } from "../../core/sample.ts";

export interface CacheShape {
  readonly ttlMs: number;
  /** Undefined: as large as need be. */
  readonly sizeBytes?: number;
}

export interface Replay {
  /** Hits over requests, of the requests after the cache was filled. */
  readonly hitShare: number;
  readonly requestsCounted: number;
  /** The most bytes that were held and not yet expired. */
  readonly liveBytesMax: number;
  /** Entries that went before their time because the cache was full. */
  readonly evictions: number;
}

/** What an entry costs beside its body: key, list links, map slot and headers of a JavaScript LRU, in round figures. */
export const ENTRY_OVERHEAD_BYTES = 300;

interface Entry {
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/**
 * Exact for this trace: an entry lives for `ttlMs` after it was stored, and a hit does not renew it. Requests before
 * `countFromMs` fill the cache and are not counted.
 */
export function replayLru(
  trace: readonly TraceEntry[],
  shape: CacheShape,
  countFromMs: number,
): Replay {
  // A Map keeps the order of insertion, so deleting and setting a key again makes it the most recently used.
  const entries = new Map<number, Entry>();
  let heldBytes = 0;
  let liveBytesMax = 0;
  let evictions = 0;
  let hits = 0;
  let counted = 0;
  // Without renewal entries expire in the order in which they were stored.
  const stored: { key: number; entry: Entry }[] = [];
  let oldest = 0;
  const remove = (key: number, entry: Entry): void => {
    entries.delete(key);
    heldBytes -= entry.bytes;
  };
  for (const request of trace) {
    for (; oldest < stored.length; oldest += 1) {
      const next = stored[oldest];
      if (!next || next.entry.expiresAtMs > request.atMs) break;
      if (entries.get(next.key) === next.entry) remove(next.key, next.entry);
    }
    const found = entries.get(request.key);
    if (request.atMs >= countFromMs) {
      counted += 1;
      if (found) hits += 1;
    }
    if (found) {
      entries.delete(request.key);
      entries.set(request.key, found);
      continue;
    }
    const bytes = request.responseBytes + ENTRY_OVERHEAD_BYTES;
    if (shape.ttlMs <= 0 || (shape.sizeBytes !== undefined && bytes > shape.sizeBytes)) continue;
    const entry = { expiresAtMs: request.atMs + shape.ttlMs, bytes };
    entries.set(request.key, entry);
    stored.push({ key: request.key, entry });
    heldBytes += bytes;
    for (const [key, victim] of entries) {
      if (shape.sizeBytes === undefined || heldBytes <= shape.sizeBytes) break;
      remove(key, victim);
      evictions += 1;
    }
    liveBytesMax = Math.max(liveBytesMax, heldBytes);
  }
  const hitShare = counted === 0 ? 0 : hits / counted;
  return { hitShare, requestsCounted: counted, liveBytesMax, evictions };
}
