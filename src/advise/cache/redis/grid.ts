/** Hit rates of Redis by policy and size, with their errors: simulated whole where the trace is small, in miniature where not. */
import type { PolicyCurve } from "../../../core/cache-advice.ts";
import type { RedisPolicy } from "../../../core/cache-curve.ts";
import { GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import { entryBytesOf, type Footprint } from "./footprint.ts";
import { estimateOf, prepareMiniature } from "./miniature.ts";
import type { RedisSetting } from "./simulate.ts";
import { sharesFor, wholeTrace } from "./whole-trace.ts";

/** Of the sampled keys, so many should be in the cache: below, the pool of 16 candidates is no longer small against them. */
const RESIDENT_LEAST = 3_000;
/** For small sizes the sample is made larger by as much at most. */
const LARGER_MAX = 4;
const SEEDS_LEAST = 3;
/** All policies, sizes and seeds together: some ten seconds of computing. */
const ACCESSES_MAX = 30_000_000;
/** Of them, for samples of the usual share; the others are for larger samples where the cache is small. */
const USUAL_SHARE = 0.5;

export interface GridOptions {
  readonly policies: readonly RedisPolicy[];
  /** maxmemory, bytes, ascending. */
  readonly sizes: readonly number[];
  readonly setting?: Omit<RedisSetting, "maxmemoryBytes" | "policy" | "ttlOf" | "speed">;
  /** One simulation each; those of a sample choose other keys. At least three. */
  readonly seeds: readonly number[];
  readonly keysSimulatedMax?: number;
  /** Rows that all simulations together play. */
  readonly accessesMax?: number;
  /** Before each simulation: lets timers be served, and may throw to end it all. */
  readonly pause?: () => Promise<void>;
}

export async function policyCurves(
  trace: CacheTrace,
  footprint: Footprint,
  options: GridOptions,
): Promise<readonly PolicyCurve[]> {
  const { policies, sizes, setting = {} } = options;
  const seeds = atLeast(options.seeds, SEEDS_LEAST);
  const { shares, rows } = planOf(trace, footprint, options, policies.length * seeds.length);
  const whole = wholeTrace(trace, footprint, rows);
  /** By policy, size and seed. */
  const rates = policies.map(() => sizes.map((): number[] => []));
  for (const seed of seeds) {
    for (const share of new Set(shares)) {
      // One sample at a time: several of a large trace would not fit in memory beside it.
      const miniature = prepareMiniature(whole, { share, seed });
      for (const [policyIndex, policy] of policies.entries()) {
        for (const [sizeIndex, maxmemoryBytes] of sizes.entries()) {
          if (shares[sizeIndex] !== share) continue;
          await options.pause?.();
          const { hitRate } = miniature({ ...setting, policy, maxmemoryBytes });
          rates[policyIndex]?.[sizeIndex]?.push(hitRate);
        }
      }
    }
  }
  return policies.map((policy, index) => {
    const estimates = (rates[index] ?? []).map(estimateOf);
    return {
      policy,
      sizes,
      hitRate: estimates.map(({ hitRate }) => hitRate),
      error: estimates.map(({ error }) => error),
      simulatedShare: Math.min(...shares),
      ...(whole.rowsShare < 1 ? { rowsShare: whole.rowsShare } : {}),
    };
  });
}

interface Plan {
  /** By size, what share of the trace's keys is simulated. */
  readonly shares: readonly number[];
  /** Of the rows. */
  readonly rows: number;
}

/** As large as the accesses allow: the usual sample first, then larger ones for small sizes, and fewer rows where even the least sample has too many. */
function planOf(
  trace: CacheTrace,
  footprint: Footprint,
  options: GridOptions,
  simulationsPerSize: number,
): Plan {
  const { sizes, accessesMax = ACCESSES_MAX, keysSimulatedMax = Infinity } = options;
  const accessesOf = (shares: readonly number[]): number =>
    shares.reduce((sum, share) => sum + share * trace.rows, 0) * simulationsPerSize;
  const all = sizes.map(() => 1);
  if (trace.keyCount <= keysSimulatedMax && accessesOf(all) <= accessesMax)
    return { shares: all, rows: 1 };
  const rowsMax = accessesMax / Math.max(1, sizes.length * simulationsPerSize);
  const { keys } = sharesFor(trace, rowsMax * USUAL_SHARE);
  const usual = Math.min(keys, keysSimulatedMax / trace.keyCount);
  const resident = residentPerByte(trace, footprint);
  const sharesOf = (largerMax: number): readonly number[] =>
    sizes.map((size) => {
      const keysHeld = (size - footprint.startupBytes) * resident;
      const wanted = keysHeld > 0 ? RESIDENT_LEAST / keysHeld : 1;
      const share = Math.max(usual, Math.min(wanted, usual * largerMax));
      // Powers of two, so that sizes have samples in common.
      return Math.min(1, usual * 2 ** Math.round(Math.log2(share / usual)));
    });
  let shares = sharesOf(LARGER_MAX);
  for (let larger = LARGER_MAX / 2; larger >= 1 && accessesOf(shares) > accessesMax; larger /= 2)
    shares = sharesOf(larger);
  return { shares, rows: Math.min(1, accessesMax / accessesOf(shares)) };
}

/** Keys of the trace that a byte of the server's memory holds. */
function residentPerByte(trace: CacheTrace, footprint: Footprint): number {
  return trace.sampledShare / meanEntryBytes(trace, footprint);
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
