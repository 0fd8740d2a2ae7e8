// The endpoint analytics/metric-percentiles: how a metric's values lie, by registered model and time bucket.

import type { Answer } from "../cache/answer.ts";
import { METRICS, MODELS } from "../cache/keys.ts";
import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { key, timestampMs } from "../fields.ts";
import { cutPage, readPageToken } from "../page.ts";
import { oneOf, record, text, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";

const GROUPS_DEFAULT = 10_000;
const GROUPS_MAX = 50_000;
/** The name under which runs are counted that no model version was made of; no one can register a model named like it by accident. */
const NO_MODEL = "(none)";

const input = record(
  { metric_key: key, bucket: oneOf(["day", "week", "month"]) },
  {
    since: timestampMs,
    until: timestampMs,
    max_results: whole(1, GROUPS_MAX),
    page_token: text(200, 0),
  },
);

type GroupRow = {
  model: string;
  bucket_start: number;
  count: number;
  min: number;
  percentiles: readonly [number, number, number];
  max: number;
};

export function metricPercentilesEndpoint(backend: Backend): Endpoint {
  return readEndpoint("GET", "analytics/metric-percentiles", input, (asked) =>
    metricPercentiles(backend, asked),
  );
}

/**
 * Newest buckets first. A bucket is a day, a week from Monday, or a month, in UTC, told by its first millisecond; `since` is included and
 * `until` is not. A run that several versions of one model were made of counts once for it, one of several models once for each.
 */
function metricPercentiles(backend: Backend, asked: Shaped<typeof input>): Promise<Answer> {
  const { metric_key: key, bucket, since = 0, until = Number.MAX_SAFE_INTEGER } = asked;
  const limit = asked.max_results ?? GROUPS_DEFAULT;
  const offset = readPageToken(asked.page_token);
  const what = {
    entity: "analytics/metric-percentiles",
    scopes: [METRICS, MODELS],
    parameters: [key, bucket, since, until, limit, offset],
    costly: true,
  };
  return backend.cache.read(what, async () => {
    const found = await backend.database.query<GroupRow>(
      `SELECT coalesce(v.name, '${NO_MODEL}') AS model,
         (extract(epoch FROM date_trunc($2, to_timestamp(m.timestamp / 1000.0), 'UTC')) * 1000)::bigint AS bucket_start,
         count(*) AS count, min(m.value) AS min, max(m.value) AS max,
         percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY m.value) AS percentiles
       FROM metrics m
         JOIN runs r ON r.run_id = m.run_id AND r.lifecycle_stage = 'active'
         LEFT JOIN (SELECT DISTINCT run_id, name FROM model_versions WHERE run_id IS NOT NULL) v
           ON v.run_id = m.run_id
       WHERE m.key = $1 AND NOT m.is_nan AND m.timestamp >= $3 AND m.timestamp < $4
       GROUP BY 1, 2 ORDER BY bucket_start DESC, model LIMIT $5 OFFSET $6`,
      [key, bucket, since, until, limit + 1, offset],
    );
    const { rows: page, ...token } = cutPage(found, offset, limit);
    return JSON.stringify({ groups: page.map(present), ...token });
  });
}

function present({ percentiles, max, ...row }: GroupRow): object {
  const [p50, p90, p99] = percentiles;
  return { ...row, p50, p90, p99, max };
}
