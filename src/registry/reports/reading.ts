// Reads what a report is made of, part by part, all of it as the database was at one moment.

import type { PoolClient } from "pg";
import { escapeLiteral } from "pg";
import { to as copyTo } from "pg-copy-streams";
import type { RunInfo } from "./part.ts";

/** Runs that began at `sinceMs` or later, and before `untilMs`. */
export type Range = { readonly sinceMs: number; readonly untilMs: number };

export type RawPart = { readonly runs: readonly RunInfo[]; readonly points: Uint8Array };

/** The next part; undefined after the last. */
export type NextPart = () => Promise<RawPart | undefined>;

/** Far more than a slow client is given for what it takes at once. */
const IDLE_MS_MAX = 300_000;
const COPY_BUFFER_BYTES = 1024 * 1024;

/** Hands `work` what reads the parts, within one transaction that it ends in any case. */
export async function readParts(
  client: PoolClient,
  range: Range,
  splitRuns: number,
  work: (next: NextPart) => Promise<void>,
): Promise<void> {
  // A process that stands still must not keep rows from being cleaned up for ever.
  await client.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS_MAX}`,
  );
  try {
    // The cursor is read to its end.
    await client.query("SET LOCAL cursor_tuple_fraction = 1");
    await client.query(`DECLARE runs_of_report NO SCROLL CURSOR FOR ${selectRuns(range)}`);
    await work(async () => {
      const { rows: runs } = await client.query<RunInfo>(`FETCH ${splitRuns} FROM runs_of_report`);
      return runs.length === 0 ? undefined : { runs, points: await copyPoints(client, runs) };
    });
  } finally {
    // There is nothing to commit; a connection that cannot roll back is dropped by its own error.
    await client.query("ROLLBACK").catch(() => undefined);
  }
}

/** Joined once for all parts; a lookup by run would scan the versions again for each. */
function selectRuns({ sinceMs, untilMs }: Range): string {
  return `
    SELECT r.run_id, r.experiment_id::text AS experiment_id, e.name AS experiment, r.run_name, r.status,
      r.start_time, r.end_time, v.name AS model, v.version, coalesce(v.versions, 0) AS versions,
      coalesce(p.params, 0) AS params
    FROM runs r
      JOIN experiments e ON e.experiment_id = r.experiment_id
      LEFT JOIN (
        SELECT DISTINCT ON (run_id) run_id, name, version, (count(*) OVER (PARTITION BY run_id))::int AS versions
        FROM model_versions WHERE run_id IS NOT NULL
        ORDER BY run_id, creation_timestamp DESC, name, version DESC) v ON v.run_id = r.run_id
      LEFT JOIN (SELECT run_id, count(*)::int AS params FROM params GROUP BY run_id) p ON p.run_id = r.run_id
    WHERE r.lifecycle_stage = 'active'
      AND r.start_time >= ${BigInt(sinceMs)} AND r.start_time < ${BigInt(untilMs)}
    ORDER BY r.run_id`;
}

/** One array a metric instead of a row a point: what is read passes through this thread as it is. */
async function copyPoints(client: PoolClient, runs: readonly RunInfo[]): Promise<Uint8Array> {
  const order = "ORDER BY timestamp, step, value";
  // COPY takes no parameters. The runs are named, since a range of them would be joined with the whole table of runs for each part.
  const query = `
    SELECT run_id, key, array_agg(CASE WHEN is_nan THEN 'NaN'::float8 ELSE value END ${order}), array_agg(step ${order})
    FROM metrics WHERE run_id = ANY(ARRAY[${runs.map((run) => escapeLiteral(run.run_id)).join()}])
    GROUP BY run_id, key ORDER BY run_id, key`;
  const chunks: Uint8Array[] = [];
  const copy = client.query(
    copyTo(`COPY (${query}) TO STDOUT (FORMAT binary)`, { highWaterMark: COPY_BUFFER_BYTES }),
  );
  let bytes = 0;
  for await (const chunk of copy) {
    if (!(chunk instanceof Uint8Array)) throw new Error("COPY gave something else than bytes.");
    chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  // In memory of its own, so that it can be handed over to a thread; Node's buffers share theirs.
  const points = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    points.set(chunk, at);
    at += chunk.byteLength;
  }
  return points;
}
