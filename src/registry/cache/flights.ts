// Reads under way: one per key, joined by all who ask meanwhile, left alone once a write made them old.

import type { Scope } from "./keys.ts";

export type Flight = { readonly scopes: readonly Scope[]; superseded: boolean };

export type Flights = {
  readonly join: (key: string) => Promise<string> | undefined;
  readonly start: (
    key: string,
    scopes: readonly Scope[],
    fly: (flight: Flight) => Promise<string>,
  ) => Promise<string>;
  /** Its own readers began before the write and may have its answer; later ones must not join it. */
  readonly supersede: (concerns: (flight: Flight) => boolean) => void;
};

export function createFlights(): Flights {
  const underway = new Map<string, { flight: Flight; answer: Promise<string> }>();
  return {
    join: (key) => underway.get(key)?.answer,
    start(key, scopes, fly) {
      const flight: Flight = { scopes, superseded: false };
      const answer = fly(flight).finally(() => {
        if (underway.get(key)?.flight === flight) underway.delete(key);
      });
      underway.set(key, { flight, answer });
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
