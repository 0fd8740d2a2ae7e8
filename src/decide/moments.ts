/** Mean and spread of a short list of numbers. */
import { mean, sampleStandardDeviation } from "simple-statistics";

export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Of the mean, from the sample standard deviation (n - 1); needs two numbers. */
  readonly standardError: number;
}

export function momentsOf(values: readonly number[]): Moments {
  const numbers = [...values];
  return {
    count: numbers.length,
    mean: mean(numbers),
    standardError: sampleStandardDeviation(numbers) / Math.sqrt(numbers.length),
  };
}

/** Whether a distance is beyond so many standard errors. Pairs without any spread (exact counters) prove any distance at all. */
export function exceeds(
  distance: number,
  { standardError }: Pick<Moments, "standardError">,
  errors: number,
): boolean {
  return distance > errors * standardError;
}
