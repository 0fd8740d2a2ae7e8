/** A function of the DBA's by which a role without any rights on tables can take a whole snapshot. */
import { qualifiedName } from "../../../core/index-definition.ts";
import type { Query } from "../../../core/planner.ts";
import { partNames, partOf } from "./parts.ts";

const SCHEMA = "perfopt";
const NAME = "perfopt_snapshot";
const FORMAT = "perfopt-snapshot-parts/1";

/**
 * SQL for a DBA to read and run in the database. The function belongs to whoever runs it, sees what that role sees, takes
 * no argument, changes nothing, and can be called by nobody until somebody is granted that. The temporary schema is named
 * last, since it would be searched first otherwise: a caller's own view named like a catalog would run as the owner.
 */
export function snapshotFunctionSql(): string {
  const fields = partNames.map(
    (name) =>
      `    '${name}', (SELECT coalesce(json_agg(r), '[]') FROM (${indented(partOf(name, { skipLocked: true }).sql)}) AS r)`,
  );
  return `-- Lets a role take a planner snapshot (perfopt snapshot) without rights on any table. Run it as a superuser, or as a
-- role with pg_read_all_data, in the database in question. It reads catalogs only. What it returns holds sample values of
-- columns (most common values, histogram bounds), as pg_stats shows them to those who may read the tables: grant it
-- to whom you would let see those.
BEGIN;
CREATE SCHEMA IF NOT EXISTS ${SCHEMA};
CREATE OR REPLACE FUNCTION ${SCHEMA}.${NAME}() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
SET extra_float_digits = 1
SET "DateStyle" = 'ISO, MDY'
SET "IntervalStyle" = 'postgres'
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET quote_all_identifiers = off
AS $perfopt$
  SELECT json_build_object(
    'format', '${FORMAT}',
${fields.join(",\n")}
  )
$perfopt$;
REVOKE ALL ON FUNCTION ${SCHEMA}.${NAME}() FROM PUBLIC;
COMMIT;
-- Then, for the role that runs perfopt:
-- GRANT USAGE ON SCHEMA ${SCHEMA} TO the_role;
-- GRANT EXECUTE ON FUNCTION ${SCHEMA}.${NAME}() TO the_role;
-- To take it away again: DROP FUNCTION ${SCHEMA}.${NAME}(); DROP SCHEMA ${SCHEMA};
`;
}

function indented(sql: string): string {
  return sql.trim().replaceAll("\n", "\n      ");
}

/**
 * The function's quoted name, where it is there and this role may call it. One that does not run with its owner's rights
 * is left alone: it would run with those of whoever takes the snapshot.
 */
export async function findFunction(query: Query): Promise<string | undefined> {
  const [row] = await query(
    `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE') AS callable
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = '${SCHEMA}' AND p.proname = '${NAME}' AND p.pronargs = 0 AND p.prosecdef`,
  );
  return row?.["callable"] === true ? qualifiedName(SCHEMA, NAME) : undefined;
}

/** Throws when it was made for another format of snapshots. */
export async function callFunction(query: Query, name: string): Promise<unknown> {
  const [row] = await query(`SELECT ${name}()::text AS parts`);
  const parsed: unknown = JSON.parse(String(row?.["parts"]));
  const format = typeof parsed === "object" && parsed !== null && "format" in parsed;
  if (format && parsed.format === FORMAT) return parsed;
  throw new Error("it was made for another version of perfopt");
}
