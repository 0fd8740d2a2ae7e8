/** What a cache in each process would take off Redis, simulated together with it: what L2 sees is what L1 leaves. */
import type { CacheChoice, TierOption, TiersAdvice } from "../../core/cache-advice.ts";
import type { CacheTrace } from "../../core/cache-trace.ts";
import { formatBytes, formatDuration, formatRatio } from "../../core/units.ts";
import { createRedisCache, type RedisCache } from "./redis/redis-cache.ts";
import type { Study } from "./study.ts";
import { createLruCache } from "./tiers/lru-cache.ts";
import { simulateTiers } from "./tiers/simulate.ts";
import type { L1Setup, TierOutcome } from "./tiers/tier-setup.ts";
import type { SimulatedCache } from "./simulated-cache.ts";

export interface TiersFound {
  /** Without an L1: the shared cache alone. */
  readonly outcome: TierOutcome;
  /** Median, of the shared cache. */
  readonly evictionAgeMs?: number;
  readonly advice?: TiersAdvice;
  /** Worth having. */
  readonly l1?: L1;
}

type L1 = NonNullable<CacheChoice["l1"]>;

const L1_TTLS_MS = [1_000, 5_000, 30_000] as const;
const MB = 1024 ** 2;
const L1_SIZES = [8 * MB, 32 * MB, 128 * MB] as const;
/** Below this share of the gets, an L1 is not worth its invalidation. */
const L1_HITS_LEAST = 0.1;
/** The shortest, then the smallest, that comes this close to the best is proposed. */
const L1_CLOSE = 0.01;
const ROWS_MAX = 2_000_000;
/** Up to so many rows every size is tried with every time to live. */
const ROWS_OF_ALL_SHAPES = 300_000;
/** Where nothing is known of what changes, answers are not made older than this. */
const TTL_MS_UNKNOWING = 5_000;

/** `focus`: the shared cache; unlimited when none could be recommended. */
export function tiersAdvice(study: Study, focus: CacheChoice | undefined): TiersFound {
  const shared = sharedCache(study, focus);
  const { make } = shared;
  const ttlFactor = focus?.ttlFactor ?? 1;
  const { question, trace, bytes } = study;
  const simulate = (l1: L1Setup | undefined): TierOutcome =>
    simulateTiers(trace, bytes, {
      processes: question.processes,
      ...(l1 ? { l1 } : {}),
      l2: { make, ttlFactor },
      // Whether processes tell each other is not known.
      invalidatesL1: question.processes === 1,
      seed: question.seed,
    });
  const outcome = simulate(undefined);
  const evictionAgeMs = shared.evictionAgeMs();
  const found = { outcome, ...(evictionAgeMs === undefined ? {} : { evictionAgeMs }) };
  if (trace.rows > ROWS_MAX) return found;
  const shapes = shapesFor(
    question.present?.l1,
    trace.rows <= ROWS_OF_ALL_SHAPES,
    medianTtlMs(trace),
  );
  const options = shapes.map((l1) => optionOf(study, simulate(setupOf(l1)), l1));
  const alone = optionOf(study, outcome, undefined);
  const l1 = worthHaving(options, question.staleShareMax);
  return {
    ...found,
    advice: {
      processes: question.processes,
      options: [alone, ...options],
      words: wordsOf(l1, options, alone, question.processes),
    },
    ...(l1?.l1 ? { l1: l1.l1 } : {}),
  };
}

/** Loads take their time: how many gets would wait for another's load, were there single flight. Undefined where nothing is known of that. */
export function withFlights(
  { question, trace, bytes, costMsMean }: Study,
  focus: CacheChoice | undefined,
): TierOutcome | undefined {
  if (costMsMean === undefined) return undefined;
  return simulateTiers(trace, bytes, {
    processes: question.processes,
    l2: { make: unbounded, ttlFactor: focus?.ttlFactor ?? 1 },
    singleFlight: { loadMs: costMsMean },
    seed: question.seed,
  });
}

function unbounded(): SimulatedCache {
  return createLruCache({ bytesMax: undefined, ttlMs: 0 });
}

