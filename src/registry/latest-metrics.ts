// How latest_metrics is kept, whoever writes metrics.

/**
 * `select` gives run_id, key, step, timestamp, value, is_nan: one row a metric, in key order. NaN, a flag beside 0, is later than 0: there are
 * no ties, so that the outcome is the same whichever of several transactions is committed first.
 */
export function keepLatest(select: string): string {
  return `INSERT INTO latest_metrics AS latest (run_id, key, step, timestamp, value, is_nan) ${select}
    ON CONFLICT (run_id, key) DO UPDATE
    SET step = excluded.step, timestamp = excluded.timestamp, value = excluded.value, is_nan = excluded.is_nan
    WHERE (latest.step, latest.timestamp, latest.value, latest.is_nan) < (excluded.step, excluded.timestamp, excluded.value, excluded.is_nan)`;
}
