/** Micro-cache: keeps responses in the service's own memory for a few seconds, as long and as large as repetition pays for. */
import { predictByRates, predictByReplay } from "../advise/cache/predict.ts";
import type { Prediction } from "../advise/cache/predict.ts";
import { replayLru } from "../advise/cache/lru.ts";
import {
  cacheableEntries,
  popularityOf,
  repetitionByEndpoint,
} from "../advise/cache/repetition.ts";
import type { EndpointRepetition, PopularityGroup } from "../advise/cache/repetition.ts";
import type { Change } from "../core/knob.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Step, TargetView } from "../core/observation.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried, withinDomain } from "./tuner.ts";

export interface MicroCacheObservation {
  readonly ttl: KnobReading | undefined;
  readonly size: KnobReading | undefined;
  readonly windowMs: number;
  readonly requests: number;
  readonly cacheableRequests: number;
  readonly endpoints: readonly EndpointRepetition[];
  readonly popularity: readonly PopularityGroup[];
  /** For the times to live of the grid; others are predicted from `popularity`. */
  readonly predictions: readonly Prediction[];
  /** What the present size evicted when the present time to live was replayed; undefined without either. */
  readonly evictionsAtPresentSize: number | undefined;
  readonly l1HitRate: number | undefined;
  readonly memoryBytes: number;
}

const PRESET_TTL_MS = 5_000;
/** Below this share of all requests, hits cannot pay for what an entry costs to store. */
const HIT_SHARE_LEAST = 0.03;
/** A longer time to live means older answers: two points of hits are the least that is worth it. */
const HIT_GAIN_LEAST = 0.02;
/** Fewer requests say too little about repetition. */
const REQUESTS_LEAST = 100;
/** The working set of a window is a sample: room for half as much again before anything is evicted. */
const SIZE_HEADROOM = 1.5;
/** The cache shares the machine with the service, its database and Redis. */
const MEMORY_SHARE_MOST = 1 / 16;
const GRID_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000] as const;

