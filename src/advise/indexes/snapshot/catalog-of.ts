/** The advisor's catalog, made of a snapshot. */
import { qualifiedName } from "../../../core/index-definition.ts";
import type { Catalog, ColumnInfo, ForeignKey, IndexInfo, TableInfo } from "../catalog.ts";
import { arrayElements } from "./array.ts";
import type {
  ColumnStatistics,
  RelationStatistics,
  Snapshot,
  SnapshotColumn,
  SnapshotIndex,
  SnapshotTable,
} from "./snapshot.ts";
import { baseType, withoutModifiers, type TypeNames } from "./types.ts";

const BLOCK_BYTES = 8192;
/** Of a value whose width nobody measured. */
const WIDTH_UNKNOWN_BYTES = 32;

export function catalogOf(snapshot: Snapshot): Catalog {
  const found = lookups(snapshot);
  const schemasInPath = new Set(snapshot.searchPath);
  return {
    serverVersion: snapshot.serverVersion,
    extensions: snapshot.extensions.map(({ name }) => name),
    countersSince: snapshot.activity?.since ?? undefined,
    tables: snapshot.tables
      .filter(({ kind }) => kind !== "foreign table")
      .map((table) =>
        tableOf(table, found, {
          visible: schemasInPath.has(table.schema) && isFirst(table, snapshot),
        }),
      ),
  };
}

/** Of several tables with one name the bare name means the one whose schema comes first in the path; views count too. */
function isFirst(table: SnapshotTable, { searchPath, tables, views }: Snapshot): boolean {
  const place = searchPath.indexOf(table.schema);
  return ![...tables, ...views].some(
    (other) =>
      other.name === table.name &&
      searchPath.includes(other.schema) &&
      searchPath.indexOf(other.schema) < place,
  );
}

/** Everything of a snapshot by the name of what it belongs to. */
interface Lookups {
  readonly snapshot: Snapshot;
  readonly types: TypeNames;
  readonly relations: ReadonlyMap<string, RelationStatistics>;
  readonly columns: ReadonlyMap<string, readonly ColumnStatistics[]>;
  readonly indexes: ReadonlyMap<string, readonly SnapshotIndex[]>;
  readonly foreignKeys: ReadonlyMap<string, readonly ForeignKey[]>;
  readonly statisticsOn: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly activity: ReadonlyMap<string, NonNullable<TableInfo["activity"]>>;
  readonly scans: ReadonlyMap<string, number>;
  /** Indexes of partitions, by the index that they are attached to. */
  readonly partsOfIndex: ReadonlyMap<string, readonly SnapshotIndex[]>;
  /** Partitions, by the table that they are of. */
  readonly partitions: ReadonlyMap<string, readonly SnapshotTable[]>;
}

function named(each: { readonly schema: string; readonly name: string }): string {
  return qualifiedName(each.schema, each.name);
}

function lookups(snapshot: Snapshot): Lookups {
  const { activity } = snapshot;
  return {
    snapshot,
    types: new Map(snapshot.types.map((type) => [type.name, type])),
    relations: new Map(snapshot.relations.map((each) => [named(each), each])),
    columns: grouped(snapshot.columns, (each) => qualifiedName(each.schema, each.table)),
    indexes: grouped(snapshot.indexes, (each) => qualifiedName(each.schema, each.table)),
    foreignKeys: groupedValues(
      snapshot.constraints.flatMap(({ table, name, foreignKey }) =>
        foreignKey ? [[table, { name, ...foreignKey }] as const] : [],
      ),
    ),
    statisticsOn: groupedValues(
      snapshot.extendedStatistics.map(({ table, columns }) => [table, columns] as const),
    ),
    activity: new Map(
      (activity?.tables ?? []).map((each) => [
        named(each),
        {
          inserts: each.inserts,
          updates: each.updates,
          hotUpdates: each.hotUpdates,
          deletes: each.deletes,
          scans: each.sequentialScans + each.indexScans,
          liveRows: each.liveRows,
          deadRows: each.deadRows,
          changedSinceAnalyze: each.changedSinceAnalyze,
          analyzedAt: each.analyzedAt ?? undefined,
        },
      ]),
    ),
    scans: new Map((activity?.indexes ?? []).map((each) => [named(each), each.scans])),
    partsOfIndex: groupedValues(
      snapshot.indexes.flatMap((each) => (each.parent === null ? [] : [[each.parent, each]])),
    ),
    partitions: groupedValues(
      snapshot.tables.flatMap((table) =>
        table.partitionBound === null
          ? []
          : table.parents.map((parent) => [parent, table] as const),
      ),
    ),
  };
}

