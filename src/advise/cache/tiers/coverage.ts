/** Whether a trace is long enough, and has enough keys, for what is to be said from it. */
import type { Coverage } from "../../../core/cache-advice.ts";
import { GET, type CacheTrace } from "../../../core/cache-trace.ts";
import { formatDuration, formatRatio } from "../../../core/units.ts";
import { lengthMsOf } from "./gets.ts";

/** A cache has to be filled, and to be seen full: research/cache.md, section 6. */
const LIVES_MIN = 3;
/** Below, a sample of the keys is off by points: research/cache.md, section 7. */
const KEYS_SAMPLED_MIN = 8_192;
/** From here on the trace's gets are to a good part of keys that it had not shown before. */
const NEW_KEY_SHARE_MAX = 0.2;

export function coverageOf(
  trace: CacheTrace,
  known: { readonly evictionAgeMs?: number | undefined } = {},
): Coverage {
  const lengthMs = lengthMsOf(trace);
  const ttlMs = ttlOfMany(trace);
  const { evictionAgeMs } = known;
  const newKeyShareAtEnd = newKeyShareOfLastQuarter(trace);
  const lacks = [
    ...lackOfLength(lengthMs, ttlMs, "the time to live of many keys"),
    ...lackOfLength(lengthMs, evictionAgeMs, "the time a key stays unread before it is evicted"),
    ...lackOfKeys(trace),
  ];
  return {
    enough: lacks.length === 0,
    ...(evictionAgeMs === undefined ? {} : { evictionAgeMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    newKeyShareAtEnd,
    words: [...lacks, ...newKeyWords(newKeyShareAtEnd), ...pauseWords(trace, lengthMs)],
  };
}

function lackOfLength(
  lengthMs: number,
  lifeMs: number | undefined,
  what: string,
): readonly string[] {
  if (lifeMs === undefined || lengthMs >= LIVES_MIN * lifeMs) return [];
  return [
    `The trace is ${formatDuration(lengthMs)} long, ${what} is ${formatDuration(lifeMs)}: ` +
      `capture at least ${formatDuration(LIVES_MIN * lifeMs)}, or take rates for a guess.`,
  ];
}

function lackOfKeys(trace: CacheTrace): readonly string[] {
  if (trace.rows === 0) return ["The trace is empty: capture while the service is in use."];
  if (trace.sampledShare >= 1 || trace.keyCount >= KEYS_SAMPLED_MIN) return [];
  return [
    `The sample has ${trace.keyCount} keys, fewer than ${KEYS_SAMPLED_MIN}: rates may be off by several points; ` +
      `sample more than ${formatRatio(trace.sampledShare)} of the keys.`,
  ];
}

function newKeyWords(share: number): readonly string[] {
  if (share <= NEW_KEY_SHARE_MAX) return [];
  return [
    `In the last quarter ${formatRatio(share)} of the gets were the first of their key: a longer trace would show a higher hit rate.`,
  ];
}

/** Pauses of a duty-cycled capture hide what came between, so that times between gets of a key are wrong. */
function pauseWords(trace: CacheTrace, lengthMs: number): readonly string[] {
  const { rows, timeMs } = trace;
  const longMs = Math.max(
    PAUSE_MS_MIN,
    PAUSE_OF_STEPS * stepMs(timeMs, rows),
    (PAUSE_OF_MEAN_GAPS * lengthMs) / Math.max(1, rows),
  );
  let pauses = 0;
  let pausedMs = 0;
  for (let row = 1; row < rows; row += 1) {
    const gapMs = (timeMs[row] ?? 0) - (timeMs[row - 1] ?? 0);
    if (gapMs < longMs) continue;
    pauses += 1;
    pausedMs += gapMs;
  }
  if (pauses === 0) return [];
  return [
    `The trace has ${pauses} ${pauses === 1 ? "pause" : "pauses"} (${formatRatio(pausedMs / lengthMs)} of its length): ` +
      `what was asked for meanwhile is missing, unless nothing was.`,
  ];
}

/** The least time between rows that are not at the same moment: traces in whole seconds have no shorter one. */
function stepMs(timeMs: Float64Array, rows: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let row = 1; row < rows; row += 1) {
    const gapMs = (timeMs[row] ?? 0) - (timeMs[row - 1] ?? 0);
    if (gapMs > 0 && gapMs < least) least = gapMs;
  }
  return Number.isFinite(least) ? least : 0;
}

const PAUSE_OF_STEPS = 10;
/** Shorter ones are the service's own rhythm. */
const PAUSE_MS_MIN = 500;
const PAUSE_OF_MEAN_GAPS = 100;

/** A tenth of the keys that have a time to live have at least this. */
function ttlOfMany(trace: CacheTrace): number | undefined {
  if (!trace.ttlMs) return undefined;
  const byKey = new Uint32Array(trace.keyCount);
  for (let row = 0; row < trace.rows; row += 1) {
    const ttl = trace.ttlMs[row] ?? 0;
    if (ttl > 0) byKey[trace.key[row] ?? 0] = ttl;
  }
  const some = byKey.filter((ttl) => ttl > 0).toSorted();
  return some[Math.floor(some.length * 0.9)];
}

function newKeyShareOfLastQuarter(trace: CacheTrace): number {
  const { rows, key, operation } = trace;
  const seen = new Uint8Array(trace.keyCount);
  let gets = 0;
  for (let row = 0; row < rows; row += 1) gets += operation[row] === GET ? 1 : 0;
  const quarterFrom = gets - Math.ceil(gets / 4);
  let get = 0;
  let fresh = 0;
  for (let row = 0; row < rows; row += 1) {
    const id = key[row] ?? 0;
    if (operation[row] === GET) {
      if (get >= quarterFrom && seen[id] === 0) fresh += 1;
      get += 1;
    }
    seen[id] = 1;
  }
  return gets === 0 ? 0 : fresh / (gets - quarterFrom);
}
