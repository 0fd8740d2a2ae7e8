/** Which keys depend on which scopes, for caches that invalidate by scope: bounded, and of the keys in the sample only. */
import type { KeyHash } from "./hash.ts";

const KEYS_MAX = 100_000;
/** A key depends on few scopes; of more, the first count. */
const SCOPES_OF_KEY_MAX = 64;

interface KnownKey extends KeyHash {
  /** Read or stored since it was deleted. */
  live: boolean;
  readonly scopes: string[];
}

export interface Scopes {
  depends(hash: KeyHash, scopes: readonly string[]): void;
  /** Read, stored (true) or deleted (false). */
  touched(hash: KeyHash, live: boolean): void;
  /** Calls `onKey` for each key of these scopes that was live; it is not any more. */
  invalidated(scopes: readonly string[], onKey: (hash: KeyHash) => void): void;
}

export function createScopes(keysMax: number = KEYS_MAX): Scopes {
  const keys = new Map<number, KnownKey>();
  const keysOfScope = new Map<string, Set<number>>();

  const forgetOldest = (): void => {
    const [id, key] = keys.entries().next().value ?? [];
    if (id === undefined || key === undefined) return;
    keys.delete(id);
    for (const scope of key.scopes) {
      const others = keysOfScope.get(scope);
      others?.delete(id);
      if (others?.size === 0) keysOfScope.delete(scope);
    }
  };
  return {
    depends: (hash, scopes) => {
      const id = idOf(hash);
      let key = keys.get(id);
      if (key === undefined) {
        // The one that is known longest goes: its invalidation is then missed, which the gets after it still show as misses.
        if (keys.size >= keysMax) forgetOldest();
        key = { high: hash.high, low: hash.low, bytes: hash.bytes, live: true, scopes: [] };
        keys.set(id, key);
      }
      key.live = true;
      for (const scope of scopes) {
        if (key.scopes.includes(scope) || key.scopes.length >= SCOPES_OF_KEY_MAX) continue;
        key.scopes.push(scope);
        const others = keysOfScope.get(scope);
        if (others) others.add(id);
        else keysOfScope.set(scope, new Set([id]));
      }
    },
    touched: (hash, live) => {
      if (keys.size === 0) return;
      const key = keys.get(idOf(hash));
      if (key) key.live = live;
    },
    invalidated: (scopes, onKey) => {
      for (const scope of scopes) {
        for (const id of keysOfScope.get(scope) ?? []) {
          const key = keys.get(id);
          if (!key?.live) continue;
          key.live = false;
          onKey(key);
        }
      }
    },
  };
}

/** 53 of the hash's bits. */
function idOf({ high, low }: KeyHash): number {
  return high * 2 ** 21 + (low >>> 11);
}
