/** What a trial with other times to live or sizes would measure of the caches, from the one window that a tuner observed. */
import type { RedisPolicy } from "../../core/cache-curve.ts";
import { GET, type CacheTrace } from "../../core/cache-trace.ts";
import type { TargetView } from "../../core/observation.ts";
import type { SimulatedCache } from "./simulated-cache.ts";
import { formulaFootprint } from "./redis/footprint.ts";
import { policyCurves } from "./redis/grid.ts";
import { createLruCache } from "./tiers/lru-cache.ts";
import {
  getsByKey,
  predictHitRates,
  type PredictedRate,
  type PredictedRates,
} from "./tiers/predict.ts";
import type { L1Setup, TierSetup } from "./tiers/tier-setup.ts";
import { fitPopularity } from "./tiers/popularity.ts";
import { createWorld } from "./tiers/resample.ts";
import { ttlPoints } from "./tiers/ttl.ts";
import { traceOfResponses } from "./trace/responses.ts";

/** Look-ups of the observed window. */
export interface ObservedCache {
  readonly trace: CacheTrace;
  /** Whether the service told its look-ups, or its responses stand for them. */
  readonly from: "look-ups" | "responses";
  readonly lookups: number;
  /** Look-ups over requests, at most 1. */
  readonly requestShare: number;
  /** What is looked up, the busiest first. */
  readonly kinds: readonly string[];
}

export interface TrialPoint {
  readonly ttlMs: number;
  readonly hitRate: PredictedRate;
  readonly l1HitRate: PredictedRate;
  readonly l2HitRate: PredictedRate;
  /** For trials of fewer windows an arm; empty where entries do not outlive the other arm's window. */
  readonly byWindows: readonly (PredictedRates & { readonly windows: number })[];
  /** Held at most, memory unbounded. */
  readonly bytes: number;
}

/** Of an entry in a process beside key and value: objects, list links and map slots of a JavaScript cache, in round figures. */
const ENTRY_OVERHEAD_BYTES = 400;
const UNBOUNDED = Number.MAX_SAFE_INTEGER;
const KINDS_MAX = 12;
const WARMUP_MS = 1_000;
/** A trial ends when it is decided: after how many windows an arm nobody knows before. */
const LENGTHS = [3, 5, 7, 10] as const;
const WORLDS = 4;
/** Between two windows of an arm, beside the other arm's: counters read before and after each, as measured. */
const BETWEEN_MS = 700;
/** An L1's entries do not outlive the other arm's window; a shared cache fills over a whole trial. */
const WINDOWS = { l1: 4, l2: 14, policy: 20 } as const;

/** The service's own look-ups where it tells them, else the responses that repeat; undefined without either. */
export function observedCache(view: TargetView): ObservedCache | undefined {
  const { load } = view.sample;
  const requests = load.trace?.length ?? 0;
  if (view.cacheTrace) {
    // The trace has the warm-ups too, the requests are those of the window.
    const lookups = getsSince(view.cacheTrace, load.windowMs);
    const requestShare = requests === 0 ? 1 : Math.min(1, lookups / requests);
    const { prefixes } = view.cacheTrace;
    return {
      trace: view.cacheTrace,
      from: "look-ups",
      lookups,
      requestShare,
      kinds: prefixes.filter((name) => name !== "").slice(0, KINDS_MAX),
    };
  }
  const trace = traceOfResponses(load.trace ?? [], load.windowMs);
  if (!trace) return undefined;
  return {
    trace,
    from: "responses",
    lookups: trace.rows,
    requestShare: trace.requestShare,
    kinds: trace.endpoints.filter(({ cacheable }) => cacheable).map(({ name }) => name),
  };
}

export interface L1Shape {
  /** 0: none. */
  readonly ttlMs: number;
  /** Undefined: as large as need be. */
  readonly sizeBytes?: number;
}

/** In-process caches like these, before the shared one that there is; in the same order. Empty for a window that shows nothing. */
export function l1Points(
  observed: ObservedCache,
  view: TargetView,
  shapes: readonly L1Shape[],
  l2TtlMs: number,
): readonly TrialPoint[] {
  const tiers = shapes.map((l1) => ({ ttlMs: l1.ttlMs, l2TtlMs, ...l1Of(l1) }));
  return pointsOf(observed, view, tiers, WINDOWS.l1);
}

/** A shared cache with each of these times to live, behind the in-process one that there is. */
export function l2Points(
  observed: ObservedCache,
  view: TargetView,
  l2TtlsMs: readonly number[],
  l1: L1Shape,
): readonly TrialPoint[] {
  const tiers = l2TtlsMs.map((ttlMs) => ({ ttlMs, l2TtlMs: ttlMs, ...l1Of(l1) }));
  return pointsOf(observed, view, tiers, WINDOWS.l2);
}

function l1Of({ ttlMs, sizeBytes }: L1Shape): { readonly l1?: L1Setup } {
  if (ttlMs <= 0) return {};
  const bytesMax = sizeBytes ?? UNBOUNDED;
  return { l1: { bytesMax, ttlMs, entryOverheadBytes: ENTRY_OVERHEAD_BYTES } };
}

interface Tiers {
  readonly ttlMs: number;
  readonly l2TtlMs: number;
  readonly l1?: L1Setup;
}

