/** What an index of the clone consists of, read from its catalogs: what its size depends on. */
import type { Row } from "../../../core/workload.ts";

export interface IndexFacts {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `schema.table`, unquoted. */
  readonly table: string;
  readonly method: string;
  /** Of its file, for the server's files. */
  readonly path: string;
  readonly fillFactor: number | undefined;
  readonly pagesPerRange: number;
  /** SQL of a partial index's predicate. */
  readonly predicate: string | undefined;
  /** Equal keys look alike, so that they can be stored once. */
  readonly equalImage: boolean;
  readonly columns: readonly IndexColumn[];
}

export interface IndexColumn {
  /** Of the table, for a key that is a column. */
  readonly column: string | undefined;
  readonly number: number;
  /** The key as SQL. */
  readonly definition: string;
  readonly included: boolean;
  readonly type: string;
  /** In bytes; -1 for a type whose values have a length of their own. */
  readonly length: number;
  readonly alignment: number;
  readonly operators: string;
}

/** Facts of the indexes that a condition on `x` (pg_index), `c` and `t` (pg_class of the index and the table) selects. */
export function indexFactsSql(condition: string): string {
  return `
  SELECT x.indexrelid::int8 AS oid, cn.nspname::text AS schema, c.relname::text AS name, tn.nspname || '.' || t.relname AS "table", m.amname::text AS method,
         pg_relation_filepath(c.oid) AS path,
         (SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor') AS fill_factor,
         (SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'pages_per_range') AS pages_per_range,
         pg_get_expr(x.indpred, x.indrelid) AS predicate,
         x.indnatts = x.indnkeyatts AND (
           SELECT bool_and(EXISTS (SELECT FROM pg_amproc p WHERE p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype AND p.amprocnum = 4)
                           AND coalesce((SELECT l.collisdeterministic FROM pg_collation l WHERE l.oid = k.sorting), true))
           FROM unnest(x.indclass::oid[], x.indcollation::oid[]) AS k(class, sorting) JOIN pg_opclass o ON o.oid = k.class) AS equal_image,
         (SELECT json_agg(json_build_object(
             'column', ta.attname, 'number', coalesce(ta.attnum, 0), 'definition', pg_get_indexdef(x.indexrelid, a.attnum, true),
             'included', a.attnum > x.indnkeyatts, 'type', format_type(a.atttypid, NULL), 'length', a.attlen, 'align', a.attalign,
             'operators', (SELECT o.opcname FROM pg_opclass o WHERE o.oid = x.indclass[a.attnum - 1])) ORDER BY a.attnum)
          FROM pg_attribute a LEFT JOIN pg_attribute ta ON ta.attrelid = x.indrelid AND ta.attnum = x.indkey[a.attnum - 1] AND ta.attnum > 0
          WHERE a.attrelid = x.indexrelid)::text AS columns
  FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace cn ON cn.oid = c.relnamespace JOIN pg_namespace tn ON tn.oid = t.relnamespace JOIN pg_am m ON m.oid = c.relam
  WHERE c.relkind = 'i' AND ${condition}`;
}

/** brin_page.h, BRIN_DEFAULT_PAGES_PER_RANGE. */
const BRIN_PAGES_PER_RANGE = 128;
const ALIGNMENTS: Readonly<Record<string, number>> = { c: 1, s: 2, i: 4, d: 8 };

interface ColumnJson {
  readonly column: string | null;
  readonly number: number;
  readonly definition: string;
  readonly included: boolean;
  readonly type: string;
  readonly length: number;
  readonly align: string;
  readonly operators: string | null;
}

export function indexFactsOf(row: Row): IndexFacts {
  const columns: readonly ColumnJson[] = JSON.parse(String(row["columns"]));
  return {
    oid: Number(row["oid"]),
    schema: String(row["schema"]),
    name: String(row["name"]),
    table: String(row["table"]),
    method: String(row["method"]),
    path: String(row["path"]),
    fillFactor: row["fill_factor"] === null ? undefined : Number(row["fill_factor"]),
    pagesPerRange:
      row["pages_per_range"] === null ? BRIN_PAGES_PER_RANGE : Number(row["pages_per_range"]),
    predicate: row["predicate"] === null ? undefined : String(row["predicate"]),
    equalImage: row["equal_image"] === true,
    columns: columns.map((column) => ({
      column: column.column ?? undefined,
      number: column.number,
      definition: column.definition,
      included: column.included,
      type: column.type,
      length: column.length,
      alignment: ALIGNMENTS[column.align] ?? 8,
      operators: column.operators ?? "",
    })),
  };
}
