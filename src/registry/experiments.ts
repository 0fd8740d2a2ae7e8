// Endpoints under experiments.

import type { Answer } from "./cache/answer.ts";
import { EXPERIMENTS } from "./cache/keys.ts";
import type { CachedRead } from "./cache/read-through.ts";
import { readEndpoint, writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { RegistryError, doesNotExist, invalidParameter, isUniqueViolation } from "./errors.ts";
import {
  experimentId,
  lastOfEachKey,
  longText,
  name,
  searchFields,
  tags,
  withoutNulls,
} from "./fields.ts";
import type { Tag } from "./fields.ts";
import { binder, compileSearch } from "./filter/compile.ts";
import type { SearchTarget } from "./filter/compile.ts";
import { parseFilter, parseOrderBy } from "./filter/parse.ts";
import { cutPage, readPageToken } from "./page.ts";
import { oneOf, record, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";
import { VIEW_TYPES, stagesOf } from "./view-type.ts";

const PAGE_DEFAULT = 1000;
const PAGE_MAX = 50_000;

const SEARCH_TARGET: SearchTarget = {
  attributes: {
    name: { column: "e.name", type: "text" },
    experiment_id: { column: "e.experiment_id", type: "number" },
    creation_time: { column: "e.creation_time", type: "number" },
    last_update_time: { column: "e.last_update_time", type: "number" },
  },
  related: { tag: { table: "experiment_tags", join: "x.experiment_id = e.experiment_id" } },
  defaultOrder: ["e.last_update_time DESC", "e.experiment_id DESC"],
};

type ExperimentRow = {
  experiment_id: number;
  name: string;
  artifact_location: string;
  lifecycle_stage: string;
  creation_time: number;
  last_update_time: number;
  tags: Tag[];
};

const createInput = record({ name }, { artifact_location: longText, tags });
const searchInput = record(
  {},
  { ...searchFields, max_results: whole(1, PAGE_MAX), view_type: oneOf(VIEW_TYPES) },
);
type SearchInput = Shaped<typeof searchInput>;

export function experimentEndpoints(backend: Backend): Endpoint[] {
  const search = (input: SearchInput): Promise<Answer> => searchExperiments(backend, input);
  return [
    writeEndpoint("POST", "experiments/create", createInput, (input) =>
      createExperiment(backend, input),
    ),
    readEndpoint("GET", "experiments/get", record({ experiment_id: experimentId }), (input) =>
      readExperiment(backend, "experiments/get", "e.experiment_id", input.experiment_id),
    ),
    readEndpoint("GET", "experiments/get-by-name", record({ experiment_name: name }), (input) =>
      readExperiment(backend, "experiments/get-by-name", "e.name", input.experiment_name),
    ),
    readEndpoint("GET", "experiments/search", searchInput, search),
    readEndpoint("POST", "experiments/search", searchInput, search),
  ];
}

function readExperiment(
  backend: Backend,
  entity: string,
  column: "e.experiment_id" | "e.name",
  value: number | string,
): Promise<Answer> {
  const what: CachedRead = { entity, scopes: [EXPERIMENTS], parameters: value, costly: false };
  return backend.cache.read(what, async () => {
    const rows = `SELECT e.* FROM experiments e WHERE ${column} = $1`;
    const [row] = await findExperiments(backend, rows, "e.experiment_id", [value]);
    if (row === undefined)
      throw doesNotExist(`No Experiment with ${column.slice(2)}=${value} exists.`);
    return JSON.stringify({ experiment: row });
  });
}

function searchExperiments(backend: Backend, input: SearchInput): Promise<Answer> {
  const limit = input.max_results ?? PAGE_DEFAULT;
  const offset = readPageToken(input.page_token);
  const order = parseOrderBy(input.order_by ?? []);
  const comparisons = parseFilter(input.filter);
  const stages = stagesOf(input.view_type);
  const values: unknown[] = [stages];
  const bind = binder(values);
  const { where, joins, orderBy } = compileSearch(SEARCH_TARGET, comparisons, order, bind);
  if (joins.length > 0)
    throw invalidParameter("Invalid order_by: experiments are not ordered by tags.");
  const rows = `
    SELECT e.* FROM experiments e
    WHERE ${["e.lifecycle_stage = ANY($1)", ...where].join(" AND ")}
    ORDER BY ${orderBy} LIMIT ${bind(limit + 1)} OFFSET ${bind(offset)}`;
  const parameters = [comparisons, order, stages, limit, offset];
  return backend.cache.read(
    { entity: "experiments/search", scopes: [EXPERIMENTS], parameters, costly: true },
    async () => {
      const found = await findExperiments(backend, rows, orderBy, values);
      const { rows: page, ...token } = cutPage(found, offset, limit);
      return JSON.stringify({ experiments: page, ...token });
    },
  );
}

async function findExperiments(
  backend: Backend,
  rows: string,
  orderBy: string,
  values: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  const found = await backend.database.query<ExperimentRow>(
    `SELECT e.*,
       coalesce((SELECT json_agg(json_build_object('key', t.key, 'value', t.value) ORDER BY t.key)
         FROM experiment_tags t WHERE t.experiment_id = e.experiment_id), '[]') AS tags
     FROM (${rows}) e ORDER BY ${orderBy}`,
    values,
  );
  return found.map((row) => withoutNulls({ ...row, experiment_id: String(row.experiment_id) }));
}

async function createExperiment(
  backend: Backend,
  input: Shaped<typeof createInput>,
): Promise<object> {
  const tags = lastOfEachKey(input.tags ?? []);
  const id = await backend.database
    .transaction(async (connection) => {
      // The default location holds the id, so the id is drawn before the row is written.
      const [row] = await connection.query<{ experiment_id: number }>(
        `INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
         SELECT id, $1, coalesce($2, 'mlflow-artifacts:/' || id), 'active', $3::bigint, $3::bigint
         FROM nextval(pg_get_serial_sequence('experiments', 'experiment_id')) AS id
         RETURNING experiment_id`,
        [input.name, input.artifact_location ?? null, Date.now()],
      );
      if (row !== undefined && tags.length > 0) {
        await connection.query(
          "INSERT INTO experiment_tags (experiment_id, key, value) SELECT $1, * FROM unnest($2::text[], $3::text[])",
          [row.experiment_id, tags.map((tag) => tag.key), tags.map((tag) => tag.value)],
        );
      }
      return row?.experiment_id;
    })
    .catch((error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      throw new RegistryError(
        "RESOURCE_ALREADY_EXISTS",
        `Experiment(name=${input.name}) already exists.`,
      );
    });
  await backend.cache.invalidate([EXPERIMENTS]);
  return { experiment_id: String(id) };
}
