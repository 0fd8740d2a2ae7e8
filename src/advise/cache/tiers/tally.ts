/** Counts what became of gets, of all and by prefix. */
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { EVICTED, EXPIRED, INVALIDATED, type GetOutcome } from "../simulated-cache.ts";
import { hitRateOf } from "./gets.ts";
import type { PrefixCounts, TierCounts } from "./tier-setup.ts";

/** Where an answer came from; the numbers are places among a prefix's counts. */
export const FROM_L1 = 1;
export const FROM_L2 = 2;
export const FROM_L3 = 3;
export const LOADED = 4;
export const JOINED = 5;
export type AnswerSource =
  | typeof FROM_L1
  | typeof FROM_L2
  | typeof FROM_L3
  | typeof LOADED
  | typeof JOINED;

const GETS = 0;
const STALE = 6;
const COMPULSORY = 7;
const CAPACITY = 8;
const EXPIRY = 9;
const INVALIDATION = 10;
const COST = 11;
const FIELDS = 12;

export interface Tally {
  get(prefix: number, from: AnswerSource, stale: boolean): void;
  load(prefix: number, why: GetOutcome, costMs: number): void;
  all(): TierCounts;
  byPrefix(): readonly PrefixCounts[];
}

export interface Known {
  readonly costs: boolean;
  readonly changes: boolean;
  /** The gets outside a sample are known of the whole trace only. */
  readonly allRows: boolean;
}

export function createTally(trace: CacheTrace, known: Known): Tally {
  const counts = new Float64Array(trace.prefixes.length * FIELDS);
  const add = (at: number, amount: number): void => {
    counts[at] = (counts[at] ?? 0) + amount;
  };
  return {
    get(prefix, from, stale) {
      const at = prefix * FIELDS;
      add(at + GETS, 1);
      add(at + from, 1);
      if (stale) add(at + STALE, 1);
    },
    load(prefix, why, costMs) {
      const at = prefix * FIELDS;
      add(at + placeOf(why), 1);
      add(at + COST, costMs);
    },
    all() {
      const sums = new Float64Array(FIELDS);
      for (let at = 0; at < counts.length; at += 1) {
        sums[at % FIELDS] = (sums[at % FIELDS] ?? 0) + (counts[at] ?? 0);
      }
      return countsFrom(sums, known.allRows ? trace : { sampledShare: 1 }, known);
    },
    // Which prefix the gets outside a sample have is not known, so rates by prefix are not corrected for them.
    byPrefix: () =>
      trace.prefixes.map((prefix, index) => ({
        prefix,
        ...countsFrom(
          counts.subarray(index * FIELDS, (index + 1) * FIELDS),
          { sampledShare: 1 },
          known,
        ),
      })),
  };
}

function placeOf(why: GetOutcome): number {
  if (why === EVICTED) return CAPACITY;
  if (why === EXPIRED) return EXPIRY;
  return why === INVALIDATED ? INVALIDATION : COMPULSORY;
}

function countsFrom(
  counts: Float64Array,
  sample: Pick<CacheTrace, "sampledShare" | "getsOfAll">,
  known: Known,
): TierCounts {
  const count = (field: number): number => counts[field] ?? 0;
  const gets = count(GETS);
  return {
    gets,
    l1Hits: count(FROM_L1),
    l2Hits: count(FROM_L2),
    l3Hits: count(FROM_L3),
    loads: count(LOADED),
    joined: count(JOINED),
    staleReads: count(STALE),
    ...(known.costs ? { costMs: count(COST) } : {}),
    misses: {
      compulsory: count(COMPULSORY),
      capacity: count(CAPACITY),
      expired: count(EXPIRY),
      invalidated: count(INVALIDATION),
    },
    hitRate: hitRateOf(sample, gets, count(LOADED) + count(JOINED)),
    ...(known.changes ? { staleShare: gets === 0 ? 0 : count(STALE) / gets } : {}),
  };
}
