/** What the advisor knows of a database: tables, columns with their statistics, and indexes. */

export interface Catalog {
  /** PostgreSQL's number, for example 150018. */
  readonly serverVersion: number;
  readonly tables: readonly TableInfo[];
  /** Names of installed extensions. */
  readonly extensions: readonly string[];
  /** When the counters of scans and writes began, ISO 8601; undefined when it is not known. */
  readonly countersSince: string | undefined;
}

export interface TableInfo {
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "other";
  /** The planner's estimate, of all partitions for a partitioned table; undefined when the table was never analysed. */
  readonly rows: number | undefined;
  /** Of the heap. */
  readonly bytes: number;
  /** Whether the bare name means this table, by the search path of the database's user. */
  readonly visible: boolean;
  readonly columns: readonly ColumnInfo[];
  readonly indexes: readonly IndexInfo[];
  readonly foreignKeys: readonly ForeignKey[];
  /** `schema.name` of the partitioned table or the parent that it is a part of. */
  readonly partOf: string | undefined;
  readonly activity: TableActivity | undefined;
  /** Column names of each object of extended statistics. */
  readonly statisticsOn: readonly (readonly string[])[];
}

export interface ColumnInfo {
  readonly name: string;
  /** Without modifiers, for example `character varying`. */
  readonly type: string;
  readonly notNull: boolean;
  /** Distinct values; undefined without statistics. */
  readonly distinct: number | undefined;
  readonly widthBytes: number;
  readonly nullFraction: number;
  /** -1 to 1: how closely the rows on disk follow the values; undefined without statistics. */
  readonly correlation: number | undefined;
  /** Most frequent values as text with their shares, most frequent first. */
  readonly common: readonly { readonly value: string; readonly share: number }[];
  /** Bounds of the histogram as text, in order. */
  readonly histogram: readonly string[];
  /** The type has an order that a B-tree can keep. */
  readonly ordered: boolean;
  /** Text that is compared byte by byte (collation C and its like), so that a plain B-tree serves LIKE 'x%'. */
  readonly bytewise: boolean;
}

export interface IndexInfo {
  readonly name: string;
  readonly keys: readonly ExistingKey[];
  readonly included: readonly string[];
  readonly method: string;
  readonly unique: boolean;
  /** Belongs to a primary key, unique or exclusion constraint. */
  readonly constraint: boolean;
  readonly valid: boolean;
  /** The predicate of a partial index, as PostgreSQL writes it. */
  readonly where: string | undefined;
  /** Part of an index of the partitioned table. */
  readonly inherited: boolean;
  /** Logical replication tells rows of the table, or of a partition, apart by it. */
  readonly replicaIdentity?: true;
  /** A foreign key depends on it. */
  readonly referenced?: true;
  /** Undefined where the counters were not read. */
  readonly scans: number | undefined;
  readonly bytes: number;
  readonly rows: number;
  readonly definition: string;
}

export interface ExistingKey {
  /** Of a column; undefined for an expression. */
  readonly name: string | undefined;
  /** As PostgreSQL writes it. */
  readonly expression: string | undefined;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  readonly defaultOperators: boolean;
  readonly operators: string | undefined;
}

export interface ForeignKey {
  readonly name: string;
  /** Of this table. */
  readonly columns: readonly string[];
  readonly referencedSchema: string;
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
  readonly onDelete: "no action" | "restrict" | "cascade" | "set null" | "set default";
}

/** Counted since `countersSince`. */
export interface TableActivity {
  readonly inserts: number;
  readonly updates: number;
  /** Of the updates: those in place. */
  readonly hotUpdates: number;
  readonly deletes: number;
  readonly scans: number;
  readonly liveRows: number;
  readonly deadRows: number;
  readonly changedSinceAnalyze: number;
  /** ISO 8601; undefined: never. */
  readonly analyzedAt: string | undefined;
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

/** A unique index whose keys all have a known value. */
export function uniqueIndexWithin(
  table: TableInfo,
  names: ReadonlySet<string>,
): IndexInfo | undefined {
  return table.indexes.find(
    (index) =>
      index.unique &&
      index.valid &&
      index.where === undefined &&
      index.keys.every(({ name }) => name !== undefined && names.has(name)),
  );
}
