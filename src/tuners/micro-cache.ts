/** Micro-cache: keeps answers in the service's own memory for a few seconds, as long and as large as repetition pays for. */
import { l1Points, observedCache } from "../advise/cache/observed.ts";
import type { L1Shape, ObservedCache, TrialPoint } from "../advise/cache/observed.ts";
import type { Change } from "../core/knob.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Step, TargetView } from "../core/observation.ts";
import type { Prediction } from "../core/trial.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried, withinDomain } from "./tuner.ts";

export interface MicroCacheObservation {
  readonly ttl: KnobReading | undefined;
  readonly size: KnobReading | undefined;
  readonly windowMs: number;
  readonly requests: number;
  /** Absent where nothing was looked up or repeated. */
  readonly lookups?: Pick<ObservedCache, "from" | "lookups" | "requestShare" | "kinds">;
  /** By time to live, as large as need be; the present one is among them, 0 is without a cache. */
  readonly points: readonly TrialPoint[];
  /** At the present time to live and size; undefined without a cache. */
  readonly atPresentSize: TrialPoint | undefined;
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
const GRID_MS = [0, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000] as const;

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
  const ttl = knobByRole(view, "l1-ttl");
  const size = knobByRole(view, "l1-size");
  const observed = observedCache(view);
  const presentMs = numberOf(ttl?.value) ?? 0;
  const l2TtlMs = numberOf(knobByRole(view, "l2-ttl")?.value) ?? 0;
  const sizeBytes = size?.knob.domain.kind === "bytes" ? numberOf(size.value) : undefined;
  const shapes: readonly L1Shape[] = [
    ...[...new Set([...GRID_MS, presentMs])].toSorted((a, b) => a - b).map((ttlMs) => ({ ttlMs })),
    ...(presentMs > 0 && sizeBytes !== undefined ? [{ ttlMs: presentMs, sizeBytes }] : []),
  ];
  const points = observed ? l1Points(observed, view, shapes, l2TtlMs) : [];
  return {
    ttl,
    size,
    windowMs: load.windowMs,
    requests: load.trace?.length ?? 0,
    ...(observed ? { lookups: factsOf(observed) } : {}),
    points: points.filter((_, index) => shapes[index]?.sizeBytes === undefined),
    atPresentSize: points.find((_, index) => shapes[index]?.sizeBytes !== undefined),
    l1HitRate: metrics["cache.l1HitRate"],
    memoryBytes: view.machine.memoryBytes,
  };
}

function factsOf({ from, lookups, requestShare, kinds }: ObservedCache) {
  return { from, lookups, requestShare, kinds };
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
    const longer = option.point.ttlMs > presentMs;
    const gain = option.ofAll - present.ofAll;
    if (!longer || (presentMs > 0 && gain < HIT_GAIN_LEAST)) continue;
    const changes = changesFor(observation, ttl, option.point);
    if (changes.length === 0 || wasTried(history, changes)) continue;
    return candidate(ask, changes, option, present);
  }
  return sizeStep(ask, present) ?? done(nothingLeft(ask, present, best, stalenessMaxMs));
}

interface Hits {
  readonly point: TrialPoint;
  /** Hits over all requests, those that look nothing up among them. */
  readonly ofAll: number;
}

function hitsAt(observation: MicroCacheObservation, ttlMs: number): Hits {
  const point = pointAt(observation.points, ttlMs);
  return { point, ofAll: point.l1HitRate.value * (observation.lookups?.requestShare ?? 0) };
}

const NONE = { value: 0, low: 0, high: 0 } as const;

/** Between two times to live that were predicted, straight on a logarithmic axis. */
function pointAt(points: readonly TrialPoint[], ttlMs: number): TrialPoint {
  const above = points.find((each) => each.ttlMs >= ttlMs) ?? points.at(-1);
  const below = points.findLast((each) => each.ttlMs <= ttlMs) ?? points[0];
  if (!above || !below) {
    return { ttlMs, hitRate: NONE, l1HitRate: NONE, l2HitRate: NONE, byWindows: [], bytes: 0 };
  }
  const width = Math.log((above.ttlMs + 1) / (below.ttlMs + 1));
  const share = width > 0 ? Math.log((ttlMs + 1) / (below.ttlMs + 1)) / width : 0;
  const between = (from: number, to: number): number => from + (to - from) * share;
  const rate = (name: "hitRate" | "l1HitRate" | "l2HitRate") => ({
    value: between(below[name].value, above[name].value),
    low: between(below[name].low, above[name].low),
    high: between(below[name].high, above[name].high),
  });
  return {
    ttlMs,
    hitRate: rate("hitRate"),
    l1HitRate: rate("l1HitRate"),
    l2HitRate: rate("l2HitRate"),
    byWindows: [],
    bytes: Math.round(between(below.bytes, above.bytes)),
  };
}

