/** What the catalog says of an index: whether it serves reads, how large it is, what it is on. */
import type { Client } from "pg";
import { PerfoptError } from "../core/errors.ts";
import { createIndexSql, qualifiedName, type IndexDefinition } from "../core/index-definition.ts";
import type { PartitionTree } from "../core/partitioned-index.ts";
import { numberOf, rowsOf } from "./sql.ts";

export interface IndexState {
  /** Of a partitioned table's index: every partition has its own, and all are valid. */
  readonly valid: boolean;
  /** With those of the partitions. */
  readonly bytes: number;
  /** What it is, in PostgreSQL's own words, without names: two equal ones are the same index. */
  readonly signature: string;
  readonly table: string;
  readonly attached: boolean;
}

/** Columns, operator classes, collations, options and predicate of index `i`; the columns by name, not by number. */
const SIGNATURE = `jsonb_build_array(
  (SELECT amname FROM pg_am m JOIN pg_class k ON k.relam = m.oid WHERE k.oid = i.indexrelid),
  i.indnkeyatts, i.indisunique, i.indoption::text, i.indclass::text, i.indcollation::text,
  array(SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnatts) k),
  pg_get_expr(i.indpred, i.indrelid))::text`;

/** Undefined when no index has this name. */
export async function readIndexState(
  client: Client,
  index: Pick<IndexDefinition, "schema" | "name">,
): Promise<IndexState | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT i.indisvalid AND i.indisready AND i.indislive AS valid, ${SIGNATURE} AS signature, t.relname AS "table",
       c.relispartition AS attached,
       coalesce((SELECT sum(pg_relation_size(relid))::bigint FROM pg_partition_tree(c.oid)), pg_relation_size(c.oid)) AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
       JOIN pg_class t ON t.oid = i.indrelid
     WHERE n.nspname = $1 AND c.relname = $2`,
    [index.schema, index.name],
  );
  return (
    row && {
      valid: row["valid"] === true,
      bytes: numberOf(row, "bytes"),
      signature: String(row["signature"]),
      table: String(row["table"]),
      attached: row["attached"] === true,
    }
  );
}

/**
 * The signature that an index would have, from building it on an empty temporary copy of the table: whatever PostgreSQL
 * finds wrong with a definition shows before anything is touched. Undefined where temporary tables are not allowed.
 */
export async function signatureOf(
  client: Client,
  index: IndexDefinition,
): Promise<string | undefined> {
  const twin: IndexDefinition = {
    ...index,
    schema: "pg_temp",
    table: "perfopt_twin",
    name: "perfopt_twin_index",
  };
  await client.query("BEGIN");
  try {
    await client.query(
      `CREATE TEMPORARY TABLE perfopt_twin (LIKE ${qualifiedName(index.schema, index.table)})`,
    );
    await client.query(createIndexSql(twin, "plain"));
    const [row] = await rowsOf(
      client,
      `SELECT ${SIGNATURE} AS signature FROM pg_index i WHERE i.indrelid = 'pg_temp.perfopt_twin'::regclass`,
    );
    return String(row?.["signature"]);
  } catch (error) {
    if (sqlStateOf(error) === NO_RIGHT) return undefined;
    throw error;
  } finally {
    await client.query("ROLLBACK");
  }
}

const NO_RIGHT = "42501";

/** PostgreSQL's five characters; undefined for an error that is not the server's. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The table with all its partitions. Throws when there is no such table, or when it cannot have indexes. */
export async function readPartitionTree(
  client: Client,
  { schema, table }: Pick<IndexDefinition, "schema" | "table">,
): Promise<PartitionTree> {
  const rows = await rowsOf(
    client,
    `WITH RECURSIVE tree AS (
       SELECT c.oid, NULL::oid AS parent FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'm', 'f')
       UNION ALL
       SELECT h.inhrelid, h.inhparent FROM tree JOIN pg_class p ON p.oid = tree.oid AND p.relkind = 'p'
         JOIN pg_inherits h ON h.inhparent = p.oid)
     SELECT tree.oid::text AS id, tree.parent::text AS parent, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
     FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     ORDER BY n.nspname, c.relname`,
    [schema, table],
  );
  const root = rows.find((row) => row["parent"] === null);
  if (!root) {
    throw new PerfoptError(
      "bad-input",
      `there is no table ${qualifiedName(schema, table)}`,
      "check that the advice, or the run, and its target belong together",
    );
  }
  const foreign = rows.find((row) => row["kind"] === "f");
  if (foreign) {
    throw new PerfoptError(
      "bad-input",
      `${qualifiedName(String(foreign["schema"]), String(foreign["name"]))} is a foreign table, which has no indexes here`,
      "build the index on the server that holds the rows",
    );
  }
  const treeOf = (row: (typeof rows)[number]): PartitionTree => ({
    schema: String(row["schema"]),
    table: String(row["name"]),
    partitioned: row["kind"] === "p",
    partitions: rows.filter((each) => each["parent"] === row["id"]).map(treeOf),
  });
  return treeOf(root);
}
