// Batches of model versions: numbers are given out in the order of the file, and a ledger says which lines have theirs.

import { createHash } from "node:crypto";
import { MODELS, modelScope } from "../cache/keys.ts";
import type { Scope } from "../cache/keys.ts";
import type { Backend } from "../endpoint.ts";
import { lastOfEachKey } from "../fields.ts";
import type { Tag } from "../fields.ts";
import { eventStored, storeEvent } from "../jobs/events.ts";
import { noModel } from "../models.ts";
import { arrayText, textArrayText } from "./array-text.ts";
import type { Batch, BulkKind, LineError } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { findEntries, keepEntries } from "./ledger.ts";
import type { Fields } from "./records.ts";
import { KEY, RUN_ID, TAG_VALUE, isAbsent, textProblem, toWhole } from "./values.ts";
import type { Reason } from "./values.ts";

const TAGS_MAX = 100;
const VERSION_MAX = 2_147_483_647;
const NAME = { name: "name", min: 1, max: 256 };
const OPTIONAL_TEXTS = {
  run_id: RUN_ID,
  run_link: { name: "run_link", min: 0, max: 8_000 },
  description: { name: "description", min: 0, max: 8_000 },
  user_id: { name: "user_id", min: 1, max: 256 },
} as const;

type OptionalText = keyof typeof OPTIONAL_TEXTS;

type Version = { readonly [K in OptionalText]: string | null } & {
  readonly name: string;
  readonly source: string;
  /** Undefined: the next of its model. */
  readonly version: number | undefined;
  readonly tags: readonly Tag[];
  readonly line: number;
  readonly digest: string;
};

type Numbered = Version & { readonly version: number };

export type VersionOptions = {
  readonly backend: Pick<Backend, "jobs">;
  /** Empty: lines are known by all that the file holds up to them. */
  readonly importId: string;
};

export function versionKind(options: VersionOptions): BulkKind {
  let before = "";
  return {
    required: ["name", "source"],
    optional: ["version", "tags", ...Object.keys(OPTIONAL_TEXTS)],
    laneField: "name",
    orderField: undefined,
    digestOf(fields) {
      const hash = createHash("sha256").update(before).update(JSON.stringify(fields));
      const digest = hash.digest("base64url");
      if (options.importId === "") before = digest;
      return digest;
    },
    createBatch: () => createVersionBatch(options),
  };
}

function createVersionBatch({ backend, importId }: VersionOptions): Batch {
  let versions: Version[] = [];
  let scopes: readonly Scope[] = [];
  return {
    rows: () => versions.length,
    add(fields, line, digest) {
      const version = readVersion(fields);
      if (typeof version === "string") return version;
      versions.push({ ...version, line, digest });
      return undefined;
    },
    async write(connection) {
      const errors: LineError[] = [];
      const locked = await lockModels(connection, versions);
      scopes = [MODELS, ...[...locked].map(modelScope)];
      const known = versions.filter(({ name }) => locked.has(name));
      for (const { name, line } of versions)
        if (!locked.has(name)) errors.push({ line, message: noModel(name).message });
      const entries = await findEntries(connection, importId, known);
      for (const { line } of known) {
        if (entries.get(line) === "other")
          errors.push({ line, message: `Import ${importId} had another record in this line.` });
      }
      const fresh = known.filter(({ line }) => entries.get(line) === undefined);
      const numbered = await numberVersions(connection, fresh, errors);
      await insertVersions(connection, numbered);
      await keepEntries(connection, importId, numbered);
      await storeEvents(backend, connection, numbered);
      const unchanged = versions.length - numbered.length - errors.length;
      return { written: numbered.length, unchanged, errors, scopes };
    },
    written: () => eventStored(backend, "model_version.created"),
    touched: () => scopes,
    clear() {
      versions = [];
      scopes = [];
    },
  };
}

function readVersion(fields: Fields): Omit<Version, "digest" | "line"> | Reason {
  const { name, source, version, tags } = fields;
  const problem =
    textProblem(name, NAME) ?? textProblem(source, { name: "source", min: 1, max: 2_000 });
  if (problem !== undefined) return problem;
  if (typeof name !== "string" || typeof source !== "string") return "it is no model version";
  const texts: Record<OptionalText, string | null> = {
    run_id: null,
    run_link: null,
    description: null,
    user_id: null,
  };
  for (const field of ["run_id", "run_link", "description", "user_id"] as const) {
    const value = fields[field];
    if (isAbsent(value)) continue;
    const wrong = textProblem(value, OPTIONAL_TEXTS[field]);
    if (wrong !== undefined) return wrong;
    if (typeof value === "string") texts[field] = value;
  }
  const number = isAbsent(version) ? undefined : toWhole(version, 1);
  if (number !== undefined && !(number <= VERSION_MAX))
    return `version is no whole number from 1 to ${VERSION_MAX}`;
  const read = readTags(tags);
  return typeof read === "string" ? read : { name, source, ...texts, version: number, tags: read };
}

