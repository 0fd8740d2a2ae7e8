/** Sweeps for tests: the two of research/tuning.md section 2, and others drawn from a known law. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import {
  uslThroughput,
  type ThroughputPoint,
  type Usl,
} from "../../../../src/advise/concurrency/pool/usl.ts";
import type { PoolMeasurement } from "../../../../src/core/pool-advice.ts";

const SIZES = [1, 2, 4, 8, 16, 32, 64, 100];

/** pgbench on PostgreSQL 15, 2 cores, fsync on: transactions a second by clients, medians of three. */
export const readOnly = sweepOf([9_953, 14_007, 15_816, 17_399, 16_918, 15_480, 12_629, 9_466]);
export const simpleUpdate = sweepOf([173, 282, 565, 1_143, 1_296, 1_995, 2_023, 1_319]);

function sweepOf(throughputs: readonly number[]): readonly ThroughputPoint[] {
  return SIZES.map((size, index) => ({ size, throughput: throughputs[index] ?? 0 }));
}

export function measurementsOf(points: readonly ThroughputPoint[]): readonly PoolMeasurement[] {
  return points.map((point, index) => ({ ...point, from: `line ${index + 2}` }));
}

/** Points of a law with log-normal noise of this standard deviation; the same for the same seed. */
export function drawSweep(
  usl: Usl,
  sizes: readonly number[],
  noise: number,
  seed: number,
): readonly ThroughputPoint[] {
  const random = xoroshiro128plus(seed);
  // Box and Muller.
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniformFloat64(random))) *
    Math.cos(2 * Math.PI * uniformFloat64(random));
  return sizes.map((size) => ({
    size,
    throughput: uslThroughput(usl, size) * Math.exp(noise * normal()),
  }));
}
