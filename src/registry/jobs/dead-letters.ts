// Jobs that were given up: listed, shown, replayed at a limited rate, purged.

import type { Answer } from "../cache/answer.ts";
import { readEndpoint, writeEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { doesNotExist, invalidParameter } from "../errors.ts";
import type { RegistryError } from "../errors.ts";
import { cutPage, readPageToken } from "../page.ts";
import { flag, oneOf, record, text, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";
import { CLASSES, KINDS } from "./job.ts";
import type { Jobs } from "./jobs.ts";
import { NOW_MS } from "./store.ts";

const PATH = "jobs/dead-letters";
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
const REPLAYED_AT_ONCE_MAX = 1_000;
/** Many dead letters at once are the same fault many times; a replay is to find out, not to be the next overload. */
const REPLAYS_PER_SECOND = 50;
// Any fixed number will do: two replays at once would both begin at now.
const REPLAY_LOCK = 724_201_127;

const kind = oneOf(KINDS);
const jobId = whole(1);
const listInput = record({}, { kind, max_results: whole(1, PAGE_MAX), page_token: text(200, 0) });
/** One by its id, or all, or all of a kind. */
const whichInput = record({}, { job_id: jobId, all: flag(), kind });

export function deadLetterEndpoints(backend: Backend, jobs: Jobs): Endpoint[] {
  return [
    readEndpoint("GET", `${PATH}/list`, listInput, (input) => list(backend, input), {
      keepable: false,
    }),
    readEndpoint(
      "GET",
      `${PATH}/get`,
      record({ job_id: jobId }),
      (input) => show(backend, input.job_id),
      { keepable: false },
    ),
    writeEndpoint("POST", `${PATH}/replay`, whichInput, (input) => replay(backend, jobs, input)),
    writeEndpoint("POST", `${PATH}/purge`, whichInput, (input) => purge(backend, input)),
  ];
}

/** No tier keeps it: jobs change by themselves. */
export function uncached(body: object): Answer {
  return { body: JSON.stringify(body) };
}

async function list(backend: Backend, input: Shaped<typeof listInput>): Promise<Answer> {
  const limit = input.max_results ?? PAGE_DEFAULT;
  const offset = readPageToken(input.page_token);
  const found = await backend.database.query(
    `SELECT job_id::text, kind, class AS priority, error, jsonb_array_length(attempts) AS attempts, first_ms, last_ms
     FROM dead_letters WHERE $1::text IS NULL OR kind = $1 ORDER BY job_id LIMIT $2 OFFSET $3`,
    [input.kind ?? null, limit + 1, offset],
  );
  const { rows, ...token } = cutPage(found, offset, limit);
  return uncached({ dead_letters: rows, ...token });
}

async function show(backend: Backend, jobId: number): Promise<Answer> {
  const [letter] = await backend.database.query(
    `SELECT job_id::text, kind, class AS priority, payload, error, stack, attempts, first_ms, last_ms
     FROM dead_letters WHERE job_id = $1`,
    [jobId],
  );
  if (letter === undefined) throw noLetter(jobId);
  return uncached({ dead_letter: letter });
}

/** Each becomes a fresh job with all its attempts, in the outbox; the letters are gone, what became of them is told by the jobs. */
async function replay(
  backend: Backend,
  jobs: Jobs,
  which: Shaped<typeof whichInput>,
): Promise<object> {
  const { condition, values } = conditionOf(which);
  const offsets = CLASSES.map((jobClass) => jobs.offsetMs({ class: jobClass }));
  const fresh = await backend.database.transaction(async (connection) => {
    await connection.query("SELECT pg_advisory_xact_lock($1)", [REPLAY_LOCK]);
    return connection.query<{ job_id: string; replay_of: string }>(
      `WITH letters AS (
         DELETE FROM dead_letters WHERE job_id IN (SELECT job_id FROM dead_letters WHERE ${condition} ORDER BY job_id LIMIT ${REPLAYED_AT_ONCE_MAX})
         RETURNING *),
       start AS (
         SELECT greatest(${NOW_MS}, max(check_ms) + ${1_000 / REPLAYS_PER_SECOND}) AS next_ms
         FROM jobs WHERE state = 'waiting' AND NOT admitted AND check_ms IS NOT NULL),
       timed AS (
         SELECT l.*, next_ms + (row_number() OVER (ORDER BY job_id) - 1) * ${1_000 / REPLAYS_PER_SECOND} AS due_ms
         FROM letters l, start)
       INSERT INTO jobs (kind, class, payload, state, admitted, ticketed, dispatches, accepted_ms, rank_ms, check_ms, replay_of)
       SELECT kind, class, payload, 'waiting', false, false, 0, due_ms,
         due_ms + ($4::bigint[])[array_position($3::text[], class)], due_ms, job_id
       FROM timed ORDER BY job_id
       RETURNING job_id::text, replay_of::text`,
      [...values, CLASSES, offsets],
    );
  });
  if (fresh.length === 0 && which.job_id !== undefined) throw noLetter(which.job_id);
  jobs.replayed();
  return { jobs: fresh };
}

async function purge(backend: Backend, which: Shaped<typeof whichInput>): Promise<object> {
  const { condition, values } = conditionOf(which);
  const purged = await backend.database.query(
    `DELETE FROM dead_letters WHERE ${condition} RETURNING job_id`,
    values,
  );
  if (purged.length === 0 && which.job_id !== undefined) throw noLetter(which.job_id);
  return { purged: purged.length };
}

function conditionOf({ job_id, all, kind }: Shaped<typeof whichInput>): {
  condition: string;
  values: readonly unknown[];
} {
  if (job_id === undefined && all !== true)
    throw invalidParameter("Name one by job_id, or say all: true, with or without a kind.");
  return {
    condition: "($1::bigint IS NULL OR job_id = $1) AND ($2::text IS NULL OR kind = $2)",
    values: [job_id ?? null, kind ?? null],
  };
}

function noLetter(jobId: number): RegistryError {
  return doesNotExist(`There is no dead letter of job ${jobId}.`);
}
