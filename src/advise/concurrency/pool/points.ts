/** A sweep's measurements as points: those that cannot be right left out and named, the others' medians by size. */
import { median } from "simple-statistics";
import type {
  PoolInside,
  PoolLeftOut,
  PoolMeasurement,
  PoolPoint,
  PoolSubject,
} from "../../../core/pool-advice.ts";
import { formatRatio, significant } from "../../../core/units.ts";

/** research/tuning.md section 2 and T10: what is further from Little's law was not measured as it seems. */
const LITTLE_DIFFERENCE_MAX = 0.05;

export interface Sorted {
  readonly used: readonly PoolMeasurement[];
  readonly leftOut: readonly PoolLeftOut[];
}

export function sortMeasurements(
  measurements: readonly PoolMeasurement[],
  subject: PoolSubject,
): Sorted {
  const judged = measurements.map((each) => ({
    each,
    why: problemOf(each) ?? (subject === "pool" ? unexercised(each) : undefined),
  }));
  return {
    used: judged.flatMap(({ each, why }) => (why === undefined ? [each] : [])),
    leftOut: judged.flatMap(({ each: { size, throughput, from }, why }) =>
      why === undefined ? [] : [{ size, throughput, from, why }],
    ),
  };
}

/** Why a measurement is in no average; undefined when nothing speaks against it. */
function problemOf(measurement: PoolMeasurement): string | undefined {
  const { throughput, invalidBecause = [] } = measurement;
  if (invalidBecause.length > 0) return invalidBecause.join("; ");
  if (!(throughput > 0 && Number.isFinite(throughput))) return "nothing was completed";
  return littleProblem(measurement);
}

/** A pool that is larger than what asks for it is as good as one of that size: which of them is faster is chance. */
function unexercised({ size, underWay }: PoolMeasurement): string | undefined {
  return underWay === undefined || size < underWay
    ? undefined
    : `not exercised: ${underWay} requests under way cannot use ${size} connections and still ask for more`;
}

/** J. Little, Operations Research 9, 1961: what is under way is throughput times response. Only where all three are known. */
function littleProblem({ throughput, underWay, responseMs }: PoolMeasurement): string | undefined {
  if (underWay === undefined || responseMs === undefined) return undefined;
  const implied = (throughput * responseMs) / 1_000;
  const apart = Math.abs(underWay - implied) / underWay;
  if (apart <= LITTLE_DIFFERENCE_MAX) return undefined;
  return (
    `Little's law: throughput times response says that ${significant(implied)} were under way, and ${significant(underWay)} should have` +
    ` been (${formatRatio(apart)} apart, at most ${formatRatio(LITTLE_DIFFERENCE_MAX)} allowed): clients paused, the response is no mean, or it is of another time`
  );
}

/** The smallest size first. `used` is not empty. */
export function pointsOf(
  used: readonly PoolMeasurement[],
  fitted: (size: number) => number | undefined,
): readonly PoolPoint[] {
  const sizes = [...new Set(used.map(({ size }) => size))].toSorted((a, b) => a - b);
  const medians = sizes.map((size) => ({ size, of: used.filter((each) => each.size === size) }));
  const best = Math.max(...medians.map(({ of }) => throughputOf(of)));
  return medians.map(({ size, of }): PoolPoint => {
    const throughput = throughputOf(of);
    const onCurve = fitted(size);
    return {
      size,
      measurements: of.length,
      throughput,
      throughputLow: Math.min(...of.map((each) => each.throughput)),
      throughputHigh: Math.max(...of.map((each) => each.throughput)),
      ...known("latencyP95Ms", of),
      ...known("latencyP99Ms", of),
      ...known("responseMs", of),
      inside: insideOf(of.flatMap(({ inside }) => (inside ? [inside] : []))),
      shareOfBest: throughput / best,
      ...(onCurve === undefined ? {} : { fitted: onCurve }),
    };
  });
}

function throughputOf(of: readonly PoolMeasurement[]): number {
  return median(of.map(({ throughput }) => throughput));
}

function known<K extends "latencyP95Ms" | "latencyP99Ms" | "responseMs">(
  key: K,
  of: readonly PoolMeasurement[],
): Partial<Record<K, number>> {
  return medianAs(key, of);
}

const INSIDE = [
  "waitMs",
  "inUse",
  "executing",
  "dbCores",
  "serviceCores",
] as const satisfies readonly (keyof PoolInside)[];

function insideOf(of: readonly PoolInside[]): PoolInside {
  const found: PoolInside = {};
  return INSIDE.reduce((all, key) => ({ ...all, ...medianAs(key, of) }), found);
}

/** Of those that have a value; nothing when none has. */
function medianAs<K extends string>(
  key: K,
  of: readonly Readonly<Partial<Record<K, unknown>>>[],
): Partial<Record<K, number>> {
  const values = of.map((each) => each[key]).filter((value) => typeof value === "number");
  const found: Partial<Record<K, number>> = {};
  if (values.length > 0) found[key] = median(values);
  return found;
}
