/** Tells a store that fills what a get had missed from one that does not: remembers for a while which keys missed, and when. */

/** A store that comes later is not what the miss had loaded. */
const WITHIN_MS = 60_000;
const KEYS_MAX = 10_000;

export interface Misses {
  missed(key: string): void;
  /** What the load took, in milliseconds; undefined when the key had not missed. */
  filled(key: string): number | undefined;
  forget(key: string): void;
}

export function createMisses(): Misses {
  const since = new Map<string, number>();
  return {
    missed: (key) => {
      const now = performance.now();
      const known = since.get(key);
      // Of several misses before the store, the first is the one that loads.
      if (known !== undefined && now - known <= WITHIN_MS) return;
      since.delete(key);
      if (since.size >= KEYS_MAX) {
        const oldest = since.keys().next();
        if (!oldest.done) since.delete(oldest.value);
      }
      since.set(key, now);
    },
    filled: (key) => {
      const known = since.get(key);
      if (known === undefined) return undefined;
      since.delete(key);
      const tookMs = performance.now() - known;
      return tookMs <= WITHIN_MS ? tookMs : undefined;
    },
    forget: (key) => {
      since.delete(key);
    },
  };
}
