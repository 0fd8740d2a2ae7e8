/** Indexes that cost writes and serve no read that another does not: duplicate, redundant, unused. Never one that keeps rows unique. */
import type { Finding, FindingKind } from "../../../core/advice.ts";
import { describeIndex, qualifiedName, quoteName } from "../../../core/index-definition.ts";
import type { IndexDefinition } from "../../../core/index-definition.ts";
import type { Catalog, IndexInfo, TableInfo } from "../catalog.ts";
import { coveringIndex } from "./foreign-keys.ts";
import type { FindingBounds, FindingsInput } from "./input.ts";
import { likeness } from "./same-index.ts";
import { countersAge, readableAge } from "./words.ts";

/** From here on a scan of the wider index is noticeably more to read. */
const WIDER_FACTOR = 2;

export function needlessIndexes(input: FindingsInput, bounds: FindingBounds): readonly Finding[] {
  return input.catalog.tables.flatMap((table) =>
    table.indexes.flatMap((index) => {
      if (!index.valid || index.constraint || index.inherited) return [];
      return (
        duplicate(table, index) ??
        redundant(input, table, index, bounds) ??
        superseded(input, table, index) ??
        unused(input, table, index, bounds) ??
        []
      );
    }),
  );
}

/** Of two that are alike, the one with less to lose is reported, so that never both are. */
function duplicate(table: TableInfo, index: IndexInfo): Finding | undefined {
  const twin = others(table, index).find(
    (other) => likeness(index, other) === "same" && keptBefore(other, index),
  );
  if (!twin) return undefined;
  const because = twin.constraint
    ? `${twin.name}, which a constraint needs`
    : twin.unique && !index.unique
      ? `${twin.name}, which also keeps rows unique`
      : `${twin.name}; keep that one`;
  // Older snapshots do not say which index it is.
  const identity =
    index.unique && needOf(index) === undefined
      ? ". Look first whether it is the replica identity (pg_index.indisreplident)"
      : "";
  return found("duplicate", table, index, `the same as ${because}${identity}`);
}

function keptBefore(other: IndexInfo, index: IndexInfo): boolean {
  if (index.unique && !other.unique) return false;
  const more = rank(other) - rank(index);
  return more === 0 ? other.name < index.name : more > 0;
}

function rank(index: IndexInfo): number {
  const needed = needOf(index) !== undefined;
  return (
    (index.constraint ? 8 : 0) +
    (index.inherited ? 4 : 0) +
    (needed ? 2 : 0) +
    (index.unique ? 1 : 0)
  );
}

/** What would break without this very index, whatever others can do. */
function needOf({ replicaIdentity, referenced }: IndexInfo): string | undefined {
  if (referenced) {
    return "It has to stay: a foreign key depends on it. To do without it, make the foreign key anew beside the other index";
  }
  return replicaIdentity
    ? "It has to stay: it is the replica identity, without which updates and deletes of a published table fail. To do without it, make another index that first (ALTER TABLE ... REPLICA IDENTITY)"
    : undefined;
}

function redundant(
  input: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
  bounds: FindingBounds,
): Finding | undefined {
  if (index.unique) return undefined;
  for (const other of others(table, index)) {
    const alike = likeness(index, other);
    // A wider one that nothing reads goes itself; this one has to stay then, if it is read.
    if (alike === "beginning" && !other.constraint && isUnused(input, table, other, bounds))
      continue;
    if (alike === "backwards" && keptBefore(other, index)) {
      return found("redundant", table, index, `${other.name} read backwards is the same`);
    }
    if (alike !== "beginning") continue;
    const covers =
      other.keys.length === index.keys.length
        ? "has the same keys and carries more columns along"
        : "begins with the same keys";
    const wider =
      other.bytes > WIDER_FACTOR * index.bytes
        ? `; it is ${(other.bytes / index.bytes).toFixed(1)} times as large, so scans of many rows have more to read`
        : "";
    return found("redundant", table, index, `${other.name} ${covers}${wider}`);
  }
  return undefined;
}

/** What an index of this advice would make redundant. */
function superseded(
  { planned = [] }: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
): Finding | undefined {
  if (index.unique) return undefined;
  const successor = planned.find(
    (each) =>
      each.schema === table.schema &&
      each.table === table.name &&
      likeness(index, asExisting(each)) !== undefined,
  );
  return (
    successor &&
    found(
      "redundant",
      table,
      index,
      `once ${successor.name} is built, ${describeIndex(successor)} does all that it does: drop it then, not before`,
    )
  );
}

