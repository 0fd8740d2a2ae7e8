/** Settings of PostgreSQL for the service's role in its database: read as its sessions have them, set, and put back as they were. */
import type { Client } from "pg";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Knob, KnobValue } from "../core/knob.ts";
import { alterRoleSql, writeValue, type SettingPlace } from "../core/knob-text.ts";
import type { Row } from "../core/workload.ts";
import { rowsOf, withConnection, type ConnectOptions } from "./sql.ts";

/** A session as the service's own begin: a limit of perfopt's would hide the role's statement_timeout. */
const AS_SERVICE: ConnectOptions = { plainSession: true };

export type PostgresKnob = Knob & {
  readonly set: { readonly kind: "postgres"; readonly parameter: string };
};

export function postgresKnobs(knobs: readonly Knob[]): readonly PostgresKnob[] {
  return knobs.filter(isPostgresKnob);
}

export function isPostgresKnob(knob: Knob): knob is PostgresKnob {
  return knob.set.kind === "postgres";
}

/** The values that a new session of the service has, by knob. Throws bad-input for a setting that is not there, or not a session's to set. */
export async function readServiceSettings(
  serviceUrl: string,
  knobs: readonly Knob[],
): Promise<Record<string, KnobValue>> {
  const own = postgresKnobs(knobs);
  if (own.length === 0) return {};
  return withConnection(
    serviceUrl,
    async (client) => {
      const values: Record<string, KnobValue> = {};
      for (const knob of own) values[knob.id] = valueIn(await settingRow(client, knob), knob);
      return values;
    },
    AS_SERVICE,
  );
}

/** Whose session this is, by its own word: a pooler may log in as another than its client. */
export async function sessionPlace(client: Client): Promise<Omit<SettingPlace, "parameter">> {
  const [row] = await rowsOf(
    client,
    "SELECT session_user::text AS role, current_database()::text AS database",
  );
  return { role: String(row?.["role"]), database: String(row?.["database"]) };
}

/** The text of the place's own entry; undefined when it has none: the server's, the database's or the role's value then counts. */
export async function settingEntry(
  client: Client,
  { role, database, parameter }: SettingPlace,
): Promise<string | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT substr(u, position('=' IN u) + 1) AS entry FROM pg_db_role_setting s, unnest(s.setconfig) u
     WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)
       AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = $2) AND lower(split_part(u, '=', 1)) = lower($3)`,
    [role, database, parameter],
  );
  return row === undefined ? undefined : String(row["entry"]);
}

/**
 * Gives new sessions of the service this value, and proves it on one. Returns the statement. `client` has the right to it: the
 * role itself, or a superuser. On a failure the entry is as it was before.
 */
export async function setForService(
  client: Client,
  { serviceUrl, place, knob }: ServiceSetting,
  value: KnobValue,
): Promise<string> {
  const expected = await asPostgresWrites(serviceUrl, knob, value);
  const before = await settingEntry(client, place);
  const sql = alterRoleSql(place, writeValue(knob, value));
  await alter(client, place, sql);
  try {
    const found = await withConnection(serviceUrl, (fresh) => settingRow(fresh, knob), AS_SERVICE);
    if (found["shown"] !== expected) throw notInForce(place, knob, expected, found);
    return sql;
  } catch (error) {
    await putBack(client, place, before);
    throw error;
  }
}

export interface ServiceSetting {
  readonly serviceUrl: string;
  readonly place: SettingPlace;
  readonly knob: PostgresKnob;
}

/** Makes the entry this text; undefined: none. Verified in the catalog; returns the statement. */
export async function putBack(
  client: Client,
  place: SettingPlace,
  entry: string | undefined,
): Promise<string> {
  const sql = alterRoleSql(place, entry);
  await alter(client, place, sql);
  const found = await settingEntry(client, place);
  if (found === entry) return sql;
  throw new PerfoptError(
    "dirty-target",
    `${place.parameter} of role ${place.role} in database ${place.database} is ${found ?? "not set"} after \`${sql}\``,
    "look for what else sets it, then run `perfopt rollback`",
  );
}

async function alter(client: Client, place: SettingPlace, sql: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    throw new PerfoptError(
      "cannot-measure",
      `${place.parameter} could not be changed for role ${place.role} in database ${place.database}: ${messageOf(error)}`,
      "a role may set its own settings on a primary that takes writes; leave the knob out of the target file where it may not",
      { cause: error },
    );
  }
}

