// Reads runs with their latest metrics, params and tags: four statements for any number of runs.

import type { Queryable } from "./database.ts";
import type { Tag } from "./fields.ts";
import { withoutNulls } from "./fields.ts";
import type { MetricRow } from "./measurement.ts";
import { presentMetric } from "./measurement.ts";

export type RunRow = {
  run_id: string;
  experiment_id: number;
  run_name: string;
  user_id: string | null;
  status: string;
  start_time: number;
  end_time: number | null;
  artifact_uri: string;
  lifecycle_stage: string;
};

/** The runs in the order given, each as {info, data}. */
export async function presentRuns(database: Queryable, runs: readonly RunRow[]): Promise<object[]> {
  if (runs.length === 0) return [];
  const ids = [runs.map((run) => run.run_id)];
  const [metrics, params, tags] = await Promise.all([
    database.query<MetricRow & { run_id: string }>(
      "SELECT run_id, key, value, is_nan, timestamp, step FROM latest_metrics WHERE run_id = ANY($1) ORDER BY run_id, key",
      ids,
    ),
    database.query<Tag & { run_id: string }>(
      "SELECT run_id, key, value FROM params WHERE run_id = ANY($1) ORDER BY run_id, key",
      ids,
    ),
    database.query<Tag & { run_id: string }>(
      "SELECT run_id, key, value FROM run_tags WHERE run_id = ANY($1) ORDER BY run_id, key",
      ids,
    ),
  ]);
  const metricsByRun = groupByRun(metrics, presentMetric);
  const paramsByRun = groupByRun(params, presentPair);
  const tagsByRun = groupByRun(tags, presentPair);
  return runs.map((run) => ({
    info: presentRunInfo(run),
    data: {
      metrics: metricsByRun.get(run.run_id) ?? [],
      params: paramsByRun.get(run.run_id) ?? [],
      tags: tagsByRun.get(run.run_id) ?? [],
    },
  }));
}

export function presentRunInfo(run: RunRow): Record<string, unknown> {
  // run_uuid is what MLflow's oldest clients read.
  return withoutNulls({ ...run, run_uuid: run.run_id, experiment_id: String(run.experiment_id) });
}

function presentPair({ key, value }: Tag): Tag {
  return { key, value };
}

function groupByRun<Row extends { run_id: string }, Item>(
  rows: readonly Row[],
  present: (row: Row) => Item,
): Map<string, Item[]> {
  const byRun = new Map<string, Item[]>();
  for (const row of rows) {
    const items = byRun.get(row.run_id);
    if (items === undefined) byRun.set(row.run_id, [present(row)]);
    else items.push(present(row));
  }
  return byRun;
}
