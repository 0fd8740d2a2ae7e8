/** SQL of one index, every name quoted. */
import type { Client } from "pg";
import type { IndexDefinition } from "../core/knob.ts";
import { quoteName, rowsOf } from "./sql.ts";

export function createIndexSql(index: IndexDefinition, how: "plain" | "concurrently"): string {
  const columns = index.columns.map(
    (column) => `${quoteName(column.name)}${column.descending ? " DESC" : ""}`,
  );
  const concurrently = how === "concurrently" ? "CONCURRENTLY " : "";
  return `CREATE INDEX ${concurrently}${quoteName(index.name)} ON ${tableName(index)} (${columns.join(", ")})`;
}

export function tableName(index: IndexDefinition): string {
  return `${quoteName(index.schema)}.${quoteName(index.table)}`;
}

/** An index lives in the schema of its table. */
export function indexName(index: IndexDefinition): string {
  return `${quoteName(index.schema)}.${quoteName(index.name)}`;
}

export interface IndexState {
  readonly valid: boolean;
  readonly bytes: number;
}

/** Undefined when no index has this name. */
export async function readIndexState(
  client: Client,
  index: IndexDefinition,
): Promise<IndexState | undefined> {
  const [row] = await rowsOf(
    client,
    `SELECT i.indisvalid AND i.indisready AS valid, pg_relation_size(c.oid) AS bytes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
     WHERE n.nspname = $1 AND c.relname = $2`,
    [index.schema, index.name],
  );
  return row && { valid: row["valid"] === true, bytes: Number(row["bytes"]) };
}
