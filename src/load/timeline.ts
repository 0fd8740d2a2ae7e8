/** The window cut into pieces of equal length: what became of the requests due in each. */
import type { TimelinePoint } from "../core/sample.ts";
import {
  decodeHistogram,
  encodeHistogram,
  latencyHistogram,
  percentileMs,
  recordMs,
} from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import type { CompleteLoadRequest, PieceRecord } from "./request.ts";
import { arrivalsBetween } from "./schedule.ts";

export interface TimelineRecorder {
  readonly finish: (dueAt: number, endedAt: number, failed: boolean) => void;
  readonly pieces: () => readonly PieceRecord[];
}

interface Piece {
  requests: number;
  errors: number;
  readonly response: Histogram;
}

/** What is due as a piece begins belongs to it, though sums of doubles may be a little less. */
const ROUNDING_MS = 0.001;

/** Undefined when no timeline is asked for. Times are in the milliseconds of `windowStartsAt`. */
export function timelineRecorder(
  request: Pick<CompleteLoadRequest, "timelineMs" | "windowMs">,
  windowStartsAt: number,
): TimelineRecorder | undefined {
  const { timelineMs, windowMs } = request;
  if (timelineMs === undefined) return undefined;
  const pieces = Array.from({ length: pieceCount(timelineMs, windowMs) }, (): Piece => ({
    requests: 0,
    errors: 0,
    response: latencyHistogram(),
  }));
  return {
    finish: (dueAt, endedAt, failed) => {
      const index = Math.floor((dueAt - windowStartsAt + ROUNDING_MS) / timelineMs);
      // The very last moment belongs to the last piece.
      const piece = pieces[Math.min(Math.max(index, 0), pieces.length - 1)];
      if (!piece) return;
      piece.requests += 1;
      if (failed) piece.errors += 1;
      recordMs(piece.response, endedAt - dueAt);
    },
    pieces: () => pieces.map((piece) => ({ ...piece, response: encodeHistogram(piece.response) })),
  };
}

export function pieceCount(timelineMs: number, windowMs: number): number {
  return Math.ceil(windowMs / timelineMs);
}

export function timelinePoints(
  request: CompleteLoadRequest,
  pieces: readonly PieceRecord[],
): readonly TimelinePoint[] {
  const { timelineMs = request.windowMs, windowMs, users } = request;
  return pieces.map(({ requests, errors, response }, index) => {
    const atMs = index * timelineMs;
    const endMs = Math.min(atMs + timelineMs, windowMs);
    const arrivals = arrivalsBetween(request, atMs, endMs);
    return {
      atMs,
      lengthMs: endMs - atMs,
      target: users ? users.count : (arrivals * 1_000) / (endMs - atMs),
      requests,
      errors,
      ...(requests > 0 ? percentiles(response) : {}),
    };
  });
}

function percentiles(response: string) {
  const histogram = decodeHistogram(response);
  return {
    latencyP50Ms: percentileMs(histogram, 50),
    latencyP95Ms: percentileMs(histogram, 95),
    latencyP99Ms: percentileMs(histogram, 99),
  };
}
