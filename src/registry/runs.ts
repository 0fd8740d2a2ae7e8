// Endpoints under runs, but for those that log to a run.

import type { Answer } from "./cache/answer.ts";
import { randomUUID } from "node:crypto";
import { METRICS, runScope, runsScope } from "./cache/keys.ts";
import { readEndpoint, writeEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { RegistryError, doesNotExist } from "./errors.ts";
import {
  experimentId,
  lastOfEachKey,
  name,
  runId,
  searchFields,
  tags,
  timestampMs,
} from "./fields.ts";
import { binder, compileSearch } from "./filter/compile.ts";
import type { SearchTarget } from "./filter/compile.ts";
import { parseFilter, parseOrderBy } from "./filter/parse.ts";
import { cutPage, readPageToken } from "./page.ts";
import { presentRunInfo, presentRuns } from "./run-rows.ts";
import type { RunRow } from "./run-rows.ts";
import { list, oneOf, record, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";
import { VIEW_TYPES, stagesOf } from "./view-type.ts";

const PAGE_DEFAULT = 1000;
const PAGE_MAX = 50_000;
const EXPERIMENTS_MAX = 1000;
const STATUSES = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"] as const;

const byRun = "x.run_id = r.run_id";
const SEARCH_TARGET: SearchTarget = {
  attributes: {
    run_id: { column: "r.run_id", type: "text" },
    run_name: { column: "r.run_name", type: "text" },
    user_id: { column: "r.user_id", type: "text", nullable: true },
    status: { column: "r.status", type: "text" },
    artifact_uri: { column: "r.artifact_uri", type: "text" },
    start_time: { column: "r.start_time", type: "number" },
    end_time: { column: "r.end_time", type: "number", nullable: true },
  },
  related: {
    metric: { table: "latest_metrics", join: byRun },
    param: { table: "params", join: byRun },
    tag: { table: "run_tags", join: byRun },
  },
  defaultOrder: ["r.start_time DESC", "r.run_id"],
};

const createInput = record(
  { experiment_id: experimentId },
  { user_id: name, run_name: name, start_time: timestampMs, tags },
);
const updateInput = record(
  { run_id: runId },
  { status: oneOf(STATUSES), end_time: timestampMs, run_name: name },
);
const searchInput = record(
  { experiment_ids: list(experimentId, EXPERIMENTS_MAX) },
  { ...searchFields, max_results: whole(1, PAGE_MAX), run_view_type: oneOf(VIEW_TYPES) },
);

export function runEndpoints(backend: Backend): Endpoint[] {
  return [
    writeEndpoint("POST", "runs/create", createInput, (input) => createRun(backend, input)),
    writeEndpoint("POST", "runs/update", updateInput, (input) => updateRun(backend, input)),
    readEndpoint(
      "GET",
      "runs/get",
      record({ run_id: runId }),
      (input) => readRun(backend, input.run_id),
      { keepable: false },
    ),
    readEndpoint("POST", "runs/search", searchInput, (input) => searchRuns(backend, input)),
  ];
}

function readRun(backend: Backend, runId: string): Promise<Answer> {
  const what = { entity: "runs/get", scopes: [runScope(runId)], parameters: runId, costly: false };
  return backend.cache.read(what, async () => {
    const rows = await backend.database.query<RunRow>("SELECT * FROM runs WHERE run_id = $1", [
      runId,
    ]);
    const [run] = await presentRuns(backend.database, rows);
    if (run === undefined) throw noRun(runId);
    return JSON.stringify({ run });
  });
}

function searchRuns(backend: Backend, input: Shaped<typeof searchInput>): Promise<Answer> {
  const limit = input.max_results ?? PAGE_DEFAULT;
  const offset = readPageToken(input.page_token);
  const order = parseOrderBy(input.order_by ?? []);
  const comparisons = parseFilter(input.filter);
  const experiments = [...new Set(input.experiment_ids)].toSorted((a, b) => a - b);
  const stages = stagesOf(input.run_view_type);
  const values: unknown[] = [experiments, stages];
  const bind = binder(values);
  const { where, joins, orderBy } = compileSearch(SEARCH_TARGET, comparisons, order, bind);
  const text = `
    SELECT r.* FROM runs r ${joins.join(" ")}
    WHERE ${["r.experiment_id = ANY($1::bigint[])", "r.lifecycle_stage = ANY($2)", ...where].join(" AND ")}
    ORDER BY ${orderBy} LIMIT ${bind(limit + 1)} OFFSET ${bind(offset)}`;
  const what = {
    entity: "runs/search",
    scopes: experiments.map((id) => runsScope(String(id))),
    parameters: [comparisons, order, stages, limit, offset],
    costly: true,
  };
  const load = async (): Promise<string> => {
    const found = await backend.database.query<RunRow>(text, values);
    const { rows: page, ...token } = cutPage(found, offset, limit);
    return JSON.stringify({ runs: await presentRuns(backend.database, page), ...token });
  };
  // No experiment means no run, and no scope a cached answer could hang on.
  return experiments.length === 0
    ? Promise.resolve({ body: '{"runs":[]}' })
    : backend.cache.read(what, load);
}

async function createRun(backend: Backend, input: Shaped<typeof createInput>): Promise<object> {
  const runId = randomUUID().replaceAll("-", "");
  const tags = lastOfEachKey(input.tags ?? []);
  const runName =
    input.run_name ??
    tags.find((tag) => tag.key === "mlflow.runName")?.value ??
    `run-${runId.slice(0, 8)}`;
  const run = await backend.database.transaction(async (connection) => {
    const [row] = await connection.query<RunRow>(
      `INSERT INTO runs (run_id, experiment_id, run_name, user_id, status, start_time, artifact_uri, lifecycle_stage)
       SELECT $1, experiment_id, $3, $4, 'RUNNING', $5, artifact_location || '/' || $1 || '/artifacts', 'active'
       FROM experiments WHERE experiment_id = $2 AND lifecycle_stage = 'active'
       RETURNING *`,
      [runId, input.experiment_id, runName, input.user_id ?? null, input.start_time ?? Date.now()],
    );
    if (row === undefined)
      throw doesNotExist(`No active Experiment with id=${input.experiment_id} exists.`);
    if (tags.length > 0) {
      await connection.query(
        "INSERT INTO run_tags (run_id, key, value) SELECT $1, * FROM unnest($2::text[], $3::text[])",
        [runId, tags.map((tag) => tag.key), tags.map((tag) => tag.value)],
      );
    }
    return { info: presentRunInfo(row), data: { metrics: [], params: [], tags } };
  });
  await backend.cache.invalidate([runsScope(String(input.experiment_id)), runScope(runId)]);
  return { run };
}

async function updateRun(backend: Backend, input: Shaped<typeof updateInput>): Promise<object> {
  const [row] = await backend.database.query<RunRow>(
    `UPDATE runs SET status = coalesce($2, status), end_time = coalesce($3, end_time), run_name = coalesce($4, run_name)
     WHERE run_id = $1 AND lifecycle_stage = 'active' RETURNING *`,
    [input.run_id, input.status ?? null, input.end_time ?? null, input.run_name ?? null],
  );
  if (row === undefined) throw noRun(input.run_id);
  await backend.cache.invalidate([
    runsScope(String(row.experiment_id)),
    runScope(row.run_id),
    METRICS,
  ]);
  return { run_info: presentRunInfo(row) };
}

export function noRun(runId: string): RegistryError {
  return doesNotExist(`Run with id=${runId} not found.`);
}