/** `evictionAgeMs` is of the first that was made, once it has been played. */
function sharedCache({ question, trace }: Study, focus: CacheChoice | undefined) {
  let first: RedisCache | undefined;
  const make = (): SimulatedCache => {
    // No limit is as much as there is.
    if (!focus || focus.maxmemoryBytes === 0) return unbounded();
    const { footprint, sampling, seed } = question;
    const { maxmemoryBytes, policy } = focus;
    const cache = createRedisCache({
      ...sampling,
      maxmemoryBytes,
      policy,
      keyCount: trace.keyCount,
      footprint,
      seed,
      share: trace.sampledShare,
    });
    first ??= cache;
    return cache;
  };
  return { make, evictionAgeMs: () => first?.evictionAgeMs() };
}

/** What there is now, and each time to live at the middle size and each size at the middle time to live, or all of them. */
function shapesFor(present: L1 | undefined, all: boolean, ttlMsMost: number): readonly L1[] {
  const [, middleTtl] = L1_TTLS_MS;
  const [, middleSize] = L1_SIZES;
  const shapes = L1_TTLS_MS.filter((ttlMs) => ttlMs <= ttlMsMost).flatMap((ttlMs) =>
    L1_SIZES.filter((bytes) => all || ttlMs === middleTtl || bytes === middleSize).map((bytes) => ({
      ttlMs,
      bytes,
    })),
  );
  const isNew =
    present !== undefined &&
    present.ttlMs > 0 &&
    !shapes.some(({ ttlMs, bytes }) => ttlMs === present.ttlMs && bytes === present.bytes);
  return [...(isNew ? [present] : []), ...shapes].toSorted(
    (a, b) => a.ttlMs - b.ttlMs || a.bytes - b.bytes,
  );
}

/** A copy in a process should not outlive what it is a copy of; without times to live, any. */
function medianTtlMs({ ttlMs }: CacheTrace): number {
  const known = (ttlMs ?? new Uint32Array(0)).filter((each) => each > 0).toSorted();
  return known[known.length >> 1] ?? Infinity;
}

function setupOf({ bytes, ttlMs }: L1): L1Setup {
  return { bytesMax: bytes, ttlMs };
}

function optionOf(study: Study, outcome: TierOutcome, l1: L1 | undefined): TierOption {
  const { gets, l1Hits, l2Hits, l3Hits, loads, hitRate, staleShare } = outcome;
  const rate = study.facts.getsPerSecond;
  const afterL1 = gets - l1Hits;
  return {
    ...(l1 ? { l1 } : {}),
    l1HitRate: share(l1Hits, gets),
    l2HitRate: share(l2Hits, afterL1),
    ...(l3Hits > 0 ? { l3HitRate: share(l3Hits, afterL1 - l2Hits) } : {}),
    hitRate,
    ...(staleShare === undefined ? {} : { staleShare }),
    loadsPerSecond: share(loads, gets) * rate,
  };
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

function worthHaving(options: readonly TierOption[], staleMax: number): TierOption | undefined {
  const allowed = options.filter(({ l1, staleShare }) =>
    staleShare === undefined ? (l1?.ttlMs ?? 0) <= TTL_MS_UNKNOWING : staleShare <= staleMax,
  );
  const most = Math.max(0, ...allowed.map(({ l1HitRate }) => l1HitRate));
  if (most < L1_HITS_LEAST) return undefined;
  return allowed.find(({ l1HitRate }) => l1HitRate >= most - L1_CLOSE);
}

function wordsOf(
  best: TierOption | undefined,
  options: readonly TierOption[],
  alone: TierOption,
  processes: number,
): readonly string[] {
  const each = processes === 1 ? "in the process" : `in each of ${processes} processes`;
  const most = Math.max(0, ...options.map(({ l1HitRate }) => l1HitRate));
  if (!best?.l1) {
    const why =
      most < L1_HITS_LEAST
        ? "too little to be worth its invalidation"
        : "but more of them than allowed would be out of date, or nothing is known of what changes";
    return [`an L1 ${each} would answer ${formatRatio(most)} of the gets at most: ${why}`];
  }
  const { l1, l1HitRate, l2HitRate, hitRate } = best;
  return [
    `an L1 of ${formatBytes(l1.bytes)} for ${formatDuration(l1.ttlMs)} ${each} would take ${formatRatio(l1HitRate)} of the gets off Redis`,
    `what is left for Redis then hits ${formatRatio(l2HitRate)}, since L1 takes the hottest keys away; together they hit ${formatRatio(hitRate)}, without L1 ${formatRatio(alone.hitRate)}`,
    ...(processes > 1
      ? [
          "other processes' L1 are taken to hear nothing of a change: where they do, less is out of date",
        ]
      : []),
  ];
}
