// Reads under way: one per key, joined by all who ask meanwhile, left alone once a write made them old.

import type { Answer } from "./answer.ts";
import type { Scope } from "./keys.ts";

export type Flight = { readonly scopes: readonly Scope[]; superseded: boolean };

export type Flights = {
  /** The flight of a key, if it has not been under way for longer than `ageMaxMs`. */
  readonly join: (key: string, ageMaxMs: number) => Promise<Answer> | undefined;
  readonly start: (
    key: string,
    scopes: readonly Scope[],
    fly: (flight: Flight) => Promise<Answer>,
  ) => Promise<Answer>;
  /** Its own readers began before the write and may have its answer; later ones must not join it. */
  readonly supersede: (concerns: (flight: Flight) => boolean) => void;
};

type Underway = {
  readonly flight: Flight;
  readonly answer: Promise<Answer>;
  readonly startedMs: number;
};

export function createFlights(): Flights {
  const underway = new Map<string, Underway>();
  return {
    join(key, ageMaxMs) {
      const found = underway.get(key);
      if (found === undefined || performance.now() - found.startedMs > ageMaxMs) return undefined;
      return found.answer;
    },
    start(key, scopes, fly) {
      const flight: Flight = { scopes, superseded: false };
      const startedMs = performance.now();
      // One that was too old to be joined is out of sight of the news that would supersede it.
      const displaced = underway.get(key);
      if (displaced !== undefined) displaced.flight.superseded = true;
      const answer = fly(flight).finally(() => {
        if (underway.get(key)?.flight === flight) underway.delete(key);
      });
      underway.set(key, { flight, answer, startedMs });
      return answer;
    },
    supersede(concerns) {
      for (const [key, { flight }] of underway) {
        if (!concerns(flight)) continue;
        flight.superseded = true;
        underway.delete(key);
      }
    },
  };
}
