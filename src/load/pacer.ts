/** Calls back at each due time, to a tenth of a millisecond, and leaves the event loop free to read answers in between. */
import { performance } from "node:perf_hooks";

export interface Pacer {
  /** Resolves when the last due time has passed. `at` is in `performance.now()` milliseconds. */
  readonly finished: Promise<void>;
  /** Milliseconds that the thread was blocked between due times. */
  readonly restedMs: () => number;
}

/** The longest that the thread blocks: answers that come meanwhile are read, and timed, when it wakes. */
const NAP_MS_MAX = 0.1;
/** Below this a wait costs more than it saves. */
const NAP_MS_MIN = 0.01;
/** Timers of the event loop are late by up to a millisecond and rounded to one: they end this much before a due time. */
const TIMER_MARGIN_MS = 2;
/** So that `tick` is called often enough for time limits when arrivals are far apart. */
const TIMER_MS_MAX = 50;

/**
 * `launch(index, dueAt)` is called for every due time in order, at once for those that have passed; `tick(now)` on every turn.
 * A timer alone would be a millisecond late, and a spinning loop would take a whole core from the service.
 */
export function startPacer(
  startAt: number,
  dueMs: Float64Array,
  launch: (index: number, dueAt: number) => void,
  tick: (now: number) => void,
): Pacer {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  let restedMs = 0;
  let next = 0;
  const finished = new Promise<void>((resolve, reject) => {
    function turn(): void {
      try {
        let now = performance.now();
        tick(now);
        let dueAt = startAt + (dueMs[next] ?? 0);
        const launched = next < dueMs.length && dueAt <= now;
        while (next < dueMs.length && dueAt <= now) {
          launch(next, dueAt);
          next += 1;
          dueAt = startAt + (dueMs[next] ?? 0);
          now = performance.now();
        }
        if (next >= dueMs.length) resolve();
        // What was launched is written to its socket after this turn: resting now would hold it back.
        else if (launched) setImmediate(turn);
        else rest(dueAt - now);
      } catch (error) {
        reject(error);
      }
    }

    function rest(ms: number): void {
      if (ms > TIMER_MARGIN_MS + 1) {
        setTimeout(turn, Math.min(ms - TIMER_MARGIN_MS, TIMER_MS_MAX));
        return;
      }
      if (ms > NAP_MS_MIN) {
        const before = performance.now();
        Atomics.wait(nap, 0, 0, Math.min(ms, NAP_MS_MAX));
        restedMs += performance.now() - before;
      }
      setImmediate(turn);
    }

    setImmediate(turn);
  });
  return { finished, restedMs: () => restedMs };
}
