/** Calls back at each due time, to a tenth of a millisecond, and leaves the event loop free to read answers in between. */
import { performance } from "node:perf_hooks";

export interface Pacer {
  /** Resolves when nothing is due any more. */
  readonly finished: Promise<void>;
  /** Milliseconds that the thread was blocked between due times. */
  readonly restedMs: () => number;
}

/** What is due, while it changes: answers make new due times. Times are in `performance.now()` milliseconds. */
export interface DueQueue {
  /** Of the next launch; Infinity while nothing is due. */
  readonly dueAt: () => number;
  /** Launches what is due next, which leaves the queue. */
  readonly launch: () => void;
  /** Whether nothing will be due any more. */
  readonly finished: (now: number) => boolean;
}

export interface QueuePacer extends Pacer {
  /** To be called when something was added to the queue: it may be due before the pacer would look again. */
  readonly wake: () => void;
}

/** The longest that the thread blocks: answers that come meanwhile are read, and timed, when it wakes. */
const NAP_MS_MAX = 0.1;
/** Below this a wait costs more than it saves. */
const NAP_MS_MIN = 0.01;
/** Timers of the event loop are late by up to a millisecond and rounded to one: they end this much before a due time. */
const TIMER_MARGIN_MS = 2;
/** So that `tick` is called often enough for time limits when arrivals are far apart. */
const TIMER_MS_MAX = 50;

/** Due times after the last of a schedule, for as long as it is to go on. */
export interface Overtime {
  readonly startsAt: number;
  readonly gapMs: () => number;
  readonly goesOn: () => boolean;
}

/** `launch(index, dueAt)` is called for every due time in order, `startAt` added to each; otherwise like `paceQueue`. */
export function startPacer(
  startAt: number,
  dueMs: Float64Array,
  launch: (index: number, dueAt: number) => void,
  tick: (now: number) => void,
  overtime?: Overtime,
): Pacer {
  let next = 0;
  let extraAt = overtime ? overtime.startsAt + overtime.gapMs() : Infinity;
  const goesOn = (): boolean => overtime !== undefined && overtime.goesOn();
  const queue: DueQueue = {
    dueAt: () => {
      if (next < dueMs.length) return startAt + (dueMs[next] ?? 0);
      return goesOn() ? extraAt : Infinity;
    },
    launch: () => {
      const dueAt = next < dueMs.length ? startAt + (dueMs[next] ?? 0) : extraAt;
      if (next >= dueMs.length) extraAt += overtime?.gapMs() ?? Infinity;
      launch(next, dueAt);
      next += 1;
    },
    finished: () => next >= dueMs.length && !goesOn(),
  };
  return paceQueue(queue, tick);
}

/**
 * Launches what is due in order, at once what is overdue; calls `tick(now)` on every turn.
 * A timer alone would be a millisecond late, and a spinning loop would take a whole core from the service.
 */
export function paceQueue(queue: DueQueue, tick: (now: number) => void): QueuePacer {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  let restedMs = 0;
  let timer: { readonly handle: NodeJS.Timeout; readonly endsAt: number } | undefined;
  let settle: { readonly resolve: () => void; readonly reject: (cause: unknown) => void };
  const finished = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });

  function turn(): void {
    try {
      let now = performance.now();
      tick(now);
      let launched = false;
      while (queue.dueAt() <= now) {
        queue.launch();
        launched = true;
        now = performance.now();
      }
      if (queue.finished(now)) settle.resolve();
      // What was launched is written to its socket after this turn: resting now would hold it back.
      else if (launched) setImmediate(turn);
      else rest(queue.dueAt(), now);
    } catch (error) {
      settle.reject(error);
    }
  }

  function rest(until: number, now: number): void {
    const ms = until - now;
    if (ms > TIMER_MARGIN_MS + 1) {
      const timerMs = Math.min(ms - TIMER_MARGIN_MS, TIMER_MS_MAX);
      timer = { handle: setTimeout(awake, timerMs), endsAt: now + timerMs };
      return;
    }
    if (ms > NAP_MS_MIN) {
      const before = performance.now();
      Atomics.wait(nap, 0, 0, Math.min(ms, NAP_MS_MAX));
      restedMs += performance.now() - before;
    }
    setImmediate(turn);
  }

  function awake(): void {
    timer = undefined;
    turn();
  }

  function wake(): void {
    if (timer === undefined || queue.dueAt() >= timer.endsAt + TIMER_MARGIN_MS) return;
    clearTimeout(timer.handle);
    timer = undefined;
    setImmediate(turn);
  }

  setImmediate(turn);
  return { finished, restedMs: () => restedMs, wake };
}