/** The shortest time to live up to `mostMs` whose hits come within half the least gain of the best there. */
function bestWithin(observation: MicroCacheObservation, mostMs: number): Hits {
  const options = [...GRID_MS.filter((ttlMs) => ttlMs > 0 && ttlMs < mostMs), mostMs].map((ttlMs) =>
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
  point: TrialPoint,
): readonly Change[] {
  const time = setKnob(ttl, point.ttlMs);
  const size = largerSize(observation, point);
  return [time, size].filter((change) => change !== undefined);
}

function largerSize(observation: MicroCacheObservation, point: TrialPoint): Change | undefined {
  const { size } = observation;
  const present = numberOf(size?.value);
  if (!size || present === undefined || size.knob.domain.kind !== "bytes") return undefined;
  const needed = point.bytes * SIZE_HEADROOM;
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
  const { atPresentSize, lookups } = observation;
  const lost = present.point.l1HitRate.value - (atPresentSize?.l1HitRate.value ?? 1);
  if (lost * (lookups?.requestShare ?? 0) < HIT_GAIN_LEAST) return undefined;
  const change = largerSize(observation, present.point);
  if (!change || wasTried(history, [change])) return undefined;
  return propose("micro-cache", history, {
    hypothesis: `a larger in-process cache keeps what is evicted before it expires: ${formatRatio(present.point.l1HitRate.value)} of its look-ups would hit, not ${formatRatio(atPresentSize?.l1HitRate.value ?? 0)}`,
    changes: [change],
    evidence: evidenceOf(observation, present, present),
    ...predictedOf(observation, present.point),
  });
}

function candidate(
  ask: Ask<MicroCacheObservation>,
  changes: readonly Change[],
  option: Hits,
  present: Hits,
): Step {
  const time = formatDuration(option.point.ttlMs);
  return propose("micro-cache", ask.history, {
    hypothesis: `answering repeated reads from memory for ${time} takes ${formatRatio(option.ofAll)} of the requests off the stores (now ${formatRatio(present.ofAll)})`,
    changes,
    evidence: evidenceOf(ask.observation, option, present),
    ...predictedOf(ask.observation, option.point),
  });
}

/** Responses are not the service's look-ups: what is predicted from them is not the rate that the service counts. */
function predictedOf(
  { lookups, windowMs }: MicroCacheObservation,
  { l1HitRate, hitRate, ttlMs }: TrialPoint,
): { readonly predicted?: readonly Prediction[] } {
  if (lookups?.from !== "look-ups") return {};
  const method = `the look-ups of ${formatDuration(windowMs)} drawn again over a trial's windows, entries living ${formatDuration(ttlMs)}`;
  return {
    predicted: [
      { metric: "cache.l1HitRate", ...l1HitRate, method },
      { metric: "cache.hitRate", ...hitRate, method },
    ],
  };
}

function evidenceOf(
  observation: MicroCacheObservation,
  option: Hits,
  present: Hits,
): readonly string[] {
  const { requests, lookups, windowMs, l1HitRate } = observation;
  const { point } = option;
  const facts = [
    lookups?.from === "look-ups"
      ? `${lookups.lookups} look-ups of the service's cache observed, for ${formatRatio(lookups.requestShare)} of the requests: ${lookups.kinds.join(", ")}`
      : `${lookups?.lookups ?? 0} of ${requests} requests in ${formatDuration(windowMs)} are reads that may be cached: ${lookups?.kinds.join(", ") ?? ""}`,
    `predicted hits at ${formatDuration(point.ttlMs)}: ${formatRatio(option.ofAll)} of all requests (${formatRatio(point.l1HitRate.low)} to ${formatRatio(point.l1HitRate.high)} of the look-ups), from the window drawn again over a trial's windows`,
    `working set: ${formatBytes(point.bytes)}`,
  ];
  if (present !== option && present.point.ttlMs > 0) {
    facts.push(
      `predicted hits at the present ${formatDuration(present.point.ttlMs)}: ${formatRatio(present.ofAll)}`,
    );
  }
  if (l1HitRate !== undefined) facts.push(`measured L1 hit rate: ${formatRatio(l1HitRate)}`);
  return facts;
}

function tooLittleRepetition(observation: MicroCacheObservation, best: Hits): string {
  return (
    `requests repeat too little: of ${observation.requests} requests, ${formatRatio(best.ofAll)} would be answered from memory ` +
    `at a time to live of ${formatDuration(best.point.ttlMs)}, below ${formatRatio(HIT_SHARE_LEAST)}`
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
