/** Copies of the target's database: the arms', and scratch ones; made from the source while nobody is connected to it. */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { PerfoptError } from "../core/errors.ts";
import { quoteName, quoteText } from "../core/index-definition.ts";
import { sqlStateOf } from "./index-state.ts";
import type { Source } from "./source.ts";
import { APPLICATION_NAME, databaseOf, rowsOf, withConnection, withDatabase } from "./sql.ts";

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
    await copySettings(client, { template, name, owner: source.owner });
  });
}

/** Their values are lists, already quoted as SQL wants them. */
const LISTS: ReadonlySet<string> = new Set([
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
]);
const NO_RIGHT = "42501";

/** A copy has no settings of its database's, such as a search path without which the service finds no table: everybody's, the owner's, and those of whoever clones. */
async function copySettings(
  client: Client,
  { template, name, owner }: { template: string; name: string; owner: string | undefined },
): Promise<void> {
  const rows = await rowsOf(
    client,
    `SELECT r.rolname::text AS role, split_part(u.entry, '=', 1) AS parameter,
       substr(u.entry, position('=' IN u.entry) + 1) AS value
     FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole,
       unnest(s.setconfig) WITH ORDINALITY AS u(entry, position)
     WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)
       AND (s.setrole = 0 OR r.rolname IN (session_user, $2))
     ORDER BY s.setrole, u.position`,
    [template, owner ?? null],
  );
  for (const row of rows) {
    const parameter = String(row["parameter"]);
    const value = String(row["value"]);
    const text = LISTS.has(parameter.toLowerCase()) && value !== "" ? value : quoteText(value);
    const whose =
      row["role"] === null
        ? `DATABASE ${quoteName(name)}`
        : `ROLE ${quoteName(String(row["role"]))} IN DATABASE ${quoteName(name)}`;
    const quoted = parameter.split(".").map(quoteName).join(".");
    await client.query(`ALTER ${whose} SET ${quoted} TO ${text}`).catch((error: unknown) => {
      // One that a superuser has made: both arms go without it alike.
      if (sqlStateOf(error) !== NO_RIGHT) throw error;
    });
  }
}

/** Drops a database that perfopt made, ending its sessions; refuses any other. */
export async function dropClone(adminUrl: string, name: string): Promise<void> {
  if (!name.startsWith(CLONE_PREFIX)) throw notOurs(name);
  await maintain({ adminUrl, owner: undefined }, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`),
  );
}

/**
 * Ends what runs in a database that perfopt made, but for perfopt's own sessions: a server goes on with a statement whose client is gone
 * until it has something to say. Sessions that this role may not end are left.
 */
export async function endSessions(cloneUrl: string): Promise<void> {
  if (!databaseOf(cloneUrl).startsWith(CLONE_PREFIX)) throw notOurs(databaseOf(cloneUrl));
  await withConnection(cloneUrl, (client) =>
    client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> $1`,
      [APPLICATION_NAME],
    ),
  ).catch((error: unknown) => {
    if (sqlStateOf(error) !== NO_RIGHT) throw error;
  });
}

function notOurs(name: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `database ${name} was not made by perfopt, so it is left as it is`,
    "check the journal: it may have been changed by hand",
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
