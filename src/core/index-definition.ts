/** An index as data: what it is on, its SQL, its name, and how people read it. */

export const indexMethods = ["btree", "hash", "gin", "gist", "brin"] as const;
export type IndexMethod = (typeof indexMethods)[number];

/** An index to build; on the real target a build is never inside a transaction, and follows the safe recipe of the target. */
export interface IndexDefinition {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** Absent: btree. */
  readonly method?: IndexMethod;
  /** In order. */
  readonly columns: readonly IndexKey[];
  /** Unquoted names of columns carried along for index-only scans (INCLUDE). */
  readonly include?: readonly string[];
  /** A partial index: its predicate as SQL that PostgreSQL's grammar has read and that names columns without their table. */
  readonly where?: string;
}

/** One key: a column by its unquoted name, or an expression. */
export interface IndexKey {
  /** Of a column; absent for an expression. */
  readonly name?: string;
  /** SQL that PostgreSQL's grammar has read and that names columns without their table, for example `lower(email)`. */
  readonly expression?: string;
  readonly descending?: boolean;
  /** Absent: PostgreSQL's default, which is first for a descending key and last for another. */
  readonly nullsFirst?: boolean;
  /** An operator class other than the type's default, for example `text_pattern_ops`. */
  readonly operators?: string;
}

/** PostgreSQL cuts longer names without an error. */
const NAME_BYTES_MAX = 63;

/** One statement without a semicolon. `concurrently` builds beside writes, and cannot run inside a transaction. */
export function createIndexSql(index: IndexDefinition, how: "plain" | "concurrently"): string {
  const concurrently = how === "concurrently" ? "CONCURRENTLY " : "";
  const table = qualifiedName(index.schema, index.table);
  return `CREATE INDEX ${concurrently}${quoteName(index.name)} ON ${table} ${indexBody(index)}`;
}

/** What an index is, without its name and table: two indexes of one table with the same body are the same index. */
export function indexBody(index: Omit<IndexDefinition, "schema" | "table" | "name">): string {
  const keys = index.columns.map(keySql).join(", ");
  const include = (index.include ?? []).map(quoteName).join(", ");
  return [
    ...(index.method === undefined || index.method === "btree" ? [] : [`USING ${index.method}`]),
    `(${keys})`,
    ...(include === "" ? [] : [`INCLUDE (${include})`]),
    ...(index.where === undefined ? [] : [`WHERE ${index.where}`]),
  ].join(" ");
}

/** For people: `table (a, b DESC) INCLUDE (c) WHERE d`, names quoted only where they have to be. */
export function describeIndex(index: Omit<IndexDefinition, "schema" | "name">): string {
  return `${index.table} ${indexBody(index).replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1")}`;
}

/** `perfopt_<table>_<keys>`, unique for what the index is; what does not fit, or is not plain, ends in a hash of the whole. */
export function indexName(index: Omit<IndexDefinition, "name">): string {
  const parts = index.columns.map((key) =>
    key.name === undefined ? "expr" : key.descending ? `${key.name}_desc` : key.name,
  );
  const whole = `perfopt_${index.table}_${parts.join("_")}`;
  const plain =
    (index.method ?? "btree") === "btree" &&
    (index.include ?? []).length === 0 &&
    index.where === undefined &&
    index.columns.every(
      (key) =>
        key.name !== undefined && key.operators === undefined && key.nullsFirst === undefined,
    );
  return plain ? shortName(whole) : cutWithHash(whole, `${whole} ${indexBody(index)}`);
}

/** The name itself where PostgreSQL takes it whole; else its beginning and a hash of all of it. */
export function shortName(name: string): string {
  const fits = new TextEncoder().encode(name).length <= NAME_BYTES_MAX;
  return fits ? name : cutWithHash(name, `${name} `);
}

function cutWithHash(name: string, hashed: string): string {
  const hash = fnv1a(new TextEncoder().encode(hashed)).toString(16).padStart(8, "0");
  const bytes = new TextEncoder().encode(name);
  const kept = new TextDecoder().decode(bytes.slice(0, NAME_BYTES_MAX - hash.length - 1));
  // A character cut in two decodes to a replacement of three bytes.
  return `${kept.replace(/\uFFFD+$/, "")}_${hash}`;
}

export function qualifiedName(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as a literal in SQL, for where no parameter can stand; with standard_conforming_strings on, as it is by default. */
export function quoteText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function keySql(key: IndexKey): string {
  const what = key.name === undefined ? `(${key.expression ?? ""})` : quoteName(key.name);
  return [
    what,
    ...(key.operators === undefined ? [] : [key.operators]),
    ...(key.descending ? ["DESC"] : []),
    ...(key.nullsFirst === undefined ? [] : [`NULLS ${key.nullsFirst ? "FIRST" : "LAST"}`]),
  ].join(" ");
}

/** FNV-1a, 32 bits. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
