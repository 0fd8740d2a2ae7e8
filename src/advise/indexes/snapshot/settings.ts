/** The settings that plans depend on, as a fresh session of the role has them. */

const NAMES: readonly string[] = [
  "seq_page_cost",
  "random_page_cost",
  "cpu_tuple_cost",
  "cpu_index_tuple_cost",
  "cpu_operator_cost",
  "parallel_setup_cost",
  "parallel_tuple_cost",
  "effective_cache_size",
  "work_mem",
  "hash_mem_multiplier",
  "min_parallel_table_scan_size",
  "min_parallel_index_scan_size",
  "max_parallel_workers_per_gather",
  "max_parallel_workers",
  "from_collapse_limit",
  "join_collapse_limit",
  "geqo",
  "geqo_threshold",
  "geqo_effort",
  "geqo_pool_size",
  "geqo_generations",
  "geqo_selection_bias",
  "geqo_seed",
  "constraint_exclusion",
  "cursor_tuple_fraction",
  "plan_cache_mode",
  "jit",
  "jit_above_cost",
  "jit_inline_above_cost",
  "jit_optimize_above_cost",
  "recursive_worktable_factor",
  "parallel_leader_participation",
  "debug_parallel_query",
  "force_parallel_mode",
  "default_text_search_config",
  "transform_null_equals",
  "TimeZone",
  "DateStyle",
  "IntervalStyle",
  "array_nulls",
];

/** Settings of other kinds have no place in a snapshot, and are not set because a file says so. */
export function isPlannerSetting(name: string): boolean {
  return /^enable_[a-z_]+$/.test(name) || NAMES.includes(name);
}

const IS_PLANNERS = `name LIKE 'enable\\_%' OR name IN (${NAMES.map((name) => `'${name}'`).join(", ")})`;

/** reset_val is what a session starts with, whatever this one has set since. */
export const sessionSettings = `
  SELECT name, reset_val AS value, unit FROM pg_settings WHERE ${IS_PLANNERS} ORDER BY name`;

/** Roles whose sessions start with other ones in this database, or with another search path; what the snapshot's role has, too, is no other one. */
export const roleSettings = `
  SELECT r.rolname::text AS role, c.setting
  FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
  CROSS JOIN LATERAL (SELECT u AS entry, split_part(u, '=', 1) AS setting FROM unnest(s.setconfig) AS u) AS c
  WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    AND r.rolname <> current_user
    AND NOT EXISTS (
      SELECT FROM pg_db_role_setting o JOIN pg_roles me ON me.oid = o.setrole
      WHERE me.rolname = current_user AND o.setdatabase = s.setdatabase AND c.entry = ANY (o.setconfig))
    AND (c.setting = 'search_path' OR c.setting IN (SELECT name FROM pg_settings WHERE ${IS_PLANNERS}))
  ORDER BY 1, 2`;
