// Endpoints that log to a run: log-batch, and the three that log one thing.

import { METRICS, runScope, runsScope } from "./cache/keys.ts";
import type { Queryable } from "./database.ts";
import { writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { invalidParameter } from "./errors.ts";
import { key, lastOfEachKey, longText, runId } from "./fields.ts";
import type { Tag } from "./fields.ts";
import { keepLatest } from "./latest-metrics.ts";
import { toStored } from "./measurement.ts";
import type { MetricRow } from "./measurement.ts";
import { noRun } from "./runs.ts";
import { list, measurement, record, text, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";

const METRICS_MAX = 1000;
const PARAMS_MAX = 100;
const TAGS_MAX = 100;
const ENTITIES_MAX = 1000;

const metricFields = { key, value: measurement() };
const metricOptions = { timestamp: whole(0), step: whole(Number.MIN_SAFE_INTEGER) };
const metric = record(metricFields, metricOptions);
const param = record({ key, value: text(6_000, 0) });
const batchInput = record(
  { run_id: runId },
  {
    metrics: list(metric, METRICS_MAX),
    params: list(param, PARAMS_MAX),
    tags: list(record({ key, value: longText }), TAGS_MAX),
  },
);

type Batch = Shaped<typeof batchInput>;

export function logBatchEndpoints(backend: Backend): Endpoint[] {
  const log = (batch: Batch): Promise<object> => logBatch(backend, batch);
  return [
    writeEndpoint("POST", "runs/log-batch", batchInput, log),
    writeEndpoint(
      "POST",
      "runs/log-metric",
      record({ run_id: runId, ...metricFields }, metricOptions),
      (input) => log({ run_id: input.run_id, metrics: [input] }),
    ),
    writeEndpoint(
      "POST",
      "runs/log-parameter",
      record({ run_id: runId, key, value: text(6_000, 0) }),
      (input) => log({ run_id: input.run_id, params: [input] }),
    ),
    writeEndpoint(
      "POST",
      "runs/set-tag",
      record({ run_id: runId, key, value: longText }),
      (input) => log({ run_id: input.run_id, tags: [input] }),
    ),
  ];
}

async function logBatch(backend: Backend, batch: Batch): Promise<object> {
  const { run_id: runId, metrics = [], params = [], tags = [] } = batch;
  const entities = metrics.length + params.length + tags.length;
  if (entities > ENTITIES_MAX) {
    throw invalidParameter(
      `A batch holds at most ${ENTITIES_MAX} metrics, params and tags together; this one has ${entities}.`,
    );
  }
  const now = Date.now();
  const rows = metrics.map(({ key, value, timestamp, step }): MetricRow => ({
    key,
    ...toStored(value),
    timestamp: timestamp ?? now,
    step: step ?? 0,
  }));
  const experimentId = await backend.database.transaction(async (connection) => {
    const [run] = await connection.query<{ experiment_id: number; lifecycle_stage: string }>(
      "SELECT experiment_id, lifecycle_stage FROM runs WHERE run_id = $1",
      [runId],
    );
    if (run === undefined) throw noRun(runId);
    if (run.lifecycle_stage !== "active")
      throw invalidParameter(`The run ${runId} is deleted and takes no more data.`);
    await insertParams(connection, runId, params);
    await insertMetrics(connection, runId, rows, backend.batchSizeRows);
    await setTags(connection, runId, tags, backend.batchSizeRows);
    return run.experiment_id;
  });
  await backend.cache.invalidate([
    runsScope(String(experimentId)),
    runScope(runId),
    // Params and tags are in no aggregate over many runs.
    ...(rows.length > 0 ? [METRICS] : []),
  ]);
  return {};
}

/** A param keeps its first value; logging the same value again is accepted. */
async function insertParams(
  connection: Queryable,
  runId: string,
  sent: readonly Tag[],
): Promise<void> {
  if (sent.length === 0) return;
  const values = new Map<string, string>();
  for (const { key, value } of sent) {
    const earlier = values.get(key);
    if (earlier !== undefined && earlier !== value) throw paramChanged(runId, key, earlier, value);
    values.set(key, value);
  }
  const params = lastOfEachKey(sent);
  const keys = params.map((param) => param.key);
  const inserted = await connection.query(
    `INSERT INTO params (run_id, key, value) SELECT $1, * FROM unnest($2::text[], $3::text[])
     ON CONFLICT (run_id, key) DO NOTHING RETURNING key`,
    [runId, keys, params.map((param) => param.value)],
  );
  if (inserted.length === params.length) return;
  const kept = await connection.query<Tag>(
    "SELECT key, value FROM params WHERE run_id = $1 AND key = ANY($2)",
    [runId, keys],
  );
  for (const { key, value } of kept) {
    const asked = values.get(key);
    if (asked !== undefined && asked !== value) throw paramChanged(runId, key, value, asked);
  }
}

async function insertMetrics(
  connection: Queryable,
  runId: string,
  metrics: readonly MetricRow[],
  batchSizeRows: number,
): Promise<void> {
  const sorted = metrics.toSorted(inKeyOrder);
  for (const rows of inChunks(sorted, batchSizeRows)) {
    await connection.query(
      `INSERT INTO metrics (run_id, key, step, timestamp, value, is_nan) ${SELECT_METRICS} ON CONFLICT DO NOTHING`,
      metricValues(runId, rows),
    );
  }
  for (const rows of inChunks(latestOfEachKey(sorted), batchSizeRows))
    await connection.query(KEEP_LATEST, metricValues(runId, rows));
}

const SELECT_METRICS =
  "SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::float8[], $6::boolean[])";
const KEEP_LATEST = keepLatest(SELECT_METRICS);

function metricValues(runId: string, rows: readonly MetricRow[]): unknown[] {
  return [
    runId,
    rows.map((row) => row.key),
    rows.map((row) => row.step),
    rows.map((row) => row.timestamp),
    rows.map((row) => row.value),
    rows.map((row) => row.is_nan),
  ];
}

async function setTags(
  connection: Queryable,
  runId: string,
  sent: readonly Tag[],
  batchSizeRows: number,
): Promise<void> {
  for (const tags of inChunks(lastOfEachKey(sent), batchSizeRows)) {
    await connection.query(
      `INSERT INTO run_tags (run_id, key, value) SELECT $1, * FROM unnest($2::text[], $3::text[])
       ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value`,
      [runId, tags.map((tag) => tag.key), tags.map((tag) => tag.value)],
    );
  }
}

/** That of the primary key, in which imports write too: two writers of the same points then wait for each other in one direction only. */
function inKeyOrder(a: MetricRow, b: MetricRow): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return (
    a.timestamp - b.timestamp ||
    a.step - b.step ||
    a.value - b.value ||
    Number(a.is_nan) - Number(b.is_nan)
  );
}

/** The point with the highest step, then time, then value of each key; both in key order. */
function latestOfEachKey(sorted: readonly MetricRow[]): MetricRow[] {
  const latest = new Map<string, MetricRow>();
  for (const metric of sorted) {
    const known = latest.get(metric.key);
    // Of one step the later in order is the later.
    if (known === undefined || metric.step >= known.step) latest.set(metric.key, metric);
  }
  return [...latest.values()];
}

function* inChunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

export function paramChanged(runId: string, key: string, kept: string, asked: string): Error {
  return invalidParameter(
    `Changing param values is not allowed. Param with key=${JSON.stringify(key)} was already logged with value=${JSON.stringify(kept)} ` +
      `for run ID=${runId}. Attempted logging new value ${JSON.stringify(asked)}.`,
  );
}
