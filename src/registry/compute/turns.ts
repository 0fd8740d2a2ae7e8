// Bounds of what is under way: turns that are taken in order, and bytes that are reserved before they are fetched.

/** So many at a time; the others wait in the order in which they came. */
export type Turns = {
  /** Resolves when it is one's turn. Rejects with the signal's reason when that comes first. */
  readonly take: (signal: AbortSignal) => Promise<void>;
  /** After each turn taken, once. */
  readonly give: () => void;
};

export function createTurns(atOnce: number): Turns {
  let free = atOnce;
  // A set keeps the order and lets go of one in the middle.
  const waiting = new Set<() => void>();
  return {
    take(signal) {
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      if (free > 0) {
        free -= 1;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(admit);
          reject(reasonOf(signal));
        };
        const admit = (): void => {
          signal.removeEventListener("abort", leave);
          resolve();
        };
        waiting.add(admit);
        signal.addEventListener("abort", leave, { once: true });
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) {
        free += 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}

export function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("It was broken off.");
}

/** Takes bytes from the budget and returns what gives them back (once, however often it is called); undefined if there are too few. */
export type Budget = (bytes: number) => (() => void) | undefined;

export function createBudget(bytesMax: number): Budget {
  let left = bytesMax;
  return (bytes) => {
    if (bytes > left) return undefined;
    left -= bytes;
    let held = bytes;
    return () => {
      left += held;
      held = 0;
    };
  };
}
