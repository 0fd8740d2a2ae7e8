/** Pairs measured with the same two processes are not independent: a standard error that knows. */
import { momentsOf, type Moments } from "./moments.ts";

/** One pair of one metric, as the gate counts: positive when the head is worse. */
export interface Observation {
  /** Its place among all measured pairs, from 0. */
  readonly pair: number;
  /** Pairs with the same number were measured with the same two processes. */
  readonly generation: number;
  readonly loss: number;
}

/**
 * How much two starts of the same build typically differ, as a standard deviation of the logarithm: the median of 586 Java
 * benchmarks, 10 starts each (data of the ICPE 2023 challenge on JMH steady states). What more a service shows is estimated.
 */
export const PROCESS_SD = 0.015;

/**
 * Mean of the losses with the larger of two standard errors:
 * - that of the pairs, plus what processes are known to differ by (`processSd`) as far as pairs share their processes. With
 *   fresh processes for every pair nothing is shared, and it is that of an ordinary paired t test;
 * - that between generations (Liang and Zeger, Biometrika 73, 1986, with the usual factor g / (g - 1)), which sees processes
 *   that differ by more than that.
 * Exact counters have no spread at all, and keep an error of zero.
 */
export function clusteredMoments(observed: readonly Observation[], processSd: number): Moments {
  const moments = momentsOf(observed.map(({ loss }) => loss));
  if (!(moments.standardError > 0)) return moments;
  const { count, mean } = moments;
  const generations = new Map<number, { size: number; sum: number }>();
  for (const { generation, loss } of observed) {
    const found = generations.get(generation) ?? { size: 0, sum: 0 };
    generations.set(generation, { size: found.size + 1, sum: found.sum + loss - mean });
  }
  let sharing = 0;
  let between = 0;
  for (const { size, sum } of generations.values()) {
    sharing += size ** 2;
    between += sum ** 2;
  }
  const known = 2 * processSd ** 2 * (sharing / count ** 2 - 1 / count);
  const ofPairs = moments.standardError ** 2 + known;
  const factor = generations.size > 1 ? generations.size / (generations.size - 1) : 0;
  const ofGenerations = (factor * between) / count ** 2;
  return { count, mean, standardError: Math.sqrt(Math.max(ofPairs, ofGenerations)) };
}
