// L1: answers kept in this process, bounded in bytes, found again by scope when a write makes them old.

import { LRUCache } from "lru-cache";
import type { Answer } from "./answer.ts";
import type { Scope } from "./keys.ts";

export type MemoryTier = {
  readonly get: (key: string) => Answer | undefined;
  readonly set: (key: string, scopes: readonly Scope[], answer: Answer, ttlMs: number) => void;
  readonly drop: (scopes: readonly Scope[]) => void;
  readonly clear: () => void;
  readonly sizeBytes: () => number;
};

type Entry = { readonly answer: Answer; readonly scopes: readonly Scope[] };

// Key, entry object, list node and scope index, measured roughly; it keeps many tiny answers from counting as free.
const ENTRY_OVERHEAD_BYTES = 400;

export function createMemoryTier(maxBytes: number): MemoryTier {
  const keysByScope = new Map<Scope, Set<string>>();
  const entries = new LRUCache<string, Entry>({
    maxSize: maxBytes,
    sizeCalculation: ({ answer }, key) =>
      Buffer.byteLength(answer.body) +
      (answer.etag?.length ?? 0) +
      key.length +
      ENTRY_OVERHEAD_BYTES,
    dispose: ({ scopes }, key) => {
      for (const scope of scopes) {
        const keys = keysByScope.get(scope);
        keys?.delete(key);
        if (keys?.size === 0) keysByScope.delete(scope);
      }
    },
  });

  return {
    get: (key) => entries.get(key)?.answer,
    set(key, scopes, answer, ttlMs) {
      entries.set(key, { answer, scopes }, { ttl: ttlMs });
      // An answer above the limit is not kept, so it must not be indexed either.
      if (!entries.has(key)) return;
      for (const scope of scopes) {
        const keys = keysByScope.get(scope);
        if (keys === undefined) keysByScope.set(scope, new Set([key]));
        else keys.add(key);
      }
    },
    drop(scopes) {
      for (const scope of scopes) {
        for (const key of keysByScope.get(scope) ?? []) entries.delete(key);
      }
    },
    clear: () => entries.clear(),
    sizeBytes: () => entries.calculatedSize,
  };
}
