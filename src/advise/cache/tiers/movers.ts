/** What would move the ceiling of a cache, or take misses off the database without a hit; what gains most first. */
import type { Ceiling, Mover, TtlPoint } from "../../../core/cache-advice.ts";
import { GET, OUTCOME_MISS, type CacheTrace } from "../../../core/cache-trace.ts";
import { formatBytes, formatDuration, formatRatio, significant } from "../../../core/units.ts";
import { ceilingByPrefix } from "./ceiling.ts";
import { getsByPrefix, lengthMsOf } from "./gets.ts";
import type { TierCounts } from "./tier-setup.ts";
import type { WarmUp } from "./warm-up.ts";

export interface MoverContext {
  readonly ceiling: Ceiling;
  readonly goal?: number | undefined;
  /** Of `ttlPoints`, prefixes too. */
  readonly ttl: readonly TtlPoint[];
  readonly warmUp: readonly WarmUp[];
  /** At the size and times to live that are looked at. */
  readonly outcome: TierCounts;
  /** Simulated with loads that take their time, and single flight; undefined where nothing is known of loads. */
  readonly flights?: TierCounts | undefined;
  /** Of a prefix's gets, that may be answered with what has changed; 0 unless given. */
  readonly staleShareMax?: number | undefined;
}

/** Below this, in points of hit rate or of all loads, a mover is not worth a line. */
const GAIN_LEAST = 0.001;
const PREFIXES_MAX = 5;

export function moversOf(trace: CacheTrace, context: MoverContext): readonly Mover[] {
  return [
    ...longerTtls(trace, context),
    ...invalidation(trace, context),
    ...warmUp(context),
    ...negativeCaching(trace),
    ...singleFlight(context.flights),
    ...memory(context),
  ].toSorted((a, b) => worth(b) - worth(a));
}

/** A hit saves a load, so points of hit rate and loads saved are compared as they are. */
function worth({ gain, loadsSaved }: Mover): number {
  return Math.max(gain ?? 0, loadsSaved ?? 0);
}

/** Of the most that a longer time to live can add, how much the proposed one has to have. */
const NEARLY_ALL = 0.9;

/** By prefix, at unbounded memory: the shortest time to live that gets nearly all of what longer ones would add. */
function longerTtls(trace: CacheTrace, context: MoverContext): readonly Mover[] {
  const gets = getsByPrefix(trace);
  const all = gets.reduce((sum, each) => sum + each, 0);
  const staleShareMax = context.staleShareMax ?? 0;
  const found: Mover[] = [];
  for (const [prefix, ofPrefix] of ceilingByPrefix(trace).entries()) {
    const name = trace.prefixes[prefix] ?? "";
    const ceiling = name === "" ? context.ceiling : ofPrefix;
    // Points named "" are of all keys: of this prefix only where there is no other.
    if ((name === "" && trace.prefixes.length > 1) || ceiling.misses.expired === 0) continue;
    const share = all === 0 ? 0 : (gets[prefix] ?? 0) / all;
    const points = context.ttl
      .filter((point) => point.prefix === name && (point.staleShare ?? 0) <= staleShareMax)
      .toSorted((a, b) => lifeOf(a) - lifeOf(b));
    const most = Math.max(0, ...points.map(({ hitRate }) => hitRate - ceiling.hitRate));
    const best = points.find(({ hitRate }) => hitRate - ceiling.hitRate >= most * NEARLY_ALL);
    if (!best || most * share < GAIN_LEAST) continue;
    const gain = (best.hitRate - ceiling.hitRate) * share;
    found.push({ kind: "longer-ttl", gain, detail: ttlWords(name, best, gain, trace) });
  }
  return found.toSorted((a, b) => (b.gain ?? 0) - (a.gain ?? 0)).slice(0, PREFIXES_MAX);
}

/** Of all gets, from which share of misses after a change on it is worth a line. */
const INVALIDATED_LEAST = 0.02;

/** What changes between two gets of it can only be stored again: of interest where one write takes much away that it did not touch. */
function invalidation(trace: CacheTrace, { ceiling }: MoverContext): readonly Mover[] {
  const lost = ceiling.misses.invalidated;
  if (lost < INVALIDATED_LEAST) return [];
  const gets = getsByPrefix(trace);
  const all = gets.reduce((sum, each) => sum + each, 0);
  const [most] = ceilingByPrefix(trace)
    .map(({ misses }, prefix) => ({
      name: trace.prefixes[prefix] ?? "",
      share: all === 0 ? 0 : (misses.invalidated * (gets[prefix] ?? 0)) / all,
    }))
    .toSorted((a, b) => b.share - a.share);
  const where =
    most && most.name !== "" ? ` (${formatRatio(most.share)} for ${most.name} alone)` : "";
  const detail =
    `${formatRatio(lost)} of the gets come after a write took the value away${where}: as much as this can be won, where writes take away ` +
    `more than they change (a search that any write empties), by invalidating more narrowly, or by storing the new value at the write`;
  return [{ kind: "invalidation", gain: lost, detail }];
}

