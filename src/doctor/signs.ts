/** Signs: a number held against a threshold, which is there, is not there, or was not measured; and the numbers made of readings. */
import type { DoctorEvidence } from "../core/diagnosis.ts";
import { formatQuantity } from "../core/metric.ts";
import type { Unit } from "../core/metric-shape.ts";
import { readingOf, type ReadingId, type Readings, type Resource } from "../core/readings.ts";
import { THRESHOLDS } from "./thresholds.ts";

export interface Sign {
  readonly resource: Resource;
  readonly title: string;
  readonly unit: Unit;
  readonly value: number | undefined;
  readonly compare: ">=" | "<=" | "<" | ">";
  readonly limit: number;
  /** Undefined: not measured. */
  readonly shown: boolean | undefined;
  /** Only narrows a rule, and is no trouble in itself: not a line of the table. */
  readonly condition?: true;
}

export function condition(one: Sign): Sign {
  return { ...one, condition: true };
}

/** A reading of one window as a sign. `where` names the window where it is not the loaded one. */
export function sign(
  window: Readings,
  id: ReadingId,
  compare: Sign["compare"],
  limit: number,
  where = "",
): Sign {
  const { resource, title, unit } = readingOf(id);
  const named = where === "" ? title : `${title}, ${where}`;
  return made({ resource, title: named, unit, value: window[id], compare, limit });
}

/** The same of a number made of several readings. */
export function made(parts: Omit<Sign, "shown">): Sign {
  const { value, compare, limit } = parts;
  const known = value !== undefined && Number.isFinite(value);
  return {
    ...parts,
    value: known ? value : undefined,
    shown: known ? holds(value, compare, limit) : undefined,
  };
}

function holds(value: number, compare: Sign["compare"], limit: number): boolean {
  switch (compare) {
    case ">=":
      return value >= limit;
    case "<=":
      return value <= limit;
    case "<":
      return value < limit;
    case ">":
      return value > limit;
  }
}

export function thresholdInWords({ compare, limit, unit }: Sign): string {
  return `${compare} ${formatQuantity(unit, limit)}`;
}

/** `delay p99 180 ms (>= 50 ms)`. */
export function signInWords(one: Sign): string {
  const value = one.value === undefined ? "not measured" : formatQuantity(one.unit, one.value);
  return `${one.resource}: ${one.title} ${value} (${thresholdInWords(one)})`;
}

export function quotient(part: number | undefined, whole: number | undefined): number | undefined {
  if (part === undefined || whole === undefined || whole <= 0) return undefined;
  return part / whole;
}

/**
 * The greatest of those that are known. All numbers of this kind are such that one more of them can only make a sign appear: what
 * was not measured never makes a rule fire.
 */
function most(...values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function least(...values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** How much of the time the loop is taken: as the service tells it, or as its main thread shows from outside. */
export function loopTaken({ loaded }: DoctorEvidence): number | undefined {
  return least(loaded["loop.utilization"], loaded["process.mainThreadWanting"]);
}

/** Of waits for a connection and responses, mean with mean: services tell the sum of their waits, and seldom their percentiles. */
export function poolWaitShare({ loaded }: DoctorEvidence): number | undefined {
  return quotient(loaded["pool.waitMeanMs"], loaded["load.latencyMeanMs"]);
}

/** The longest that the loop did not pause with one request at a time: what is long then is one single tick. */
export function singleTickMs({ light }: DoctorEvidence): number | undefined {
  return most(light["loop.delayP99Ms"], light["loop.longestTickMs"]);
}

/** Of the response to one request at a time, or of the loaded one. */
export function statementShare({ statement, light, loaded }: DoctorEvidence): number | undefined {
  return most(
    quotient(statement?.msPerRequest, light["load.latencyMeanMs"]),
    quotient(statement?.msPerRequest, loaded["load.latencyMeanMs"]),
  );
}

/** Against what it takes without any load, or with one request at a time, whichever is less. */
export function probeOverIdle({ quiet, light, loaded }: DoctorEvidence): number | undefined {
  const idle = least(quiet["libuv.probeP95Ms"], light["libuv.probeP95Ms"]);
  return quotient(loaded["libuv.probeP95Ms"], idle);
}

/** The service's own main thread without the core that it wants: what is timed within it then is the machine's lack of CPU. */
export function lineForCpu({ loaded }: DoctorEvidence, compare: Sign["compare"]): Sign {
  const { "process.mainThreadWanting": wanting, "process.mainThreadCores": got } = loaded;
  return made({
    resource: "process",
    title: "main thread in line for a CPU",
    unit: "ratio",
    value: wanting === undefined || got === undefined ? undefined : Math.max(0, wanting - got),
    compare,
    limit: THRESHOLDS.inLineForCpu,
  });
}
