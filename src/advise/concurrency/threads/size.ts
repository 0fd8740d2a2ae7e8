/** How small a pool of CPU threads may be, and what speaks for a size. */
import { metricOf } from "../../../core/metric.ts";
import type { MetricId } from "../../../core/metric.ts";
import type { MetricValues } from "../../../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";
import { countOf, gainInWords } from "../gain-words.ts";

/** Above this share of the requests' p95, the wait for a thread is what users feel. */
const WAIT_SHARE_MOST = 0.1;
/** With the event loop this busy, nothing that libuv's threads do is what holds requests up. */
const LOOP_BUSY = 0.9;
/** Below this, most of the threads' lives are spent waiting. */
const IDLE_MOSTLY = 0.5;
/** Below this share of their time even in the smallest pool, threads are idle whatever their number: whether 2 % or 6 %, nobody gains. */
const IDLE_ANYWAY = 0.1;
/** Of what requests take: a shorter mean wait for a thread cannot be what they feel. */
const WAIT_SHARE_LEAST = 0.02;
/** Of the machine's cores: threads that are busy so little take nothing from anybody. */
const BUSY_SHARE_LEAST = 0.05;

/** Whether a pool looks better the smaller it is, whatever becomes of the tasks: the share of time that its threads are busy. */
export function isOfThreads(objective: MetricId): boolean {
  return objective === "threads.efficiency" || objective === "threads.alive";
}

/** What tasks pay for a smaller pool; without it, that fewer threads are busier says nothing for them. */
export function isWaitKnown(metrics: MetricValues): boolean {
  return metrics["threads.waitMs"] !== undefined;
}

/** A pool that never grew to half of what it may be has no use for more. */
const GROWN_LEAST = 0.5;

/** The most threads worth trying in each process; undefined when nothing speaks against more. */
export function threadsMost(
  present: number,
  processes: number,
  { "threads.alive": alive }: MetricValues,
): number | undefined {
  return alive !== undefined && alive < GROWN_LEAST * present * processes ? present : undefined;
}

/**
 * The fewest threads worth trying. Tasks that wait for nothing but the CPU keep one core busy each: with fewer threads than cores
 * a burst of them leaves cores idle, and that is what an objective of the threads alone does not see.
 */
export function threadsLeast(objective: MetricId, cores: number, processes: number): number {
  return isOfThreads(objective) ? Math.max(1, Math.ceil(cores / Math.max(1, processes))) : 1;
}

/** Whether tasks wait for a thread so long that requests feel it, and longer than they do now. */
export function isStarved(metrics: MetricValues, present: MetricValues): boolean {
  const [wait, p95] = [metrics["threads.waitMs"], metrics["api.latencyP95Ms"]];
  // A window that does not tell what the present one did shows no smaller pool to be harmless.
  if (wait === undefined) return isWaitKnown(present);
  if (p95 === undefined) return false;
  return wait > p95 * WAIT_SHARE_MOST && wait > (present["threads.waitMs"] ?? 0);
}

/** Why libuv's threads are not worth a search; undefined when they may be. */
export function libuvIdleBecause(objective: MetricId, metrics: MetricValues): string | undefined {
  if (isOfThreads(objective)) {
    return "libuv's threads were not searched: they are not among the threads that the objective counts";
  }
  const busy = metrics["service.eventLoopUtilization"];
  if (busy !== undefined && busy >= LOOP_BUSY) {
    return `libuv's threads were not searched: the event loop is busy ${formatRatio(busy)} of the time, so that it is what requests wait for`;
  }
  return undefined;
}

/** What is known of the work before anything is tried. */
export interface ThreadWork {
  readonly objective: MetricId;
  readonly metrics: MetricValues;
  readonly cores: number;
  /** The fewest threads of all processes together. */
  readonly least: number;
  /** A gain of the objective up to this is none. */
  readonly noiseFloor: number;
}

/**
 * Why neither the number of threads nor how long idle ones are kept can gain; undefined where one may. The work at hand keeps as many
 * threads busy whatever their number (efficiency times alive), so that the smallest pool's efficiency is known before it is measured.
 */
export function idleAnywayBecause(work: ThreadWork): string | undefined {
  const reach = work.objective === "threads.efficiency" ? reachOf(work) : undefined;
  if (reach === undefined || reach.share >= IDLE_ANYWAY) return undefined;
  return `threads are idle whatever their number, and nothing was tried: ${reach.words} at most: no setting makes more work`;
}

