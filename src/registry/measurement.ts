// Metric values as they are sent, stored and answered, those included that JSON and B-trees cannot hold.

export type MetricRow = {
  key: string;
  value: number;
  is_nan: boolean;
  timestamp: number;
  step: number;
};

type SentValue = number | string;

/** NaN is kept as a flag beside 0, and the infinities as the largest doubles, as MLflow does: both then compare and sort. */
export function toStored(value: SentValue): { value: number; is_nan: boolean } {
  switch (value) {
    case "NaN":
      return { value: 0, is_nan: true };
    case "Infinity":
      return { value: Number.MAX_VALUE, is_nan: false };
    case "-Infinity":
      return { value: -Number.MAX_VALUE, is_nan: false };
    default:
      // The validator makes numbers of texts where it can, of those of the infinities too.
      return {
        value: Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, Number(value))),
        is_nan: false,
      };
  }
}

export function presentMetric(row: MetricRow): object {
  const { key, value, is_nan, timestamp, step } = row;
  return { key, value: is_nan ? "NaN" : value, timestamp, step };
}