function grouped<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
): ReadonlyMap<string, readonly T[]> {
  return groupedValues(items.map((item) => [keyOf(item), item] as const));
}

function groupedValues<T>(
  items: readonly (readonly [key: string, value: T])[],
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of items) {
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}

function tableOf(
  table: SnapshotTable,
  found: Lookups,
  { visible }: { readonly visible: boolean },
): TableInfo {
  const key = named(table);
  const relation = found.relations.get(key);
  const rows = rowsOf(table, relation, found);
  const statistics = statisticsByColumn(found.columns.get(key) ?? []);
  const [parent] = table.parents;
  return {
    schema: table.schema,
    name: table.name,
    kind: table.kind === "partitioned" ? "partitioned" : table.kind === "table" ? "table" : "other",
    rows,
    bytes: bytesOf(table, relation, found),
    visible,
    columns: table.columns
      .filter(({ dropped }) => !dropped)
      .map((column) => columnOf(column, statistics.get(column.name), rows ?? 0, found)),
    indexes: (found.indexes.get(key) ?? []).map((index) => indexOf(index, found)),
    foreignKeys: found.foreignKeys.get(key) ?? [],
    partOf: parent === undefined ? undefined : plainName(parent),
    activity: found.activity.get(key),
    statisticsOn: found.statisticsOn.get(key) ?? [],
  };
}

/** Partitioned tables have files in their partitions alone, and often were never analysed themselves. */
function partitionsOf(table: SnapshotTable, found: Lookups): readonly SnapshotTable[] {
  return found.partitions.get(named(table)) ?? [];
}

function rowsOf(
  table: SnapshotTable,
  relation: RelationStatistics | undefined,
  found: Lookups,
): number | undefined {
  const own = relation && analysedRows(relation, found.snapshot.serverVersion);
  if (own !== undefined) return own;
  const parts = partitionsOf(table, found).map((part) =>
    rowsOf(part, found.relations.get(named(part)), found),
  );
  const known = parts.filter((rows) => rows !== undefined);
  return known.length === 0 ? undefined : sum(known);
}

/** As the planner scales them: rows of a page, times the pages that there are now (estimate_rel_size in plancat.c). */
function analysedRows(relation: RelationStatistics, serverVersion: number): number | undefined {
  const { rows, pages, blocks } = relation;
  // Before 14 a table that was never looked at has 0 rows in 0 pages, as an empty one may have.
  if (rows < 0 || (serverVersion < 140_000 && rows === 0 && pages <= 0)) return undefined;
  return pages > 0 && blocks > 0 ? Math.round((rows / pages) * blocks) : rows;
}

function bytesOf(
  table: SnapshotTable,
  relation: RelationStatistics | undefined,
  found: Lookups,
): number {
  const parts = partitionsOf(table, found).map((part) =>
    bytesOf(part, found.relations.get(named(part)), found),
  );
  return (relation?.blocks ?? 0) * BLOCK_BYTES + sum(parts);
}

/** With the children's, where there are such: of a partitioned table there are no others. */
function statisticsByColumn(
  statistics: readonly ColumnStatistics[],
): ReadonlyMap<string, ColumnStatistics> {
  const alone = statistics.filter(({ inherited }) => !inherited);
  const whole = statistics.filter(({ inherited }) => inherited);
  return new Map([...alone, ...whole].map((each) => [each.column, each]));
}

function columnOf(
  column: SnapshotColumn,
  statistics: ColumnStatistics | undefined,
  tableRows: number,
  found: Lookups,
): ColumnInfo {
  const distinct = statistics?.distinct ?? 0;
  const shares = arrayElements(statistics?.mostCommonShares ?? "").map(Number);
  return {
    name: column.name,
    type: withoutModifiers(column.type),
    notNull: column.notNull,
    // Below zero it is the negative share of distinct rows, zero means unknown (pg_stats).
    distinct: distinct === 0 ? undefined : distinct < 0 ? -distinct * tableRows : distinct,
    widthBytes: statistics?.averageWidth ?? widthOf(column.type, found.types),
    nullFraction: statistics?.nullFraction ?? 0,
    correlation: statistics?.correlation ?? undefined,
    common: arrayElements(statistics?.mostCommonValues ?? "").flatMap((value, place) =>
      value === null ? [] : [{ value, share: shares[place] ?? 0 }],
    ),
    histogram: arrayElements(statistics?.histogram ?? "").filter((value) => value !== null),
    ordered: column.ordered,
    bytewise: isBytewise(column, found),
  };
}

