/** When requests are due: fixed before the first is sent, so that no response can delay an arrival. */
import { startingRate, type RateSegment } from "../core/scenario.ts";
import { uniformFrom } from "./draw.ts";
import type { LoadRequest } from "./request.ts";
import type { Part } from "./sending.ts";

export interface Schedule {
  /** Milliseconds from the start of the warm-up, ascending. */
  readonly dueMs: Float64Array;
  /** Position of the first request that is measured. */
  readonly measuredFrom: number;
}

type Rates = Pick<LoadRequest, "requestsPerSecond" | "segments" | "windowMs">;

/** Keeps the arrivals' random numbers apart from those of the requests, so that both arrival kinds send the same requests. */
const ARRIVAL_STREAM = 0x61727276;

const OVERTIME_STREAM = 0x6f766572;

const WHOLE: Part = { index: 0, of: 1 };

/**
 * The arrivals of all workers, or one worker's part of them: every `of`-th. The parts together are the whole schedule, equally spaced
 * or one Poisson process, whatever their number.
 */
export function arrivalSchedule(
  request: Rates & Pick<LoadRequest, "arrivals" | "warmupMs" | "seed">,
  part: Part = WHOLE,
): Schedule {
  const { warmupMs, windowMs } = request;
  const window = segmentsOver(request);
  const before: readonly RateSegment[] = [flat(startingRate(window), warmupMs)];
  const warmup = Math.round(arrivalsOf(before));
  const measured = measuredArrivals(request);
  const dueMs = new Float64Array(warmup + measured);
  const warmupDueMs = dueMs.subarray(0, warmup);
  const windowDueMs = dueMs.subarray(warmup);
  if (request.arrivals === "constant") {
    // Backwards from the window, so that the distance is the same across its start.
    const gapMs = 1_000 / startingRate(window);
    for (const index of warmupDueMs.keys())
      warmupDueMs[index] = warmupMs + (index - warmup) * gapMs;
    for (const index of windowDueMs.keys()) windowDueMs[index] = index;
  } else {
    const uniform = uniformFrom(request.seed ^ ARRIVAL_STREAM);
    fillPoisson(warmupDueMs, warmupMs, uniform);
    fillPoisson(windowDueMs, arrivalsOf(window), uniform);
  }
  invertArrivals(windowDueMs, window, warmupMs, warmupMs + windowMs);
  return { dueMs: partOf(dueMs, part), measuredFrom: partLength(warmup, part) };
}

/**
 * The distances between arrivals after the window's end, one a call, at the rate that it ended with: one worker's part of them. Infinity
 * where that is nothing.
 */
export function overtimeGaps(
  request: Rates & Pick<LoadRequest, "arrivals" | "seed">,
  { index, of }: Part = WHOLE,
): () => number {
  const meanMs = (of * 1_000) / (segmentsOver(request).at(-1)?.to ?? 0);
  if (!Number.isFinite(meanMs)) return () => Infinity;
  if (request.arrivals === "constant") {
    // The parts take turns.
    let gapMs = (meanMs * (index + 1)) / of;
    return () => {
      const given = gapMs;
      gapMs = meanMs;
      return given;
    };
  }
  const uniform = uniformFrom((request.seed ^ OVERTIME_STREAM) + Math.imul(index, 0x9e3779b1));
  return () => -Math.log(1 - uniform()) * meanMs;
}

/** How many requests the window has: the whole number nearest to what its rates give, and one at least. */
export function measuredArrivals(request: Rates): number {
  return Math.max(1, Math.round(arrivalsOf(segmentsOver(request))));
}

/** Arrivals that the rates give between two moments of the window, in milliseconds from its start; not a whole number. */
export function arrivalsBetween(request: Rates, fromMs: number, toMs: number): number {
  let startMs = 0;
  let arrivals = 0;
  for (const segment of segmentsOver(request)) {
    const low = Math.max(fromMs - startMs, 0);
    const high = Math.min(toMs - startMs, segment.lengthMs);
    if (high > low) arrivals += arrivalsUntil(segment, high) - arrivalsUntil(segment, low);
    startMs += segment.lengthMs;
  }
  return arrivals;
}

