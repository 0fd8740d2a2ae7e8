/** Connections to PostgreSQL with timeouts everywhere, names quoted, and rows as plain values. */
import { Client, TypeOverrides } from "pg";
import { messageOf, PerfoptError, redactSecrets, throwIfAborted } from "../core/errors.ts";
import type { PlannerConnection } from "../core/planner.ts";
import type { Row, Scalar } from "../core/workload.ts";

export const APPLICATION_NAME = "perfopt";

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 60_000;

export interface ConnectOptions {
  /** 0 for none: the caller limits the statement otherwise. */
  readonly statementTimeoutMs?: number;
  /** True: the session begins with the server's settings alone, and the limit is kept on this side only. */
  readonly plainSession?: boolean;
}

export type Parameters = readonly (string | number | boolean | null)[];

export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  // What is no URL may hold a password in any place, so it is never shown, also not in a message of the server's.
  if (!URL.canParse(url)) {
    throw new PerfoptError(
      "bad-input",
      "what was given as a database is no URL (it is not shown here)",
      "give one such as postgres://user@host:5432/database",
    );
  }
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  const client = new Client({
    connectionString: url,
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: options.plainSession === true ? 0 : statementTimeoutMs,
    keepAlive: true,
    types: plainTypes(),
    // The server's own timeout answers first; this one is for a server that answers no more.
    ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + CONNECT_TIMEOUT_MS } : {}),
  });
  // A connection lost between queries shows in the next query; without a listener it would end perfopt.
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => {});
    throw new PerfoptError(
      "cannot-measure",
      `no connection to PostgreSQL at ${redactSecrets(url)}: ${messageOf(error)}`,
      "check that the server runs and that the URL's user may connect",
      { cause: error },
    );
  }
  return client;
}

/** A session that stays open, for what is asked in several steps. */
export async function openPlainConnection(
  url: string,
  options: ConnectOptions = {},
): Promise<PlannerConnection> {
  const client = await connect(url, options);
  return {
    query: (sql, parameters) => rowsOf(client, sql, parameters),
    script: async (sql) => {
      const results: unknown = await client.query(sql);
      return (Array.isArray(results) ? results : [results]).map(plainRows);
    },
    close: () => client.end(),
  };
}

/** Opens a connection for as long as `use` takes. */
export async function withConnection<T>(
  url: string,
  use: (client: Client) => Promise<T>,
  options: ConnectOptions = {},
): Promise<T> {
  const client = await connect(url, options);
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** The rows of one statement, their values as numbers, texts, booleans and null. */
export async function rowsOf(
  client: Client,
  sql: string,
  parameters: Parameters = [],
): Promise<readonly Row[]> {
  return plainRows(await client.query<Record<string, unknown>>(sql, [...parameters]));
}

/** The rows of a result, likewise. */
function plainRows({
  rows,
}: {
  readonly rows: readonly Record<string, unknown>[];
}): readonly Row[] {
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, scalarOf(value)])),
  );
}

/** Runs one query in a read-only transaction. */
export function readOnly(
  client: Client,
  sql: string,
  parameters: Parameters = [],
): Promise<readonly Row[]> {
  return inReadOnly(client, "READ COMMITTED", () => rowsOf(client, sql, parameters));
}

/** Runs several in one; with REPEATABLE READ they all see the same moment. */
export async function inReadOnly<T>(
  client: Client,
  isolation: "READ COMMITTED" | "REPEATABLE READ",
  use: () => Promise<T>,
): Promise<T> {
  await client.query(`BEGIN TRANSACTION ISOLATION LEVEL ${isolation} READ ONLY`);
  try {
    return await use();
  } finally {
    await client.query("ROLLBACK");
  }
}

/** One read-only query on a database, for example for a workload's parameters. */
export function queryDatabase(
  url: string,
  sql: string,
  parameters: Parameters = [],
): Promise<readonly Row[]> {
  return withConnection(url, (client) => readOnly(client, sql, parameters));
}

/** Closing a connection does not end its statement: on an interrupt it is cancelled from another one. */
export async function cancelledOnAbort<T>(
  client: Client,
  { url, signal }: { readonly url: string; readonly signal: AbortSignal },
  statement: () => Promise<T>,
): Promise<T> {
  const [own] = await rowsOf(client, "SELECT pg_backend_pid() AS pid");
  const cancel = () => {
    // A cancellation that fails leaves the statement to its own time limit.
    withConnection(url, (other) =>
      other.query("SELECT pg_cancel_backend($1)", [numberOf(own, "pid")]),
    ).catch(() => {});
  };
  signal.addEventListener("abort", cancel, { once: true });
  try {
    throwIfAborted(signal);
    return await statement();
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

export function numberOf(row: Row | undefined, column: string): number {
  const value = row?.[column];
  return typeof value === "number" ? value : Number.NaN;
}

/** The same server and user, another database. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
}

export function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

const INT8 = 20;
const NUMERIC = 1700;
const JSON_TYPES = [114, 3802];

/** Big integers become numbers where that is exact; JSON stays text, for its reader to parse. */
function plainTypes(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(INT8, exactNumber);
  types.setTypeParser(NUMERIC, Number);
  for (const oid of JSON_TYPES) types.setTypeParser(oid, String);
  return types;
}

function exactNumber(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}

function scalarOf(value: unknown): Scalar {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (value instanceof Date) return value.toISOString();
  return JSON.stringify(value);
}
