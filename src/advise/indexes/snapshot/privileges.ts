/** Says what a role could not see, and what would let it: an incomplete snapshot must not look complete. */
import type { Query } from "../../../core/planner.ts";
import type { Row } from "../../../core/workload.ts";
import { listed } from "./assemble.ts";
import { roleSettings } from "./settings.ts";

const TABLES = `
  SELECT n.nspname::text || '.' || c.relname::text AS name,
    NOT has_table_privilege(c.oid, 'SELECT') AS unreadable, row_security_active(c.oid) AS hidden
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
  ORDER BY c.relpages DESC, 1`;

const EXTENDED = `
  SELECT count(*)::int AS objects, (count(*) FILTER (WHERE to_jsonb(s)->>'stxexprs' IS NOT NULL))::int AS expressions
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

interface Reader {
  readonly role: string;
  /** May read pg_statistic, which holds everybody's statistics. */
  readonly readsAll: boolean;
}

export async function privilegeCaveats(
  query: Query,
  { role, readsAll }: Reader,
  through: "function" | "catalogs",
): Promise<readonly string[]> {
  const complete = readsAll || through === "function";
  const [extended] = await query(EXTENDED);
  const tables = complete ? [] : await query(TABLES);
  const unreadable = namesOf(tables.filter((row) => row["unreadable"] === true));
  const hidden = namesOf(
    tables.filter((row) => row["hidden"] === true && row["unreadable"] !== true),
  );
  const ways = "pg_read_all_data, or the function that `perfopt snapshot --print-function` makes";
  return [
    ...(unreadable === undefined
      ? []
      : [
          `no column statistics of what the role ${role} may not read: ${unreadable}; grant it SELECT on them, ${ways}`,
        ]),
    ...(hidden === undefined
      ? []
      : [
          `row level security hides column statistics from the role ${role}: ${hidden}; grant it ${ways}`,
        ]),
    ...(complete || Number(extended?.["objects"]) === 0
      ? []
      : [
          `the contents of extended statistics are not readable for the role ${role}; grant it ${ways}`,
        ]),
    ...(Number(extended?.["expressions"]) === 0
      ? []
      : [
          "extended statistics on expressions are in the snapshot without what ANALYZE found of them",
        ]),
    ...roleCaveats(await query(roleSettings)),
  ];
}

function namesOf(rows: readonly Row[]): string | undefined {
  return rows.length === 0 ? undefined : listed(rows.map((row) => String(row["name"])));
}

function roleCaveats(rows: readonly Row[]): readonly string[] {
  const byRole = new Map<string, string[]>();
  for (const row of rows) {
    const role = String(row["role"]);
    byRole.set(role, [...(byRole.get(role) ?? []), String(row["setting"])]);
  }
  const own = [...byRole].map(([role, settings]) => `${role} (${settings.join(", ")})`);
  return own.length === 0
    ? []
    : [
        `some roles have settings of their own, so their plans may differ from those of the snapshot's role: ${listed(own)}`,
      ];
}
