/** What a whole trace would hit, from a share of its keys and from its first rows. */
import type { MissClasses } from "../../../core/cache-curve.ts";
import { momentsOf } from "../../../decide/moments.ts";
import { sampleTrace } from "./sample-trace.ts";
import {
  prepareTrace,
  simulatePrepared,
  type RedisOutcome,
  type RedisSetting,
} from "./simulate.ts";
import { unboundedMisses, type UnboundedMisses } from "./unbounded.ts";
import type { UnboundedOf, WholeTrace } from "./whole-trace.ts";

/** Of the model against real servers: the mean of `npm run bench -- cache` over policies, sizes and times to live stays below it. */
const MODEL_ERROR = 0.003;
/** What the whole trace is told to do; `hitRate` and the shares of misses add up to 1. */
export interface MiniatureOutcome {
  readonly hitRate: number;
  readonly misses: MissClasses;
  /** Of the stores that were played, how many failed for lack of memory. */
  readonly refusedShare: number;
}

export type Miniature = (setting: Omit<RedisSetting, "ttlOf" | "speed">) => MiniatureOutcome;

/**
 * The hit rate of the whole trace by a share of its keys. What would miss in any cache (cold, expired, invalidated) is counted over the
 * whole trace; only what misses beyond that, for lack of memory, comes from the sample. Few popular keys, which make most of the gets
 * and which a sample has or has not, hardly miss for that reason, so that it no longer matters.
 */
export function prepareMiniature(
  whole: WholeTrace,
  { share, seed }: { readonly share: number; readonly seed: number },
): Miniature {
  const { stretch, lateFromMs } = whole;
  const sample = share < 1 ? sampleTrace(stretch, share, seed) : stretch;
  const prepared = prepareTrace(sample, whole.footprint, lateFromMs);
  const known = new Map<number, UnboundedMisses>();
  return (setting) => {
    const { ttlFactor = 1 } = setting;
    const unbounded = whole.unbounded(ttlFactor);
    const here =
      share < 1
        ? (known.get(ttlFactor) ?? unboundedMisses(sample, ttlFactor, lateFromMs))
        : unbounded.stretch;
    known.set(ttlFactor, here);
    const outcome = simulatePrepared(prepared, setting, seed);
    const played = (outcome.counts.gets - outcome.counts.hits - here.misses) / share;
    const late = Math.max(0, outcome.missesLate - here.missesLate) / share;
    const rest = restForMemory(whole, unbounded, late, outcome);
    return outcomeOf(whole, unbounded.all, Math.max(0, played + rest), outcome);
  };
}

/**
 * Misses for lack of memory after the stretch: as in its later half, and of the gets that are first ones in that half and are not
 * any more afterwards, so many as find that the key has been evicted: as it happened to what was stored.
 */
function restForMemory(
  { restPerLate }: WholeTrace,
  { all, stretch }: UnboundedOf,
  late: number,
  { stores, evictions, refused }: RedisOutcome,
): number {
  const fewer = Math.max(0, stretch.missesLate * restPerLate - (all.misses - stretch.misses));
  const gone = stores === 0 ? 0 : Math.min(1, (evictions + refused) / stores);
  return late * restPerLate + gone * fewer;
}

function outcomeOf(
  { gets }: WholeTrace,
  { compulsory, expired, invalidated, misses }: UnboundedMisses,
  forMemory: number,
  { stores, refused }: RedisOutcome,
): MiniatureOutcome {
  // A sampled trace may have more misses than it should have gets.
  const all = Math.max(gets, misses, 1);
  const capacity = Math.min(forMemory, Math.max(0, gets - misses));
  return {
    hitRate: gets <= 0 ? 0 : Math.max(0, 1 - (misses + capacity) / all),
    misses: {
      compulsory: compulsory / all,
      capacity: capacity / all,
      expired: expired / all,
      invalidated: invalidated / all,
    },
    refusedShare: stores === 0 ? 0 : refused / stores,
  };
}

/** The mean over at least two seeds, with two standard errors and the model's own error. */
export function estimateOf(rates: readonly number[]): {
  readonly hitRate: number;
  readonly error: number;
} {
  const { mean, standardError } = momentsOf(rates);
  return { hitRate: mean, error: 2 * standardError + MODEL_ERROR };
}
