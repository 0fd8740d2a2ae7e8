// Endpoints under model-versions.

import type { Answer } from "./cache/answer.ts";
import { MODELS, modelScope } from "./cache/keys.ts";
import type { Queryable } from "./database.ts";
import { readEndpoint, writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { doesNotExist, invalidParameter } from "./errors.ts";
import type { RegistryError } from "./errors.ts";
import { eventStored, storeEvent } from "./jobs/events.ts";
import {
  findStage,
  key,
  lastOfEachKey,
  longText,
  name,
  runId,
  searchFields,
  tags,
  version,
} from "./fields.ts";
import type { Tag } from "./fields.ts";
import type { SearchTarget } from "./filter/compile.ts";
import { noModel } from "./models.ts";
import { cutPage } from "./page.ts";
import { planPage } from "./search.ts";
import { flag, record, text, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";
import { findVersion, presentVersion, selectVersions } from "./version-rows.ts";
import type { VersionRow } from "./version-rows.ts";

const PAGE_DEFAULT = 10_000;
const PAGE_MAX = 200_000;

const SEARCH_TARGET: SearchTarget = {
  attributes: {
    name: { column: "v.name", type: "text" },
    version_number: { column: "v.version", type: "number" },
    version: { column: "v.version", type: "number" },
    run_id: { column: "v.run_id", type: "text", nullable: true },
    source_path: { column: "v.source", type: "text" },
    current_stage: { column: "v.current_stage", type: "text" },
    user_id: { column: "v.user_id", type: "text", nullable: true },
    creation_timestamp: { column: "v.creation_timestamp", type: "number" },
    last_updated_timestamp: { column: "v.last_updated_timestamp", type: "number" },
  },
  related: {
    tag: { table: "model_version_tags", join: "x.name = v.name AND x.version = v.version" },
  },
  defaultOrder: ["v.last_updated_timestamp DESC", "v.name", "v.version DESC"],
};

const one = record({ name, version });
const createInput = record(
  { name, source: text(2_000) },
  { run_id: runId, run_link: longText, description: longText, user_id: name, tags },
);
const searchInput = record({}, { ...searchFields, max_results: whole(1, PAGE_MAX) });
const transitionInput = record(
  { name, version, stage: text(32) },
  { archive_existing_versions: flag() },
);

export function versionEndpoints(backend: Backend): Endpoint[] {
  return [
    writeEndpoint("POST", "model-versions/create", createInput, (input) =>
      createVersion(backend, input),
    ),
    readEndpoint("GET", "model-versions/get", one, (input) =>
      readVersion(backend, input.name, input.version),
    ),
    readEndpoint("GET", "model-versions/search", searchInput, (input) =>
      searchVersions(backend, input),
    ),
    readEndpoint("GET", "model-versions/get-download-uri", one, (input) =>
      readUri(backend, input.name, input.version),
    ),
    writeEndpoint(
      "PATCH",
      "model-versions/update",
      record({ name, version }, { description: longText }),
      (input) => updateVersion(backend, input.name, input.version, input.description),
    ),
    writeEndpoint("DELETE", "model-versions/delete", one, (input) =>
      deleteVersion(backend, input.name, input.version),
    ),
    writeEndpoint("POST", "model-versions/transition-stage", transitionInput, (input) =>
      transition(backend, input),
    ),
    writeEndpoint(
      "POST",
      "model-versions/set-tag",
      record({ name, version, key, value: longText }),
      (input) => setVersionTag(backend, input.name, input.version, input),
    ),
    writeEndpoint("DELETE", "model-versions/delete-tag", record({ name, version, key }), (input) =>
      deleteVersionTag(backend, input.name, input.version, input.key),
    ),
  ];
}

function readVersion(backend: Backend, name: string, version: number): Promise<Answer> {
  const what = {
    entity: "model-versions/get",
    scopes: [modelScope(name)],
    parameters: [name, version],
    costly: false,
  };
  return backend.cache.read(what, async () => {
    const row = await findVersion(backend.database, name, version);
    if (row === undefined) throw noVersion(name, version);
    return JSON.stringify({ model_version: presentVersion(row) });
  });
}

function readUri(backend: Backend, name: string, version: number): Promise<Answer> {
  const entity = "model-versions/get-download-uri";
  const what = { entity, scopes: [modelScope(name)], parameters: [name, version], costly: false };
  return backend.cache.read(what, async () => {
    const [row] = await backend.database.query<{ source: string }>(
      "SELECT source FROM model_versions WHERE name = $1 AND version = $2",
      [name, version],
    );
    if (row === undefined) throw noVersion(name, version);
    return JSON.stringify({ artifact_uri: row.source });
  });
}

function searchVersions(backend: Backend, input: Shaped<typeof searchInput>): Promise<Answer> {
  const limit = input.max_results ?? PAGE_DEFAULT;
  const { rows, orderBy, values, offset, parameters } = planPage(input, limit, SEARCH_TARGET, {
    table: "model_versions",
    alias: "v",
    title: "model versions",
  });
  return backend.cache.read(
    { entity: "model-versions/search", scopes: [MODELS], parameters, costly: true },
    async () => {
      const found = await backend.database.query<VersionRow>(selectVersions(rows, orderBy), values);
      const { rows: page, ...token } = cutPage(found, offset, limit);
      return JSON.stringify({ model_versions: page.map(presentVersion), ...token });
    },
  );
}

async function createVersion(backend: Backend, input: Shaped<typeof createInput>): Promise<object> {
  const { name } = input;
  const tags = lastOfEachKey(input.tags ?? []);
  const created = await backend.database.transaction(async (connection) => {
    const now = Date.now();
    // The model's row is locked by this update, so numbers are given out one at a time and none is skipped.
    await touchModel(connection, name, now);
    const [row] = await connection.query<VersionRow>(
      `INSERT INTO model_versions (name, version, creation_timestamp, last_updated_timestamp, user_id,
         current_stage, description, source, run_id, run_link, status)
       SELECT $1, coalesce(max(version), 0) + 1, $2::bigint, $2::bigint, $3::text, 'None', $4::text, $5::text, $6::text, $7::text, 'READY'
       FROM model_versions WHERE name = $1
       RETURNING *, '[]'::json AS tags, '[]'::json AS aliases`,
      [
        name,
        now,
        input.user_id ?? null,
        input.description ?? null,
        input.source,
        input.run_id ?? null,
        input.run_link ?? null,
      ],
    );
    if (row === undefined) throw noModel(name);
    if (tags.length > 0) {
      await connection.query(
        `INSERT INTO model_version_tags (name, version, key, value)
         SELECT $1, $2, * FROM unnest($3::text[], $4::text[])`,
        [name, row.version, tags.map((tag) => tag.key), tags.map((tag) => tag.value)],
      );
    }
    await storeEvent(backend, connection, {
      name: "model_version.created",
      data: { name, version: row.version, source: row.source, run_id: row.run_id },
    });
    return presentVersion({ ...row, tags });
  });
  eventStored(backend, "model_version.created");
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return { model_version: created };
}

async function updateVersion(
  backend: Backend,
  name: string,
  version: number,
  description: string | undefined,
): Promise<object> {
  const updated = await backend.database.query(
    `UPDATE model_versions SET description = coalesce($3, description), last_updated_timestamp = $4
     WHERE name = $1 AND version = $2 RETURNING version`,
    [name, version, description ?? null, Date.now()],
  );
  if (updated.length === 0) throw noVersion(name, version);
  return presentChanged(backend, name, version);
}

async function transition(
  backend: Backend,
  input: Shaped<typeof transitionInput>,
): Promise<object> {
  const { name, version } = input;
  const stage = findStage(input.stage);
  if (stage === undefined) throw invalidParameter(`Invalid Model Version stage: ${input.stage}.`);
  if (input.archive_existing_versions === true && stage !== "Staging" && stage !== "Production") {
    throw invalidParameter("archive_existing_versions needs a stage of Staging or Production.");
  }
  await backend.database.transaction(async (connection) => {
    const now = Date.now();
    // Locks the model: two transitions that archive each other's version would otherwise both win.
    await touchModel(connection, name, now);
    const moved = await connection.query(
      `UPDATE model_versions SET current_stage = $3, last_updated_timestamp = $4
       WHERE name = $1 AND version = $2 RETURNING version`,
      [name, version, stage, now],
    );
    if (moved.length === 0) throw noVersion(name, version);
    if (input.archive_existing_versions === true) {
      await connection.query(
        `UPDATE model_versions SET current_stage = 'Archived', last_updated_timestamp = $4
         WHERE name = $1 AND current_stage = $3 AND version <> $2`,
        [name, version, stage, now],
      );
    }
    await storeEvent(backend, connection, {
      name: "model_version.stage_transitioned",
      data: { name, version, stage },
    });
  });
  eventStored(backend, "model_version.stage_transitioned");
  return presentChanged(backend, name, version);
}

async function deleteVersion(backend: Backend, name: string, version: number): Promise<object> {
  await backend.database.transaction(async (connection) => {
    await touchModel(connection, name, Date.now());
    const deleted = await connection.query(
      "DELETE FROM model_versions WHERE name = $1 AND version = $2 RETURNING version",
      [name, version],
    );
    if (deleted.length === 0) throw noVersion(name, version);
  });
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function setVersionTag(
  backend: Backend,
  name: string,
  version: number,
  tag: Tag,
): Promise<object> {
  const set = await backend.database.query(
    `INSERT INTO model_version_tags (name, version, key, value)
     SELECT name, version, $3, $4 FROM model_versions WHERE name = $1 AND version = $2
     ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value RETURNING key`,
    [name, version, tag.key, tag.value],
  );
  if (set.length === 0) throw noVersion(name, version);
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function deleteVersionTag(
  backend: Backend,
  name: string,
  version: number,
  key: string,
): Promise<object> {
  const deleted = await backend.database.query(
    "DELETE FROM model_version_tags WHERE name = $1 AND version = $2 AND key = $3 RETURNING key",
    [name, version, key],
  );
  if (deleted.length === 0 && (await findVersion(backend.database, name, version)) === undefined) {
    throw noVersion(name, version);
  }
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  return {};
}

async function presentChanged(backend: Backend, name: string, version: number): Promise<object> {
  await backend.cache.invalidate([MODELS, modelScope(name)]);
  const row = await findVersion(backend.database, name, version);
  if (row === undefined) throw noVersion(name, version);
  return { model_version: presentVersion(row) };
}

async function touchModel(connection: Queryable, name: string, now: number): Promise<void> {
  const touched = await connection.query(
    "UPDATE registered_models SET last_updated_timestamp = $2 WHERE name = $1 RETURNING name",
    [name, now],
  );
  if (touched.length === 0) throw noModel(name);
}

export function noVersion(name: string, version: number): RegistryError {
  return doesNotExist(`Model Version (name=${name}, version=${version}) not found.`);
}
