/** The queries of a snapshot: catalogs only, any PostgreSQL from 12 on, one JSON object a row with the names of the snapshot's own types. */

/**
 * A statement that runs with a search path of pg_catalog alone, so that every name comes out with its schema. The same texts are the
 * body of the function that a DBA may install.
 */
export interface Part {
  readonly title: string;
  readonly sql: string;
}

const USER_SCHEMA = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/** What an extension made comes with CREATE EXTENSION again. */
const notOfExtension = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '${catalog}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

const quoted = (name: string) => `'"' || replace(${name}, '"', '""') || '"'`;
const qualified = (schema: string, name: string) =>
  `${quoted(`${schema}::text`)} || '.' || ${quoted(`${name}::text`)}`;

/** Another session has, or waits for, the table for itself alone: whatever writes a definition of it would wait too. */
const LOCKED = `(SELECT l.relation FROM pg_locks l JOIN pg_database b ON b.oid = l.database
    WHERE b.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL)`;

/** Replaced by a condition that leaves out what is locked, or by none. */
const UNLOCKED = "/* unlocked */";
const TABLE_UNLOCKED = `AND c.oid NOT IN ${LOCKED}`;

/** Ordered: default B-tree operators are made for the type, or for one that it is stored like (varchar as text). */
const ORDERED_TYPES = `(SELECT o.opcintype FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'btree' AND o.opcdefault)`;
const ORDERED = `t.typtype IN ('e', 'r', 'm') OR t.typcategory = 'A' OR t.oid IN ${ORDERED_TYPES} OR t.typbasetype IN ${ORDERED_TYPES}
    OR EXISTS (SELECT FROM pg_cast k WHERE k.castmethod = 'b' AND k.castsource IN (t.oid, t.typbasetype) AND k.casttarget IN ${ORDERED_TYPES})`;

const COLUMNS_OF_TABLE = `
  SELECT json_agg(json_build_object(
    'number', a.attnum, 'name', a.attname, 'dropped', a.attisdropped,
    'type', CASE WHEN a.attisdropped THEN 'integer' ELSE format_type(a.atttypid, a.atttypmod) END,
    'notNull', a.attnotnull AND NOT a.attisdropped,
    'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE 'no' END,
    'expression', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
    'collation', (SELECT ${qualified("cn.nspname", "co.collname")} FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                  WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation),
    'ordered', coalesce(${ORDERED}, false)) ORDER BY a.attnum)
  FROM pg_attribute a LEFT JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0`;

const TABLES = `
  SELECT n.nspname AS schema, c.relname AS name,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
    coalesce(c.reloptions, '{}') AS options,
    pg_get_partkeydef(c.oid) AS "partitionKey",
    CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS "partitionBound",
    coalesce((SELECT json_agg(${qualified("pn.nspname", "p.relname")} ORDER BY i.inhseqno)
      FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      WHERE i.inhrelid = c.oid), '[]') AS parents,
    coalesce((${COLUMNS_OF_TABLE}), '[]') AS columns,
    c.relrowsecurity AS "rowSecurity"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")} ${UNLOCKED}
  ORDER BY c.oid`;

/** In the order in which they were made, so that what a type is made of comes before it. */
const TYPES = `
  SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'composite' END AS kind,
    format_type(t.oid, NULL) AS name,
    coalesce((SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid), '[]') AS labels,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base,
    coalesce((SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS fields
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE (t.typtype IN ('e', 'd') OR (t.typtype = 'c' AND c.relkind = 'c')) AND ${USER_SCHEMA} AND ${notOfExtension("pg_type", "t.oid")}
  ORDER BY t.oid`;

/** By name alone: what a sequence counts makes no difference to a plan. */
const SEQUENCES = `
  SELECT n.nspname AS schema, c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")}
  ORDER BY c.oid`;

/** Trigger functions are never planned with; this function itself is none of the schema. */
const FUNCTIONS = `
  SELECT pg_get_functiondef(p.oid) AS definition
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
  WHERE p.prokind = 'f' AND l.lanname IN ('sql', 'plpgsql') AND p.proname <> 'perfopt_snapshot'
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND ${USER_SCHEMA} AND ${notOfExtension("pg_proc", "p.oid")}
  ORDER BY p.oid`;

const VIEWS = `
  SELECT n.nspname AS schema, c.relname AS name, pg_get_viewdef(c.oid) AS definition
  FROM pg_class c JOIN pg_class v ON v.oid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'v' AND c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")} ${UNLOCKED}
    AND NOT EXISTS (SELECT FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
                    JOIN pg_class c ON c.oid = d.refobjid WHERE w.ev_class = v.oid AND NOT (true ${UNLOCKED}))
  ORDER BY c.oid`;

