/** How many requests may be under way and still be answered in time, by Little's law, and the range in which a search looks for it. */
import { formatDuration, significant } from "../../../core/units.ts";

export interface Demand {
  /** Requests a second that the whole service completes in a closed loop. */
  readonly saturationPerSecond: number;
  /** An answer counts when it is complete so long after its request was due. */
  readonly withinMs: number;
  /** The limit holds for each of them. */
  readonly processes: number;
  readonly cores: number;
  /** Of the knob. */
  readonly domain: { readonly min: number; readonly max: number };
}

/** Whole numbers of requests under way in one process. */
export interface LimitRange {
  readonly hypothesis: number;
  /** Fewer would leave cores idle. */
  readonly least: number;
  /** With more, the last one admitted is late even when nothing varies. */
  readonly most: number;
}

/**
 * Requests differ, so that the slowest in twenty take about twice the mean; and a service that refuses as many requests as it serves gets
 * through fewer than in its closed loop: from 57 % to all of it were seen where processors are shared. Both together leave a quarter of the time.
 */
const SHARE_OF_TIME = 1 / 4;

/** L = X W: what is under way is the rate times the time that it stays (Little 1961). */
export function limitRange(demand: Demand): LimitRange {
  const { cores, domain } = demand;
  const inside = (value: number) => Math.min(domain.max, Math.max(domain.min, Math.round(value)));
  const least = inside(cores);
  const most = Math.max(least, inside(inTime(demand)));
  const hypothesis = Math.min(most, Math.max(least, inside(inTime(demand) * SHARE_OF_TIME)));
  return { hypothesis, least, most };
}

function inTime({ saturationPerSecond, withinMs, processes }: Demand): number {
  return (saturationPerSecond * withinMs) / 1_000 / Math.max(1, processes);
}

export function rangeInWords(demand: Demand, { hypothesis, least, most }: LimitRange): string {
  const { saturationPerSecond, withinMs, processes, cores } = demand;
  const each = processes > 1 ? ` in each of ${processes} processes` : "";
  const law = `Little's law: ${significant(saturationPerSecond)} requests/s that the service can do, times a quarter of the ${formatDuration(withinMs)} in which an answer counts (the rest is left for requests that take longer, and for the work of refusing), are ${hypothesis} requests under way${each}`;
  return `${law}; no more than ${most} were tried, the last of which takes all of that time, and no fewer than ${least}, on ${cores} cores`;
}
