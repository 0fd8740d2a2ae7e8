// The table of jobs, which alone says what is to be done, under way and done; all times are PostgreSQL's, in milliseconds.

import type { QueryResultRow } from "pg";
import type { Queryable } from "../database.ts";
import type { Job, JobClass, Kind, NewJob, Payload } from "./job.ts";

export const NOW_MS = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";
/** How long done jobs, reports and receipts are kept. */
const KEEP_MS = 3_600_000;
const RATE_WINDOW_MS = 5_000;
/** By one statement: none is to hold its rows for long. */
const PRUNED_MAX = 5_000;

/** What BullMQ is to be told: that a job may be served. */
export type Ticket = {
  readonly jobId: number;
  /** Makes the id fresh: BullMQ ignores ids that it knows. */
  readonly number: number;
  readonly rankMs: number;
};

export type Census = {
  /** Admitted and not begun, those included that wait for their next attempt. */
  readonly waiting: number;
  /** Of these, how many are said to be in the queue. */
  readonly ticketed: number;
  /** Stored, but not admitted for want of room. */
  readonly held: number;
  /** Whether any job is neither done nor dead, those included that are under way somewhere or not due for long. */
  readonly open: boolean;
  readonly finishedPerSecond: number;
  /** Changes when a webhook comes or goes. */
  readonly webhooksStamp: string;
};

export type DueJob = {
  readonly jobId: number;
  readonly state: "waiting" | "active";
  readonly attempt: number;
  readonly claim: number;
  readonly admitted: boolean;
  readonly kind: Kind;
};

type TicketRow = { job_id: number; dispatches: number; rank_ms: number };
const toTicket = (row: TicketRow): Ticket => ({
  jobId: row.job_id,
  number: row.dispatches,
  rankMs: row.rank_ms,
});

/**
 * Stores a job that was admitted, its ticket to be sent by the caller. `subject` is a condition on $6 and $7 that must hold of the data,
 * else nothing is stored and the answer is undefined.
 */
export async function insertAdmitted(
  database: Queryable,
  job: NewJob,
  offsetMs: number,
  leaseMs: number,
  subject: { readonly condition: string; readonly values: readonly unknown[] },
): Promise<Ticket | undefined> {
  const [row] = await database.query<TicketRow>(
    `INSERT INTO jobs (kind, class, payload, state, admitted, ticketed, dispatches, accepted_ms, rank_ms, check_ms)
     SELECT $1, $2, $3::jsonb, 'waiting', true, true, 1, ${NOW_MS}, ${NOW_MS} + $4::bigint, ${NOW_MS} + $5::bigint
     WHERE ${subject.condition}
     RETURNING job_id, dispatches, rank_ms`,
    [job.kind, job.class, JSON.stringify(job.payload), offsetMs, leaseMs, ...subject.values],
  );
  return row && toTicket(row);
}

/** Stores jobs in the outbox: they are admitted when there is room. In the transaction of the write that causes them. */
export async function insertHeld(
  connection: Queryable,
  jobs: readonly NewJob[],
  offsetMs: (job: Pick<NewJob, "class">) => number,
): Promise<void> {
  await connection.query(
    `INSERT INTO jobs (kind, class, payload, state, admitted, ticketed, dispatches, accepted_ms, rank_ms)
     SELECT j.kind, j.class, j.payload::jsonb, 'waiting', false, false, 0, ${NOW_MS}, ${NOW_MS} + j.offset_ms
     FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS j (kind, class, payload, offset_ms)`,
    [
      jobs.map((job) => job.kind),
      jobs.map((job) => job.class),
      jobs.map((job) => JSON.stringify(job.payload)),
      jobs.map(offsetMs),
    ],
  );
}

/** Admits up to `room` jobs of these classes from the outbox, those that are served first first. */
export async function admitHeld(
  database: Queryable,
  classes: readonly JobClass[],
  room: number,
  leaseMs: number,
): Promise<readonly (Ticket & Pick<Job, "kind">)[]> {
  const rows = await database.query<TicketRow & Pick<Job, "kind">>(
    `UPDATE jobs SET admitted = true, ticketed = true, dispatches = dispatches + 1, check_ms = ${NOW_MS} + $2::bigint
     WHERE job_id IN (SELECT job_id FROM jobs WHERE state = 'waiting' AND NOT admitted AND check_ms IS NULL AND class = ANY($3::text[])
       ORDER BY rank_ms LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING job_id, dispatches, rank_ms, kind`,
    [room, leaseMs, classes],
  );
  return rows.map((row) => ({ ...toTicket(row), kind: row.kind }));
}

/** Issues tickets for waiting jobs. An earlier ticket stays good: the one that is served first counts, so a job keeps its place. */
export async function issueTickets(
  database: Queryable,
  jobIds: readonly number[],
): Promise<readonly Ticket[]> {
  if (jobIds.length === 0) return [];
  const rows = await database.query<TicketRow>(
    `UPDATE jobs SET ticketed = true, dispatches = dispatches + 1
     WHERE job_id = ANY($1::bigint[]) AND state = 'waiting' RETURNING job_id, dispatches, rank_ms`,
    [jobIds],
  );
  return rows.map(toTicket);
}

