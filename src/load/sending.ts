/** What every way of sending is given, and gives: independent requests and sessions on schedule, users in a closed loop. */
import type { Cookies } from "./cookies.ts";
import type { Flights } from "./flights.ts";
import type { Pacer } from "./pacer.ts";
import type { Recorder } from "./recorder.ts";
import type { CompleteLoadRequest } from "./request.ts";
import type { Revalidation } from "./revalidation.ts";

/** Arrivals (or users) `index`, `index + of`, `index + 2 of`, ... of the whole load are this worker's. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

/** Where one worker's part is sent. Times are in `performance.now()` milliseconds. */
export interface Stage {
  readonly recorder: Recorder;
  readonly flights: Flights;
  /** Absent when no client keeps validators. */
  readonly revalidation?: Revalidation | undefined;
  /** Absent when no client keeps cookies. */
  readonly cookies?: Cookies | undefined;
  /** Put before the path of every request. */
  readonly pathPrefix: string;
  /** The warm-up's start: now, or shortly after. */
  readonly startAt: number;
  /** Requests due from here on are measured. */
  readonly windowStartsAt: number;
  readonly windowEndsAt: number;
  /** Whether requests are still sent after the window's end, which are not measured. Absent: they are not. */
  readonly goesOn?: (() => boolean) | undefined;
}

/**
 * Prepares everything that takes time (schedule, templates), and returns what sends it; the pacer finishes when the last request
 * was sent, whose answers may still be under way. The request is that of all workers, but for `connections` and `outstandingMax`,
 * which are this one's share. Throws bad-input for a workload that cannot be filled.
 */
export type PrepareSending = (request: CompleteLoadRequest, part: Part) => (stage: Stage) => Pacer;

/** The seed of a part's requests. Different for each, so that their unique texts never meet (an odd factor loses no bits). */
export function seedOfPart(seed: number, part: Part): number {
  return (seed + Math.imul(part.index, 0x9e3779b1)) | 0;
}

/** A part's share of a whole number that all workers have together. */
export function shareOfPart(total: number, { index, of }: Part): number {
  return Math.floor(total / of) + (index < total % of ? 1 : 0);
}
