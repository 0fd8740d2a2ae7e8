/** Hit rates of Redis by policy and size, with their errors: simulated whole where the trace is small, in miniature where not. */
import type { PolicyCurve } from "../../../core/cache-advice.ts";
import type { RedisPolicy } from "../../../core/cache-curve.ts";
import { GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import { entryBytesOf, type Footprint } from "./footprint.ts";
import { sampleTrace } from "./sample-trace.ts";
import { expectedGets, prepareTrace, simulatePrepared, type RedisSetting } from "./simulate.ts";
import { unboundedMisses } from "./unbounded.ts";

/** Of the model against real servers: the mean of `npm run bench -- cache` over policies, sizes and times to live stays below it. */
export const MODEL_ERROR = 0.003;
/** Of the sampled keys, so many should be in the cache: below, the pool of 16 candidates is no longer small against them. */
const RESIDENT_LEAST = 3_000;
/** For small sizes the sample is made larger by as much at most. */
const LARGER_MAX = 4;
const SEEDS_LEAST = 3;
const KEYS_SIMULATED_MAX = 65_536;

export interface GridOptions {
  readonly policies: readonly RedisPolicy[];
  /** maxmemory, bytes, ascending. */
  readonly sizes: readonly number[];
  readonly setting?: Omit<RedisSetting, "maxmemoryBytes" | "policy">;
  /** One simulation each; those of a sample choose other keys. At least three. */
  readonly seeds: readonly number[];
  readonly keysSimulatedMax?: number;
}

export function policyCurves(
  trace: CacheTrace,
  footprint: Footprint,
  options: GridOptions,
): readonly PolicyCurve[] {
  const { policies, sizes, setting = {} } = options;
  const shares = sharesOf(trace, footprint, options);
  const seeds = atLeast(options.seeds, SEEDS_LEAST);
  const unbounded = unboundedMisses(trace, setting);
  /** By policy, size and seed. */
  const rates = policies.map(() => sizes.map((): number[] => []));
  for (const seed of seeds) {
    for (const share of new Set(shares)) {
      // One sample at a time: several of a large trace would not fit in memory beside it.
      const miniature = prepareMiniature(trace, footprint, setting, { share, seed, unbounded });
      policies.forEach((policy, policyIndex) => {
        sizes.forEach((maxmemoryBytes, sizeIndex) => {
          if (shares[sizeIndex] !== share) return;
          const rate = miniature({ ...setting, policy, maxmemoryBytes });
          rates[policyIndex]?.[sizeIndex]?.push(rate);
        });
      });
    }
  }
  return policies.map((policy, index) => ({
    policy,
    sizes,
    hitRate: (rates[index] ?? []).map(mean),
    error: (rates[index] ?? []).map((each) => 2 * standardError(each) + MODEL_ERROR),
    simulatedShare: Math.min(...shares),
  }));
}

interface Miniature {
  readonly share: number;
  readonly seed: number;
  /** Misses of the whole trace without any limit; times to live are those of `setting`. */
  readonly unbounded: number;
}

/**
 * The hit rate of the whole trace by a share of its keys. What would miss in any cache (cold, expired, invalidated) is counted over the
 * whole trace; only what misses beyond that, for lack of memory, comes from the sample. Few popular keys, which make most of the gets
 * and which a sample has or has not, hardly miss for that reason, so that it no longer matters.
 */
export function prepareMiniature(
  trace: CacheTrace,
  footprint: Footprint,
  setting: Pick<RedisSetting, "ttlOf" | "ttlFactor" | "speed">,
  { share, seed, unbounded }: Miniature,
): (setting: RedisSetting) => number {
  const sample = share < 1 ? sampleTrace(trace, share, seed) : trace;
  const prepared = prepareTrace(sample, footprint);
  const unboundedHere = share < 1 ? unboundedMisses(sample, setting) : unbounded;
  const gets = expectedGets(trace);
  return (each) => {
    const { counts } = simulatePrepared(prepared, each, seed);
    const beyond = (counts.gets - counts.hits - unboundedHere) / share;
    return gets <= 0 ? 0 : Math.max(0, Math.min(1, 1 - (unbounded + beyond) / gets));
  };
}

/** By size, what share of the trace's keys is simulated. Powers of two, so that sizes have samples in common. */
function sharesOf(
  trace: CacheTrace,
  footprint: Footprint,
  options: GridOptions,
): readonly number[] {
  const keysMax = options.keysSimulatedMax ?? KEYS_SIMULATED_MAX;
  if (trace.keyCount <= keysMax) return options.sizes.map(() => 1);
  const usual = keysMax / trace.keyCount;
  const entryBytes = meanEntryBytes(trace, footprint);
  return options.sizes.map((size) => {
    const resident = ((size - footprint.startupBytes) / entryBytes) * trace.sampledShare;
    const wanted = resident > 0 ? RESIDENT_LEAST / resident : 1;
    const share = Math.max(usual, Math.min(wanted, usual * LARGER_MAX));
    return Math.min(1, usual * 2 ** Math.round(Math.log2(share / usual)));
  });
}

/** Of what is stored; 1 without any. */
function meanEntryBytes(trace: CacheTrace, footprint: Footprint): number {
  const entries = entryBytesOf(trace, footprint);
  let sum = 0;
  let count = 0;
  for (let row = 0; row < trace.rows; row += 1) {
    const operation = trace.operation[row];
    if (operation !== GET && operation !== SET) continue;
    sum += entries[row] ?? 0;
    count += 1;
  }
  return count === 0 ? 1 : Math.max(1, sum / count);
}

/** More seeds of the same kind where too few are given. */
function atLeast(seeds: readonly number[], least: number): readonly number[] {
  const highest = Math.max(0, ...seeds);
  const more = Array.from({ length: Math.max(0, least - seeds.length) }, (_, i) => highest + 1 + i);
  return [...seeds, ...more];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function standardError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