type ClaimRow = QueryResultRow & {
  job_id: number;
  kind: Kind;
  class: JobClass;
  payload: Payload;
  attempt: number;
  claims: number;
  accepted_ms: number;
  started_ms: number;
};

/** Begins attempts. Tickets of jobs that are under way, done, or not to be tried yet are not answered with a job. */
export async function claim(
  database: Queryable,
  jobIds: readonly number[],
  leaseMs: number,
): Promise<readonly Job[]> {
  const rows = await database.query<ClaimRow>(
    `UPDATE jobs SET state = 'active', attempt = attempt + 1, claims = claims + 1, ticketed = false, started_ms = ${NOW_MS}, check_ms = ${NOW_MS} + $2::bigint
     WHERE job_id = ANY($1::bigint[]) AND state = 'waiting' AND ticketed
     RETURNING job_id, kind, class, payload, attempt, claims, accepted_ms, started_ms`,
    [jobIds, leaseMs],
  );
  return rows.map((row) => ({
    jobId: row.job_id,
    kind: row.kind,
    class: row.class,
    payload: row.payload,
    attempt: row.attempt,
    claim: row.claims,
    acceptedMs: row.accepted_ms,
    startedMs: row.started_ms,
  }));
}

/** Marks attempts as done and says which: not those that were taken for dead meanwhile. Their effects belong into the same transaction. */
export async function markDone(
  connection: Queryable,
  done: readonly { readonly job: Job; readonly result: object }[],
): Promise<ReadonlyMap<number, { readonly finishedMs: number }>> {
  const rows = await connection.query<{ job_id: number; finished_ms: number }>(
    `UPDATE jobs SET state = 'done', finished_ms = ${NOW_MS}, check_ms = NULL, result = d.result::jsonb
     FROM unnest($1::bigint[], $2::integer[], $3::text[]) AS d (id, claim, result)
     WHERE job_id = d.id AND claims = d.claim AND state = 'active'
     RETURNING job_id, finished_ms`,
    [
      done.map(({ job }) => job.jobId),
      done.map(({ job }) => job.claim),
      done.map(({ result }) => JSON.stringify(result)),
    ],
  );
  return new Map(rows.map((row) => [row.job_id, { finishedMs: row.finished_ms }]));
}

export type Failure = {
  readonly jobId: number;
  readonly attempt: number;
  readonly claim: number;
  readonly error: string;
  readonly stack: string;
};

const HISTORY = `history || jsonb_build_array(jsonb_build_object(
  'attempt', attempt, 'started_ms', started_ms, 'ended_ms', ${NOW_MS}, 'error', $3::text))`;
const OWN_ATTEMPT = "job_id = $1 AND claims = $2 AND state = 'active'";

/** Lets a failed attempt be followed by another one after `delayMs`. False if the attempt was over already. */
export async function retryLater(
  database: Queryable,
  failure: Failure,
  delayMs: number,
): Promise<boolean> {
  const rows = await database.query(
    `UPDATE jobs SET state = 'waiting', check_ms = ${NOW_MS} + $4::bigint, history = ${HISTORY}
     WHERE ${OWN_ATTEMPT} RETURNING job_id`,
    [failure.jobId, failure.claim, failure.error, delayMs],
  );
  return rows.length > 0;
}

/** Gives a job up after its last attempt. False if the attempt was over already. */
export async function bury(database: Queryable, failure: Failure): Promise<boolean> {
  const rows = await database.query(
    `WITH dead AS (
       UPDATE jobs SET state = 'dead', finished_ms = ${NOW_MS}, check_ms = NULL, history = ${HISTORY}
       WHERE ${OWN_ATTEMPT} RETURNING *)
     INSERT INTO dead_letters (job_id, kind, class, payload, error, stack, attempts, first_ms, last_ms)
     SELECT job_id, kind, class, payload, $3, $4, history, coalesce((history->0->>'started_ms')::bigint, started_ms), finished_ms
     FROM dead RETURNING job_id`,
    [failure.jobId, failure.claim, failure.error, failure.stack],
  );
  return rows.length > 0;
}

/** Takes a claim back as if there had been none. */
export async function putBack(
  database: Queryable,
  jobs: readonly Pick<Job, "jobId" | "claim">[],
  delayMs: number,
): Promise<void> {
  if (jobs.length === 0) return;
  await database.query(
    `UPDATE jobs SET state = 'waiting', attempt = attempt - 1, check_ms = ${NOW_MS} + $3::bigint
     FROM unnest($1::bigint[], $2::integer[]) AS d (id, claim)
     WHERE job_id = d.id AND claims = d.claim AND state = 'active'`,
    [jobs.map((job) => job.jobId), jobs.map((job) => job.claim), delayMs],
  );
}

