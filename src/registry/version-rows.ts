// Reads model versions with their tags and aliases, and writes them as MLflow does.

import type { Queryable } from "./database.ts";
import type { Tag } from "./fields.ts";
import { STAGE_NAMES, withoutNulls } from "./fields.ts";

export type VersionRow = {
  name: string;
  version: number;
  creation_timestamp: number;
  last_updated_timestamp: number;
  user_id: string | null;
  current_stage: string;
  description: string | null;
  source: string;
  run_id: string | null;
  run_link: string | null;
  status: string;
  status_message: string | null;
  tags: Tag[];
  aliases: string[];
};

/** Selects complete versions from `rows`, SQL that yields rows of model_versions. */
export function selectVersions(rows: string, orderBy: string): string {
  return `
    SELECT v.*,
      coalesce((SELECT json_agg(json_build_object('key', t.key, 'value', t.value) ORDER BY t.key)
        FROM model_version_tags t WHERE t.name = v.name AND t.version = v.version), '[]') AS tags,
      coalesce((SELECT json_agg(a.alias ORDER BY a.alias)
        FROM registered_model_aliases a WHERE a.name = v.name AND a.version = v.version), '[]') AS aliases
    FROM (${rows}) v
    ORDER BY ${orderBy}`;
}

export async function findVersion(
  database: Queryable,
  name: string,
  version: number,
): Promise<VersionRow | undefined> {
  const [row] = await database.query<VersionRow>(
    selectVersions("SELECT * FROM model_versions WHERE name = $1 AND version = $2", "v.version"),
    [name, version],
  );
  return row;
}

/** The newest version of each stage of each model: one look-up a model and stage. */
export function findLatestVersions(
  database: Queryable,
  names: readonly string[],
  stages: readonly string[] = STAGE_NAMES,
): Promise<VersionRow[]> {
  return database.query<VersionRow>(
    selectVersions(
      `SELECT latest.* FROM unnest($1::text[]) AS model (name)
       CROSS JOIN unnest($2::text[]) AS stage (name)
       CROSS JOIN LATERAL (SELECT * FROM model_versions
         WHERE model_versions.name = model.name AND current_stage = stage.name
         ORDER BY version DESC LIMIT 1) AS latest`,
      "v.name, v.version",
    ),
    [names, stages],
  );
}

export function presentVersion(row: VersionRow): Record<string, unknown> {
  return withoutNulls({ ...row, version: String(row.version) });
}