const columnNames = (table: string, numbers: string) => `
    (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(${numbers}) WITH ORDINALITY AS u(number, position)
     JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = u.number)`;

const CONSTRAINTS = `
  SELECT ${qualified("n.nspname", "c.relname")} AS "table", k.conname AS name,
    CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'x' THEN 'exclusion' WHEN 'c' THEN 'check' ELSE 'foreign key' END AS kind,
    pg_get_constraintdef(k.oid) AS definition, k.convalidated AS validated,
    CASE WHEN k.contype = 'f' THEN json_build_object(
      'columns', ${columnNames("k.conrelid", "k.conkey")},
      'referencedSchema', fn.nspname, 'referencedTable', f.relname,
      'referencedColumns', ${columnNames("k.confrelid", "k.confkey")},
      'onDelete', CASE k.confdeltype WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' WHEN 'd' THEN 'set default' ELSE 'no action' END) END AS "foreignKey"
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
  WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') AND k.conparentid = 0 AND k.coninhcount = 0 AND c.relpersistence <> 't'
    AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")} ${UNLOCKED}
  ORDER BY array_position('{p,u,x,c,f}'::"char"[], k.contype), k.oid`;

const KEYS_OF_INDEX = `
  SELECT json_agg(json_build_object(
    'column', a.attname,
    'expression', CASE WHEN x.indkey[k.position - 1] = 0 THEN pg_get_indexdef(x.indexrelid, k.position, false) END,
    'attribute', ia.attname, 'type', format_type(ia.atttypid, ia.atttypmod),
    'descending', x.indoption[k.position - 1] & 1 = 1, 'nullsFirst', x.indoption[k.position - 1] & 2 = 2,
    'operators', CASE WHEN NOT o.opcdefault THEN
      CASE WHEN os.nspname = 'pg_catalog' THEN o.opcname::text ELSE ${qualified("os.nspname", "o.opcname")} END END) ORDER BY k.position)
  FROM generate_series(1, x.indnkeyatts::int) AS k(position)
  JOIN pg_attribute ia ON ia.attrelid = x.indexrelid AND ia.attnum = k.position
  JOIN pg_opclass o ON o.oid = x.indclass[k.position - 1] JOIN pg_namespace os ON os.oid = o.opcnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.position - 1] AND a.attnum > 0`;

const INDEXES = `
  SELECT n.nspname AS schema, i.relname AS name, c.relname AS "table", pg_get_indexdef(i.oid) AS definition,
    x.indisvalid AND x.indisready AS valid,
    EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x')) AS "constraint",
    p.inhparent IS NOT NULL AS inherited,
    (SELECT ${qualified("pn.nspname", "pc.relname")} FROM pg_class pc JOIN pg_namespace pn ON pn.oid = pc.relnamespace
     WHERE pc.oid = p.inhparent) AS parent,
    m.amname AS method, x.indisunique AS "unique",
    coalesce((${KEYS_OF_INDEX}), '[]') AS keys,
    coalesce((SELECT json_agg(a.attname ORDER BY k.position) FROM generate_series(x.indnkeyatts + 1, x.indnatts::int) AS k(position)
              JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.position - 1]), '[]') AS included,
    pg_get_expr(x.indpred, x.indrelid) AS "where", x.indisreplident AS "replicaIdentity",
    EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype = 'f') AS referenced
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = i.relam
  LEFT JOIN pg_inherits p ON p.inhrelid = i.oid
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")} ${UNLOCKED}
  ORDER BY i.oid`;

const EXTENDED_STATISTICS = `
  SELECT sn.nspname AS schema, s.stxname AS name, ${qualified("n.nspname", "c.relname")} AS "table",
    pg_get_statisticsobjdef(s.oid) AS definition,
    coalesce(${columnNames("s.stxrelid", "s.stxkeys::int2[]")}, '[]') AS columns,
    to_jsonb(s)->>'stxexprs' IS NOT NULL AS expressions,
    json_build_array() AS data
  FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace
  JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${USER_SCHEMA} AND ${notOfExtension("pg_class", "c.oid")} ${UNLOCKED}
  ORDER BY s.oid`;