/** Says that these attempts are still under way. */
export async function renewLeases(
  database: Queryable,
  jobs: readonly Pick<Job, "jobId" | "claim">[],
  leaseMs: number,
): Promise<void> {
  await database.query(
    `UPDATE jobs SET check_ms = ${NOW_MS} + $3::bigint
     FROM unnest($1::bigint[], $2::integer[]) AS d (id, claim)
     WHERE job_id = d.id AND claims = d.claim AND state = 'active'`,
    [jobs.map((job) => job.jobId), jobs.map((job) => job.claim), leaseMs],
  );
}

type DueRow = {
  job_id: number;
  state: "waiting" | "active";
  attempt: number;
  claim: number;
  admitted: boolean;
  kind: Kind;
};

/**
 * Up to `most` jobs that are due to be looked after; other processes skip them meanwhile. Each is due again after a lease; if it
 * waits, doubled for every ticket it had: a job that waits in a long queue gets few tickets. Replayed jobs whose time has come move to the outbox.
 */
export async function takeDue(
  database: Queryable,
  most: number,
  leaseMs: number,
): Promise<readonly DueJob[]> {
  const rows = await database.query<DueRow>(
    `UPDATE jobs SET check_ms = CASE WHEN admitted
       THEN ${NOW_MS} + $2::bigint * CASE state WHEN 'active' THEN 1 ELSE 1 << least(dispatches, 6) END END
     WHERE job_id IN (SELECT job_id FROM jobs WHERE state IN ('waiting', 'active') AND check_ms <= ${NOW_MS}
       ORDER BY check_ms LIMIT $1 FOR UPDATE SKIP LOCKED)
     RETURNING job_id, state, attempt, claims AS claim, admitted, kind`,
    [most, leaseMs],
  );
  return rows.map((row) => ({ ...row, jobId: row.job_id }));
}

/** The queue has fewer tickets than jobs that wait in it: looks after all of them at the next sweep. */
export async function makeTicketedDue(database: Queryable): Promise<void> {
  await database.query(
    `UPDATE jobs SET check_ms = ${NOW_MS} WHERE state = 'waiting' AND ticketed AND check_ms > ${NOW_MS}`,
  );
}

type CensusRow = {
  waiting: number;
  ticketed: number;
  held: number;
  open: boolean;
  finished: number;
  webhooks_stamp: string;
};

export async function takeCensus(database: Queryable): Promise<Census> {
  const [row] = await database.query<CensusRow>(
    `SELECT count(*) FILTER (WHERE admitted) AS waiting, count(*) FILTER (WHERE ticketed) AS ticketed,
       count(*) FILTER (WHERE NOT admitted AND check_ms IS NULL) AS held,
       count(*) > 0 OR EXISTS (SELECT 1 FROM jobs WHERE state = 'active' AND check_ms IS NOT NULL) AS open,
       (SELECT count(*) FROM jobs WHERE finished_ms > ${NOW_MS} - ${RATE_WINDOW_MS}) AS finished,
       (SELECT concat(count(*), '.', max(webhook_id)) FROM webhooks) AS webhooks_stamp
     FROM jobs WHERE state = 'waiting'`,
  );
  return {
    waiting: row?.waiting ?? 0,
    ticketed: row?.ticketed ?? 0,
    held: row?.held ?? 0,
    open: row?.open ?? false,
    finishedPerSecond: ((row?.finished ?? 0) * 1_000) / RATE_WINDOW_MS,
    webhooksStamp: row?.webhooks_stamp ?? "",
  };
}

const PRUNABLE = [
  ["jobs", "finished_ms", "job_id"],
  ["reports", "created_ms", "report_id"],
  ["webhook_receipts", "delivered_ms", "delivery"],
] as const;

/** Deletes what nobody will ask for any more, in small statements, while `goOn`; dead letters stay until they are purged. */
export async function prune(database: Queryable, goOn: () => boolean): Promise<void> {
  for (const [table, column, key] of PRUNABLE) {
    let gone = PRUNED_MAX;
    while (gone === PRUNED_MAX && goOn()) {
      const [row] = await database.query<{ gone: number }>(
        `WITH old AS (SELECT ${key} FROM ${table} WHERE ${column} < ${NOW_MS} - ${KEEP_MS} LIMIT ${PRUNED_MAX} FOR UPDATE SKIP LOCKED),
         gone AS (DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM old) RETURNING 1)
         SELECT count(*) AS gone FROM gone`,
      );
      gone = row?.gone ?? 0;
    }
  }
}

/** Tells the services apart that share a Redis: their job ids are not each other's. */
export async function findQueueIdentity(database: Queryable): Promise<string> {
  const identity = async (system: string): Promise<string> => {
    const [row] = await database.query<{ identity: string }>(
      `SELECT concat_ws('-', ${system}, (SELECT oid FROM pg_database WHERE datname = current_database()), 'jobs'::regclass::oid) AS identity`,
    );
    return row?.identity ?? "";
  };
  // Some hosts keep the cluster's number from ordinary roles.
  return identity("(SELECT system_identifier FROM pg_control_system())").catch(() =>
    identity("'cluster'"),
  );
}
