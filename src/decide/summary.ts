/** One metric over several windows as one number: their median, with an interval from the spread between them. */
import { median } from "simple-statistics";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { MetricSummary } from "../core/result.ts";
import { studentQuantile } from "./distribution.ts";
import { momentsOf } from "./moments.ts";

/** Two windows have a spread, but one that says next to nothing (Student's t with 1 degree of freedom: 12.7 standard errors). */
const WINDOWS_LEAST = 3;
const CONFIDENCE = 0.95;
/** The standard error of a median over that of a mean, for normal values; a little too large for few of them, which is the safe side. */
const MEDIAN_FACTOR = Math.sqrt(Math.PI / 2);

/**
 * Median, and a t interval around it with the standard error of a median, on the logarithms of values that are all positive.
 * The usual interval from ranks needs 6 values to cover 95 %, and with 6 it is all of them; with fewer windows than that the
 * spread has to be modelled. It speaks of windows like these: what differs between two processes or two days is not in it.
 * With its metric the interval stays where values can be: a share between 0 and 1. Throws RangeError for no values.
 */
export function summarise(values: readonly number[], metric?: MetricId): MetricSummary {
  const windows = values.length;
  if (windows === 0 || !values.every(Number.isFinite)) {
    throw new RangeError(
      `a summary needs finite values, not ${windows === 0 ? "none" : values.join(", ")}`,
    );
  }
  const value = median([...values]);
  if (windows < WINDOWS_LEAST) return { value, windows };
  const isDifference = metric !== undefined && metricOf(metric).compare === "difference";
  const onLogs = !isDifference && values.every((each) => each > 0);
  const { standardError } = momentsOf(onLogs ? values.map(Math.log) : values);
  const half = studentQuantile((1 - CONFIDENCE) / 2, windows - 1) * MEDIAN_FACTOR * standardError;
  if (onLogs) return { value, low: value * Math.exp(-half), high: value * Math.exp(half), windows };
  const isShare = metric !== undefined && metricOf(metric).unit === "ratio";
  const least = Math.min(...values) >= 0 ? 0 : -Infinity;
  return {
    value,
    low: Math.max(least, value - half),
    high: Math.min(isShare ? 1 : Infinity, value + half),
    windows,
  };
}
