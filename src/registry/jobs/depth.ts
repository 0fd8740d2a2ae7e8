// How many jobs wait: counted in the database now and then, corrected in between by what this process itself took in and began.

import type { Census } from "./store.ts";

export type Depth = {
  /** Admitted jobs that wait, as far as this process knows; asks for a fresh count in the background when the last one is old. */
  readonly waiting: () => number;
  /** The same without asking for a count. */
  readonly known: () => number;
  readonly census: () => Census;
  readonly admitted: (jobs: number) => void;
  readonly claimed: (jobs: number) => void;
  /** Counts now, and says whether that went well; a failure leaves the last count. */
  readonly refresh: () => Promise<boolean>;
};

const COUNT_EVERY_MS = 200;
/** A count that takes long (a bound of a million) is made less often: it costs at most a twentieth of a connection. */
const COUNT_COST_FACTOR = 20;

const EMPTY: Census = {
  waiting: 0,
  ticketed: 0,
  held: 0,
  open: false,
  finishedPerSecond: 0,
  webhooksStamp: "",
};

export function createDepth(count: () => Promise<Census>, failed: (error: unknown) => void): Depth {
  let last = EMPTY;
  let since = 0;
  let nextMs = 0;
  let counting: Promise<boolean> | undefined;

  async function refresh(): Promise<boolean> {
    const startedMs = performance.now();
    const sinceBefore = since;
    try {
      last = await count();
      // What came while the count was made may be in it or not; it is taken as not in it.
      since -= sinceBefore;
      return true;
    } catch (error) {
      failed(error);
      return false;
    } finally {
      const endedMs = performance.now();
      nextMs = endedMs + Math.max(COUNT_EVERY_MS, COUNT_COST_FACTOR * (endedMs - startedMs));
      counting = undefined;
    }
  }

  const refreshOnce = (): Promise<boolean> => (counting ??= refresh());
  const known = (): number => Math.max(0, last.waiting + since);
  return {
    known,
    waiting() {
      if (performance.now() >= nextMs) void refreshOnce();
      return known();
    },
    census: () => last,
    admitted: (jobs) => void (since += jobs),
    claimed: (jobs) => void (since -= jobs),
    refresh: refreshOnce,
  };
}
