/** Idle timeout and least connections: what becomes of a pool's connections under given arrivals. */
import type { IdleAdvice } from "../../../core/pool-advice.ts";
import { formatDuration, significant } from "../../../core/units.ts";

export interface IdleQuestion {
  /** Moments at which somebody asked for a connection, ascending. */
  readonly arrivalsMs: readonly number[];
  /** What was watched, from the first possible arrival to the last. */
  readonly observedMs: number;
  /** How long a connection is held, mean. */
  readonly holdMs: number;
  readonly poolMax: number;
  readonly reconnectsPerMinuteMax: number;
  /** As configured; absent where it is not known. */
  readonly presentTimeoutMs?: number;
}

/** Shorter looks say nothing of timeouts, which are of seconds at least. */
export const IDLE_OBSERVED_MS_LEAST = 10_000;
/** Of arrivals, those that find enough connections open. */
const BURST_SHARE = 0.99;

/**
 * Plays the arrivals on a pool that hands out the connection given back last, as node-postgres, HikariCP's thread-local list and most
 * others do: the first ones are busy all the time, and the last ones idle between bursts. Undefined without arrivals, and for a look
 * that was too short.
 */
export function adviseIdle(question: IdleQuestion): IdleAdvice | undefined {
  const { arrivalsMs, observedMs, reconnectsPerMinuteMax, presentTimeoutMs } = question;
  if (arrivalsMs.length === 0 || !(observedMs >= IDLE_OBSERVED_MS_LEAST)) return undefined;
  const { gapsMs, inUse } = playPool(question);
  const minutes = observedMs / 60_000;
  // So many gaps may be longer than the timeout.
  const allowed = Math.floor(reconnectsPerMinuteMax * minutes);
  const descending = gapsMs.toSorted((a, b) => b - a);
  const longest = descending.at(0);
  const needed = descending.at(allowed);
  const idleTimeoutMs = needed === undefined ? undefined : roundedUp(needed);
  const closed = descending.filter((gap) => gap > (idleTimeoutMs ?? Infinity)).length;
  const minConnections = quantile(inUse, BURST_SHARE);
  return {
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    reconnectsPerMinute: closed / minutes,
    reconnectsPerMinuteMax,
    minConnections,
    observedMs,
    arrivals: arrivalsMs.length,
    words: wordsOf(question, {
      longest,
      idleTimeoutMs,
      minConnections,
      minutes,
      gapsMs,
      presentTimeoutMs,
    }),
  };
}

/** Gaps between uses of one connection, and how many were in use when each arrival had got its own. */
function playPool({ arrivalsMs, holdMs, poolMax }: IdleQuestion): {
  readonly gapsMs: readonly number[];
  readonly inUse: readonly number[];
} {
  const gapsMs: number[] = [];
  const inUse: number[] = [];
  /** Moments at which those in use are given back, ascending: all are held for the same time. */
  const busy: number[] = [];
  /** Moments at which the idle ones were given back: the last one on top. */
  const idle: number[] = [];
  for (const at of arrivalsMs) {
    while (busy.length > 0 && (busy[0] ?? 0) <= at) idle.push(busy.shift() ?? 0);
    const freed = idle.pop();
    if (freed !== undefined) {
      gapsMs.push(at - freed);
      busy.push(at + holdMs);
    } else if (busy.length < poolMax) {
      busy.push(at + holdMs);
    } else {
      // Waits for the first that comes back, which does not idle.
      busy.push((busy.shift() ?? at) + holdMs);
    }
    inUse.push(busy.length);
  }
  return { gapsMs, inUse };
}

interface Found {
  readonly longest: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly minConnections: number;
  readonly minutes: number;
  readonly gapsMs: readonly number[];
  readonly presentTimeoutMs: number | undefined;
}

function wordsOf(
  { observedMs, reconnectsPerMinuteMax, poolMax }: IdleQuestion,
  { longest, idleTimeoutMs, minConnections, minutes, gapsMs, presentTimeoutMs }: Found,
): readonly string[] {
  const seen = `in ${formatDuration(observedMs)} of arrivals`;
  const closing =
    presentTimeoutMs === undefined
      ? []
      : [
          `the present idle timeout of ${formatDuration(presentTimeoutMs)} would have closed ${significant(gapsMs.filter((gap) => gap > presentTimeoutMs).length / minutes)} connections a minute that were needed again`,
        ];
  return [
    longest === undefined
      ? `${seen} no connection was used twice, so nothing is known of idle times`
      : idleTimeoutMs === undefined
        ? `${seen} no connection was needed again so seldom that it mattered: at most ${significant(reconnectsPerMinuteMax)} reconnects a minute with any idle timeout`
        : `${seen} a connection that was used again had idled for at most ${formatDuration(longest)}; an idle timeout of ${formatDuration(idleTimeoutMs)} keeps reconnects to at most ${significant(reconnectsPerMinuteMax)} a minute`,
    ...closing,
    `${minConnections} of at most ${poolMax} connections were in use at ${BURST_SHARE * 100} % of arrivals: keeping so many open lets bursts of that size find theirs`,
    `pauses longer than ${formatDuration(observedMs)}, such as nights, cannot be seen in them`,
  ];
}

/** To two digits, and a second at least: shorter timeouts save nobody anything. */
function roundedUp(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)) - 1);
  return Math.max(1_000, Math.ceil(ms / power) * power);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