/** Before 15 there is no column stxdinherit: the name then means the one of `before_15`. */
const EXTENDED_DATA = `
  SELECT sn.nspname AS schema, s.stxname AS name, d.inherited,
    encode(d.stxdndistinct::bytea, 'hex') AS "distinct", encode(d.stxddependencies::bytea, 'hex') AS dependencies, encode(d.stxdmcv::bytea, 'hex') AS "mostCommon"
  FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace
  JOIN pg_class c ON c.oid = s.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN (VALUES (false)) AS before_15(stxdinherit)
  CROSS JOIN LATERAL (SELECT stxdinherit AS inherited, stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data WHERE stxoid = s.oid) AS d
  WHERE ${USER_SCHEMA}`;

const RELATIONS = `
  SELECT n.nspname AS schema, c.relname AS name,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' ELSE 'partitioned index' END AS kind,
    CASE WHEN c.relkind IN ('i', 'I') THEN m.amname END AS method,
    c.relpages AS pages, c.reltuples AS rows, c.relallvisible AS "allVisible",
    CASE WHEN c.relkind IN ('p', 'I') THEN 0 WHEN c.oid IN ${LOCKED} THEN c.relpages
         ELSE coalesce(pg_relation_size(c.oid) / current_setting('block_size')::int, c.relpages) END AS blocks
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_index x ON x.indexrelid = c.oid
  WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND c.relpersistence <> 't' AND ${USER_SCHEMA}
    AND ${notOfExtension("pg_class", "coalesce(x.indrelid, c.oid)")}
  ORDER BY c.oid`;

/** Kinds of statistics in pg_statistic.h. */
const KIND = {
  mostCommon: 1,
  histogram: 2,
  correlation: 3,
  elements: 4,
  elementCounts: 5,
  rangeLengths: 6,
  rangeBounds: 7,
} as const;

const slot = (kind: number, what: "stavalues" | "stanumbers") =>
  `CASE ${[1, 2, 3, 4, 5].map((n) => `WHEN s.stakind${n} = ${kind} THEN s.${what}${n}`).join(" ")} END`;

/** All there is, whatever the version's pg_stats shows; for roles that may read pg_statistic. */
const COLUMNS_RAW = `
  SELECT n.nspname AS schema, c.relname AS "table", a.attname AS column, s.stainherit AS inherited,
    s.stanullfrac AS "nullFraction", s.stawidth AS "averageWidth", s.stadistinct AS "distinct",
    (${slot(KIND.mostCommon, "stavalues")})::text AS "mostCommonValues", (${slot(KIND.mostCommon, "stanumbers")})::text AS "mostCommonShares",
    (${slot(KIND.histogram, "stavalues")})::text AS histogram, (${slot(KIND.correlation, "stanumbers")})[1] AS correlation,
    (${slot(KIND.elements, "stavalues")})::text AS "mostCommonElements", (${slot(KIND.elements, "stanumbers")})::text AS "mostCommonElementShares",
    (${slot(KIND.elementCounts, "stanumbers")})::text AS "elementCountHistogram",
    (${slot(KIND.rangeLengths, "stavalues")})::text AS "rangeLengthHistogram", (${slot(KIND.rangeLengths, "stanumbers")})[1] AS "rangeEmptyShare",
    (${slot(KIND.rangeBounds, "stavalues")})::text AS "rangeBoundsHistogram"
  FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum AND NOT a.attisdropped
  LEFT JOIN pg_index x ON x.indexrelid = c.oid
  WHERE c.relpersistence <> 't' AND ${USER_SCHEMA} AND ${notOfExtension("pg_class", "coalesce(x.indrelid, c.oid)")}
  ORDER BY c.oid, s.staattnum, s.stainherit`;

/** Of the columns that the role may read; ranges are shown from 17 on. */
const columnsOfView = (serverVersion: number) => {
  const ranges = serverVersion >= 170_000;
  return `
  SELECT s.schemaname AS schema, s.tablename AS "table", s.attname AS column, s.inherited, s.null_frac AS "nullFraction",
    s.avg_width AS "averageWidth", s.n_distinct AS "distinct",
    s.most_common_vals::text AS "mostCommonValues", s.most_common_freqs::text AS "mostCommonShares",
    s.histogram_bounds::text AS histogram, s.correlation,
    s.most_common_elems::text AS "mostCommonElements", s.most_common_elem_freqs::text AS "mostCommonElementShares",
    s.elem_count_histogram::text AS "elementCountHistogram",
    ${ranges ? "s.range_length_histogram::text" : "NULL"} AS "rangeLengthHistogram",
    ${ranges ? "s.range_empty_frac" : "NULL"} AS "rangeEmptyShare",
    ${ranges ? "s.range_bounds_histogram::text" : "NULL"} AS "rangeBoundsHistogram"
  FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
  LEFT JOIN pg_index x ON x.indexrelid = c.oid
  WHERE ${USER_SCHEMA} AND ${notOfExtension("pg_class", "coalesce(x.indrelid, c.oid)")}`;
};

