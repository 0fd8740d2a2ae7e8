/** How long the windows of a search are. */
import { metricOf } from "../core/metric.ts";
import type { Slo } from "../core/slo.ts";
import type { LimitRequest } from "./find.ts";

/** The search ends when the loads that hold and break are this far apart. */
export const PRECISION = 0.05;
/** The load that is reported as holding is measured again, for so many times a probe's length. */
const CONFIRM_LENGTHS = 3;
/** Of the strictest latency limit, over the precision: queues that fill this slowly are still seen (docs/limit.md). */
const CONFIRM_LIMITS = 2;
const SETTLE_MS = 1_000;

/** In milliseconds, without warm-up. `windowMs`: of a probe. */
export function windowLengthMs(
  window: LimitRequest["window"],
  windowMs: number,
  slos: readonly Slo[],
): number {
  if (window === "settle") return Math.min(windowMs, SETTLE_MS);
  if (window === "probe") return windowMs;
  const latencies = slos.filter(({ metric }) => metricOf(metric).unit === "ms");
  const strictestMs = Math.min(...latencies.map(({ limit }) => limit));
  const forQueues = Number.isFinite(strictestMs) ? (CONFIRM_LIMITS * strictestMs) / PRECISION : 0;
  return Math.max(CONFIRM_LENGTHS * windowMs, forQueues);
}
