/** What a service's metrics page says of one window: polled gauges, and counters and histograms as they grew (pure). */
import type { Readings } from "../core/readings.ts";
import { histogramGrown, meanOf, quantileOf } from "./histograms.ts";
import type { PageValues, SeriesValues } from "./prometheus.ts";

export interface PageWindow {
  readonly before: PageValues;
  readonly after: PageValues;
  readonly polls: readonly SeriesValues[];
  readonly elapsedMs: number;
  /** That the load sent in that time. */
  readonly requests: number | undefined;
}

type Values = { readonly [Id in keyof Readings]: number | undefined };

/** What the page does not have is absent. */
export function pageReadings(page: PageWindow): Values {
  return {
    ...loopReadings(page),
    ...poolReadings(page),
    ...queueReadings(page),
    ...callReadings(page),
  };
}

function loopReadings(page: PageWindow): Values {
  const { polls, elapsedMs } = page;
  const gcSeconds = grown(page, "gcSeconds");
  return {
    "loop.delayP99Ms": times(mean(polls.map((poll) => poll.eventLoopDelayP99Seconds)), 1_000),
    "loop.utilization": mean(polls.map((poll) => poll.eventLoopUtilization)),
    "gc.share": over(times(gcSeconds, 1_000), elapsedMs),
    "gc.perSecond": perSecond(grown(page, "gcCount"), elapsedMs),
    "libuv.probeP95Ms": times(quantileOf(histogramOf(page, "fileProbeSeconds"), 0.95), 1_000),
  };
}

function poolReadings(page: PageWindow): Values {
  const waiting = page.polls.flatMap(({ poolWaiting }) => poolWaiting ?? []);
  const waited = over(grown(page, "poolWaitSecondsSum"), grown(page, "poolWaitCount"));
  return {
    "pool.waitingShare": over(waiting.filter((count) => count > 0).length, waiting.length),
    "pool.waitMeanMs": times(waited, 1_000),
    "pool.max": page.polls.at(-1)?.poolMax,
  };
}

/** Of so many, three standard deviations of a count that comes by chance (Poisson). */
const BEYOND_CHANCE = 3;

function queueReadings(page: PageWindow): Values {
  const { polls, elapsedMs } = page;
  const accepted = grown(page, "jobsAccepted");
  const completed = grown(page, "jobsCompleted");
  const offered = plus(accepted, grown(page, "jobsRejected"));
  const ended = plus(completed, grown(page, "jobsDead"));
  const waiting = polls.flatMap(({ queueWaiting }) => queueWaiting ?? []);
  const [first] = waiting;
  const last = waiting.at(-1);
  return {
    "queue.offeredPerSecond": perSecond(offered, elapsedMs),
    "queue.completedPerSecond": perSecond(ended, elapsedMs),
    "queue.excessShare": excess(offered, ended),
    "queue.depthGrowth": first === undefined || last === undefined ? undefined : last - first,
    "queue.waitMeanMs": times(meanOf(histogramOf(page, "jobWaitSeconds")), 1_000),
    "queue.serviceMeanMs": times(meanOf(histogramOf(page, "jobServiceSeconds")), 1_000),
    "queue.activeMean": mean(polls.map((poll) => poll.queueActive)),
  };
}

function excess(offered: number | undefined, ended: number | undefined): number | undefined {
  if (offered === undefined || ended === undefined) return undefined;
  const more = offered - ended;
  return more > BEYOND_CHANCE * Math.sqrt(offered + ended) ? more / offered : 0;
}

function callReadings(page: PageWindow): Values {
  const seconds = grown(page, "outgoingSecondsSum");
  return {
    "upstream.meanMs": times(over(seconds, grown(page, "outgoingCount")), 1_000),
    "upstream.msPerRequest": times(over(seconds, page.requests), 1_000),
  };
}

/** Undefined where the page has no such series, or the process began anew. */
function grown({ before, after }: PageWindow, key: keyof SeriesValues): number | undefined {
  const now = after.series[key];
  if (now === undefined) return undefined;
  const more = now - (before.series[key] ?? 0);
  return more < 0 ? undefined : more;
}

function histogramOf(page: PageWindow, key: keyof PageValues["histograms"]["one"]) {
  return histogramGrown(page.before.histograms.one[key], page.after.histograms.one[key]);
}

/** The second may be missing: not every service rejects. */
function plus(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? undefined : left + (right ?? 0);
}

function over(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole <= 0 ? undefined : part / whole;
}

function perSecond(count: number | undefined, elapsedMs: number): number | undefined {
  return times(over(count, elapsedMs), 1_000);
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0
    ? undefined
    : known.reduce((sum, value) => sum + value, 0) / known.length;
}
