/** What a service's metrics page says of one window: polled gauges, and counters and histograms as they grew (pure). */
import type { Readings } from "../core/readings.ts";
import { histogramGrown, meanOf, quantileOf } from "./histograms.ts";
import type { PageValues, SeriesValues } from "./prometheus.ts";

export interface PageWindow {
  readonly before: PageValues;
  readonly after: PageValues;
  readonly polls: readonly PageValues[];
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
  const { elapsedMs } = page;
  const polls = page.polls.map(({ series }) => series);
  const gcSeconds = grown(page, "gcSeconds");
  const [collections, major] = [grown(page, "gcCount"), grown(page, "gcMajorCount")];
  return {
    "loop.delayP99Ms": times(mean(polls.map((poll) => poll.eventLoopDelayP99Seconds)), 1_000),
    "loop.utilization": mean(polls.map((poll) => poll.eventLoopUtilization)),
    "gc.share": over(times(gcSeconds, 1_000), elapsedMs),
    "gc.perSecond": perSecond(collections, elapsedMs),
    "gc.pauseP99Ms": pauseP99Ms(page),
    "gc.youngPerSecond": perSecond(minus(collections, major), elapsedMs),
    "gc.majorPerSecond": perSecond(major, elapsedMs),
    "libuv.probeP95Ms": times(quantileOf(histogramOf(page, "fileProbeSeconds"), 0.95), 1_000),
  };
}

/** Of a window in which nothing was collected, none at all. */
function pauseP99Ms(page: PageWindow): number | undefined {
  const pauses = histogramOf(page, "gcPauseSeconds");
  return pauses?.count === 0 ? 0 : times(quantileOf(pauses, 0.99), 1_000);
}

function poolReadings(page: PageWindow): Values {
  const waiting = page.polls.flatMap(({ series }) => series.poolWaiting ?? []);
  const waited = over(grown(page, "poolWaitSecondsSum"), grown(page, "poolWaitCount"));
  return {
    "pool.waitingShare": over(waiting.filter((count) => count > 0).length, waiting.length),
    "pool.waitMeanMs": times(waited, 1_000),
    "pool.max": page.polls.at(-1)?.series.poolMax,
  };
}

/** Of so many, three standard deviations of a count that comes by chance (Poisson). */
const BEYOND_CHANCE = 3;

function queueReadings(page: PageWindow): Values {
  const { polls, elapsedMs } = page;
  const accepted = grown(page, "jobsAccepted");
  const rejected = grown(page, "jobsRejected");
  const offered = plus(accepted, rejected);
  const ended = jobsEnded(page);
  const begun = activeGrowth(page, ended);
  const taken = begun === undefined ? undefined : plus(ended, begun);
  const depthGrowth = growthOf(
    [page.before, ...polls, page.after].flatMap(({ series }) => series.queueWaiting ?? []),
  );
  return {
    "queue.offeredPerSecond": perSecond(offered, elapsedMs),
    "queue.completedPerSecond": perSecond(ended, elapsedMs),
    "queue.excessShare": excess(offered, taken),
    "queue.rejectedShare": rejected === 0 ? 0 : over(rejected, offered),
    "queue.depthGrowth": depthGrowth,
    "queue.growthShare": accepted === 0 ? 0 : over(depthGrowth, accepted),
    "queue.waitMeanMs": times(meanOf(histogramOf(page, "jobWaitSeconds")), 1_000),
    "queue.waitGrowthMs": times(waitGrowth(page), 1_000),
    "queue.serviceMeanMs": times(meanOf(histogramOf(page, "jobServiceSeconds")), 1_000),
    "queue.activeMean": mean(polls.map(({ series }) => series.queueActive)),
  };
}

function jobsEnded(page: PageWindow): number | undefined {
  return plus(grown(page, "jobsCompleted"), grown(page, "jobsDead"));
}

/**
 * Jobs that are under way at the end and were not at the start: they were taken up in time. Where the page does not tell of them, as
 * many as are under way on average (Little's law), since windows begin with an empty queue.
 */
function activeGrowth(page: PageWindow, ended: number | undefined): number | undefined {
  const { before, after, elapsedMs } = page;
  const [first, last] = [before.series.queueActive, after.series.queueActive];
  if (first !== undefined && last !== undefined) return last - first;
  if (ended === 0) return 0;
  const serviceMs = times(meanOf(histogramOf(page, "jobServiceSeconds")), 1_000);
  return serviceMs === undefined || ended === undefined
    ? undefined
    : (ended * serviceMs) / elapsedMs;
}

/** Over the whole window, by the means of its first and its last third: single looks differ by chance. */
function growthOf(looks: readonly number[]): number | undefined {
  const third = Math.floor(looks.length / 3);
  if (third === 0) return undefined;
  const [first, last] = [mean(looks.slice(0, third)), mean(looks.slice(-third))];
  // From the middle of the first third to the middle of the last one it is two thirds of the window.
  return first === undefined || last === undefined ? undefined : (last - first) * 1.5;
}

/** Seconds that jobs which began in the second half of the window waited longer than those of the first. */
function waitGrowth({ before, after, polls }: PageWindow): number | undefined {
  const middle = polls[Math.floor(polls.length / 2)];
  if (!middle) return undefined;
  const [start, half, end] = [before, middle, after].map(
    ({ histograms }) => histograms.one.jobWaitSeconds,
  );
  const first = meanOf(histogramGrown(start, half));
  const second = meanOf(histogramGrown(half, end));
  return first === undefined || second === undefined ? undefined : second - first;
}

function excess(offered: number | undefined, taken: number | undefined): number | undefined {
  if (offered === undefined || taken === undefined) return undefined;
  const more = offered - taken;
  return more > BEYOND_CHANCE * Math.sqrt(offered + Math.max(0, taken)) ? more / offered : 0;
}

function callReadings(page: PageWindow): Values {
  const seconds = grown(page, "outgoingSecondsSum");
  const calls = grown(page, "outgoingCount");
  return {
    "upstream.meanMs": times(over(seconds, calls), 1_000),
    "upstream.callsPerRequest": over(calls, page.requests),
    "upstream.msPerRequest": times(over(seconds, page.requests), 1_000),
    "upstream.jobsMsPerRequest": times(over(jobSeconds(page), page.requests), 1_000),
  };
}

/**
 * All the time that jobs took: more than they can have spent in calls, one after another. By jobs under way and by those that ended,
 * whichever is more. Of a service whose page tells of no jobs, none.
 */
function jobSeconds(page: PageWindow): number | undefined {
  const { jobsAccepted, jobsCompleted, queueWaiting, queueActive } = page.after.series;
  const told = [jobsAccepted, jobsCompleted, queueWaiting, queueActive];
  if (told.every((each) => each === undefined)) return 0;
  const active = mean(page.polls.map(({ series }) => series.queueActive));
  const underWay = times(active, page.elapsedMs / 1_000);
  const ended = jobsEnded(page) === 0 ? 0 : histogramOf(page, "jobServiceSeconds")?.sum;
  return underWay === undefined ? ended : Math.max(underWay, ended ?? 0);
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

/** Both have to be known. Of two counters that are not written together, never less than nothing. */
function minus(whole: number | undefined, part: number | undefined): number | undefined {
  return whole === undefined || part === undefined ? undefined : Math.max(0, whole - part);
}

/** The second may be missing: not every service tells of refused or dead jobs. */
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
