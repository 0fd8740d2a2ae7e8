/** A service that turns requests away above a number under way, under more load than it can do: its true good ratio by that limit. */

/** What a refusal costs, of what a good answer does. */
const REFUSAL_COST = 0.05;
/** With so many under way the service does half of what it can: with fewer, it has nothing to do while they wait for the database. */
const HALF_BUSY = 3;
/** How sharply answers go from in time to late as their wait passes the limit of time: not at once, since requests differ. */
const SHARPNESS = 6;

/**
 * Good answers within `withinMs` of their due time, over all requests, of a window at `offered` requests a second on a service that can do
 * `capacity` of them. Little's law gives the wait: with all places taken, an admitted request stays limit over rate.
 */
export function goodRatioAt(
  limit: number,
  offered: number,
  capacity: number,
  withinMs: number,
): number {
  if (offered <= 0) return 1;
  const admitted = admittedAt(limit, offered, capacity);
  if (admitted >= offered) return 1;
  const waitMs = (limit / admitted) * 1_000;
  return (admitted / offered) * (1 / (1 + (waitMs / withinMs) ** SHARPNESS));
}

/** The share of the requests that is turned away: none where the backlog of a window fits below the limit. */
export function rejectRatioAt(
  limit: number,
  offered: number,
  capacity: number,
  windowMs: number,
): number {
  const admitted = admittedAt(limit, offered, capacity);
  const tooMuch = Math.max(0, offered - admitted) * (windowMs / 1_000);
  return offered <= 0 ? 0 : Math.max(0, tooMuch - limit) / (offered * (windowMs / 1_000));
}

/** Requests a second that are done: what refusing the others leaves of the capacity, as far as so few under way can use it. */
function admittedAt(limit: number, offered: number, capacity: number): number {
  const able = (capacity * limit) / (limit + HALF_BUSY);
  if (able >= offered) return offered;
  return Math.max(0, (able - REFUSAL_COST * offered) / (1 - REFUSAL_COST));
}