function unused(
  input: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
  bounds: FindingBounds,
): Finding | undefined {
  if (index.bytes < bounds.unusedBytesLeast || !isUnread(input, table, index)) return undefined;
  const age = countersAge(input);
  const weak = age === undefined || age < bounds.countersAgeLeastMs;
  const period =
    age === undefined
      ? "no scan (replicas count their own), but since when is not known: weak evidence"
      : weak
        ? `no scan (replicas count their own), but the counters run for ${readableAge(age)} only: weak evidence, ask again after ${readableAge(bounds.countersAgeLeastMs)}`
        : `no scan in the ${readableAge(age)} that the counters run (replicas count their own)`;
  // Another one that nobody reads would go as well.
  const staying = others(table, index).filter(
    (other) => other.constraint || !isUnused(input, table, other, bounds),
  );
  const key = table.foreignKeys.find(
    (each) =>
      coveringIndex(each.columns, [index]) !== undefined &&
      coveringIndex(each.columns, staying) === undefined,
  );
  const only = key
    ? `. No index that is read serves the foreign key ${key.name} beside it: without it a delete in ${key.referencedTable} would read this table, so drop it only where nothing is ever deleted there`
    : "";
  return found("unused", table, index, `${period}${only}`, weak || key ? "no SQL" : "SQL");
}

/** By counters that run for long enough. */
function isUnused(
  input: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
  bounds: FindingBounds,
): boolean {
  const age = countersAge(input) ?? 0;
  return age >= bounds.countersAgeLeastMs && isUnread(input, table, index);
}

/** Neither it nor one that it stands in for was scanned, no plan reads it, and it keeps no rows unique. */
function isUnread(
  { catalog, statements }: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
): boolean {
  if (index.unique) return false;
  const twins = others(table, index).filter((other) => {
    const alike = likeness(other, index);
    return alike === "same" || alike === "backwards";
  });
  const alike = [index, ...twins];
  return (
    alike.every((each) => scansOf(catalog, table, each) === 0) &&
    !statements.some(({ plan }) => alike.some(({ name }) => plan?.indexes.includes(name)))
  );
}

/** PostgreSQL counts the scans of the partitions' indexes only; undefined where nothing was counted. */
function scansOf(catalog: Catalog, table: TableInfo, index: IndexInfo): number | undefined {
  if (table.kind !== "partitioned") return index.scans;
  const parts = catalog.tables.filter((each) => each.partOf === `${table.schema}.${table.name}`);
  const counts = parts.flatMap((part) =>
    part.indexes
      .filter((each) => each.inherited && likeness(each, index) === "same")
      .map((each) => scansOf(catalog, part, each)),
  );
  if (counts.length === 0 || counts.includes(undefined)) return undefined;
  return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

function others(table: TableInfo, index: IndexInfo): readonly IndexInfo[] {
  return table.indexes.filter((each) => each !== index && each.valid);
}

function found(
  kind: FindingKind,
  table: TableInfo,
  index: IndexInfo,
  detail: string,
  sql: "SQL" | "no SQL" = "SQL",
): Finding {
  const need = needOf(index);
  const note =
    need ??
    (table.kind === "partitioned"
      ? "Dropping the index of a partitioned table locks the table and all partitions for a moment"
      : undefined);
  return {
    kind,
    table: `${table.schema}.${table.name}`,
    index: index.name,
    bytes: index.bytes,
    detail: note === undefined ? detail : `${detail}. ${note}`,
    ...(sql === "SQL" && need === undefined ? { sql: dropSql(table, index) } : {}),
  };
}

/** PostgreSQL cannot drop the index of a partitioned table concurrently. */
function dropSql(table: TableInfo, { name }: Pick<IndexInfo, "name">): string {
  const concurrently = table.kind === "partitioned" ? "" : "CONCURRENTLY ";
  return `DROP INDEX ${concurrently}${qualifiedName(table.schema, name)};`;
}

/** A planned index as PostgreSQL would describe it, as far as containment goes. */
function asExisting(index: IndexDefinition): IndexInfo {
  const method = index.method ?? "btree";
  const keys = index.columns.map((key) => ({
    name: key.name,
    expression: key.expression,
    descending: key.descending === true,
    nullsFirst: key.nullsFirst ?? key.descending === true,
    defaultOperators: key.operators === undefined,
    operators: key.operators,
  }));
  const list = index.columns.map((key) =>
    [
      key.name === undefined ? `(${key.expression ?? ""})` : quoteName(key.name),
      ...(key.operators === undefined ? [] : [key.operators]),
    ].join(" "),
  );
  const where = index.where === undefined ? "" : ` WHERE (${index.where})`;
  return {
    name: index.name,
    keys,
    included: index.include ?? [],
    method,
    unique: false,
    constraint: false,
    valid: true,
    where: index.where,
    inherited: false,
    scans: undefined,
    bytes: 0,
    rows: 0,
    definition: `CREATE INDEX ON t USING ${method} (${list.join(", ")})${where}`,
  };
}
