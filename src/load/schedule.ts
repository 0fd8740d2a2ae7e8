/** When requests are due: fixed before the first is sent, so that no response can delay an arrival. */
import { uniformFrom } from "./draw.ts";
import type { LoadRequest } from "./request.ts";

export interface Schedule {
  /** Milliseconds from the start of the warm-up, ascending. */
  readonly dueMs: Float64Array;
  /** Position of the first request that is measured. */
  readonly measuredFrom: number;
}

/** Keeps the arrivals' random numbers apart from those of the requests, so that both arrival kinds send the same requests. */
const ARRIVAL_STREAM = 0x61727276;

export function arrivalSchedule(
  request: Pick<LoadRequest, "arrivals" | "requestsPerSecond" | "warmupMs" | "windowMs" | "seed">,
): Schedule {
  const { warmupMs, windowMs } = request;
  const perMs = request.requestsPerSecond / 1_000;
  const warmup = Math.round(warmupMs * perMs);
  const measured = Math.max(1, Math.round(windowMs * perMs));
  const dueMs = new Float64Array(warmup + measured);
  if (request.arrivals === "constant") {
    for (let index = 0; index < dueMs.length; index += 1) {
      dueMs[index] = warmupMs + (index - warmup) / perMs;
    }
  } else {
    const uniform = uniformFrom(request.seed ^ ARRIVAL_STREAM);
    fillPoisson(dueMs.subarray(0, warmup), 0, warmupMs, uniform);
    fillPoisson(dueMs.subarray(warmup), warmupMs, windowMs, uniform);
  }
  return { dueMs, measuredFrom: warmup };
}

/**
 * A Poisson process, given its number of arrivals: their times are then independent and uniform over the interval, and exponential
 * gaps scaled to its length give them in order (Devroye, Non-Uniform Random Variate Generation, 1986, V.3.1). The number
 * is fixed because a free one varies by its square root: 1 % at 10,000, which alone would miss the rate of every sixth window.
 */
function fillPoisson(
  dueMs: Float64Array,
  fromMs: number,
  lengthMs: number,
  uniform: () => number,
): void {
  let sum = 0;
  for (let index = 0; index < dueMs.length; index += 1) {
    sum += -Math.log(1 - uniform());
    dueMs[index] = sum;
  }
  sum += -Math.log(1 - uniform());
  for (let index = 0; index < dueMs.length; index += 1) {
    dueMs[index] = fromMs + ((dueMs[index] ?? 0) * lengthMs) / sum;
  }
}