export const microCache = erase<MicroCacheObservation>({
  id: "micro-cache",
  title: "Micro-cache in memory",
  rationale:
    "Answers repeated reads from the service's memory for a few seconds. It helps as far as requests repeat within the time to live; " +
    "it cannot help where every request is different, and answers may be as old as the time to live.",
  roles: ["l1-ttl", "l1-size"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): MicroCacheObservation {
  const { load, metrics } = view.sample;
  const trace = load.trace ?? [];
  const endpoints = repetitionByEndpoint(trace);
  const entries = cacheableEntries(trace, endpoints);
  const popularity = popularityOf(entries);
  const ttl = knobByRole(view, "l1-ttl");
  const size = knobByRole(view, "l1-size");
  return {
    ttl,
    size,
    windowMs: load.windowMs,
    requests: trace.length,
    cacheableRequests: entries.length,
    endpoints,
    popularity,
    predictions: GRID_MS.map(
      (ttlMs) =>
        predictByReplay(entries, load.windowMs, ttlMs) ??
        predictByRates(popularity, load.windowMs, ttlMs),
    ),
    evictionsAtPresentSize: evictionsAt(entries, ttl, size),
    l1HitRate: metrics["cache.l1HitRate"],
    memoryBytes: view.machine.memoryBytes,
  };
}

function evictionsAt(
  entries: Parameters<typeof replayLru>[0],
  ttl: KnobReading | undefined,
  size: KnobReading | undefined,
): number | undefined {
  const ttlMs = numberOf(ttl?.value);
  const sizeBytes = size?.knob.domain.kind === "bytes" ? numberOf(size.value) : undefined;
  if (!ttlMs || sizeBytes === undefined) return undefined;
  return replayLru(entries, { ttlMs, sizeBytes }, 0).evictions;
}

function next(ask: Ask<MicroCacheObservation>): Step {
  const { observation, strategy, history } = ask;
  const { ttl } = observation;
  if (!ttl || withinDomain(ttl, PRESET_TTL_MS) === undefined) {
    return done("the target has no knob for the time to live of an in-process cache (role l1-ttl)");
  }
  if (observation.requests < REQUESTS_LEAST) {
    return done(
      `the observed window has ${observation.requests} requests, too few to see repetition`,
    );
  }
  const wantedMs = numberSetting(strategy, "l1-ttl") ?? PRESET_TTL_MS;
  const presetMs = withinDomain(ttl, wantedMs) ?? wantedMs;
  const stalenessMaxMs = Math.max(presetMs, numberSetting(strategy, "stalenessMaxMs") ?? presetMs);
  const best = bestWithin(observation, stalenessMaxMs);
  if (best.ofAll < HIT_SHARE_LEAST) return done(tooLittleRepetition(observation, best));
  if (trialsOf(history).length >= ask.candidatesMax) return done("the candidates are used up");

  const presentMs = numberOf(ttl.value) ?? 0;
  const present = hitsAt(observation, presentMs);
  const preset = hitsAt(observation, presetMs);
  const options = best.ofAll - preset.ofAll >= HIT_GAIN_LEAST ? [preset, best] : [preset];
  for (const option of options) {
    const longer = option.prediction.ttlMs > presentMs;
    const gain = option.ofAll - present.ofAll;
    if (!longer || (presentMs > 0 && gain < HIT_GAIN_LEAST)) continue;
    const changes = changesFor(observation, ttl, option.prediction);
    if (changes.length === 0 || wasTried(history, changes)) continue;
    return candidate(ask, changes, option, present);
  }
  return sizeStep(ask, present) ?? done(nothingLeft(ask, present, best, stalenessMaxMs));
}

interface Hits {
  readonly prediction: Prediction;
  /** Hits over all requests, cacheable or not. */
  readonly ofAll: number;
}

function hitsAt(observation: MicroCacheObservation, ttlMs: number): Hits {
  const prediction =
    observation.predictions.find((each) => each.ttlMs === ttlMs) ??
    predictByRates(observation.popularity, observation.windowMs, ttlMs);
  const cacheable =
    observation.requests === 0 ? 0 : observation.cacheableRequests / observation.requests;
  return { prediction, ofAll: prediction.hitShare * cacheable };
}

/** The shortest time to live up to `mostMs` whose hits come within half the least gain of the best there. */
function bestWithin(observation: MicroCacheObservation, mostMs: number): Hits {
  const options = [...GRID_MS.filter((ttlMs) => ttlMs < mostMs), mostMs].map((ttlMs) =>
    hitsAt(observation, ttlMs),
  );
  const most = Math.max(...options.map((option) => option.ofAll));
  const enough = options.find((option) => option.ofAll >= most - HIT_GAIN_LEAST / 2);
  return enough ?? hitsAt(observation, mostMs);
}

/** The changes to this time to live, with a larger cache where the present one would not hold the working set. */
function changesFor(
  observation: MicroCacheObservation,
  ttl: KnobReading,
  prediction: Prediction,
): readonly Change[] {
  const time = setKnob(ttl, prediction.ttlMs);
  const size = largerSize(observation, prediction);
  return [time, size].filter((change) => change !== undefined);
}

function largerSize(
  observation: MicroCacheObservation,
  prediction: Prediction,
): Change | undefined {
  const { size } = observation;
  const present = numberOf(size?.value);
  if (!size || present === undefined || size.knob.domain.kind !== "bytes") return undefined;
  const needed = prediction.workingSetBytes * SIZE_HEADROOM;
  if (needed <= present) return undefined;
  // Rounded up to a power of two: a size that a person would write.
  const wanted = Math.min(
    2 ** Math.ceil(Math.log2(needed)),
    observation.memoryBytes * MEMORY_SHARE_MOST,
  );
  return wanted > present ? setKnob(size, Math.floor(wanted)) : undefined;
}

/** After the time to live is settled: more room when entries go before their time. */
function sizeStep(ask: Ask<MicroCacheObservation>, present: Hits): Step | undefined {
  const { observation, history } = ask;
  const evictions = observation.evictionsAtPresentSize ?? 0;
  if (evictions === 0) return undefined;
  const change = largerSize(observation, present.prediction);
  if (!change || wasTried(history, [change])) return undefined;
  return propose("micro-cache", history, {
    hypothesis: `a larger in-process cache keeps the ${evictions} entries a window that are evicted before they expire`,
    changes: [change],
    evidence: evidenceOf(observation, present, present),
  });
}

function candidate(
  ask: Ask<MicroCacheObservation>,
  changes: readonly Change[],
  option: Hits,
  present: Hits,
): Step {
  const time = formatDuration(option.prediction.ttlMs);
  return propose("micro-cache", ask.history, {
    hypothesis: `answering repeated reads from memory for ${time} takes ${formatRatio(option.ofAll)} of the requests off the stores (now ${formatRatio(present.ofAll)})`,
    changes,
    evidence: evidenceOf(ask.observation, option, present),
  });
}

function evidenceOf(
  observation: MicroCacheObservation,
  option: Hits,
  present: Hits,
): readonly string[] {
  const { requests, cacheableRequests, endpoints, windowMs, l1HitRate } = observation;
  const names = endpoints.filter((each) => each.cacheable).map((each) => each.name);
  const how =
    option.prediction.method === "replay"
      ? "an LRU replayed over the window's requests"
      : "the repetition rate of each key, as rT / (1 + rT)";
  const facts = [
    `${cacheableRequests} of ${requests} requests in ${formatDuration(windowMs)} are reads that may be cached: ${names.join(", ")}`,
    `predicted hits at ${formatDuration(option.prediction.ttlMs)}: ${formatRatio(option.ofAll)} of all requests, from ${how}`,
    `working set: ${formatBytes(option.prediction.workingSetBytes)}`,
  ];
  if (present !== option && present.prediction.ttlMs > 0) {
    facts.push(
      `predicted hits at the present ${formatDuration(present.prediction.ttlMs)}: ${formatRatio(present.ofAll)}`,
    );
  }
  if (l1HitRate !== undefined) facts.push(`measured L1 hit rate: ${formatRatio(l1HitRate)}`);
  return facts;
}

function tooLittleRepetition(observation: MicroCacheObservation, best: Hits): string {
  return (
    `requests repeat too little: of ${observation.requests} requests, ${formatRatio(best.ofAll)} would be answered from memory ` +
    `at a time to live of ${formatDuration(best.prediction.ttlMs)}, below ${formatRatio(HIT_SHARE_LEAST)}`
  );
}

function nothingLeft(
  ask: Ask<MicroCacheObservation>,
  present: Hits,
  best: Hits,
  stalenessMaxMs: number,
): string {
  const tried = trialsOf(ask.history).length > 0 ? "what was worth trying was tried: " : "";
  const gain = Math.max(0, best.ofAll - present.ofAll);
  return (
    `${tried}${formatRatio(present.ofAll)} of the requests are predicted to hit at the present time to live, and at most ` +
    `${(gain * 100).toFixed(1)} points more within ${formatDuration(stalenessMaxMs)} (the most staleness allowed)`
  );
}
