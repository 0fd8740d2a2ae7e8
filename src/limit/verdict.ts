/** What the windows of one load say: it holds, it breaks, more windows are needed, or they cannot tell. */
import type { Reading } from "./reading.ts";
import { scalesOf, standingsOf, worstOf, type Scale, type Standing } from "./standing.ts";

export interface LoadVerdict {
  readonly load: number;
  /** open: another window of this load may decide. unclear: it would not. invalid: no window could be used. */
  readonly outcome: "holds" | "breaks" | "open" | "unclear" | "invalid";
  /** Windows behind the outcome, and those of them that are on its side of the limit. */
  readonly windows: number;
  readonly agreeing: number;
  /** Windows that could not be used, or not fully. */
  readonly spoilt: number;
  /** A long window was measured. */
  readonly long: boolean;
  /** The objective that is worst here, of the last window where none could be used; undefined when not even that showed any. */
  readonly worst: Standing | undefined;
  /** Why the last window that could not be fully used could not. */
  readonly unusable: string;
}

/** Windows of one load before it counts as unclear (measured: bench/limit.ts). */
export const WINDOWS_MAX = 5;
/** From here on a load is given up when as many windows as that, if they went on like this, would not decide. */
const WINDOWS_HOPELESS = 3;
/** Windows of one load that cannot be used before it is given up. */
export const UNUSABLE_MAX = 3;

/** In order of load. */
export function verdictsOf(readings: readonly Reading[]): readonly LoadVerdict[] {
  const scaleOf = scalesOf(readings.filter(({ use }) => use === "full"));
  const loads = [...new Set(readings.map(({ load }) => load))].toSorted((a, b) => a - b);
  return loads.map((load) => {
    const own = readings.filter((each) => each.load === load);
    const full = own.filter(({ use }) => use === "full");
    return full.length > 0
      ? fullVerdict(load, own, full, scaleOf)
      : disturbedVerdict(load, own, scaleOf);
  });
}

function fullVerdict(
  load: number,
  readings: readonly Reading[],
  full: readonly Reading[],
  scaleOf: (subject: string) => Scale,
): LoadVerdict {
  const used = trusted(full, scaleOf);
  const standings = standingsOf(used, scaleOf);
  const broken = standings.filter(({ distance, bound }) => distance > bound);
  const worst = worstOf(standings);
  const spoilt = readings.length - full.length;
  return {
    load,
    outcome: outcomeOf(standings, used.length, spoilt),
    windows: used.length,
    agreeing: broken.length > 0 ? most(broken) : (worst?.agreeing ?? 0),
    spoilt,
    long: used.some(({ kind }) => kind === "confirm"),
    worst,
    unusable: unusableOf(readings),
  };
}

/**
 * A queue that grows slowly is not seen in a short window, so short windows count beside long ones only where the long ones are
 * within every limit too.
 */
function trusted(
  full: readonly Reading[],
  scaleOf: (subject: string) => Scale,
): readonly Reading[] {
  const long = full.filter(({ kind }) => kind === "confirm");
  const doubted = standingsOf(long, scaleOf).some(({ distance }) => distance > 0);
  return doubted ? long : full;
}

function outcomeOf(
  standings: readonly Standing[],
  windows: number,
  spoilt: number,
): LoadVerdict["outcome"] {
  // One window alone may err by any stall: two that do not agree decide nothing.
  const clear = standings.map(({ distance, bound, agreeing }) =>
    Math.abs(distance) > bound && agreeing >= Math.min(2, windows) ? Math.sign(distance) : 0,
  );
  if (clear.includes(1)) return "breaks";
  if (clear.every((side) => side === -1)) return "holds";
  if (windows >= WINDOWS_MAX || spoilt >= UNUSABLE_MAX) return "unclear";
  return windows >= WINDOWS_HOPELESS && standings.every((each) => isHopeless(each, windows))
    ? "unclear"
    : "open";
}

/** The bound shrinks with the square root of the number of windows. */
function isHopeless({ distance, bound }: Standing, windows: number): boolean {
  return Math.abs(distance) < bound * Math.sqrt(windows / WINDOWS_MAX);
}

/**
 * Disturbed windows are never averaged. One that is clear by itself counts: within every limit although disturbed, or beyond one by
 * more than the disturbance can explain.
 */
function disturbedVerdict(
  load: number,
  readings: readonly Reading[],
  scaleOf: (subject: string) => Scale,
): LoadVerdict {
  const disturbed = readings.filter(({ use }) => use === "one-sided");
  const sides = disturbed
    .map((reading) => sideOf(reading, scaleOf))
    .filter((side) => side !== undefined);
  const [first] = sides;
  const agreed = first !== undefined && sides.every((side) => side === first);
  const windows = agreed ? sides.length : 0;
  return {
    load,
    outcome: agreed ? first : readings.length < UNUSABLE_MAX ? "open" : "invalid",
    windows,
    agreeing: windows,
    spoilt: readings.length - windows,
    long: agreed && disturbed.some(({ kind }) => kind === "confirm"),
    worst: worstOf(standingsOf(disturbed.slice(-1), scaleOf)),
    unusable: unusableOf(readings),
  };
}

function sideOf(
  reading: Reading,
  scaleOf: (subject: string) => Scale,
): "holds" | "breaks" | undefined {
  const standings = standingsOf([reading], scaleOf);
  if (standings.every(({ distance, bound }) => distance < -bound)) return "holds";
  const boundOf = new Map(standings.map(({ subject, bound }) => [subject, bound]));
  return reading.distances.some(
    ({ subject, leastDistance }) => leastDistance > (boundOf.get(subject) ?? Infinity),
  )
    ? "breaks"
    : undefined;
}

function unusableOf(readings: readonly Reading[]): string {
  return readings.findLast(({ use }) => use !== "full")?.unusable ?? "";
}

function most(standings: readonly Standing[]): number {
  return Math.max(...standings.map(({ agreeing }) => agreeing));
}
