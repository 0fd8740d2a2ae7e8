/** What the advisor knows of a database: tables, columns with their statistics, and indexes. */
import type { DatabaseView } from "../../core/observation.ts";
import type { Row } from "../../core/workload.ts";

export interface Catalog {
  readonly serverVersion: number;
  readonly tables: readonly TableInfo[];
}

export interface TableInfo {
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "other";
  /** The planner's estimate; undefined when the table was never analysed. */
  readonly rows: number | undefined;
  readonly bytes: number;
  /** Whether the bare name means this table, by the search path of the database's user. */
  readonly visible: boolean;
  readonly columns: readonly ColumnInfo[];
  readonly indexes: readonly IndexInfo[];
}

export interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  /** Distinct values; undefined without statistics. */
  readonly distinct: number | undefined;
  readonly widthBytes: number;
  /** The type has an order that a B-tree can keep. */
  readonly ordered: boolean;
}

export interface IndexInfo {
  readonly name: string;
  /** `name` is undefined for an expression. */
  readonly columns: readonly {
    readonly name: string | undefined;
    readonly descending: boolean;
    readonly nullsFirst: boolean;
  }[];
  readonly included: readonly string[];
  readonly method: string;
  readonly unique: boolean;
  /** Belongs to a primary key, unique or exclusion constraint. */
  readonly constraint: boolean;
  readonly valid: boolean;
  readonly partial: boolean;
  readonly defaultOperators: boolean;
  readonly scans: number;
  readonly bytes: number;
  readonly definition: string;
}

const NOT_SYSTEM = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`;

export async function readCatalog(database: Pick<DatabaseView, "query">): Promise<Catalog> {
  const [version] = await database.query(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  const tables = await database.query(TABLES);
  const columns = await database.query(COLUMNS);
  const indexes = await database.query(INDEXES);
  const columnsOf = groupById(columns);
  const indexColumnsOf = groupById(await database.query(INDEX_COLUMNS));
  const indexesOf = groupById(indexes);
  return {
    serverVersion: Number(version?.["version"] ?? 0),
    tables: tables.map((row) => {
      const id = String(row["id"]);
      const rows = Number(row["rows"]);
      return {
        schema: String(row["schema"]),
        name: String(row["name"]),
        kind: kindOf(String(row["kind"])),
        rows: rows < 0 ? undefined : rows,
        bytes: Number(row["bytes"]),
        visible: row["visible"] === true,
        columns: (columnsOf.get(id) ?? []).map((column) => columnOf(column, rows)),
        indexes: (indexesOf.get(id) ?? []).map((index) =>
          indexOf(index, indexColumnsOf.get(String(index["index_id"])) ?? []),
        ),
      };
    }),
  };
}

/** The table that a name in a statement means; undefined when there is none. */
export function findTable(
  catalog: Catalog,
  schema: string | undefined,
  name: string,
): TableInfo | undefined {
  return catalog.tables.find(
    (table) =>
      table.name === name && (schema === undefined ? table.visible : table.schema === schema),
  );
}

export function findColumn(table: TableInfo, name: string): ColumnInfo | undefined {
  return table.columns.find((column) => column.name === name);
}

const TABLES = `
  SELECT c.oid::text AS id, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
         c.reltuples::float8 AS rows, pg_relation_size(c.oid)::float8 AS bytes, pg_table_is_visible(c.oid) AS visible
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ${NOT_SYSTEM}
  ORDER BY n.nspname, c.relname`;

// A type is ordered when the default B-tree operators are made for it, or for a type that it is stored like (varchar as text).
const COLUMNS = `
  SELECT c.oid::text AS id, a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
         s.n_distinct::float8 AS "distinct", coalesce(s.avg_width, CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END)::int AS width,
         t.typtype IN ('e', 'r') OR EXISTS (
           SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
           WHERE m.amname = 'btree' AND o.opcdefault AND (
             o.opcintype IN (a.atttypid, t.typbasetype) OR o.opcintype IN (
               SELECT k.casttarget FROM pg_cast k WHERE k.castmethod = 'b' AND k.castsource IN (a.atttypid, t.typbasetype)))) AS ordered
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
  WHERE c.relkind IN ('r', 'p', 'm') AND ${NOT_SYSTEM}
  ORDER BY c.oid, a.attnum`;

const INDEXES = `
  SELECT x.indrelid::text AS id, x.indexrelid::text AS index_id, i.relname::text AS name, m.amname::text AS method, x.indisunique AS "unique",
         x.indisvalid AND x.indisready AS valid, x.indpred IS NOT NULL AS partial,
         EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')) AS "constraint",
         NOT EXISTS (SELECT FROM unnest(x.indclass::oid[]) AS u(opclass) JOIN pg_opclass o ON o.oid = u.opclass WHERE NOT o.opcdefault) AS defaults,
         coalesce(s.idx_scan, 0)::float8 AS scans, pg_relation_size(x.indexrelid)::float8 AS bytes,
         pg_get_indexdef(x.indexrelid) AS definition
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
  JOIN pg_am m ON m.oid = i.relam
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = x.indexrelid
  WHERE ${NOT_SYSTEM}
  ORDER BY i.relname`;

const INDEX_COLUMNS = `
  SELECT x.indexrelid::text AS id, a.attname::text AS name, k.position > x.indnkeyatts AS included,
         coalesce(x.indoption[k.position - 1] & 1, 0) = 1 AS descending, coalesce(x.indoption[k.position - 1] & 2, 0) = 2 AS nulls_first
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
  CROSS JOIN LATERAL generate_series(1, x.indnatts) AS k(position)
  LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.position - 1]
  WHERE ${NOT_SYSTEM}
  ORDER BY x.indexrelid, k.position`;

function groupById(rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const id = String(row["id"]);
    const group = groups.get(id);
    if (group) group.push(row);
    else groups.set(id, [row]);
  }
  return groups;
}

function kindOf(relkind: string): TableInfo["kind"] {
  if (relkind === "r") return "table";
  return relkind === "p" ? "partitioned" : "other";
}

function columnOf(row: Row, tableRows: number): ColumnInfo {
  // pg_stats: below zero it is the negative share of distinct rows, zero means unknown.
  const distinct = row["distinct"] === null ? 0 : Number(row["distinct"]);
  return {
    name: String(row["name"]),
    type: String(row["type"]),
    distinct:
      distinct === 0 ? undefined : distinct < 0 ? -distinct * Math.max(0, tableRows) : distinct,
    widthBytes: Number(row["width"]),
    ordered: row["ordered"] === true,
  };
}

function indexOf(row: Row, columns: readonly Row[]): IndexInfo {
  return {
    name: String(row["name"]),
    columns: columns
      .filter((column) => column["included"] !== true)
      .map((column) => ({
        name: column["name"] === null ? undefined : String(column["name"]),
        descending: column["descending"] === true,
        nullsFirst: column["nulls_first"] === true,
      })),
    included: columns
      .filter((column) => column["included"] === true)
      .map((column) => String(column["name"])),
    method: String(row["method"]),
    unique: row["unique"] === true,
    constraint: row["constraint"] === true,
    valid: row["valid"] === true,
    partial: row["partial"] === true,
    defaultOperators: row["defaults"] === true,
    scans: Number(row["scans"]),
    bytes: Number(row["bytes"]),
    definition: String(row["definition"]),
  };
}