/** Of types that have one; pg_type.typlen. */
const WIDTHS: Readonly<Record<string, number>> = {
  boolean: 1,
  smallint: 2,
  integer: 4,
  bigint: 8,
  real: 4,
  "double precision": 8,
  date: 4,
  uuid: 16,
  "timestamp without time zone": 8,
  "timestamp with time zone": 8,
  "time without time zone": 8,
};

function widthOf(type: string, types: TypeNames): number {
  return type.endsWith("]")
    ? WIDTH_UNKNOWN_BYTES
    : (WIDTHS[baseType(type, types)] ?? WIDTH_UNKNOWN_BYTES);
}

const TEXT_TYPES: ReadonlySet<string> = new Set(["text", "character varying", "character", "name"]);
/** Of PostgreSQL's own; pg_c_utf8 is there from 17 on. */
const BYTEWISE_COLLATIONS: ReadonlySet<string> = new Set(
  ["C", "POSIX", "ucs_basic", "pg_c_utf8"].map((name) => qualifiedName("pg_catalog", name)),
);

/**
 * Where the planner takes a comparison for one of bytes (like_support.c asks whether the collation is C's). libc's C.UTF-8
 * is none of them, the built-in C.UTF-8 is.
 */
function isBytewise(column: SnapshotColumn, { snapshot, types }: Lookups): boolean {
  const base = baseType(column.type, types);
  if (!TEXT_TYPES.has(base) || column.type.endsWith("]")) return false;
  if (column.collation !== null) return BYTEWISE_COLLATIONS.has(column.collation);
  // `name` has the collation C of its own.
  if (base === "name") return true;
  const { provider, collate } = snapshot.locale;
  return provider === "builtin" || (provider === "libc" && /^(?:C|POSIX)$/.test(collate));
}

function indexOf(index: SnapshotIndex, found: Lookups): IndexInfo {
  return {
    name: index.name,
    keys: index.keys.map((each) => ({
      name: each.column ?? undefined,
      expression: each.expression ?? undefined,
      descending: each.descending,
      nullsFirst: each.nullsFirst,
      defaultOperators: each.operators === null,
      operators: each.operators ?? undefined,
    })),
    included: index.included,
    method: index.method,
    unique: index.unique,
    constraint: index.constraint,
    valid: index.valid,
    where: index.where ?? undefined,
    inherited: index.inherited,
    definition: index.definition,
    ...(isOrHasPart(index, found, (each) => each.replicaIdentity) ? { replicaIdentity: true } : {}),
    ...(isOrHasPart(index, found, (each) => each.referenced) ? { referenced: true } : {}),
    ...extentOf(index, found),
  };
}

/** An index of a partitioned table takes those of its partitions with it, each of which may be needed by itself. */
function isOrHasPart(
  index: SnapshotIndex,
  found: Lookups,
  is: (index: SnapshotIndex) => true | undefined,
): boolean {
  if (is(index) === true) return true;
  const parts = found.partsOfIndex.get(named(index)) ?? [];
  return parts.some((part) => isOrHasPart(part, found, is));
}

/** An index of a partitioned table is what its partitions' indexes are together. */
function extentOf(
  index: SnapshotIndex,
  found: Lookups,
): Pick<IndexInfo, "scans" | "bytes" | "rows"> {
  const key = named(index);
  const relation = found.relations.get(key);
  const own = {
    scans: found.scans.get(key),
    bytes: (relation?.blocks ?? 0) * BLOCK_BYTES,
    rows: Math.max(0, relation?.rows ?? 0),
  };
  if (relation?.kind !== "partitioned index") return own;
  const parts = (found.partsOfIndex.get(key) ?? []).map((part) => extentOf(part, found));
  const scans = parts.flatMap((part) => part.scans ?? []);
  return {
    scans: scans.length === 0 ? undefined : sum(scans),
    bytes: sum(parts.map(({ bytes }) => bytes)),
    rows: sum(parts.map(({ rows }) => rows)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** `"a"."b"` as a.b. */
function plainName(qualified: string): string {
  return [...qualified.matchAll(/"((?:[^"]|"")*)"/g)]
    .map((match) => (match[1] ?? "").replaceAll('""', '"'))
    .join(".");
}
