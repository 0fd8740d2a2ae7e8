// Endpoints under registered-models/alias: names such as "champion" that point at one version.

import type { Answer } from "./cache/answer.ts";
import { MODELS, modelScope } from "./cache/keys.ts";
import { readEndpoint, writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { doesNotExist } from "./errors.ts";
import { writeWithEvent } from "./jobs/events.ts";
import { name, version } from "./fields.ts";
import { record, text } from "./shape.ts";
import { noModel } from "./models.ts";
import { presentVersion, selectVersions } from "./version-rows.ts";
import type { VersionRow } from "./version-rows.ts";
import { noVersion } from "./versions.ts";

const PATH = "registered-models/alias";
const alias = text(256);

export function aliasEndpoints(backend: Backend): Endpoint[] {
  return [
    writeEndpoint("POST", PATH, record({ name, alias, version }), (input) =>
      setAlias(backend, input.name, input.alias, input.version),
    ),
    readEndpoint("GET", PATH, record({ name, alias }), (input) =>
      readAlias(backend, input.name, input.alias),
    ),
    writeEndpoint("DELETE", PATH, record({ name, alias }), (input) =>
      deleteAlias(backend, input.name, input.alias),
    ),
  ];
}

export function readAlias(backend: Backend, name: string, alias: string): Promise<Answer> {
  const what = {
    entity: PATH,
    scopes: [modelScope(name)],
    parameters: [name, alias],
    costly: false,
  };
  return backend.cache.read(what, async () => {
    const [row] = await backend.database.query<VersionRow>(
      selectVersions(
        `SELECT mv.* FROM model_versions mv JOIN registered_model_aliases ma
         ON ma.name = mv.name AND ma.version = mv.version WHERE ma.name = $1 AND ma.alias = $2`,
        "v.version",
      ),
      [name, alias],
    );
    if (row === undefined) {
      throw doesNotExist(
        `Registered model alias ${alias} of Registered Model with name=${name} not found.`,
      );
    }
    return JSON.stringify({ model_version: presentVersion(row) });
  });
}

async function setAlias(
  backend: Backend,
  name: string,
  alias: string,
  version: number,
): Promise<object> {
  // One statement: it inserts only if the version exists, so the foreign key need not be asked afterwards.
  const event = { name: "model_version_alias.created", data: { name, alias, version } } as const;
  const set = await writeWithEvent(backend, event, (connection) =>
    connection.query(
      `INSERT INTO registered_model_aliases (name, alias, version)
       SELECT name, $2, version FROM model_versions WHERE name = $1 AND version = $3
       ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version RETURNING alias`,
      [name, alias, version],
    ),
  );
  if (set.length === 0) throw noVersion(name, version);
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function deleteAlias(backend: Backend, name: string, alias: string): Promise<object> {
  const event = { name: "model_version_alias.deleted", data: { name, alias } } as const;
  const deleted = await writeWithEvent(backend, event, (connection) =>
    connection.query(
      "DELETE FROM registered_model_aliases WHERE name = $1 AND alias = $2 RETURNING alias",
      [name, alias],
    ),
  );
  if (deleted.length === 0) {
    const found = await backend.database.query("SELECT 1 FROM registered_models WHERE name = $1", [
      name,
    ]);
    if (found.length === 0) throw noModel(name);
  }
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}
