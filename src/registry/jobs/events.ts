// Writes together with the jobs they cause: both are committed, or neither.

import type { Queryable } from "../database.ts";
import type { Backend } from "../endpoint.ts";
import type { NewJob } from "./job.ts";
import type { Event, EventName } from "./webhooks.ts";

type Parts = Pick<Backend, "database" | "jobs">;

/** A write of one statement; it stays one while nobody listens to the event. */
export async function writeWithEvent<Row>(
  { database, jobs }: Parts,
  event: Event,
  write: (connection: Queryable) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  if (jobs === undefined || !jobs.listens(event.name)) return write(database);
  const rows = await database.transaction(async (connection) => {
    const written = await write(connection);
    // A write that found nothing to change is no event.
    if (written.length > 0) await jobs.store(connection, jobs.jobsOf(event));
    return written;
  });
  jobs.stored();
  return rows;
}

/** For a write that has a transaction already; eventStored is to be called after its commit. */
export async function storeEvent(
  { jobs }: Pick<Backend, "jobs">,
  connection: Queryable,
  event: Event,
): Promise<void> {
  if (jobs?.listens(event.name) === true) await jobs.store(connection, jobs.jobsOf(event));
}

/** After the commit of an event that was stored. */
export function eventStored({ jobs }: Pick<Backend, "jobs">, name: EventName): void {
  if (jobs?.listens(name) === true) jobs.stored();
}

/** A write after which a version has to be validated. */
export async function writeWithValidation(
  { database, jobs }: Parts,
  name: string,
  version: number,
  write: (connection: Queryable) => Promise<void>,
): Promise<void> {
  if (jobs === undefined) return write(database);
  const job: NewJob = { kind: "validate", class: "normal", payload: { name, version } };
  await database.transaction(async (connection) => {
    await write(connection);
    await jobs.store(connection, [job]);
  });
  jobs.stored();
}
