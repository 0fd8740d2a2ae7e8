// The endpoint analytics/best-runs: the runs whose latest value of a metric is best, and what was registered from them.

import type { Answer } from "../cache/answer.ts";
import { METRICS, MODELS, runsScope } from "../cache/keys.ts";
import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { experimentId, key } from "../fields.ts";
import { flag, record, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";

const RESULTS_DEFAULT = 100;
const RESULTS_MAX = 1_000;

const input = record(
  { metric_key: key },
  { experiment_id: experimentId, max_results: whole(1, RESULTS_MAX), ascending: flag() },
);

type BestRunRow = {
  run_id: string;
  run_name: string;
  status: string;
  experiment_id: number;
  experiment_name: string;
  value: number;
  step: number;
  timestamp: number;
  model_versions: { name: string; version: number; current_stage: string }[];
};

export function bestRunsEndpoint(backend: Backend): Endpoint {
  return readEndpoint("GET", "analytics/best-runs", input, (asked) => bestRuns(backend, asked));
}

function bestRuns(backend: Backend, asked: Shaped<typeof input>): Promise<Answer> {
  const { metric_key: key, experiment_id: experiment, ascending = false } = asked;
  const limit = asked.max_results ?? RESULTS_DEFAULT;
  const order = ascending ? "ASC" : "DESC";
  // Names of experiments never change, so that they need no scope.
  const scopes = [experiment === undefined ? METRICS : runsScope(String(experiment)), MODELS];
  const what = {
    entity: "analytics/best-runs",
    scopes,
    parameters: [key, experiment ?? null, limit, order],
    costly: true,
  };
  return backend.cache.read(what, async () => {
    const rows = await backend.database.query<BestRunRow>(
      `WITH best AS (
         SELECT r.run_id, r.run_name, r.status, r.experiment_id, l.value, l.step, l.timestamp
         FROM latest_metrics l JOIN runs r ON r.run_id = l.run_id
         WHERE l.key = $1 AND NOT l.is_nan AND r.lifecycle_stage = 'active'
           ${experiment === undefined ? "" : "AND r.experiment_id = $3"}
         ORDER BY l.value ${order}, r.run_id LIMIT $2),
       registered AS (
         SELECT v.run_id, json_agg(json_build_object('name', v.name, 'version', v.version,
           'current_stage', v.current_stage) ORDER BY v.name, v.version) AS versions
         FROM model_versions v WHERE v.run_id IN (SELECT run_id FROM best) GROUP BY v.run_id)
       SELECT best.*, e.name AS experiment_name, coalesce(registered.versions, '[]') AS model_versions
       FROM best JOIN experiments e ON e.experiment_id = best.experiment_id
         LEFT JOIN registered ON registered.run_id = best.run_id
       ORDER BY best.value ${order}, best.run_id`,
      experiment === undefined ? [key, limit] : [key, limit, experiment],
    );
    return JSON.stringify({ runs: rows.map(present) });
  });
}

function present(row: BestRunRow): object {
  return {
    ...row,
    experiment_id: String(row.experiment_id),
    model_versions: row.model_versions.map((each) => ({ ...each, version: String(each.version) })),
  };
}