function pointsOf(
  { trace }: ObservedCache,
  view: TargetView,
  tiers: readonly Tiers[],
  windows: number,
): readonly TrialPoint[] {
  const bytes = entryBytes(trace);
  const { windowMs } = view.sample.load;
  const warmupMs = view.warmupMs ?? WARMUP_MS;
  const fills = tiers.some(({ ttlMs }) => ttlMs > 2 * (warmupMs + windowMs));
  const lengths = fills ? LENGTHS.filter((length) => length < windows) : [];
  const predicted = predictHitRates(trace, bytes, {
    protocol: { warmupMs, windowMs, gapMs: warmupMs + windowMs + BETWEEN_MS, windows },
    setups: tiers.map((each) => () => setupOf(each)),
    lengths,
    rowsPerSecond: (rowsSince(trace, windowMs) * 1_000) / windowMs,
    worlds: WORLDS,
  });
  return (predicted ?? []).map(({ hitRate, l1HitRate, l2HitRate, byLength }, index) => {
    const ttlMs = tiers[index]?.ttlMs ?? 0;
    return {
      ttlMs,
      hitRate,
      l1HitRate,
      l2HitRate,
      byWindows: byLength.map((rates, length) => ({ windows: lengths[length] ?? 0, ...rates })),
      bytes: heldBytes(trace, bytes, ttlMs),
    };
  });
}

function setupOf({ l2TtlMs, l1 }: Tiers): TierSetup {
  return {
    processes: 1,
    ...(l1 ? { l1 } : {}),
    ...(l2TtlMs > 0 ? { l2: { make: unbounded, ttlOf: () => l2TtlMs } } : {}),
  };
}

function unbounded(): SimulatedCache {
  return createLruCache({ bytesMax: undefined, ttlMs: 0 });
}

export interface PolicyRate {
  readonly policy: RedisPolicy;
  readonly hitRate: number;
  /** Two standard errors, and the model's own. */
  readonly error: number;
}

/**
 * What Redis would hit under each policy at its present memory, the window's look-ups drawn again for as long as a trial lasts.
 * An in-process cache before it is left out: with one, these rates are too high, and alike for all policies.
 */
export async function policyRates(
  { trace }: ObservedCache,
  view: TargetView,
  policies: readonly RedisPolicy[],
  pause?: () => Promise<void>,
): Promise<readonly PolicyRate[]> {
  const { redis } = view;
  const lengthMs = lengthOf(trace);
  if (!redis || redis.maxmemoryBytes === 0 || lengthMs <= 0) return [];
  const { windowMs } = view.sample.load;
  const source = { trace, bytes: entryBytes(trace), rowsPerMs: trace.rows / lengthMs };
  const world = createWorld(source, fitPopularity(getsByKey(trace)), 1);
  const drawn = world.trial({ warmupMs: 0, windowMs, gapMs: windowMs, windows: WINDOWS.policy });
  const { settings } = redis;
  const curves = await policyCurves(
    drawn.trace,
    formulaFootprint(settings?.allocator, settings?.version),
    {
      policies,
      sizes: [redis.maxmemoryBytes],
      setting: settings
        ? {
            samples: settings.maxmemorySamples,
            lfuLogFactor: settings.lfuLogFactor,
            lfuDecayMinutes: settings.lfuDecayMinutes,
          }
        : {},
      seeds: [1, 2, 3],
      ...(pause ? { pause } : {}),
    },
  );
  return curves.map(({ policy, hitRate, error }) => ({
    policy,
    hitRate: hitRate[0] ?? 0,
    error: error[0] ?? 1,
  }));
}

function entryBytes({ rows, key, keyBytes, valueBytes }: CacheTrace): Float64Array {
  const bytes = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1)
    bytes[row] = (valueBytes[row] ?? 0) + (keyBytes[key[row] ?? 0] ?? 0) + ENTRY_OVERHEAD_BYTES;
  return bytes;
}

/** Beyond the trace's length new keys go on coming as they came, so what is held grows with the time to live: never told too low. */
function heldBytes(trace: CacheTrace, bytes: Float64Array, ttlMs: number): number {
  if (ttlMs <= 0) return 0;
  const [held] = ttlPoints(trace, bytes, [ttlMs], { prefixes: [] });
  const lengthMs = lengthOf(trace);
  return Math.round((held?.bytes ?? 0) * Math.max(1, lengthMs > 0 ? ttlMs / lengthMs : 1));
}

/** Of the last so many milliseconds: what came before was a warm-up, at another rate. */
function rowsSince(trace: CacheTrace, lastMs: number): number {
  const { rows, timeMs } = trace;
  const from = (timeMs[rows - 1] ?? 0) - lastMs;
  let row = rows;
  while (row > 0 && (timeMs[row - 1] ?? 0) >= from) row -= 1;
  return rows - row;
}

function getsSince(trace: CacheTrace, lastMs: number): number {
  const from = trace.rows - rowsSince(trace, lastMs);
  return trace.operation.subarray(from, trace.rows).filter((each) => each === GET).length;
}

function lengthOf({ rows, timeMs }: CacheTrace): number {
  return rows === 0 ? 0 : (timeMs[rows - 1] ?? 0) - (timeMs[0] ?? 0);
}
