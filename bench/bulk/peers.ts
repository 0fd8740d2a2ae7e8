/** Other ways to write the same metrics: one INSERT a row, INSERTs of many rows, and COPY, by psql where it is installed. */
import { spawnSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { points } from "./world.ts";
import type { Point } from "./world.ts";

const COLUMNS = "run_id, key, step, timestamp, value, is_nan";
const WIDTH = 6;
const PSQL_TIMEOUT_MS = 600_000;

export const hasPsql = spawnSync("psql", ["--version"]).status === 0;

export async function insertOneByOne(url: string, rows: number): Promise<void> {
  await withClient(url, async (client) => {
    for (const point of points(rows))
      await client.query(
        `INSERT INTO metrics (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)`,
        valuesOf(point),
      );
  });
}

export async function insertMany(url: string, rows: number, rowsEach: number): Promise<void> {
  await withClient(url, async (client) => {
    let values: unknown[] = [];
    const flush = async (): Promise<void> => {
      if (values.length > 0)
        await client.query(
          `INSERT INTO metrics (${COLUMNS}) VALUES ${tuples(values.length / WIDTH)}`,
          values,
        );
      values = [];
    };
    for (const point of points(rows)) {
      values.push(...valuesOf(point));
      if (values.length === rowsEach * WIDTH) await flush();
    }
    await flush();
  });
}

/** Only `metrics` is written: nothing is checked, and there are no latest metrics. */
export async function copyFile(url: string, path: string): Promise<void> {
  if (!hasPsql) {
    await withClient(url, (client) =>
      pipeline(
        createReadStream(path, { highWaterMark: 256 * 1024 }),
        client.query(copyFrom(`COPY metrics (${COLUMNS}) FROM STDIN`)),
      ),
    );
    return;
  }
  const command = `\\copy metrics (${COLUMNS}) from '${path}'`;
  const done = spawnSync("psql", [url, "-q", "-X", "-c", command], {
    encoding: "utf8",
    timeout: PSQL_TIMEOUT_MS,
  });
  if (done.status !== 0) throw new Error(`psql failed: ${done.stderr}`);
}

function valuesOf({ runId, key, step, timestamp, value }: Point): unknown[] {
  return [runId, key, step, timestamp, value, false];
}

let knownRows = 0;
let knownTuples = "";

function tuples(rows: number): string {
  if (rows === knownRows) return knownTuples;
  const columns = Array.from({ length: WIDTH }, (_, column) => column + 1);
  knownRows = rows;
  knownTuples = Array.from(
    { length: rows },
    (_, row) => `(${columns.map((column) => `$${row * WIDTH + column}`).join(",")})`,
  ).join(",");
  return knownTuples;
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
