// Loads a seeded world into an empty database: tables, COPY, then keys and statistics.

import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { addKeys, createTables, dropTables } from "../schema.ts";
import type { TableName } from "../schema.ts";
import { artifactRows } from "./artifact-rows.ts";
import { aliasRows, modelRows, modelTagRows, versionRows, versionTagRows } from "./model-rows.ts";
import type { Row, Value } from "./model-rows.ts";
import {
  experimentRows,
  experimentTagRows,
  latestMetricRows,
  metricRows,
  paramRows,
  runRows,
  runTagRows,
} from "./run-rows.ts";
import type { World } from "./world.ts";

export type LoadSource = { readonly columns: string; readonly rows: () => Iterable<Row> };

const CHUNK_CHARS = 64 * 1024;
const METRIC_COLUMNS = "run_id, key, step, timestamp, value, is_nan";

/** What goes into each table, from the seed alone. */
export function tableSources(seed: number, world: World): ReadonlyMap<TableName, LoadSource> {
  return new Map<TableName, LoadSource>([
    [
      "registered_models",
      {
        columns: "name, creation_timestamp, last_updated_timestamp, user_id, description",
        rows: () => modelRows(seed, world),
      },
    ],
    [
      "registered_model_tags",
      { columns: "name, key, value", rows: () => modelTagRows(seed, world) },
    ],
    [
      "registered_model_aliases",
      { columns: "name, alias, version", rows: () => aliasRows(seed, world) },
    ],
    [
      "model_versions",
      {
        columns:
          "name, version, creation_timestamp, last_updated_timestamp, user_id, current_stage, description, source, run_id, status, status_message",
        rows: () => versionRows(seed, world),
      },
    ],
    [
      "model_version_tags",
      { columns: "name, version, key, value", rows: () => versionTagRows(seed, world) },
    ],
    [
      "artifacts",
      {
        columns: "name, version, path, bytes, sha256, signature, public_key, content",
        rows: () => artifactRows(seed, world),
      },
    ],
    [
      "experiments",
      {
        columns:
          "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time",
        rows: () => experimentRows(world),
      },
    ],
    [
      "experiment_tags",
      { columns: "experiment_id, key, value", rows: () => experimentTagRows(world) },
    ],
    [
      "runs",
      {
        columns:
          "run_id, experiment_id, run_name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage",
        rows: () => runRows(seed, world),
      },
    ],
    ["params", { columns: "run_id, key, value", rows: () => paramRows(seed, world) }],
    ["run_tags", { columns: "run_id, key, value", rows: () => runTagRows(seed, world) }],
    ["latest_metrics", { columns: METRIC_COLUMNS, rows: () => latestMetricRows(seed, world) }],
    ["metrics", { columns: METRIC_COLUMNS, rows: () => metricRows(seed, world) }],
  ]);
}

/** Drops what is there, loads everything, and returns the rows of each table. */
export async function loadWorld(
  client: Client,
  sources: ReadonlyMap<TableName, LoadSource>,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  await dropTables(client);
  await createTables(client);
  // Lasts for this connection; building keys in memory is several times faster than on disk.
  await client.query("SET maintenance_work_mem = '512MB'");
  const rowsByTable: Record<string, number> = {};
  for (const [table, { columns, rows }] of sources) {
    rowsByTable[table] = await copyRows(client, table, columns, rows());
    progress(`${table}: ${rowsByTable[table]} rows`);
  }
  await addKeys(client, (name) => progress(`key ${name}`));
  await client.query(
    "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), (SELECT max(experiment_id) FROM experiments))",
  );
  progress("statistics");
  // Also vacuums: autovacuum would otherwise begin to, in the middle of the first measurement.
  await client.query("VACUUM (ANALYZE)");
  return rowsByTable;
}

async function copyRows(
  client: Client,
  table: TableName,
  columns: string,
  rows: Iterable<Row>,
): Promise<number> {
  const copy = client.query(copyFrom(`COPY ${table} (${columns}) FROM STDIN`));
  await pipeline(Readable.from(chunks(rows), { objectMode: true, highWaterMark: 4 }), copy);
  return copy.rowCount;
}

function* chunks(rows: Iterable<Row>): Generator<Buffer> {
  let text = "";
  for (const row of rows) {
    text += `${row.map(copyText).join("\t")}\n`;
    if (text.length < CHUNK_CHARS) continue;
    yield Buffer.from(text);
    text = "";
  }
  if (text !== "") yield Buffer.from(text);
}

/** COPY's text form. Seeded text never holds the characters that would need a backslash. */
function copyText(value: Value): string {
  if (value === null) return "\\N";
  if (value instanceof Uint8Array) return `\\\\x${Buffer.from(value).toString("hex")}`;
  return typeof value === "boolean" ? (value ? "t" : "f") : String(value);
}