/** The greatest rate of the window, per second. */
export function peakRate(request: Rates): number {
  return Math.max(...segmentsOver(request).flatMap(({ from, to }) => [from, to]));
}

function segmentsOver({ segments, requestsPerSecond, windowMs }: Rates): readonly RateSegment[] {
  return segments ?? [flat(requestsPerSecond, windowMs)];
}

function flat(rate: number, lengthMs: number): RateSegment {
  return { lengthMs, from: rate, to: rate };
}

function arrivalsOf(segments: readonly RateSegment[]): number {
  return segments.reduce((sum, each) => sum + arrivalsUntil(each, each.lengthMs), 0);
}

/** Arrivals of one segment in its first `ms` milliseconds: the area under its line. */
function arrivalsUntil({ from, to, lengthMs }: RateSegment, ms: number): number {
  if (lengthMs === 0) return 0;
  return (from * ms + ((to - from) * ms * ms) / (2 * lengthMs)) / 1_000;
}

/**
 * Turns numbers of arrivals, ascending, into the moments at which that many have arrived: equal steps become arrivals at the rate,
 * and a Poisson process of rate 1 one that follows the rate (inversion; Cinlar, Introduction to Stochastic Processes, 1975, ch. 4.7).
 */
function invertArrivals(
  arrivals: Float64Array,
  segments: readonly RateSegment[],
  startMs: number,
  endMs: number,
): void {
  let position = 0;
  let segmentStartMs = startMs;
  let before = 0;
  for (const segment of segments) {
    const within = arrivalsUntil(segment, segment.lengthMs);
    for (; position < arrivals.length; position += 1) {
      const count = (arrivals[position] ?? 0) - before;
      // What falls on the end belongs to the next piece with arrivals: in this one the rate may be nothing.
      if (count >= within) break;
      arrivals[position] = segmentStartMs + msUntil(segment, count);
    }
    before += within;
    segmentStartMs += segment.lengthMs;
  }
  // Rounding may leave the last one at the very end.
  arrivals.fill(endMs, position);
}

/** The inverse of arrivalsUntil: that form of a square's root which loses no digits where the line is nearly flat. */
function msUntil({ from, to, lengthMs }: RateSegment, arrivals: number): number {
  if (arrivals <= 0) return 0;
  if (from === to) return (arrivals * 1_000) / from;
  const perMs = from / 1_000;
  const slope = (to - from) / 1_000 / lengthMs;
  const root = Math.sqrt(Math.max(0, perMs * perMs + 2 * slope * arrivals));
  return Math.min((2 * arrivals) / (perMs + root), lengthMs);
}

/**
 * A Poisson process, given its number of arrivals: their times are then independent and uniform over the interval, and exponential
 * gaps scaled to its length give them in order (Devroye, Non-Uniform Random Variate Generation, 1986, V.3.1). The number
 * is fixed because a free one varies by its square root: 1 % at 10,000, which alone would miss the rate of every sixth window.
 */
function fillPoisson(due: Float64Array, length: number, uniform: () => number): void {
  let sum = 0;
  for (let index = 0; index < due.length; index += 1) {
    sum += -Math.log(1 - uniform());
    due[index] = sum;
  }
  sum += -Math.log(1 - uniform());
  for (let index = 0; index < due.length; index += 1) {
    due[index] = ((due[index] ?? 0) * length) / sum;
  }
}

function partOf(dueMs: Float64Array, part: Part): Float64Array {
  if (part.of === 1) return dueMs;
  return Float64Array.from(
    { length: partLength(dueMs.length, part) },
    (_, position) => dueMs[part.index + position * part.of] ?? 0,
  );
}

/** How many of the first `count` arrivals are this part's. */
function partLength(count: number, { index, of }: Part): number {
  return Math.max(0, Math.ceil((count - index) / of));
}