function lifeOf({ ttlMs }: TtlPoint): number {
  return ttlMs > 0 ? ttlMs : Infinity;
}

function ttlWords(name: string, point: TtlPoint, gain: number, trace: CacheTrace): string {
  const { ttlMs, staleShare } = point;
  const life = ttlMs > 0 ? `a time to live of ${formatDuration(ttlMs)}` : "no time to live";
  const where = name === "" ? "all keys" : name;
  const risk =
    staleShare === undefined
      ? "the trace shows no writes, so whether the data may be that old is for you to say"
      : staleShare === 0
        ? `nothing of it was answered stale in ${formatDuration(lengthMsOf(trace))} of trace`
        : `${formatRatio(staleShare)} of its gets would be answered stale`;
  return `${where}: ${life} adds ${points(gain)} of hit rate at unbounded memory; ${risk}`;
}

function warmUp({ warmUp: known }: MoverContext): readonly Mover[] {
  const most = Math.max(0, ...known.map(({ spared }) => spared));
  const best = known.find(({ spared }) => spared >= most * NEARLY_ALL);
  if (!best || best.spared < GAIN_LEAST) return [];
  const detail =
    `loading the ${best.keys} keys that were asked for most (${formatBytes(best.bytes)}) before a restarted cache is used ` +
    `adds ${points(best.spared)} in the time that follows; they get ${formatRatio(best.covered)} of the gets`;
  return [{ kind: "warm-up", gain: best.spared, detail }];
}

/** From here on sizes are known well enough to tell an empty value from an unknown one. */
const SIZES_KNOWN_SHARE = 0.5;

/**
 * Keys that miss again and again without ever having a value: what does not exist is not stored. Seen only where the trace
 * says how gets ended and knows sizes. There is no gain in hit rate: simulations store what a get loads, "nothing" too.
 */
function negativeCaching(trace: CacheTrace): readonly Mover[] {
  const { rows, key, operation, valueBytes, outcome } = trace;
  if (!outcome) return [];
  const hadValue = new Uint8Array(trace.keyCount);
  for (let row = 0; row < rows; row += 1) {
    if ((valueBytes[row] ?? 0) > 0) hadValue[key[row] ?? 0] = 1;
  }
  const missesOf = new Uint32Array(trace.keyCount);
  let misses = 0;
  let ofValues = 0;
  for (let row = 0; row < rows; row += 1) {
    if (operation[row] !== GET || outcome[row] !== OUTCOME_MISS) continue;
    const id = key[row] ?? 0;
    misses += 1;
    ofValues += hadValue[id] ?? 0;
    missesOf[id] = (missesOf[id] ?? 0) + 1;
  }
  if (misses === 0 || ofValues / misses < SIZES_KNOWN_SHARE) return [];
  let keys = 0;
  let repeated = 0;
  for (let id = 0; id < trace.keyCount; id += 1) {
    const missed = missesOf[id] ?? 0;
    if (hadValue[id] === 1 || missed < 2) continue;
    keys += 1;
    repeated += missed - 1;
  }
  const loadsSaved = repeated / misses;
  if (loadsSaved < GAIN_LEAST) return [];
  const detail =
    `${keys} keys missed again and again and never had a value: keeping "not there" for as long as a value ` +
    `saves ${formatRatio(loadsSaved)} of the loads`;
  return [{ kind: "negative-caching", loadsSaved, detail }];
}

function singleFlight(flights: TierCounts | undefined): readonly Mover[] {
  const { loads, joined } = flights ?? { loads: 0, joined: 0 };
  const loadsSaved = loads + joined === 0 ? 0 : joined / (loads + joined);
  if (loadsSaved < GAIN_LEAST) return [];
  const detail = `gets that wait for a load of the same key under way, instead of starting their own, save ${formatRatio(loadsSaved)} of the loads`;
  return [{ kind: "single-flight", loadsSaved, detail }];
}

function memory({ ceiling, goal, outcome }: MoverContext): readonly Mover[] {
  // What is evicted would often have expired too: more memory reaches the ceiling, and no more.
  const gain = outcome.gets === 0 ? 0 : ceiling.hitRate - outcome.hitRate;
  if (gain < GAIN_LEAST) return [];
  const reaches = goal === undefined || ceiling.hitRate < goal ? "" : ", which reaches the goal";
  const detail = `more memory adds at most ${points(gain)}, up to the ceiling of ${formatRatio(ceiling.hitRate)}${reaches}`;
  return [{ kind: "memory", gain, detail }];
}

function points(rate: number): string {
  return `${significant(rate * 100)} points`;
}
