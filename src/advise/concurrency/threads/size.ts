/** How small a pool of CPU threads may be, and what speaks for a size. */
import type { MetricId } from "../../../core/metric.ts";
import type { MetricValues } from "../../../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";

/** Above this share of the requests' p95, the wait for a thread is what users feel. */
const WAIT_SHARE_MOST = 0.1;
/** With the event loop this busy, nothing that libuv's threads do is what holds requests up. */
const LOOP_BUSY = 0.9;
/** Below this, most of the threads' lives are spent waiting. */
const IDLE_MOSTLY = 0.5;

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

/** Whether threads are kept that have nothing to do for most of the time, so that letting them go sooner can gain. */
export function isMostlyIdle(objective: MetricId, metrics: MetricValues): boolean {
  const { "threads.efficiency": efficiency, "threads.alive": alive } = metrics;
  if (!isOfThreads(objective) || efficiency === undefined || alive === undefined) return false;
  return efficiency < IDLE_MOSTLY && alive > 1;
}

/** What the same work would make of the smallest pool, where that is still mostly idle: no setting reaches more. */
export function reachInWords(metrics: MetricValues, least: number): readonly string[] {
  const { "threads.efficiency": efficiency, "threads.alive": alive } = metrics;
  if (efficiency === undefined || alive === undefined) return [];
  const reach = (efficiency * alive) / least;
  if (reach >= IDLE_MOSTLY) return [];
  return [
    `the work keeps ${significant(efficiency * alive)} threads busy, so that ${least} threads would be busy ${formatRatio(reach)} of the time: no setting makes more work`,
  ];
}

/** What the observed window says of the pool. */
export function threadFacts(metrics: MetricValues, cores: number): readonly string[] {
  const facts = [`${cores} cores`];
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