/** Why no number of threads can gain; undefined where one may. */
export function sizeGainlessBecause(work: ThreadWork): string | undefined {
  const { objective, metrics, cores, noiseFloor } = work;
  if (objective === "threads.efficiency") {
    const reach = reachOf(work);
    if (reach === undefined || reach.share - reach.efficiency > noiseFloor) return undefined;
    return `no number of threads was tried: ${reach.words}, no gain of more than ${gainInWords(objective, noiseFloor)}`;
  }
  const {
    "threads.efficiency": efficiency,
    "threads.alive": alive,
    "threads.waitMs": wait,
  } = metrics;
  const whole = metrics[objective];
  if (!objective.startsWith("api.latency") || whole === undefined) return undefined;
  if (efficiency === undefined || alive === undefined || wait === undefined) return undefined;
  const busy = efficiency * alive;
  if (wait > whole * WAIT_SHARE_LEAST || busy > cores * BUSY_SHARE_LEAST) return undefined;
  return `no number of threads was tried: tasks wait ${formatDuration(wait)} for one, and the work keeps ${significant(busy)} threads busy, which cannot be what ${metricOf(objective).title} is made of`;
}

interface Reach {
  /** Of their time, that the threads of the smallest pool would be busy. */
  readonly share: number;
  readonly efficiency: number;
  readonly words: string;
}

function reachOf({ metrics, least }: ThreadWork): Reach | undefined {
  const { "threads.efficiency": efficiency, "threads.alive": alive } = metrics;
  if (efficiency === undefined || alive === undefined || alive <= 0) return undefined;
  const busy = efficiency * alive;
  // Fewer than the smallest pool may be alive already: that is as it is then.
  const share = Math.max(efficiency, Math.min(1, busy / least));
  const words = `${formatRatio(efficiency)} of the time of ${significant(alive)} threads is ${significant(busy)} threads' work, which would keep the smallest pool (${least}) busy ${formatRatio(share)} of the time`;
  return { share, efficiency, words };
}

/** Why letting idle threads go sooner cannot gain; undefined where it may. `threadsMin`: that all processes keep anyway. */
export function lifetimeGainlessBecause(
  objective: MetricId,
  metrics: MetricValues,
  threadsMin: number,
): string | undefined {
  if (!isOfThreads(objective)) {
    return "how long idle threads are kept was not tried: the objective does not count them";
  }
  const { "threads.efficiency": efficiency, "threads.alive": alive } = metrics;
  if (efficiency === undefined || alive === undefined) {
    return "how long idle threads are kept was not tried: how many are idle was not measured";
  }
  if (alive <= Math.max(1, threadsMin)) {
    return `how long idle threads are kept was not tried: no more are alive (${significant(alive)}) than are kept anyway`;
  }
  return efficiency < IDLE_MOSTLY
    ? undefined
    : `how long idle threads are kept was not tried: they are busy ${formatRatio(efficiency)} of the time`;
}

/** What the same work would make of the smallest pool, where that is still mostly idle: no setting reaches more. */
export function reachInWords(metrics: MetricValues, least: number): readonly string[] {
  const { "threads.efficiency": efficiency, "threads.alive": alive } = metrics;
  if (efficiency === undefined || alive === undefined) return [];
  const reach = (efficiency * alive) / least;
  if (reach >= IDLE_MOSTLY) return [];
  return [
    `the work keeps ${significant(efficiency * alive)} threads busy, so that ${countOf(least, "thread")} would be busy ${formatRatio(reach)} of the time: no setting makes more work`,
  ];
}

/** What the observed window says of the pool. */
export function threadFacts(metrics: MetricValues, cores: number): readonly string[] {
  const facts = [countOf(cores, "core")];
  const alive = metrics["threads.alive"];
  if (alive !== undefined) facts.push(`${significant(alive)} threads alive`);
  const efficiency = metrics["threads.efficiency"];
  if (efficiency !== undefined) {
    const busy = alive === undefined ? "" : `, which is ${significant(efficiency * alive)} of them`;
    facts.push(`busy ${formatRatio(efficiency)} of the time${busy}`);
  }
  const wait = metrics["threads.waitMs"];
  if (wait !== undefined) facts.push(`wait for a thread ${formatDuration(wait)}`);
  const switches = metrics["service.contextSwitchesPerSecond"];
  if (switches !== undefined) facts.push(`${significant(switches)} context switches/s`);
  const delay = metrics["service.eventLoopDelayP99Ms"];
  if (delay !== undefined) facts.push(`event-loop delay p99 ${formatDuration(delay)}`);
  const cpu = metrics["service.cpuMsPerRequest"];
  if (cpu !== undefined) facts.push(`${formatDuration(cpu)} of CPU a request`);
  return facts;
}
