// Reads registered models with their tags, aliases and latest versions: two statements for any number of models.

import type { Queryable } from "./database.ts";
import type { Tag } from "./fields.ts";
import { withoutNulls } from "./fields.ts";
import { findLatestVersions, presentVersion } from "./version-rows.ts";

type ModelRow = {
  name: string;
  creation_timestamp: number;
  last_updated_timestamp: number;
  user_id: string | null;
  description: string | null;
  tags: Tag[];
  aliases: { alias: string; version: number }[];
};

/** `rows` is SQL that yields rows of registered_models, `orderBy` an order in terms of alias m. */
export async function findModels(
  database: Queryable,
  rows: string,
  orderBy: string,
  values: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  const models = await database.query<ModelRow>(
    `SELECT m.*,
       coalesce((SELECT json_agg(json_build_object('key', t.key, 'value', t.value) ORDER BY t.key)
         FROM registered_model_tags t WHERE t.name = m.name), '[]') AS tags,
       coalesce((SELECT json_agg(json_build_object('alias', a.alias, 'version', a.version) ORDER BY a.alias)
         FROM registered_model_aliases a WHERE a.name = m.name), '[]') AS aliases
     FROM (${rows}) m
     ORDER BY ${orderBy}`,
    values,
  );
  if (models.length === 0) return [];
  const latest = new Map<string, Record<string, unknown>[]>(
    models.map((model) => [model.name, []]),
  );
  for (const version of await findLatestVersions(database, [...latest.keys()])) {
    latest.get(version.name)?.push(presentVersion(version));
  }
  return models.map((model) => presentModel(model, latest.get(model.name) ?? []));
}

export async function findModel(
  database: Queryable,
  name: string,
): Promise<Record<string, unknown> | undefined> {
  const [model] = await findModels(
    database,
    "SELECT * FROM registered_models WHERE name = $1",
    "m.name",
    [name],
  );
  return model;
}

function presentModel(row: ModelRow, latestVersions: readonly object[]): Record<string, unknown> {
  return withoutNulls({
    ...row,
    aliases: row.aliases.map(({ alias, version }) => ({ alias, version: String(version) })),
    latest_versions: latestVersions,
  });
}
