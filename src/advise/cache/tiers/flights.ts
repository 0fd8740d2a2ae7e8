/** Loads under way while a trace is played: which gets join one instead of starting their own. */

import { COLD, EVICTED, EXPIRED, INVALIDATED, type GetOutcome } from "../simulated-cache.ts";

export interface Flights {
  /** Whether a load of the key, begun by any process, is still under way. */
  readonly underWay: (key: number, timeMs: number) => boolean;
  /** Whether this process has begun one, so that its other gets join it. */
  readonly joins: (key: number, process: number) => boolean;
  /** The first load of a key decides when it is over: from then on the others find the value in a shared tier. */
  readonly start: (key: number, process: number, flight: Flight) => void;
  /** Another process loads the same: flights are joined within a process only. */
  readonly alongside: (key: number, process: number) => void;
  /** The key was changed or taken out: later gets must not join. */
  readonly supersede: (key: number) => void;
  /** Of the last flight of the key. */
  readonly why: (key: number) => GetOutcome;
  readonly loadedBy: (key: number) => number;
}

export interface Flight {
  readonly endMs: number;
  /** Why the value was not there. */
  readonly why: GetOutcome;
  readonly loadedBy: number;
}

export function createFlights(keyCount: number, processes: number): Flights {
  const endsAt = new Float64Array(keyCount).fill(-1);
  const reason = new Uint8Array(keyCount);
  const loadedBy = new Uint32Array(keyCount);
  // A bit a process.
  const words = Math.ceil(processes / 32);
  const members = new Uint32Array(keyCount * words);
  const alongside = (key: number, process: number): void => {
    const at = key * words + (process >> 5);
    members[at] = (members[at] ?? 0) | (1 << (process & 31));
  };
  return {
    underWay: (key, timeMs) => timeMs < (endsAt[key] ?? -1),
    joins: (key, process) =>
      ((members[key * words + (process >> 5)] ?? 0) & (1 << (process & 31))) !== 0,
    start(key, process, flight) {
      endsAt[key] = flight.endMs;
      reason[key] = flight.why;
      loadedBy[key] = flight.loadedBy;
      members.fill(0, key * words, (key + 1) * words);
      alongside(key, process);
    },
    alongside,
    supersede(key) {
      endsAt[key] = -1;
    },
    why: (key) => OUTCOMES[reason[key] ?? COLD] ?? COLD,
    loadedBy: (key) => loadedBy[key] ?? 0,
  };
}

/** Of gets that missed, by their code. */
const OUTCOMES: readonly GetOutcome[] = [COLD, COLD, EVICTED, EXPIRED, INVALIDATED];
