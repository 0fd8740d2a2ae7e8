/** What the benchmark of bulk imports writes: metrics as trainings log them, run by run and step by step, in files for each peer. */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import type { Client } from "pg";
import { randomFor } from "../../src/registry/seed/randomness.ts";

const KEYS = 10;
const STEPS = 100;
/** Rows of one run. */
const RUN_ROWS = KEYS * STEPS;
const START_MS = 1_700_000_000_000;
const STEP_MS = 7_000;
const SEED = 7;

export interface Point {
  readonly runId: string;
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

/** In the order of the file. */
export function* points(rows: number): Generator<Point> {
  for (let index = 0; index < rows; index += 1) {
    const run = Math.floor(index / RUN_ROWS);
    const step = Math.floor((index % RUN_ROWS) / KEYS);
    // A value with as many digits as a loss has in a log.
    const value = ((index * 2_654_435_761) % 4_294_967_296) / 4_294_967_296;
    yield {
      runId: runIdOf(run),
      key: `metric_${index % KEYS}`,
      value,
      timestamp: START_MS + step * STEP_MS,
      step,
    };
  }
}

const runIds: string[] = [];

/** Random, as MLflow's are: runs that follow each other in a file do not in the index. */
function runIdOf(run: number): string {
  return (runIds[run] ??= randomFor(SEED, "run", run).hex(32));
}

export function ndjsonOf({ runId, key, value, timestamp, step }: Point): string {
  return `{"run_id":"${runId}","key":"${key}","value":${value},"timestamp":${timestamp},"step":${step}}\n`;
}

/** COPY's text form, in the table's order of columns. */
export function copyOf({ runId, key, value, timestamp, step }: Point): string {
  return `${runId}\t${key}\t${step}\t${timestamp}\t${value}\tf\n`;
}

const CHUNK_CHARS = 256 * 1024;

export async function writeFile(
  path: string,
  rows: number,
  lineOf: (point: Point) => string,
): Promise<void> {
  const file = createWriteStream(path);
  let text = "";
  for (const point of points(rows)) {
    text += lineOf(point);
    if (text.length < CHUNK_CHARS) continue;
    if (!file.write(text)) await once(file, "drain");
    text = "";
  }
  file.end(text);
  await once(file, "finish");
}

/** The runs of so many rows, in one experiment. */
export async function createRuns(client: Client, rows: number): Promise<void> {
  await client.query(
    `INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
     VALUES (1, 'bulk', 'mem://bulk', 'active', 0, 0) ON CONFLICT DO NOTHING`,
  );
  const ids = Array.from({ length: Math.ceil(rows / RUN_ROWS) }, (_, run) => runIdOf(run));
  await client.query(
    `INSERT INTO runs (run_id, experiment_id, run_name, status, start_time, artifact_uri, lifecycle_stage)
     SELECT id, 1, id, 'RUNNING', 0, 'mem://bulk', 'active' FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING`,
    [ids],
  );
}
