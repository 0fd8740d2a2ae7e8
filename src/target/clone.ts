/** Copies of the target's database: the arms', and scratch ones; made from the source while nobody is connected to it. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { PerfoptError } from "../core/errors.ts";
import { quoteName } from "../core/index-definition.ts";
import type { Source } from "./source.ts";
import { databaseOf, rowsOf, withConnection, withDatabase } from "./sql.ts";

/** Every database that perfopt makes, and none that it does not, has a name that begins so. */
export const CLONE_PREFIX = "perfopt_";

const COPY_TIMEOUT_MS = 10 * 60_000;
/** A session that has just been closed stays listed for a moment. */
const EMPTY_WAIT_MS = 5_000;
const POLL_MS = 100;
const NAME_BYTES_MAX = 63;
/** PostgreSQL's own database for maintenance. */
const MAINTENANCE = "postgres";

export type CloneSource = Pick<Source, "adminUrl" | "owner">;

/** A database name made of a run's id; PostgreSQL would cut longer ones off without a word. */
export function cloneName(runId: string, suffix: string): string {
  const id = runId.toLowerCase().replace(/[^a-z0-9]+/g, "_");
  return `${CLONE_PREFIX}${id.slice(0, NAME_BYTES_MAX - CLONE_PREFIX.length - suffix.length - 1)}_${suffix}`;
}

/** Copies files rather than logging every page: both arms' pages then lie alike, and a large database takes seconds. */
export function cloneDatabase(source: CloneSource, name: string): Promise<void> {
  const template = databaseOf(source.adminUrl);
  const owner = source.owner === undefined ? "" : ` OWNER ${quoteName(source.owner)}`;
  return maintain(source, async (client) => {
    await waitUntilUnused(client, template);
    await client.query(`DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`);
    // Before PostgreSQL 15 files are what it copies, and nothing else can be asked for.
    const [row] = await rowsOf(
      client,
      "SELECT current_setting('server_version_num')::int >= 150000 AS choice",
    );
    const strategy = row?.["choice"] === true ? " STRATEGY FILE_COPY" : "";
    await client.query(
      `CREATE DATABASE ${quoteName(name)} TEMPLATE ${quoteName(template)}${strategy}${owner}`,
    );
  });
}

/** Drops a database that perfopt made, ending its sessions; refuses any other. */
export async function dropClone(adminUrl: string, name: string): Promise<void> {
  if (!name.startsWith(CLONE_PREFIX)) {
    throw new PerfoptError(
      "bad-input",
      `database ${name} was not made by perfopt, so it is not dropped`,
      "check the journal: it may have been changed by hand",
    );
  }
  await maintain({ adminUrl, owner: undefined }, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`),
  );
}

function maintain<T>(source: CloneSource, use: (client: Client) => Promise<T>): Promise<T> {
  return withConnection(withDatabase(source.adminUrl, MAINTENANCE), use, {
    statementTimeoutMs: COPY_TIMEOUT_MS,
  });
}

async function waitUntilUnused(client: Client, database: string): Promise<void> {
  const deadline = performance.now() + EMPTY_WAIT_MS;
  for (;;) {
    const sessions = await rowsOf(
      client,
      `SELECT pid, coalesce(nullif(application_name, ''), usename, backend_type) AS who FROM pg_stat_activity
       WHERE datname = $1 AND backend_type = 'client backend'`,
      [database],
    );
    if (sessions.length === 0) return;
    if (performance.now() > deadline) {
      const who = sessions.map((row) => `pid ${row["pid"]} (${row["who"]})`).join(", ");
      throw new PerfoptError(
        "cannot-measure",
        `database ${database} cannot be copied while others are connected to it: ${who}`,
        "stop what uses it (a running service, an open psql), then run this again",
      );
    }
    await delay(POLL_MS);
  }
}
