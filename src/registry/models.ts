// Endpoints under registered-models, but for aliases.

import type { Answer } from "./cache/answer.ts";
import { MODELS, modelScope } from "./cache/keys.ts";
import { readEndpoint, writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { RegistryError, doesNotExist, invalidParameter, isUniqueViolation } from "./errors.ts";
import { findStage, key, lastOfEachKey, longText, name, searchFields, tags } from "./fields.ts";
import type { Tag } from "./fields.ts";
import type { SearchTarget } from "./filter/compile.ts";
import { findModel, findModels } from "./model-rows.ts";
import { cutPage } from "./page.ts";
import { planPage } from "./search.ts";
import { list, record, text, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";
import { findLatestVersions, presentVersion } from "./version-rows.ts";

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

const SEARCH_TARGET: SearchTarget = {
  attributes: {
    name: { column: "m.name", type: "text" },
    creation_timestamp: { column: "m.creation_timestamp", type: "number" },
    last_updated_timestamp: { column: "m.last_updated_timestamp", type: "number" },
    timestamp: { column: "m.last_updated_timestamp", type: "number" },
  },
  related: { tag: { table: "registered_model_tags", join: "x.name = m.name" } },
  defaultOrder: ["m.name"],
};

const createInput = record({ name }, { tags, description: longText });
const searchInput = record({}, { ...searchFields, max_results: whole(1, PAGE_MAX) });
const latestInput = record({ name }, { stages: list(text(32), 4) });

export function modelEndpoints(backend: Backend): Endpoint[] {
  const latest = (input: Shaped<typeof latestInput>): Promise<Answer> =>
    readLatestVersions(backend, input);
  return [
    writeEndpoint("POST", "registered-models/create", createInput, (input) =>
      createModel(backend, input),
    ),
    readEndpoint("GET", "registered-models/get", record({ name }), ({ name }) =>
      readModel(backend, name),
    ),
    readEndpoint("GET", "registered-models/search", searchInput, (input) =>
      searchModels(backend, input),
    ),
    writeEndpoint(
      "PATCH",
      "registered-models/update",
      record({ name }, { description: longText }),
      (input) => updateModel(backend, input.name, input.description),
    ),
    writeEndpoint("POST", "registered-models/rename", record({ name, new_name: name }), (input) =>
      renameModel(backend, input.name, input.new_name),
    ),
    writeEndpoint("DELETE", "registered-models/delete", record({ name }), ({ name }) =>
      deleteModel(backend, name),
    ),
    writeEndpoint(
      "POST",
      "registered-models/set-tag",
      record({ name, key, value: longText }),
      (input) => setModelTag(backend, input.name, input),
    ),
    writeEndpoint("DELETE", "registered-models/delete-tag", record({ name, key }), (input) =>
      deleteModelTag(backend, input.name, input.key),
    ),
    readEndpoint("POST", "registered-models/get-latest-versions", latestInput, latest),
    readEndpoint("GET", "registered-models/get-latest-versions", latestInput, latest),
  ];
}

export function readModel(backend: Backend, name: string): Promise<Answer> {
  const what = {
    entity: "registered-models/get",
    scopes: [modelScope(name)],
    parameters: name,
    costly: false,
  };
  return backend.cache.read(what, async () => {
    const model = await findModel(backend.database, name);
    if (model === undefined) throw noModel(name);
    return JSON.stringify({ registered_model: model });
  });
}

export function searchModels(backend: Backend, input: Shaped<typeof searchInput>): Promise<Answer> {
  const limit = input.max_results ?? PAGE_DEFAULT;
  const { rows, orderBy, values, offset, parameters } = planPage(input, limit, SEARCH_TARGET, {
    table: "registered_models",
    alias: "m",
    title: "registered models",
  });
  return backend.cache.read(
    { entity: "registered-models/search", scopes: [MODELS], parameters, costly: true },
    async () => {
      const found = await findModels(backend.database, rows, orderBy, values);
      const { rows: page, ...token } = cutPage(found, offset, limit);
      return JSON.stringify({ registered_models: page, ...token });
    },
  );
}

function readLatestVersions(backend: Backend, input: Shaped<typeof latestInput>): Promise<Answer> {
  const stages = input.stages?.map((text) => {
    const stage = findStage(text);
    if (stage === undefined) throw invalidParameter(`Invalid Model Version stage: ${text}.`);
    return stage;
  });
  const asked = stages === undefined || stages.length === 0 ? undefined : stages.toSorted();
  return backend.cache.read(
    {
      entity: "registered-models/get-latest-versions",
      scopes: [modelScope(input.name)],
      parameters: [input.name, asked],
      costly: false,
    },
    async () => {
      const found = await findLatestVersions(backend.database, [input.name], asked);
      if (found.length === 0) await requireModel(backend, input.name);
      return JSON.stringify({ model_versions: found.map(presentVersion) });
    },
  );
}

async function createModel(backend: Backend, input: Shaped<typeof createInput>): Promise<object> {
  const tags = lastOfEachKey(input.tags ?? []);
  const model = await backend.database
    .transaction(async (connection) => {
      await connection.query(
        `INSERT INTO registered_models (name, creation_timestamp, last_updated_timestamp, description)
         VALUES ($1, $2, $2, $3)`,
        [input.name, Date.now(), input.description ?? null],
      );
      if (tags.length > 0) {
        await connection.query(
          `INSERT INTO registered_model_tags (name, key, value)
           SELECT $1, * FROM unnest($2::text[], $3::text[])`,
          [input.name, tags.map((tag) => tag.key), tags.map((tag) => tag.value)],
        );
      }
      return findModel(connection, input.name);
    })
    .catch((error: unknown) => {
      throw isUniqueViolation(error) ? modelExists(input.name) : error;
    });
  await backend.cache.invalidate([MODELS, modelScope(input.name)]);
  return { registered_model: model };
}

async function updateModel(
  backend: Backend,
  name: string,
  description: string | undefined,
): Promise<object> {
  const updated = await backend.database.query(
    `UPDATE registered_models SET description = coalesce($2, description), last_updated_timestamp = $3
     WHERE name = $1 RETURNING name`,
    [name, description ?? null, Date.now()],
  );
  if (updated.length === 0) throw noModel(name);
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return { registered_model: await findModel(backend.database, name) };
}

async function renameModel(backend: Backend, name: string, newName: string): Promise<object> {
  const renamed = await backend.database
    .query(
      "UPDATE registered_models SET name = $2, last_updated_timestamp = $3 WHERE name = $1 RETURNING name",
      [name, newName, Date.now()],
    )
    .catch((error: unknown) => {
      throw isUniqueViolation(error) ? modelExists(newName) : error;
    });
  if (renamed.length === 0) throw noModel(name);
  await backend.cache.invalidate([MODELS, modelScope(name), modelScope(newName)]);
  return { registered_model: await findModel(backend.database, newName) };
}

async function deleteModel(backend: Backend, name: string): Promise<object> {
  const deleted = await backend.database.query(
    "DELETE FROM registered_models WHERE name = $1 RETURNING name",
    [name],
  );
  if (deleted.length === 0) throw noModel(name);
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function setModelTag(backend: Backend, name: string, tag: Tag): Promise<object> {
  await backend.database.query(
    `INSERT INTO registered_model_tags (name, key, value) VALUES ($1, $2, $3)
     ON CONFLICT (name, key) DO UPDATE SET value = excluded.value`,
    [name, tag.key, tag.value],
  );
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function deleteModelTag(backend: Backend, name: string, key: string): Promise<object> {
  const deleted = await backend.database.query(
    "DELETE FROM registered_model_tags WHERE name = $1 AND key = $2 RETURNING key",
    [name, key],
  );
  if (deleted.length === 0) await requireModel(backend, name);
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function requireModel(backend: Backend, name: string): Promise<void> {
  const found = await backend.database.query("SELECT 1 FROM registered_models WHERE name = $1", [
    name,
  ]);
  if (found.length === 0) throw noModel(name);
}

export function noModel(name: string): RegistryError {
  return doesNotExist(`Registered Model with name=${name} not found.`);
}

function modelExists(name: string): RegistryError {
  return new RegistryError(
    "RESOURCE_ALREADY_EXISTS",
    `Registered Model (name=${name}) already exists.`,
  );
}