const ACTIVITY_TABLES = `
  SELECT s.schemaname AS schema, s.relname AS name, s.n_tup_ins AS inserts, s.n_tup_upd AS updates, s.n_tup_hot_upd AS "hotUpdates",
    s.n_tup_del AS deletes, s.seq_scan AS "sequentialScans", coalesce(s.idx_scan, 0) AS "indexScans", s.n_live_tup AS "liveRows",
    s.n_dead_tup AS "deadRows", s.n_mod_since_analyze AS "changedSinceAnalyze", greatest(s.last_analyze, s.last_autoanalyze) AS "analyzedAt"
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
  WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND ${notOfExtension("pg_class", "s.relid")}`;

const ACTIVITY_INDEXES = `
  SELECT s.schemaname AS schema, s.indexrelname AS name, s.idx_scan AS scans
  FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.relid
  WHERE c.relpersistence <> 't' AND ${notOfExtension("pg_class", "s.relid")}`;

const EXTENSIONS = `
  SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY e.oid`;

/** The DBA's function alone makes no schema of the user's. */
const SCHEMAS = `
  SELECT n.nspname AS name FROM pg_namespace n
  WHERE n.nspname <> 'public' AND (n.nspname <> 'perfopt' OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid)) AND ${USER_SCHEMA} AND ${notOfExtension("pg_namespace", "n.oid")} ORDER BY n.nspname`;

/** Types that CREATE statements of the snapshot do not make again. */
const OTHER_TYPES = `
  SELECT format_type(t.oid, NULL) AS name
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typtype IN ('b', 'r') AND t.typcategory <> 'A' AND ${USER_SCHEMA} AND ${notOfExtension("pg_type", "t.oid")}
  UNION ALL
  SELECT 'collation ' || ${qualified("n.nspname", "k.collname")}
  FROM pg_collation k JOIN pg_namespace n ON n.oid = k.collnamespace
  WHERE ${USER_SCHEMA} AND ${notOfExtension("pg_collation", "k.oid")}`;

/** Views come late: to write them their tables stay locked for reading until the transaction ends. */
const PARTS = {
  extensions: { title: "extensions", sql: EXTENSIONS },
  schemas: { title: "schemas", sql: SCHEMAS },
  types: { title: "types", sql: TYPES },
  otherTypes: { title: "base types, ranges and collations", sql: OTHER_TYPES },
  sequences: { title: "sequences", sql: SEQUENCES },
  functions: { title: "functions", sql: FUNCTIONS },
  tables: { title: "tables", sql: TABLES },
  constraints: { title: "constraints", sql: CONSTRAINTS },
  indexes: { title: "indexes", sql: INDEXES },
  extendedStatistics: { title: "extended statistics", sql: EXTENDED_STATISTICS },
  extendedData: { title: "contents of extended statistics", sql: EXTENDED_DATA },
  relations: { title: "sizes of tables and indexes", sql: RELATIONS },
  columns: { title: "column statistics", sql: COLUMNS_RAW },
  activityTables: { title: "counters of tables", sql: ACTIVITY_TABLES },
  activityIndexes: { title: "counters of indexes", sql: ACTIVITY_INDEXES },
  views: { title: "views", sql: VIEWS },
} as const satisfies Readonly<Record<string, Part>>;

export type PartName = keyof typeof PARTS;

export const partNames: readonly PartName[] = Object.keys(PARTS).filter(
  (name): name is PartName => name in PARTS,
);

export interface PartOptions {
  /** Leave out tables that somebody has locked, instead of waiting for them. */
  readonly skipLocked: boolean;
  /** Of a role that may not read pg_statistic: then pg_stats shows it what it may see, and what that has depends on the version. */
  readonly visibleIn?: number;
}

export function partOf(name: PartName, { skipLocked, visibleIn }: PartOptions): Part {
  const { title, sql } = PARTS[name];
  const chosen = name === "columns" && visibleIn !== undefined ? columnsOfView(visibleIn) : sql;
  return { title, sql: chosen.replaceAll(UNLOCKED, skipLocked ? TABLE_UNLOCKED : "") };
}