async function settingRow(client: Client, knob: PostgresKnob): Promise<Row> {
  const { parameter } = knob.set;
  const [row] = await rowsOf(
    client,
    `SELECT setting, unit, vartype, context, source, current_setting(name) AS shown,
       current_setting('server_version') AS version
     FROM pg_settings WHERE name = $1 OR lower(name) = $1`,
    [parameter],
  );
  if (!row) {
    const [server] = await rowsOf(client, "SELECT current_setting('server_version') AS version");
    throw unfit(
      knob,
      `PostgreSQL ${String(server?.["version"])} has no setting ${parameter}`,
      "take the knob out of the target file, or correct `postgres:`",
    );
  }
  if (row["context"] !== "user") {
    throw unfit(
      knob,
      `${parameter} is not a session's to set (its context is ${String(row["context"])})`,
      "only settings that any session may set can be turned; set this one yourself, and take the knob out of the target file",
    );
  }
  return row;
}

function unfit({ id }: Knob, what: string, hint: string): PerfoptError {
  return new PerfoptError("bad-input", `knob ${id}: ${what}`, hint);
}

/** PostgreSQL's own way to write a value, from setting it for a moment: it rounds to its unit, and refuses what is outside its bounds. */
function asPostgresWrites(
  serviceUrl: string,
  knob: PostgresKnob,
  value: KnobValue,
): Promise<string> {
  const { parameter } = knob.set;
  return withConnection(serviceUrl, async (client) => {
    await settingRow(client, knob);
    await client.query("BEGIN");
    try {
      const text = writeValue(knob, value);
      await rowsOf(client, "SELECT set_config($1, $2, true)", [parameter, text]);
      const [row] = await rowsOf(client, "SELECT current_setting($1) AS shown", [parameter]);
      return String(row?.["shown"]);
    } catch (error) {
      throw unfit(
        knob,
        `PostgreSQL does not take it: ${messageOf(error)}`,
        "set min and max in the target file within what this PostgreSQL takes",
      );
    } finally {
      await client.query("ROLLBACK");
    }
  });
}

function notInForce(place: SettingPlace, knob: Knob, expected: string, found: Row): PerfoptError {
  const why =
    found["source"] === "client" || found["source"] === "session"
      ? "the options of the service's own connection URL win over it: take the setting out of them"
      : "a pooler such as pgbouncer gives sessions that began before: point the service's URL at PostgreSQL itself, or have the pooler make new connections (RECONNECT)";
  return new PerfoptError(
    "cannot-measure",
    `knob ${knob.id}: a new session of role ${place.role} has ${place.parameter} = ${String(found["shown"])} (source: ${String(found["source"])}) after it was set to ${expected}`,
    why,
  );
}

/** Of a number in the setting's unit: bytes, or ms. */
const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
const MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, min: 60_000 };

function valueIn(row: Row, knob: PostgresKnob): KnobValue {
  const { domain } = knob;
  const text = String(row["setting"]);
  const type = String(row["vartype"]);
  const unit = row["unit"] === null ? undefined : String(row["unit"]);
  const [, count = "", word = ""] = /^(\d*)([A-Za-z]+)$/.exec(unit ?? "") ?? [];
  const factor = (factors: Readonly<Record<string, number>>) =>
    (factors[word] ?? Number.NaN) * (count === "" ? 1 : Number(count));
  const fits = {
    bool: type === "bool",
    enum: type === "enum",
    int: type === "integer" && unit === undefined,
    number: (type === "real" || type === "integer") && unit === undefined,
    bytes: Number.isFinite(factor(BYTES)),
    duration: Number.isFinite(factor(MS)),
  }[domain.kind];
  if (!fits) {
    throw unfit(
      knob,
      `PostgreSQL's ${knob.set.parameter} is of type ${type}${unit === undefined ? "" : `, in ${unit}`}, which the type ${domain.kind} does not say`,
      "give the knob the type that PostgreSQL's setting has (real is number, memory is bytes, time is duration)",
    );
  }
  if (domain.kind === "bool") return text === "on";
  if (domain.kind === "enum") return text;
  const amount = Number(text);
  // -1 and its like are words ("off", "as another setting"), not amounts.
  if (amount < 0) return amount;
  if (domain.kind === "bytes") return amount * factor(BYTES);
  return domain.kind === "duration" ? amount * factor(MS) : amount;
}
