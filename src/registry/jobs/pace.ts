// Runs work again and again, never twice at once: every so often, and sooner when asked.

export type Pace = {
  /** Runs once `delayMs` is over, if it does not before; right after a run under way. */
  readonly soon: (delayMs: number) => void;
  /** Starts no further run; settles when the one under way is over. */
  readonly close: () => Promise<void>;
};

/** Runs first after a pause, too. `pauseMs` of Infinity: only when asked. */
export function keepRunning(
  work: () => Promise<void>,
  pauseMs: () => number,
  failed: (error: unknown) => void,
): Pace {
  let timer: NodeJS.Timeout | undefined;
  let timerDueMs = Infinity;
  let running: Promise<void> | undefined;
  let askedMeanwhile = false;
  let closed = false;

  function run(): void {
    clearTimeout(timer);
    timerDueMs = Infinity;
    askedMeanwhile = running !== undefined;
    running ??= work()
      .catch(failed)
      .finally(() => {
        running = undefined;
        soon(askedMeanwhile ? 0 : pauseMs());
      });
  }

  function soon(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (closed || dueMs >= timerDueMs) return;
    clearTimeout(timer);
    timerDueMs = dueMs;
    timer = setTimeout(run, delayMs);
    timer.unref();
  }

  soon(pauseMs());
  return {
    soon,
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
