/** A planner snapshot: everything that PostgreSQL's planner looks at, as plain JSON. No row of a table is in it but what statistics hold. */
import type { DatabaseLocale } from "../../../core/planner.ts";

export interface Snapshot {
  readonly format: "perfopt-snapshot/1";
  /** ISO 8601. */
  readonly takenAt: string;
  /** Of the server, for example 150018. */
  readonly serverVersion: number;
  readonly database: string;
  readonly locale: DatabaseLocale;
  /** Schemas in which bare names are looked for, in order. */
  readonly searchPath: readonly string[];
  /** Whether most common values, histograms and the like were left out, of columns that hold text and its like or of all. */
  readonly redacted: "nothing" | "text" | "all values";
  /** Planner settings that a fresh session has. */
  readonly settings: readonly SnapshotSetting[];
  readonly extensions: readonly {
    readonly name: string;
    readonly version: string;
    readonly schema: string;
  }[];
  readonly schemas: readonly string[];
  readonly types: readonly SnapshotType[];
  /** CREATE statements of functions in SQL and PL/pgSQL. */
  readonly functions: readonly string[];
  /** Those of serial and identity columns too. Not in older snapshots. */
  readonly sequences?: readonly { readonly schema: string; readonly name: string }[];
  /** Parents before partitions. */
  readonly tables: readonly SnapshotTable[];
  readonly views: readonly {
    readonly schema: string;
    readonly name: string;
    readonly definition: string;
  }[];
  /** Keys first, then checks, then foreign keys. */
  readonly constraints: readonly SnapshotConstraint[];
  readonly indexes: readonly SnapshotIndex[];
  readonly extendedStatistics: readonly SnapshotExtendedStatistics[];
  /** Tables, partitions, materialised views and indexes. */
  readonly relations: readonly RelationStatistics[];
  readonly columns: readonly ColumnStatistics[];
  /** What scans and writes were counted, where the snapshot's role may read it. */
  readonly activity: SnapshotActivity | undefined;
  /** What could not be read, and what follows. */
  readonly caveats: readonly string[];
}

export interface SnapshotSetting {
  readonly name: string;
  readonly value: string;
  /** PostgreSQL's: kB, 8kB, ms and so on; null for none. */
  readonly unit: string | null;
}

export type SnapshotType =
  | { readonly kind: "enum"; readonly name: string; readonly labels: readonly string[] }
  | { readonly kind: "domain"; readonly name: string; readonly base: string }
  | {
      readonly kind: "composite";
      readonly name: string;
      readonly fields: readonly { readonly name: string; readonly type: string }[];
    };

export interface SnapshotTable {
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "materialized view" | "foreign table";
  /** `fillfactor=90` and the like. */
  readonly options: readonly string[];
  /** Of a partitioned table: `RANGE (created_at)`. */
  readonly partitionKey: string | null;
  /** Of a partition: `FOR VALUES FROM ...`. */
  readonly partitionBound: string | null;
  /** Quoted `"schema"."name"` of what it is a partition or a child of. */
  readonly parents: readonly string[];
  /** By attribute number without gaps: dropped columns are kept, since statistics name columns by number. */
  readonly columns: readonly SnapshotColumn[];
  /** Row level security is on: its policies are not modelled. */
  readonly rowSecurity: boolean;
}

export interface SnapshotColumn {
  readonly number: number;
  readonly name: string;
  readonly dropped: boolean;
  /** With modifiers, for example `character varying(152)`. */
  readonly type: string;
  readonly notNull: boolean;
  readonly generated: "no" | "stored" | "virtual";
  readonly expression: string | null;
  /** Quoted, where it is not the type's own. */
  readonly collation: string | null;
  /** The type has an order that a B-tree can keep. */
  readonly ordered: boolean;
}

export interface SnapshotConstraint {
  /** Quoted `"schema"."table"`. */
  readonly table: string;
  readonly name: string;
  readonly kind: "primary key" | "unique" | "exclusion" | "check" | "foreign key";
  readonly definition: string;
  readonly validated: boolean;
  /** What a foreign key's definition says; null for other constraints. */
  readonly foreignKey: SnapshotForeignKey | null;
}

