// Reports on one model: its versions, their stages and states, and the metrics of the runs they come from.

import type { Queryable } from "../../database.ts";
import { doesNotExist } from "../../errors.ts";
import { NOW_MS } from "../store.ts";
import type { Job, Outcome } from "../job.ts";

type VersionRow = {
  version: number;
  stage: string;
  status: string;
  created_ms: number;
  run_id: string | null;
  aliases: string[];
  metrics: Record<string, number> | null;
};

const VERSIONS_MAX = 10_000;

export async function report(job: Job, { database }: { database: Queryable }): Promise<Outcome> {
  const name = String(job.payload["name"]);
  const versions = await findVersions(database, name);
  const body = JSON.stringify({
    name,
    versions_count: versions.length,
    stages: countsOf(versions.map(({ stage }) => stage)),
    statuses: countsOf(versions.map(({ status }) => status)),
    metrics: metricsOf(versions),
    versions,
  });
  return {
    result: { versions: versions.length, bytes: Buffer.byteLength(body) },
    effect: (connection) =>
      connection.query(
        `INSERT INTO reports (job_id, name, created_ms, body) VALUES ($1, $2, ${NOW_MS}, $3)`,
        [job.jobId, name, body],
      ),
  };
}

export async function readReport(database: Queryable, jobId: number): Promise<string> {
  const [row] = await database.query<{ body: string }>(
    "SELECT body FROM reports WHERE job_id = $1",
    [jobId],
  );
  if (row === undefined) throw doesNotExist(`There is no report of job ${jobId}.`);
  return `{"report":${row.body}}`;
}

/** The newest first. */
function findVersions(database: Queryable, name: string): Promise<VersionRow[]> {
  return database.query<VersionRow>(
    `SELECT v.version, v.current_stage AS stage, v.status, v.creation_timestamp AS created_ms, v.run_id,
       ARRAY(SELECT alias FROM registered_model_aliases a WHERE a.name = v.name AND a.version = v.version ORDER BY alias) AS aliases,
       (SELECT json_object_agg(m.key, m.value) FROM latest_metrics m WHERE m.run_id = v.run_id AND NOT m.is_nan) AS metrics
     FROM model_versions v WHERE v.name = $1 ORDER BY v.version DESC LIMIT ${VERSIONS_MAX}`,
    [name],
  );
}

function countsOf(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Of each metric: over how many versions, least, most, mean, and the newest version's. */
function metricsOf(versions: readonly VersionRow[]): Record<string, object> {
  const byKey = new Map<string, number[]>();
  for (const { metrics } of versions) {
    for (const [key, value] of Object.entries(metrics ?? {})) {
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, [value]);
      else known.push(value);
    }
  }
  return Object.fromEntries(
    [...byKey].map(([key, values]) => [
      key,
      {
        versions: values.length,
        low: values.reduce((low, value) => Math.min(low, value)),
        high: values.reduce((high, value) => Math.max(high, value)),
        mean: values.reduce((sum, value) => sum + value, 0) / values.length,
        latest: values[0],
      },
    ]),
  );
}
