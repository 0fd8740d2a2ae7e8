/** What a window beyond the capacity says: counts, never latencies as if they were usual. */
import { answersOf, generatorDoubts, goodputOf, isRefusal } from "../../../core/goodput.ts";
import type { LoadResult, MetricValues, Sample } from "../../../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";
import { wholeOf } from "../gain-words.ts";

export interface Overload {
  readonly offeredPerSecond: number;
  /** Good answers that came in time; undefined when nothing was sent. */
  readonly goodputPerSecond: number | undefined;
  /** Good answers in time, and jobs refused because the queue was full; undefined when it is not known which refusals are those. */
  readonly servedPerSecond: number | undefined;
  readonly jobsPerSecond: number | undefined;
  readonly depthMean: number | undefined;
  readonly depthMax: number | undefined;
  readonly rejectRatio: number | undefined;
  /** Of attempts, not of jobs. */
  readonly failureRatio: number | undefined;
  readonly serviceMeanMs: number | undefined;
  readonly waitP95Ms: number | undefined;
  readonly waitHighP95Ms: number | undefined;
  readonly waitLowP95Ms: number | undefined;
  /** Why its counts may not be the service's own doing; empty when they are. */
  readonly doubts: readonly string[];
}

/** How overload with a new bound compares with that with the old one. What is not known is no permission. */
export type Comparison =
  | { readonly kind: "not-worse" }
  | { readonly kind: "worse" | "unknown"; readonly because: string };

/** Below this share of what was there before, jobs and answers count as fewer; single windows vary by less. */
const SHARE_LEAST = 0.9;
/** A single window's p95 varies by about as much about what the bound should give. */
const WAIT_TIMES_MOST = 1.1;
/** The queue's counters cover the warm-up too, and the depth is that of polls: they account for refusals only so exactly. */
const REFUSALS_TIMES_MOST = 1.5;

export function overloadOf({ load, metrics }: Sample): Overload {
  const backlog = load.checks.filter(({ id, ok }) => id === "no-backlog" && !ok);
  return {
    offeredPerSecond: load.requestsPerSecondTarget,
    goodputPerSecond: load.requests > 0 ? goodputOf(load) : undefined,
    servedPerSecond: servedOf(load, metrics),
    jobsPerSecond: metrics["queue.jobsPerSecond"],
    depthMean: metrics["queue.depthMean"],
    depthMax: metrics["queue.depthMax"],
    rejectRatio: metrics["queue.rejectRatio"],
    failureRatio: metrics["queue.failureRatio"],
    serviceMeanMs: metrics["queue.serviceMeanMs"],
    waitP95Ms: metrics["queue.waitP95Ms"],
    waitHighP95Ms: metrics["queue.waitHighP95Ms"],
    waitLowP95Ms: metrics["queue.waitLowP95Ms"],
    doubts: [...generatorDoubts(load), ...backlog.map(({ detail }) => detail)],
  };
}

/**
 * Good answers in time plus the refusals that are the queue's own: with these, a bound that sheds jobs takes nothing away, and one
 * that costs other requests does. Refusals beyond what the queue's counters account for are of something else, and count as failures.
 */
function servedOf(load: LoadResult, metrics: MetricValues): number | undefined {
  if (load.requests === 0) return undefined;
  const refusals = answersOf(load, isRefusal);
  const ofQueue = refusals === 0 ? 0 : refusedByQueue(load, metrics);
  if (ofQueue === undefined) return undefined;
  return goodputOf(load) + Math.min(refusals, ofQueue) / (load.windowMs / 1_000);
}

/** Jobs that were done or waited in the end are those accepted; the ratio says how many were refused for them. */
function refusedByQueue({ windowMs }: LoadResult, metrics: MetricValues): number | undefined {
  const ratio = metrics["queue.rejectRatio"];
  const jobs = metrics["queue.jobsPerSecond"];
  if (ratio === undefined || jobs === undefined) return undefined;
  if (ratio <= 0) return 0;
  const accepted = (jobs * windowMs) / 1_000 + (metrics["queue.depthMax"] ?? 0);
  return ratio >= 1 ? Infinity : REFUSALS_TIMES_MOST * accepted * (ratio / (1 - ratio));
}

/**
 * What matters of a bound under overload: as many jobs done, waits within the target, and requests that bring no job served as before.
 * That jobs are refused while the queue is full is what it is for.
 */
export function compareOverload(
  before: Overload,
  after: Overload,
  waitTargetMs: number,
): Comparison {
  const doubt = before.doubts[0] ?? after.doubts[0];
  if (doubt !== undefined) return { kind: "unknown", because: doubt };
  const judged = [
    fewer("jobs done", before.jobsPerSecond, after.jobsPerSecond),
    longWaits(after.waitP95Ms, waitTargetMs),
    fewer("good answers in time and jobs refused", before.servedPerSecond, after.servedPerSecond),
  ];
  return (
    judged.find(({ kind }) => kind === "worse") ??
    judged.find(({ kind }) => kind === "unknown") ?? { kind: "not-worse" }
  );
}

function fewer(what: string, before: number | undefined, after: number | undefined): Comparison {
  if (before === undefined || after === undefined) {
    return { kind: "unknown", because: `${what} were not measured` };
  }
  if (after >= before * SHARE_LEAST) return { kind: "not-worse" };
  const because = `${what} fell from ${significant(before)}/s to ${significant(after)}/s`;
  return { kind: "worse", because };
}

function longWaits(waitP95Ms: number | undefined, targetMs: number): Comparison {
  if (waitP95Ms === undefined) return { kind: "unknown", because: "waits were not measured" };
  if (waitP95Ms <= targetMs * WAIT_TIMES_MOST) return { kind: "not-worse" };
  const because = `jobs waited ${formatDuration(waitP95Ms)} (p95), more than the ${formatDuration(targetMs)} that they may`;
  return { kind: "worse", because };
}

/** `goodput 310/s of 800/s offered, 95 jobs/s done, 12.0 % of the jobs refused, 430 waiting at most`. */
export function overloadInWords(overload: Overload): string {
  const { goodputPerSecond, offeredPerSecond, jobsPerSecond, rejectRatio } = overload;
  const { depthMax, waitP95Ms, doubts } = overload;
  const facts = [
    goodputPerSecond === undefined
      ? "goodput not measured"
      : `goodput ${significant(goodputPerSecond)}/s of ${significant(offeredPerSecond)}/s offered`,
    jobsPerSecond === undefined ? undefined : `${significant(jobsPerSecond)} jobs/s done`,
    rejectRatio === undefined ? undefined : `${formatRatio(rejectRatio)} of the jobs refused`,
    depthMax === undefined ? undefined : `${wholeOf(depthMax)} waiting at most`,
    waitP95Ms === undefined ? undefined : `wait p95 ${formatDuration(waitP95Ms)}`,
    classesInWords(overload),
    doubts.length === 0 ? undefined : `not to be relied on (${doubts.join("; ")})`,
  ];
  return facts.filter((fact) => fact !== undefined).join(", ");
}

function classesInWords({ waitHighP95Ms, waitLowP95Ms }: Overload): string | undefined {
  if (waitHighP95Ms === undefined || waitLowP95Ms === undefined) return undefined;
  return `wait p95 ${formatDuration(waitHighP95Ms)} for high and ${formatDuration(waitLowP95Ms)} for low priority`;
}
