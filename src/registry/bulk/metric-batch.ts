// Batches of metrics: each point once, and the latest of each key kept right in whatever order batches are committed.

import { METRICS } from "../cache/keys.ts";
import type { Scope } from "../cache/keys.ts";
import { keepLatest } from "../latest-metrics.ts";
import { toStored } from "../measurement.ts";
import { arrayText, textArrayText } from "./array-text.ts";
import type { Batch, BulkKind, LineError } from "./batch.ts";
import { createCopyBytes } from "./copy-bytes.ts";
import type { Connection } from "./connection.ts";
import type { Insertion, Rows, Table } from "./insertion.ts";
import { findRuns } from "./known-runs.ts";
import { addPoint, clearColumns, createMetricColumns, inOrder } from "./metric-columns.ts";
import type { MetricColumns, Ordered, Series } from "./metric-columns.ts";
import { KEY, RUN_ID, isAbsent, textProblem, toNumber, toWhole } from "./values.ts";
import type { Reason } from "./values.ts";
import type { Fields } from "./records.ts";

const TABLE: Table = {
  name: "metrics",
  columns: ["run_id", "key", "step", "timestamp", "value", "is_nan"],
  onConflict: "ON CONFLICT DO NOTHING",
};
/** Of a row in COPY's binary form: 314 characters of up to 4 bytes each, and the numbers. */
const ROW_BYTES_MAX = 2_048;

export type BatchOptions = {
  readonly rowsMax: number;
  readonly bufferBytes: number;
  readonly insertion: Insertion;
};

export function metricKind(options: BatchOptions): BulkKind {
  return {
    // Without a time a record sent again would be another point.
    required: ["run_id", "key", "value", "timestamp"],
    optional: ["step"],
    laneField: "run_id",
    orderField: "timestamp",
    createBatch: () => createMetricBatch(options),
  };
}

function createMetricBatch(options: BatchOptions): Batch {
  const columns = createMetricColumns(options.rowsMax);
  let scopes: readonly Scope[] = [];
  return {
    rows: () => columns.count,
    add: (fields, line) => addMetric(columns, fields, line),
    async write(connection) {
      const runs = await findRuns(connection, columns.runs.keys());
      scopes = runs.scopes.length > 0 ? [METRICS, ...runs.scopes] : [];
      const ordered = inOrder(columns, runs.takes);
      const rows = rowsOf(columns, ordered, options.bufferBytes);
      const written = await options.insertion.insert(connection, TABLE, rows);
      await writeLatest(connection, columns, ordered.series);
      const errors: LineError[] = [];
      if (rows.count < columns.count) {
        for (let index = 0; index < columns.count; index += 1) {
          const runId = columns.series[columns.seriesOf[index] ?? 0]?.runId ?? "";
          if (!runs.takes(runId))
            errors.push({ line: columns.line[index] ?? 0, message: runs.problem(runId) });
        }
      }
      return { written, unchanged: rows.count - written, errors, scopes };
    },
    touched: () => scopes,
    clear() {
      clearColumns(columns);
      scopes = [];
    },
  };
}

function addMetric(columns: MetricColumns, fields: Fields, line: number): Reason | undefined {
  const { run_id: runId, key, value, timestamp, step } = fields;
  const problem = textProblem(runId, RUN_ID) ?? textProblem(key, KEY);
  if (problem !== undefined) return problem;
  if (isAbsent(value)) return "value is missing; it is required";
  const isNamed = value === "NaN" || value === "Infinity" || value === "-Infinity";
  // Adding 0 makes 0 of -0, which is the same key in another form.
  const number = isNamed ? 0 : toNumber(value) + 0;
  if (Number.isNaN(number)) return "value is no number, and none of NaN, Infinity, -Infinity";
  if (isAbsent(timestamp)) return "timestamp is missing; it is required";
  const timestampMs = toWhole(timestamp, 0);
  if (Number.isNaN(timestampMs)) return "timestamp is no whole number of milliseconds since 1970";
  const stepNumber = isAbsent(step) ? 0 : toWhole(step, Number.MIN_SAFE_INTEGER);
  if (Number.isNaN(stepNumber)) return "step is no whole number";
  // Held against the limits above; the types cannot know.
  if (typeof runId !== "string" || typeof key !== "string") return "it is no metric";
  const stored = toStored(isNamed ? value : number);
  addPoint(columns, runId, key, { ...stored, timestamp: timestampMs, step: stepNumber }, line);
  return undefined;
}

function rowsOf(columns: MetricColumns, ordered: Ordered, bufferBytes: number): Rows {
  return {
    count: ordered.points.length,
    values() {
      const values: unknown[] = [];
      let at = 0;
      for (const { runId, key, count } of ordered.series) {
        for (const index of ordered.points.subarray(at, at + count)) {
          values.push(runId, key, columns.step[index], columns.timestamp[index]);
          values.push(columns.value[index], columns.isNan[index] === 1);
        }
        at += count;
      }
      return values;
    },
    chunks: () => chunksOf(columns, ordered, bufferBytes),
  };
}

function* chunksOf(
  columns: MetricColumns,
  { series, points }: Ordered,
  bufferBytes: number,
): Generator<Buffer> {
  const bytes = createCopyBytes(bufferBytes, ROW_BYTES_MAX);
  const { step, timestamp, value, isNan } = columns;
  let at = 0;
  for (const { runId, key, count } of series) {
    for (const end = at + count; at < end; at += 1) {
      const index = points[at] ?? 0;
      bytes.row(TABLE.columns.length);
      bytes.text(runId);
      bytes.text(key);
      bytes.whole(step[index] ?? 0);
      bytes.whole(timestamp[index] ?? 0);
      bytes.double(value[index] ?? 0);
      bytes.flag(isNan[index] === 1);
      const chunk = bytes.takeChunk(false);
      if (chunk !== undefined) yield chunk;
    }
  }
  const last = bytes.takeChunk(true);
  if (last !== undefined) yield last;
}

async function writeLatest(
  connection: Connection,
  columns: MetricColumns,
  series: readonly Series[],
): Promise<void> {
  if (series.length === 0) return;
  const latest = series.map((one) => one.latest);
  await connection.query(
    keepLatest(
      "SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::float8[], $6::boolean[])",
    ),
    [
      textArrayText(series.map((one) => one.runId)),
      textArrayText(series.map((one) => one.key)),
      arrayText(latest.map((index) => columns.step[index] ?? 0)),
      arrayText(latest.map((index) => columns.timestamp[index] ?? 0)),
      arrayText(latest.map((index) => columns.value[index] ?? 0)),
      arrayText(latest.map((index) => columns.isNan[index] === 1)),
    ],
    "bulk-latest",
  );
}
