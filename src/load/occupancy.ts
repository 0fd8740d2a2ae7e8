/** How many requests were due and had not ended, summed over time: one of the two sides of Little's law. */

export interface OccupancyMeter {
  /** A request that was due at `dueAt` is seen at `at`. */
  readonly enter: (dueAt: number, at: number) => void;
  /** One that was seen ends at `at`; it counts as being there until `endedAt`. */
  readonly leave: (at: number, endedAt: number) => void;
  /** In request-milliseconds. */
  readonly totalMs: () => number;
}

/**
 * Works by the clock and a count alone, whichever request it is that comes or goes: a response time that is recorded twice, in a
 * wrong unit or not at all makes it disagree with the histogram. It covers the window's own requests from the first one's due
 * time to the last one's end, so it has no edges: the law holds exactly, for one request as for ten thousand.
 */
export function occupancyMeter(): OccupancyMeter {
  let present = 0;
  let changedAt = 0;
  let totalMs = 0;
  function advance(at: number): void {
    totalMs += present * (at - changedAt);
    changedAt = at;
  }
  return {
    enter: (dueAt, at) => {
      advance(at);
      present += 1;
      // It was there already while the generator was late.
      totalMs += at - dueAt;
    },
    leave: (at, endedAt) => {
      advance(at);
      present -= 1;
      totalMs += endedAt - at;
    },
    totalMs: () => totalMs,
  };
}
