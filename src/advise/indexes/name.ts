/** Names and DDL of indexes. */
import type { IndexDefinition } from "../../core/knob.ts";

/** PostgreSQL cuts longer names without an error. */
const NAME_BYTES_MAX = 63;

/** `perfopt_<table>_<columns>`; what does not fit ends in a hash of the whole instead. */
export function indexName(table: string, columns: IndexDefinition["columns"]): string {
  const parts = columns.map((column) => (column.descending ? `${column.name}_desc` : column.name));
  const whole = `perfopt_${table}_${parts.join("_")}`;
  const bytes = new TextEncoder().encode(whole);
  if (bytes.length <= NAME_BYTES_MAX) return whole;
  const hash = fnv1a(bytes).toString(16).padStart(8, "0");
  const kept = new TextDecoder().decode(bytes.slice(0, NAME_BYTES_MAX - hash.length - 1));
  // A character cut in two decodes to a replacement of three bytes.
  return `${kept.replace(/\uFFFD+$/, "")}_${hash}`;
}

export function createIndexSql(index: IndexDefinition): string {
  const columns = index.columns.map(
    (each) => `${quoteName(each.name)}${each.descending ? " DESC" : ""}`,
  );
  return `CREATE INDEX ${quoteName(index.name)} ON ${qualifiedName(index.schema, index.table)} (${columns.join(", ")})`;
}

export function qualifiedName(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** `table (a, b DESC)`, for people. */
export function describeIndex(table: string, columns: IndexDefinition["columns"]): string {
  return `${table} (${columns.map((each) => `${each.name}${each.descending ? " DESC" : ""}`).join(", ")})`;
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** FNV-1a, 32 bits. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