/** A list of {key, value}, or in CSV its JSON. */
function readTags(value: unknown): readonly Tag[] | Reason {
  if (isAbsent(value)) return [];
  const list = typeof value === "string" ? parseList(value) : value;
  if (!Array.isArray(list)) return "tags is no list";
  if (list.length > TAGS_MAX) return `tags has more than ${TAGS_MAX} items`;
  const tags: Tag[] = [];
  for (const item of list) {
    const key: unknown = item?.key;
    const text: unknown = item?.value;
    const problem = textProblem(key, KEY) ?? textProblem(text, TAG_VALUE);
    if (problem !== undefined) return `of a tag, ${problem}`;
    if (typeof key === "string" && typeof text === "string") tags.push({ key, value: text });
  }
  return lastOfEachKey(tags);
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Numbers of a model are given out by one transaction at a time; models are locked in one order by every import. */
async function lockModels(
  connection: Connection,
  versions: readonly Version[],
): Promise<ReadonlySet<string>> {
  const names = textArrayText([...new Set(versions.map(({ name }) => name))]);
  const { rows } = await connection.query<{ name: string }>(
    'SELECT name FROM registered_models WHERE name = ANY($1::text[]) ORDER BY name COLLATE "C" FOR NO KEY UPDATE',
    [names],
  );
  return new Set(rows.map(({ name }) => name));
}

async function numberVersions(
  connection: Connection,
  versions: readonly Version[],
  errors: LineError[],
): Promise<Numbered[]> {
  if (versions.length === 0) return [];
  const names = textArrayText([...new Set(versions.map(({ name }) => name))]);
  const last = await connection.query<{ name: string; version: number }>(
    `SELECT model.name, coalesce(max(v.version), 0) AS version FROM unnest($1::text[]) AS model (name)
     LEFT JOIN model_versions v ON v.name = model.name GROUP BY model.name`,
    [names],
  );
  const lastOf = new Map(last.rows.map((row) => [row.name, row.version]));
  const taken = await findTaken(connection, versions);
  const numbered: Numbered[] = [];
  for (const version of versions) {
    const next = version.version ?? (lastOf.get(version.name) ?? 0) + 1;
    const identity = identityOf(version.name, next);
    if (taken.has(identity) || next > VERSION_MAX) {
      const message = `Model Version (name=${version.name}, version=${next}) already exists.`;
      errors.push({ line: version.line, message });
      continue;
    }
    taken.add(identity);
    lastOf.set(version.name, Math.max(next, lastOf.get(version.name) ?? 0));
    numbered.push({ ...version, version: next });
  }
  return numbered;
}

async function findTaken(
  connection: Connection,
  versions: readonly Version[],
): Promise<Set<string>> {
  const asked = versions.filter(({ version }) => version !== undefined);
  if (asked.length === 0) return new Set();
  const { rows } = await connection.query<{ name: string; version: number }>(
    `SELECT name, version FROM model_versions
     JOIN unnest($1::text[], $2::integer[]) AS asked (name, version) USING (name, version)`,
    [
      textArrayText(asked.map(({ name }) => name)),
      arrayText(asked.map(({ version }) => version ?? 0)),
    ],
  );
  return new Set(rows.map(({ name, version }) => identityOf(name, version)));
}

function identityOf(name: string, version: number): string {
  return `${version} ${name}`;
}

async function insertVersions(
  connection: Connection,
  versions: readonly Numbered[],
): Promise<void> {
  if (versions.length === 0) return;
  const now = Date.now();
  const texts = (pick: (version: Numbered) => string | null): string =>
    textArrayText(versions.map(pick));
  await connection.query(
    `INSERT INTO model_versions (name, version, source, run_id, run_link, description, user_id,
       creation_timestamp, last_updated_timestamp, current_stage, status)
     SELECT sent.*, $8::bigint, $8::bigint, 'None', 'READY'
     FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS sent`,
    [
      texts(({ name }) => name),
      arrayText(versions.map(({ version }) => version)),
      texts(({ source }) => source),
      texts(({ run_id: runId }) => runId),
      texts(({ run_link: link }) => link),
      texts(({ description }) => description),
      texts(({ user_id: userId }) => userId),
      now,
    ],
  );
  await connection.query(
    "UPDATE registered_models SET last_updated_timestamp = $2 WHERE name = ANY($1::text[])",
    [textArrayText([...new Set(versions.map(({ name }) => name))]), now],
  );
  const tags = versions.flatMap(({ name, version, tags }) =>
    tags.map((tag) => ({ ...tag, name, version })),
  );
  if (tags.length === 0) return;
  await connection.query(
    `INSERT INTO model_version_tags (name, version, key, value)
     SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[])`,
    [
      textArrayText(tags.map(({ name }) => name)),
      arrayText(tags.map(({ version }) => version)),
      textArrayText(tags.map(({ key }) => key)),
      textArrayText(tags.map(({ value }) => value)),
    ],
  );
}

async function storeEvents(
  backend: Pick<Backend, "jobs">,
  connection: Connection,
  versions: readonly Numbered[],
): Promise<void> {
  const queryable = {
    query: async <Row extends Record<string, unknown>>(
      text: string,
      values: readonly unknown[] = [],
    ): Promise<Row[]> => [...(await connection.query<Row>(text, values)).rows],
  };
  for (const { name, version, source, run_id } of versions)
    await storeEvent(backend, queryable, {
      name: "model_version.created",
      data: { name, version, source, run_id },
    });
}
