/** Reads a snapshot of a database: one read-only transaction over the catalogs, no table of the user's is opened. */
import { z } from "zod";
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import type { DatabaseLocale, Query } from "../../../core/planner.ts";
import type { Row } from "../../../core/workload.ts";
import { assemble, type Facts } from "./assemble.ts";
import { callFunction, findFunction } from "./function.ts";
import { partNames, partOf, type PartName, type PartOptions } from "./parts.ts";
import { privilegeCaveats } from "./privileges.ts";
import { redactSnapshot } from "./redact.ts";
import { checkedParts, settingRows, type PartRows } from "./schema.ts";
import { sessionSettings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";

export interface ReadOptions {
  readonly redact: Snapshot["redacted"];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const OLDEST = 120_000;

/**
 * What every name, number and value is written by. A lock is not waited for longer than anybody would notice; nothing of
 * it outlives the transaction.
 */
const SESSION = {
  lock_timeout: "500ms",
  statement_timeout: "30s",
  extra_float_digits: "1",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  bytea_output: "hex",
  lc_monetary: "C",
  quote_all_identifiers: "off",
  jit: "off",
} as const;

/** The path finds nothing of the user's, so that every name comes out with its schema. */
const sessionSql: readonly string[] = [
  "SET LOCAL search_path = pg_catalog, pg_temp",
  ...Object.entries(SESSION).map(([name, value]) => `SET LOCAL ${name} = '${value}'`),
];

/** For DatabaseView.together: `query` has to run in one read-only REPEATABLE READ transaction. Throws PerfoptError only when there is nothing to go by. */
export async function readSnapshot(query: Query, options: ReadOptions): Promise<Snapshot> {
  const caveats: string[] = [];
  const facts = await readFacts(query);
  for (const sql of sessionSql) await query(sql);
  const settings = settingRows.parse(rowsIn(await query(asJson(sessionSettings))));
  const found = await readParts(query, facts, caveats);
  caveats.push(...(await privilegeCaveats(query, facts, found.through)));
  const takenAt = new Date(options.now()).toISOString();
  const snapshot = assemble({ ...facts, takenAt, settings, caveats }, found.parts);
  return redactSnapshot(snapshot, options.redact);
}

async function readFacts(query: Query): Promise<Facts> {
  const [row] = await query(`
    SELECT current_setting('server_version_num')::int AS version, current_database()::text AS database, current_user::text AS role,
      array_to_json(current_schemas(false))::text AS path, has_table_privilege('pg_catalog.pg_statistic', 'SELECT') AS reads,
      current_setting('block_size')::int AS block,
      pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collate, d.datctype::text AS ctype,
      coalesce(to_jsonb(d)->>'datlocprovider', 'c') AS provider,
      coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale') AS locale,
      (SELECT to_json(s.stats_reset)#>>'{}' FROM pg_stat_database s WHERE s.datid = d.oid) AS since
    FROM pg_database d WHERE d.datname = current_database()`);
  const version = Number(row?.["version"] ?? 0);
  if (version < OLDEST) {
    throw new PerfoptError(
      "cannot-measure",
      `the database's server is PostgreSQL ${Math.floor(version / 10_000)}`,
      "a snapshot needs PostgreSQL 12 or later",
    );
  }
  const path: unknown = JSON.parse(textOf(row, "path"));
  const own = row?.["locale"];
  return {
    serverVersion: version,
    database: textOf(row, "database"),
    role: textOf(row, "role"),
    searchPath: z.array(z.string()).parse(path),
    since: row?.["since"] === null ? null : textOf(row, "since"),
    readsAll: row?.["reads"] === true,
    blockBytes: Number(row?.["block"]),
    locale: {
      encoding: textOf(row, "encoding"),
      collate: textOf(row, "collate"),
      ctype: textOf(row, "ctype"),
      provider: providerOf(textOf(row, "provider")),
      ...(typeof own === "string" ? { locale: own } : {}),
    },
  };
}

function textOf(row: Row | undefined, column: string): string {
  return String(row?.[column]);
}

/** Letters of pg_database.datlocprovider. */
function providerOf(letter: string): DatabaseLocale["provider"] {
  if (letter === "i") return "icu";
  return letter === "b" ? "builtin" : "libc";
}

interface Found {
  readonly parts: PartRows;
  readonly through: "function" | "catalogs";
}

/** The DBA's function sees all; without it, or with rights of one's own, the catalogs are read directly. */
async function readParts(query: Query, facts: Facts, caveats: string[]): Promise<Found> {
  const name = facts.readsAll ? undefined : await findFunction(query);
  if (name !== undefined) {
    const answer = await attempt(query, () => callFunction(query, name));
    if (answer.kind === "failed") {
      caveats.push(
        `${name} failed (${answer.because}), so only what the role ${facts.role} may read itself is in the snapshot: make the function again with \`perfopt snapshot --print-function\``,
      );
    } else {
      return { parts: checkedParts(answer.value), through: "function" };
    }
  }
  return { parts: await readCatalogs(query, facts, caveats), through: "catalogs" };
}

/**
 * A table that is locked is waited for once, and then left out of what is still to be read. Other failures are tried once
 * more too: something may have been dropped in this moment.
 */
async function readCatalogs(query: Query, facts: Facts, caveats: string[]): Promise<PartRows> {
  const found: Record<string, unknown> = {};
  let skipLocked = false;
  for (const name of partNames) {
    const options = {
      skipLocked,
      ...(facts.readsAll ? {} : { visibleIn: facts.serverVersion }),
    };
    let answer = await readPart(query, name, options);
    if (answer.kind === "failed" && !FINAL_ERRORS.includes(answer.code)) {
      skipLocked ||= answer.code === LOCK_ERROR;
      answer = await readPart(query, name, { ...options, skipLocked });
    }
    if (answer.kind === "read") found[name] = answer.value;
    else if (name === "tables" || name === "relations") throw unreadable(answer.because);
    else {
      found[name] = [];
      // What a role without the right gets to hear about that is said with what else it may not see.
      if (name !== "extendedData" || facts.readsAll)
        caveats.push(`${partOf(name, options).title} could not be read: ${answer.because}`);
    }
  }
  return checkedParts(found);
}

function readPart(query: Query, name: PartName, options: PartOptions): Promise<Attempt> {
  const { sql } = partOf(name, options);
  return attempt(query, async () => rowsIn(await query(asJson(sql))));
}

function unreadable(because: string): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `the database's tables could not be listed: ${because}`,
    "check that this is PostgreSQL 12 or later, and that the role may read its catalogs",
  );
}

type Attempt =
  | { readonly kind: "read"; readonly value: unknown }
  | { readonly kind: "failed"; readonly because: string; readonly code: string };

/** lock_not_available. */
const LOCK_ERROR = "55P03";
/** insufficient_privilege, query_canceled (by the statement's timeout): the same again the next time. */
const FINAL_ERRORS: readonly string[] = ["42501", "57014"];

/** A failure undoes itself alone: the transaction, and with it the moment that it sees, goes on. */
async function attempt(query: Query, use: () => Promise<unknown>): Promise<Attempt> {
  await query("SAVEPOINT perfopt_part");
  try {
    const value = await use();
    await query("RELEASE SAVEPOINT perfopt_part");
    return { kind: "read", value };
  } catch (error) {
    await query("ROLLBACK TO SAVEPOINT perfopt_part");
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { kind: "failed", because: messageOf(error), code };
  }
}

function asJson(sql: string): string {
  return `SELECT coalesce(json_agg(r), '[]')::text AS rows FROM (${sql}) AS r`;
}

function rowsIn(rows: readonly Row[]): unknown {
  const parsed: unknown = JSON.parse(textOf(rows[0], "rows"));
  return parsed;
}
