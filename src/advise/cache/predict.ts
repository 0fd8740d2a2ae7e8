/** Predicts hit share and working set of a response cache for any time to live, from one window's repetition. */
import type { TraceEntry } from "../../core/sample.ts";
import { ENTRY_OVERHEAD_BYTES, replayLru } from "./lru.ts";
import type { PopularityGroup } from "./repetition.ts";

export interface Prediction {
  readonly ttlMs: number;
  /** Of the cacheable requests. */
  readonly hitShare: number;
  /** What has to be held for that, in bytes. */
  readonly workingSetBytes: number;
  /**
   * `replay`: an LRU replayed over the trace, counted after one time to live; exact for this window.
   * `rates`: rT / (1 + rT) with each key's rate r, for times to live that the window is too short to replay.
   */
  readonly method: "replay" | "rates";
}

/** A replay needs a time to live to fill the cache, and as much again to count in. */
const REPLAYED_SHARE_OF_WINDOW = 0.5;

export function predictByReplay(
  entries: readonly TraceEntry[],
  windowMs: number,
  ttlMs: number,
): Prediction | undefined {
  if (ttlMs > windowMs * REPLAYED_SHARE_OF_WINDOW) return undefined;
  const replay = replayLru(entries, { ttlMs }, ttlMs);
  if (replay.requestsCounted === 0) return undefined;
  const workingSetBytes = replay.liveBytesMax;
  return { ttlMs, hitShare: replay.hitShare, workingSetBytes, method: "replay" };
}

/**
 * Between two stores of a key pass T plus the wait for the next request, 1/r on average, in which rT requests hit:
 * a share of rT / (1 + rT). The rate of a key with n requests is (n - 1) / window: counting its other requests only, since
 * a key that was seen once is no proof that it comes again. So long times to live are predicted low rather than high.
 */
export function predictByRates(
  popularity: readonly PopularityGroup[],
  windowMs: number,
  ttlMs: number,
): Prediction {
  let requests = 0;
  let hits = 0;
  let workingSetBytes = 0;
  for (const group of popularity) {
    const groupRequests = group.requestsPerKey * group.keys;
    const others = ((group.requestsPerKey - 1) * ttlMs) / windowMs;
    requests += groupRequests;
    hits += groupRequests * (others / (1 + others));
    // Here every request counts, so that the cache is not sized too small: keys seen once stand for a stream of new
    // keys that goes on as long as an entry lives; the others are held for their share of the time.
    const all = (group.requestsPerKey * ttlMs) / windowMs;
    const held = group.requestsPerKey === 1 ? all : all / (1 + all);
    workingSetBytes += (group.bytes + group.keys * ENTRY_OVERHEAD_BYTES) * held;
  }
  const hitShare = requests === 0 ? 0 : hits / requests;
  return { ttlMs, hitShare, workingSetBytes: Math.round(workingSetBytes), method: "rates" };
}
