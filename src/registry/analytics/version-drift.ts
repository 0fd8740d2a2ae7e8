// The endpoint analytics/version-drift: how a metric moves from one version of a model to the next.

import type { Answer } from "../cache/answer.ts";
import { METRICS, modelScope } from "../cache/keys.ts";
import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { key, name } from "../fields.ts";
import { noModel } from "../models.ts";
import { cutPage, readPageToken } from "../page.ts";
import { record, text, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";

const VERSIONS_DEFAULT = 1_000;
const VERSIONS_MAX = 10_000;
/** Beyond it a square is no double, and PostgreSQL fails; the infinities are stored as the largest doubles. */
const USABLE_MAX = "1e150";

const input = record(
  { name, metric_key: key },
  { max_results: whole(1, VERSIONS_MAX), page_token: text(200, 0) },
);

type DriftRow = {
  version: number;
  run_id: string;
  creation_timestamp: number;
  points: number;
  left_out: number;
  mean: number | null;
  stddev: number | null;
  last: number;
  last_is_nan: boolean;
  difference: number | null;
  effect_size: number | null;
};

export function versionDriftEndpoint(backend: Backend): Endpoint {
  return readEndpoint("GET", "analytics/version-drift", input, (asked) =>
    versionDrift(backend, asked),
  );
}

/**
 * Newest versions first; those without a run that has the metric are left out, and the previous version is the one before among the rest. The
 * effect size is Cohen's d: the difference over the pooled standard deviation of both versions' points (J. Cohen, Statistical Power Analysis,
 * 1988, section 2.5); null where neither has any spread. NaN and what lies beyond ±1e150 count as `left_out`.
 */
function versionDrift(backend: Backend, asked: Shaped<typeof input>): Promise<Answer> {
  const { name, metric_key: key } = asked;
  const limit = asked.max_results ?? VERSIONS_DEFAULT;
  const offset = readPageToken(asked.page_token);
  const what = {
    entity: "analytics/version-drift",
    scopes: [METRICS, modelScope(name)],
    parameters: [name, key, limit, offset],
    costly: true,
  };
  return backend.cache.read(what, async () => {
    const found = await backend.database.query<DriftRow>(DRIFT, [name, key, limit + 1, offset]);
    if (found.length === 0) {
      const model = await backend.database.query(
        "SELECT 1 FROM registered_models WHERE name = $1",
        [name],
      );
      if (model.length === 0) throw noModel(name);
    }
    const { rows: page, ...token } = cutPage(found, offset, limit);
    return JSON.stringify({ name, metric_key: key, versions: page.map(present), ...token });
  });
}

const DRIFT = `
  WITH versions AS (
    SELECT v.version, v.run_id, v.creation_timestamp FROM model_versions v
      JOIN runs r ON r.run_id = v.run_id AND r.lifecycle_stage = 'active'
    WHERE v.name = $1),
  points AS (
    SELECT run_id, count(usable) AS points, count(*) - count(usable) AS left_out,
      avg(usable) AS mean, stddev_samp(usable) AS stddev,
      (count(usable) - 1) * coalesce(var_samp(usable), 0) AS squares
    FROM (SELECT run_id, CASE WHEN NOT is_nan AND abs(value) <= ${USABLE_MAX} THEN value END AS usable
      FROM metrics WHERE key = $2 AND run_id IN (SELECT run_id FROM versions)) each
    GROUP BY run_id),
  successive AS (
    SELECT v.*, p.points, p.left_out, p.mean, p.stddev, l.value AS last, l.is_nan AS last_is_nan,
      p.mean - lag(p.mean) OVER w AS difference,
      sqrt((p.squares + lag(p.squares) OVER w)
        / nullif(p.points + lag(p.points) OVER w - 2, 0)) AS pooled
    FROM versions v JOIN points p ON p.run_id = v.run_id
      JOIN latest_metrics l ON l.run_id = v.run_id AND l.key = $2
    WINDOW w AS (ORDER BY v.version))
  SELECT version, run_id, creation_timestamp, points, left_out, mean, stddev, last, last_is_nan,
    difference, difference / nullif(pooled, 0) AS effect_size
  FROM successive ORDER BY version DESC LIMIT $3 OFFSET $4`;

function present({ version, last, last_is_nan: isNan, ...row }: DriftRow): object {
  return { version: String(version), ...row, last: isNan ? "NaN" : last };
}
