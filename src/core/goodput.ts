/** What a window beyond the capacity was good for: the good answers that came in time, and whether the generator sent what it should. */
import type { LoadResult } from "./sample.ts";

/** Of the length of a window beyond the capacity: requests that leave later than this are no longer the load that was asked for. */
export const LAG_SHARE_MAX = 0.02;

export function isGood(status: number): boolean {
  return status >= 200 && status < 400;
}

/** Turned away because there is too much to do. */
export function isRefusal(status: number): boolean {
  return status === 429 || status === 503;
}

/** Answers by status; timeouts and socket errors are none. */
export function answersOf({ statuses }: LoadResult, counts: (status: number) => boolean): number {
  return Object.entries(statuses).reduce(
    (sum, [status, count]) => (/^\d+$/.test(status) && counts(Number(status)) ? sum + count : sum),
    0,
  );
}

/** Of status 2xx and 3xx: those that came within the limit of an overload, where the window was asked to count them, else all. */
export function goodAnswersOf(load: LoadResult): number {
  return load.goodInTime ?? answersOf(load, isGood);
}

/**
 * Good answers a second, of those that came in time, one by one where the window was asked to count them. Else: a service that lets
 * everything wait answers all of it in the end, and is not faster for that. Which of the answers were late is not known one by one, so
 * that all the others count as having been in time, as rejects are: a low estimate.
 */
export function goodputOf(load: LoadResult): number {
  const good = goodAnswersOf(load);
  if (load.goodInTime !== undefined) return (good * 1_000) / load.windowMs;
  const others = answersOf(load, () => true) - good;
  const seconds = load.windowMs / 1_000;
  return Math.min(good / seconds, Math.max(0, load.requestsPerSecondReached - others / seconds));
}

/** Why the generator may not have sent what it should, in sentences; none where it did. */
export function generatorDoubts({ checks, windowMs }: LoadResult): readonly string[] {
  return checks
    .filter(
      ({ id, ok, value }) =>
        !ok &&
        (id === "generator-cpu" || (id === "generator-lag" && value > LAG_SHARE_MAX * windowMs)),
    )
    .map(({ detail }) => detail);
}
