/** Seeded noise of measured windows: log-normal noise, drift, trend, outliers, and differences between processes. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { isMetricId, metricOf, type MetricId } from "../src/core/metric.ts";
import type { MetricValues } from "../src/core/sample.ts";

export interface NoiseSettings {
  /** Standard deviation of the logarithm from window to window: 0.05 is 5 %. */
  readonly cv: number;
  /** AR(1) drift that every metric of every arm shares: the correlation from one window to the next, its standard deviation. */
  readonly drift?: { readonly correlation: number; readonly sd: number };
  /** Steady change of every metric per window, as a logarithm: a machine that gets slower, a cache that gets warm. */
  readonly trendPerWindow?: number;
  /** A share of windows is slower by between `low` and `high` (0.05 to 0.25). */
  readonly outliers?: { readonly share: number; readonly low: number; readonly high: number };
  /** Standard deviation of the logarithm between two starts of the same process. */
  readonly processSd?: number;
  /** Standard deviation of metrics that are compared by difference. */
  readonly differenceSd?: number;
  /** Counters that do not vary at all. */
  readonly exact?: readonly MetricId[];
}

export interface Noise {
  /** The offset of a freshly started process. */
  startProcess(): number;
  /** One window: the truth as it would be measured now, on a process with this offset. */
  window(truth: MetricValues, processOffset: number): MetricValues;
}

export function createNoise(settings: NoiseSettings, seed: number): Noise {
  const random = randomFrom(seed);
  const drift = settings.drift ?? { correlation: 0, sd: 0 };
  const innovation = drift.sd * Math.sqrt(1 - drift.correlation ** 2);
  let drifted = drift.sd * random.normal();
  let trend = 0;
  return {
    startProcess: () => (settings.processSd ?? 0) * random.normal(),
    window(truth, processOffset) {
      drifted = drift.correlation * drifted + innovation * random.normal();
      trend += settings.trendPerWindow ?? 0;
      const outliers = settings.outliers ?? { share: 0, low: 0, high: 0 };
      const isOutlier = random.uniform() < outliers.share;
      const jump = outliers.low + (outliers.high - outliers.low) * random.uniform();
      const slower = drifted + trend + processOffset + (isOutlier ? Math.log1p(jump) : 0);
      const measured: Partial<Record<MetricId, number>> = {};
      for (const [id, value] of Object.entries(truth)) {
        if (!isMetricId(id)) throw new Error(`the truth has no metric ${id}`);
        measured[id] = settings.exact?.includes(id)
          ? value
          : noisy(id, value, slower, settings, random.normal());
      }
      return measured;
    },
  };
}

/** Slower means more of what is better low, and less of what is better high. */
function noisy(
  id: MetricId,
  value: number,
  slower: number,
  settings: NoiseSettings,
  normal: number,
): number {
  const metric = metricOf(id);
  if (metric.compare === "ratio") {
    const shift = slower + settings.cv * normal;
    return value * Math.exp(metric.better === "lower" ? shift : -shift);
  }
  const moved = value + (settings.differenceSd ?? 0) * normal;
  return Math.max(0, metric.unit === "ratio" ? Math.min(1, moved) : moved);
}

interface Random {
  /** Between 0 and 1. */
  uniform(): number;
  /** Mean 0, standard deviation 1 (Box and Muller). */
  normal(): number;
}

/** A stream of its own for every seed, neighbouring seeds too. */
export function randomFrom(seed: number): Random {
  const generator = xoroshiro128plus(mixed(seed));
  // The generator's first numbers still show the seed: for 1 to 2,000 the very first is above 0.9999 each time.
  for (let skipped = 0; skipped < 32; skipped += 1) generator.next();
  const uniform = () => uniformFloat64(generator);
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** The finalizer of MurmurHash3: seeds that differ by one bit share about half of theirs afterwards. */
function mixed(seed: number): number {
  let hash = seed | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