/** Names are unquoted. */
export interface SnapshotForeignKey {
  readonly columns: readonly string[];
  readonly referencedSchema: string;
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
  readonly onDelete: "no action" | "restrict" | "cascade" | "set null" | "set default";
}

export interface SnapshotIndex {
  readonly schema: string;
  readonly name: string;
  readonly table: string;
  readonly definition: string;
  readonly valid: boolean;
  /** Made by a constraint, which makes it again. */
  readonly constraint: boolean;
  /** Attached to an index of the partitioned table, which makes it again. */
  readonly inherited: boolean;
  /** Quoted `"schema"."name"` of that index; null for one that is not inherited. */
  readonly parent: string | null;
  readonly method: string;
  readonly unique: boolean;
  /** What the definition says, in order. */
  readonly keys: readonly SnapshotIndexKey[];
  /** Unquoted names of columns carried along. */
  readonly included: readonly string[];
  /** The predicate of a partial index, as PostgreSQL writes it. */
  readonly where: string | null;
  /** Logical replication tells rows apart by it (ALTER TABLE ... REPLICA IDENTITY USING INDEX). */
  readonly replicaIdentity?: true;
  /** A foreign key depends on it. */
  readonly referenced?: true;
}

export interface SnapshotIndexKey {
  /** Unquoted; null for an expression. */
  readonly column: string | null;
  /** As PostgreSQL writes it; null for a column. */
  readonly expression: string | null;
  /** The name under which the statistics of an expression are listed. */
  readonly attribute: string;
  /** With modifiers; null where the snapshot's format does not say. */
  readonly type: string | null;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /** An operator class other than the type's default. */
  readonly operators: string | null;
}

export interface SnapshotExtendedStatistics {
  readonly schema: string;
  readonly name: string;
  /** Quoted `"schema"."table"`. */
  readonly table: string;
  readonly definition: string;
  /** Unquoted names of the plain columns that it is on. */
  readonly columns: readonly string[];
  /** It is on expressions too. */
  readonly expressions: boolean;
  /** One for the table alone, one with its children; hexadecimal bytes of PostgreSQL's own types, null where not gathered or not readable. */
  readonly data: readonly {
    readonly inherited: boolean;
    readonly distinct: string | null;
    readonly dependencies: string | null;
    readonly mostCommon: string | null;
  }[];
}

export interface RelationStatistics {
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "materialized view" | "index" | "partitioned index";
  /** Of an index: its access method. */
  readonly method: string | null;
  /** By the last VACUUM or ANALYZE; `rows` -1 when never. */
  readonly pages: number;
  readonly rows: number;
  readonly allVisible: number;
  /** On disk now, in blocks of 8,192 bytes: the planner scales rows by it. */
  readonly blocks: number;
}

/** A row of pg_stats, arrays in PostgreSQL's own notation. */
export interface ColumnStatistics {
  readonly schema: string;
  readonly table: string;
  /** Of a table; for the statistics of an expression index, the index is the table and this is the key's name. */
  readonly column: string;
  readonly inherited: boolean;
  readonly nullFraction: number;
  readonly averageWidth: number;
  readonly distinct: number;
  readonly mostCommonValues: string | null;
  readonly mostCommonShares: string | null;
  readonly histogram: string | null;
  readonly correlation: number | null;
  readonly mostCommonElements: string | null;
  readonly mostCommonElementShares: string | null;
  readonly elementCountHistogram: string | null;
  readonly rangeLengthHistogram: string | null;
  readonly rangeEmptyShare: number | null;
  readonly rangeBoundsHistogram: string | null;
}

export interface SnapshotActivity {
  /** When counting began, ISO 8601. */
  readonly since: string | null;
  readonly tables: readonly {
    readonly schema: string;
    readonly name: string;
    readonly inserts: number;
    readonly updates: number;
    readonly hotUpdates: number;
    readonly deletes: number;
    readonly sequentialScans: number;
    readonly indexScans: number;
    readonly liveRows: number;
    readonly deadRows: number;
    readonly changedSinceAnalyze: number;
    readonly analyzedAt: string | null;
  }[];
  readonly indexes: readonly {
    readonly schema: string;
    readonly name: string;
    readonly scans: number;
  }[];
}
