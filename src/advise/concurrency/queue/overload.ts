/** What a window beyond the capacity says: counts, never latencies as if they were usual. */
import type { Sample } from "../../../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../../../core/units.ts";

export interface Overload {
  readonly offeredPerSecond: number;
  /** Answers of status 2xx and 3xx. */
  readonly goodputPerSecond: number | undefined;
  readonly jobsPerSecond: number | undefined;
  readonly depthMean: number | undefined;
  readonly depthMax: number | undefined;
  readonly rejectRatio: number | undefined;
  readonly serviceMeanMs: number | undefined;
  readonly waitHighP95Ms: number | undefined;
  readonly waitLowP95Ms: number | undefined;
  /** Why the load generator itself may have been the limit; undefined when it was not. */
  readonly generatorLimit: string | undefined;
}

/** Below this share of what was there before, goodput under overload counts as worse; single windows vary by less. */
const GOODPUT_SHARE_LEAST = 0.9;

export function overloadOf({ load, metrics }: Sample): Overload {
  const failed = load.checks.find((check) => !check.ok && check.id.startsWith("generator-"));
  return {
    offeredPerSecond: load.requestsPerSecondTarget,
    goodputPerSecond: metrics["api.goodputPerSecond"],
    jobsPerSecond: metrics["queue.jobsPerSecond"],
    depthMean: metrics["queue.depthMean"],
    depthMax: metrics["queue.depthMax"],
    rejectRatio: metrics["queue.rejectRatio"],
    serviceMeanMs: metrics["queue.serviceMeanMs"],
    waitHighP95Ms: metrics["queue.waitHighP95Ms"],
    waitLowP95Ms: metrics["queue.waitLowP95Ms"],
    generatorLimit: failed?.detail,
  };
}

/** Whether goodput with a new bound is well below that with the old one. What the generator limited shows nothing, and is not worse. */
export function isGoodputWorse(before: Overload, after: Overload): boolean {
  if (before.generatorLimit !== undefined || after.generatorLimit !== undefined) return false;
  const [from, to] = [before.goodputPerSecond, after.goodputPerSecond];
  return from !== undefined && to !== undefined && to < from * GOODPUT_SHARE_LEAST;
}

/** `goodput 310/s of 800/s offered, 12.0 % of the jobs refused, 430 waiting at most`. */
export function overloadInWords(overload: Overload): string {
  const { goodputPerSecond, offeredPerSecond, rejectRatio, depthMax, generatorLimit } = overload;
  const facts = [
    goodputPerSecond === undefined
      ? "goodput not measured"
      : `goodput ${significant(goodputPerSecond)}/s of ${significant(offeredPerSecond)}/s offered`,
    rejectRatio === undefined ? undefined : `${formatRatio(rejectRatio)} of the jobs refused`,
    depthMax === undefined ? undefined : `${significant(depthMax)} waiting at most`,
    classesInWords(overload),
    generatorLimit === undefined
      ? undefined
      : `less than the service could take, since the generator was at its limit (${generatorLimit})`,
  ];
  return facts.filter((fact) => fact !== undefined).join(", ");
}

function classesInWords({ waitHighP95Ms, waitLowP95Ms }: Overload): string | undefined {
  if (waitHighP95Ms === undefined || waitLowP95Ms === undefined) return undefined;
  return `wait p95 ${formatDuration(waitHighP95Ms)} for high and ${formatDuration(waitLowP95Ms)} for low priority`;
}
