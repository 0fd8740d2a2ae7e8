// The endpoint analytics/stage-funnel: how far the versions of each model, and of all, have come.

import type { Answer } from "../cache/answer.ts";
import { MODELS } from "../cache/keys.ts";
import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { STAGE_NAMES } from "../fields.ts";
import type { Stage } from "../fields.ts";
import { cutPage, readPageToken } from "../page.ts";
import { record, text, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";

const MODELS_DEFAULT = 2_000;
const MODELS_MAX = 50_000;

const input = record({}, { max_results: whole(1, MODELS_MAX), page_token: text(200, 0) });

type FunnelRow = {
  is_total: boolean;
  name: string | null;
  versions: number;
  /** In the order of STAGE_NAMES. */
  counts: number[];
  /** Milliseconds; null of a stage without versions. */
  medians: (number | null)[];
};

export function stageFunnelEndpoint(backend: Backend): Endpoint {
  return readEndpoint("GET", "analytics/stage-funnel", input, (asked) =>
    stageFunnel(backend, asked),
  );
}

/**
 * Models with most versions first; those without any are left out. The tables hold the stage of now and two times, no history: shares are of
 * versions that are in a stage, and the times are from a version's creation to its last update.
 */
function stageFunnel(backend: Backend, asked: Shaped<typeof input>): Promise<Answer> {
  const limit = asked.max_results ?? MODELS_DEFAULT;
  const offset = readPageToken(asked.page_token);
  const what = {
    entity: "analytics/stage-funnel",
    scopes: [MODELS],
    parameters: [limit, offset],
    costly: true,
  };
  return backend.cache.read(what, async () => {
    const [total, ...found] = await backend.database.query<FunnelRow>(
      `WITH funnel AS (
         SELECT grouping(name) = 1 AS is_total, name, count(*) AS versions,
           ARRAY[${ofEachStage((filter) => `count(*) ${filter}`)}]::int[] AS counts,
           ARRAY[${ofEachStage(
             (filter) =>
               `percentile_cont(0.5) WITHIN GROUP (ORDER BY last_updated_timestamp - creation_timestamp) ${filter}`,
           )}] AS medians
         FROM model_versions GROUP BY GROUPING SETS ((name), ()))
       (SELECT * FROM funnel WHERE is_total)
       UNION ALL
       (SELECT * FROM funnel WHERE NOT is_total ORDER BY versions DESC, name LIMIT $1 OFFSET $2)`,
      [limit + 1, offset],
    );
    const { rows: page, ...token } = cutPage(found, offset, limit);
    const models = page.map((row) => ({ name: row.name, ...present(row) }));
    return JSON.stringify({ total: total && present(total), models, ...token });
  });
}

function ofEachStage(expression: (filter: string) => string): string {
  return STAGE_NAMES.map((stage) => expression(`FILTER (WHERE current_stage = '${stage}')`)).join(
    ", ",
  );
}

function present({ versions, counts, medians }: FunnelRow): object {
  const at = (stage: Stage): number => counts[STAGE_NAMES.indexOf(stage)] ?? 0;
  const share = (count: number): number => (versions === 0 ? 0 : count / versions);
  return {
    versions,
    stages: STAGE_NAMES.map((stage, index) => ({
      stage,
      versions: counts[index] ?? 0,
      share: share(counts[index] ?? 0),
      median_to_last_update_ms: medians[index] ?? null,
    })),
    serving_share: share(at("Staging") + at("Production")),
  };
}
