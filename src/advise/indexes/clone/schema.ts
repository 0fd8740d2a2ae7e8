/** Makes a snapshot's schema in an empty database, and says what could not be made and why. */
import { qualifiedName, quoteName } from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { isModelled, schemaSteps, type Step } from "./ddl.ts";
import { vetSteps } from "./harmless.ts";
import { runAll } from "./run.ts";

export interface MadeSchema {
  /** `schema.table`, unquoted, of tables that are not modelled, with the reason. */
  readonly missing: ReadonlyMap<string, string>;
  readonly caveats: readonly string[];
}

/** Statements that need each other succeed in a later pass; more passes than this never helped. */
const PASSES_MAX = 6;

export async function makeSchema(
  connection: PlannerConnection,
  snapshot: Snapshot,
): Promise<MadeSchema> {
  await connection.script(
    "SET search_path = ''; SET check_function_bodies = off; SET client_min_messages = error",
  );
  const failed: { step: Step; message: string }[] = [];
  let checked = false;
  const caveats: string[] = [];
  for (const steps of schemaSteps(snapshot)) {
    const vetted = await vetSteps(connection, steps);
    const settled = await settle(connection, vetted.steps);
    caveats.push(...vetted.caveats);
    failed.push(...vetted.refused, ...settled.failed);
    checked ||= settled.otherwise.some(({ sql }) => sql.includes(" FOREIGN KEY "));
  }
  await connection.script(
    "UPDATE pg_constraint SET convalidated = true WHERE contype = 'f' AND NOT convalidated",
  );
  if (checked) await renewIndexes(connection);
  await renameInherited(connection, snapshot);
  const made = describeFailures(snapshot, failed);
  return { ...made, caveats: [...made.caveats, ...caveats] };
}

interface Settled {
  readonly failed: readonly { readonly step: Step; readonly message: string }[];
  /** Steps that their second statement made. */
  readonly otherwise: readonly Step[];
}

/** Runs steps in passes for as long as a pass makes something. */
async function settle(connection: PlannerConnection, steps: readonly Step[]): Promise<Settled> {
  let left = steps.map((step) => ({ step, message: "" }));
  const otherwise: Step[] = [];
  for (let pass = 1; pass <= PASSES_MAX && left.length > 0; pass += 1) {
    const failures = await runAll(
      connection,
      left.map(({ step }) => step.sql),
    );
    const next: typeof left = [];
    for (const { index, message } of failures) {
      const step = left[index]?.step;
      if (step === undefined) continue;
      if (step.otherwise !== undefined) {
        const again = await runAll(connection, [step.otherwise]);
        if (again.length === 0) {
          otherwise.push(step);
          continue;
        }
      }
      next.push({ step, message });
    }
    if (next.length === left.length) return { failed: next, otherwise };
    left = next;
  }
  return { failed: left, otherwise };
}

/** A foreign key that was checked has read indexes into the server's memory: new files are read afresh. */
async function renewIndexes(connection: PlannerConnection): Promise<void> {
  const tables = await connection.query(
    `SELECT DISTINCT format('%I.%I', n.nspname, c.relname) AS name
     FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`,
  );
  await runAll(
    connection,
    tables.map((row) => `REINDEX TABLE ${String(row["name"])}`),
  );
}

/** A key of a partitioned table makes the partitions' indexes under names of its own choice; statistics go by name. */
async function renameInherited(connection: PlannerConnection, snapshot: Snapshot): Promise<void> {
  const wanted = snapshot.indexes.filter(({ constraint, inherited }) => constraint && inherited);
  if (wanted.length === 0) return;
  const made = await connection.query(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, pg_get_indexdef(c.oid) AS definition
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('i', 'I') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`,
  );
  const names = new Set(made.map((row) => `${row["schema"]}.${row["name"]}`));
  const known = new Set(snapshot.indexes.map(({ schema, name }) => `${schema}.${name}`));
  const renames: string[] = [];
  for (const { schema, name, definition } of wanted) {
    if (names.has(`${schema}.${name}`)) continue;
    const twin = made.find(
      (row) =>
        row["schema"] === schema &&
        !known.has(`${schema}.${row["name"]}`) &&
        bodyOf(String(row["definition"])) === bodyOf(definition),
    );
    if (twin === undefined) continue;
    renames.push(
      `ALTER INDEX ${qualifiedName(schema, String(twin["name"]))} RENAME TO ${quoteName(name)}`,
    );
  }
  await runAll(connection, renames);
}

/** Of a CREATE INDEX: all but the index's name. */
function bodyOf(definition: string): string {
  return definition.slice(definition.indexOf(" ON "));
}

function describeFailures(snapshot: Snapshot, failed: Settled["failed"]): MadeSchema {
  const extensions = failed
    .filter(({ step }) => step.makes.startsWith("extension "))
    .map(({ step }) => step.makes.slice("extension ".length));
  const because = (message: string) =>
    extensions.length === 0
      ? message
      : `${message} (missing here: extension ${extensions.join(", ")})`;
  const missing = new Map<string, string>();
  for (const table of snapshot.tables) {
    if (isModelled(table)) continue;
    missing.set(`${table.schema}.${table.name}`, "it is a foreign table");
  }
  for (const { step, message } of failed) {
    if (step.table !== undefined && !missing.has(step.table)) {
      missing.set(step.table, because(message));
    }
  }
  const missingNames = snapshot.tables
    .filter(({ schema, name }) => missing.has(`${schema}.${name}`))
    .map(({ schema, name }) => qualifiedName(schema, name));
  const onMissing = (makes: string) => missingNames.some((name) => makes.endsWith(` of ${name}`));
  const others = failed.filter(
    ({ step }) =>
      step.table === undefined && !step.makes.startsWith("extension ") && !onMissing(step.makes),
  );
  return {
    missing,
    caveats: [
      ...extensions.map((name) => `extension ${name} is not available on this machine`),
      ...[...missing].map(([table, reason]) => `table ${table} is not modelled: ${reason}`),
      ...others
        .filter(({ message }) => !concernsMissing(message, missing))
        .map(({ step, message }) => `${step.makes} is not modelled: ${because(message)}`),
      ...snapshot.tables
        .filter(({ rowSecurity }) => rowSecurity)
        .map(({ schema, name }) => `row security of ${schema}.${name} is not modelled`),
    ],
  };
}

/** Indexes and the like of a missing table fail with it, and are not worth a line each. */
function concernsMissing(message: string, missing: ReadonlyMap<string, string>): boolean {
  return [...missing.keys()].some((table) =>
    message.includes(`relation "${table}" does not exist`),
  );
}
