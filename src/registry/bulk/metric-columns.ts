// The points of a batch in columns of numbers, grouped by run and key: no object for a point, and little to sort.

export type Series = {
  readonly runId: string;
  readonly key: string;
  /** How many points it has. */
  count: number;
  /** Index of the point with the highest step, then time, then value. */
  latest: number;
};

export type MetricColumns = {
  /** Points so far; they are the indexes below this. */
  count: number;
  readonly step: Float64Array;
  readonly timestamp: Float64Array;
  readonly value: Float64Array;
  readonly isNan: Uint8Array;
  /** Where in the file each point is. */
  readonly line: Float64Array;
  readonly seriesOf: Int32Array;
  readonly series: Series[];
  readonly runs: Map<string, Map<string, number>>;
  readonly order: Int32Array;
};

export type Ordered = {
  readonly series: readonly Series[];
  /** Indexes of points, all of one series after all of the one before. */
  readonly points: Int32Array;
};

export function createMetricColumns(rowsMax: number): MetricColumns {
  return {
    count: 0,
    step: new Float64Array(rowsMax),
    timestamp: new Float64Array(rowsMax),
    value: new Float64Array(rowsMax),
    isNan: new Uint8Array(rowsMax),
    line: new Float64Array(rowsMax),
    seriesOf: new Int32Array(rowsMax),
    series: [],
    runs: new Map(),
    order: new Int32Array(rowsMax),
  };
}

export function addPoint(
  columns: MetricColumns,
  runId: string,
  key: string,
  point: {
    readonly step: number;
    readonly timestamp: number;
    readonly value: number;
    readonly is_nan: boolean;
  },
  line: number,
): void {
  const index = columns.count;
  columns.count += 1;
  columns.step[index] = point.step;
  columns.timestamp[index] = point.timestamp;
  columns.value[index] = point.value;
  columns.isNan[index] = point.is_nan ? 1 : 0;
  columns.line[index] = line;
  let keys = columns.runs.get(runId);
  if (keys === undefined) {
    keys = new Map();
    columns.runs.set(runId, keys);
  }
  const known = keys.get(key);
  if (known === undefined) {
    keys.set(key, columns.series.length);
    columns.seriesOf[index] = columns.series.length;
    columns.series.push({ runId, key, count: 1, latest: index });
    return;
  }
  columns.seriesOf[index] = known;
  const series = columns.series[known];
  if (series === undefined) return;
  series.count += 1;
  if (compareLatest(columns, index, series.latest) > 0) series.latest = index;
}

export function clearColumns(columns: MetricColumns): void {
  columns.count = 0;
  columns.series.length = 0;
  columns.runs.clear();
}

/**
 * Series in the order of run and key, points of each in the order of the primary key: two imports that write the same points then wait
 * for each other in one direction only, and an index page that is filled is not read again. A counting sort by series; a series is
 * sorted itself only if the file has it in another order.
 */
export function inOrder(columns: MetricColumns, isWanted: (runId: string) => boolean): Ordered {
  const order: number[] = [];
  for (const runId of [...columns.runs.keys()].toSorted()) {
    if (!isWanted(runId)) continue;
    const keys = columns.runs.get(runId) ?? new Map<string, number>();
    for (const key of [...keys.keys()].toSorted()) order.push(keys.get(key) ?? 0);
  }
  const begins = new Int32Array(columns.series.length).fill(-1);
  const series: Series[] = [];
  let total = 0;
  for (const index of order) {
    const one = columns.series[index];
    if (one === undefined) continue;
    begins[index] = total;
    total += one.count;
    series.push(one);
  }
  const next = begins.slice();
  for (let index = 0; index < columns.count; index += 1) {
    const of = columns.seriesOf[index] ?? 0;
    const at = next[of] ?? -1;
    if (at < 0) continue;
    columns.order[at] = index;
    next[of] = at + 1;
  }
  for (const index of order) sortSeries(columns, begins[index] ?? 0, next[index] ?? 0);
  return { series, points: columns.order.subarray(0, total) };
}

function sortSeries(columns: MetricColumns, from: number, to: number): void {
  const { order } = columns;
  for (let at = from + 1; at < to; at += 1) {
    if (compareKeys(columns, order[at - 1] ?? 0, order[at] ?? 0) <= 0) continue;
    order.subarray(from, to).sort((a, b) => compareKeys(columns, a, b));
    return;
  }
}

function compareKeys(columns: MetricColumns, a: number, b: number): number {
  return (
    difference(columns.timestamp, a, b) ||
    difference(columns.step, a, b) ||
    difference(columns.value, a, b) ||
    difference(columns.isNan, a, b)
  );
}

/** NaN, which is 0 beside a flag, is later than 0, so that what counts as latest depends on no order. */
function compareLatest(columns: MetricColumns, a: number, b: number): number {
  return (
    difference(columns.step, a, b) ||
    difference(columns.timestamp, a, b) ||
    difference(columns.value, a, b) ||
    difference(columns.isNan, a, b)
  );
}

function difference(column: Float64Array | Uint8Array, a: number, b: number): number {
  return (column[a] ?? 0) - (column[b] ?? 0);
}
