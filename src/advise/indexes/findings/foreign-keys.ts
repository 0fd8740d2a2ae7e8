/** Foreign keys whose referencing columns have no index: deleting or renaming a parent reads the whole child, in a trigger that no plan shows. */
import type { Finding } from "../../../core/advice.ts";
import { indexName } from "../../../core/index-definition.ts";
import type { IndexDefinition } from "../../../core/index-definition.ts";
import { upSql } from "../../../core/partitioned-index.ts";
import type { Catalog, ForeignKey, IndexInfo, TableInfo } from "../catalog.ts";
import type { FindingBounds, FindingsInput, ReadStatement } from "./input.ts";
import { partitionTree } from "./partitions.ts";
import { counted, countersAge, readableAge } from "./words.ts";

/** From here on an index is smaller, and as good, without the rows that reference nothing. */
const NULL_FRACTION_LARGE = 0.5;
/** Rows of the child that a parent may have under the index's first column before the rest is missed. */
const ROWS_PER_PARENT_MOST = 100;

/** Partitions of partitions; nobody nests them as deep. */
const DEPTH_MOST = 20;

const STRENGTHS = ["strong", "unknown", "weak"] as const;

interface Evidence {
  readonly strength: (typeof STRENGTHS)[number];
  readonly words: string;
}

interface Unindexed {
  readonly table: TableInfo;
  readonly key: ForeignKey;
  /** That would serve it. */
  readonly index: IndexDefinition;
  readonly evidence: Evidence;
}

export function unindexedForeignKeys(
  input: FindingsInput,
  bounds: FindingBounds,
): readonly Finding[] {
  const roots = rootsOf(input.catalog);
  const partitioned = new Map(
    input.catalog.tables
      .filter(({ kind }) => kind === "partitioned")
      .map((table) => [`${table.schema}.${table.name}`, table]),
  );
  const found = input.catalog.tables.flatMap((table) => {
    if (table.kind === "other" || (table.rows ?? 0) < bounds.rowsLeast) return [];
    const seen = new Set<string>();
    return table.foreignKeys.flatMap((key) => {
      // A key of a partitioned table is a key of each partition, and one on a partitioned table is one on each of its partitions.
      const same = identityOf(key, roots);
      const parent = partitioned.get(table.partOf ?? "");
      if (seen.has(same) || parent?.foreignKeys.some((each) => identityOf(each, roots) === same))
        return [];
      seen.add(same);
      if (coveringIndex(key.columns, table.indexes, table)) return [];
      const index = indexFor(table, key);
      if (input.planned?.some((each) => serves(each, table, key))) return [];
      const evidence = evidenceFor(input, key, roots);
      // Rows of a small table of codes or countries go one in a while, if ever.
      const small = rowsReferenced(input.catalog, key) < bounds.rowsLeast;
      return small && evidence.strength !== "strong" ? [] : [{ table, evidence, key, index }];
    });
  });
  return found
    .toSorted(
      (a, b) =>
        STRENGTHS.indexOf(a.evidence.strength) - STRENGTHS.indexOf(b.evidence.strength) ||
        (b.table.rows ?? 0) - (a.table.rows ?? 0),
    )
    .map((each) => findingOf(input.catalog, each));
}

/**
 * The first index by which rows are found by equality on all the columns. PostgreSQL's query for it is `WHERE $1 = a AND $2 = b`
 * (ri_triggers.c), so the columns' order among themselves is free, and a partial index for `IS NOT NULL` serves.
 */
export function coveringIndex(
  columns: readonly string[],
  indexes: readonly IndexInfo[],
  table?: TableInfo,
): IndexInfo | undefined {
  return indexes.find((index) => {
    if (!index.valid || (index.method !== "btree" && index.method !== "hash")) return false;
    if (index.where !== undefined && !onlyNulls(index.where, columns)) return false;
    const leading = index.keys.map(({ name }) => name);
    const first = leading.slice(0, columns.length);
    if (columns.every((column) => first.includes(column))) return true;
    // Beginning with a part of a wide key is enough where that part is nearly unique.
    const part = leading.findIndex((name) => name === undefined || !columns.includes(name));
    const narrowed = leading.slice(0, part < 0 ? leading.length : part);
    return table !== undefined && rowsFor(table, narrowed) <= ROWS_PER_PARENT_MOST;
  });
}

function rowsFor(table: TableInfo, names: readonly (string | undefined)[]): number {
  const distinct = names.map(
    (name) => table.columns.find((column) => column.name === name)?.distinct ?? 1,
  );
  return names.length === 0 ? Infinity : (table.rows ?? Infinity) / Math.max(...distinct, 1);
}

/** `(customer_id IS NOT NULL)`: true of every row that a parent's key is compared with. */
function onlyNulls(where: string, columns: readonly string[]): boolean {
  const test = /^\(*"?(.+?)"? IS NOT NULL\)*$/.exec(where);
  return test?.[1] !== undefined && columns.includes(test[1].replaceAll('""', '"'));
}

function serves(index: IndexDefinition, table: TableInfo, key: ForeignKey): boolean {
  if (index.schema !== table.schema || index.table !== table.name) return false;
  if ((index.method ?? "btree") !== "btree" && index.method !== "hash") return false;
  if (index.where !== undefined && !onlyNulls(index.where, key.columns)) return false;
  const first = index.columns.slice(0, key.columns.length).map(({ name }) => name);
  return key.columns.every((column) => first.includes(column));
}

/** Tables by `schema.name` to the outermost one that they are a part of, or themselves. */
type Roots = ReadonlyMap<string, string>;

function rootsOf({ tables }: Catalog): Roots {
  const parents = new Map(tables.map((each) => [`${each.schema}.${each.name}`, each.partOf]));
  const rootOf = (name: string): string => {
    let root = name;
    for (let depth = 0; depth < DEPTH_MOST; depth += 1) {
      const parent = parents.get(root);
      if (parent === undefined) return root;
      root = parent;
    }
    return root;
  };
  return new Map([...parents.keys()].map((name) => [name, rootOf(name)]));
}

function referencedRoot(key: ForeignKey, roots: Roots): string {
  const name = `${key.referencedSchema}.${key.referencedTable}`;
  return roots.get(name) ?? name;
}

function rowsReferenced({ tables }: Catalog, key: ForeignKey): number {
  const parent = tables.find(
    ({ schema, name }) => schema === key.referencedSchema && name === key.referencedTable,
  );
  return parent?.rows ?? Infinity;
}

function isPartOf(table: TableInfo, root: string, roots: Roots): boolean {
  return roots.get(`${table.schema}.${table.name}`) === root;
}

function identityOf(key: ForeignKey, roots: Roots): string {
  return `${key.columns.join("\0")} ${referencedRoot(key, roots)}`;
}

function indexFor(table: TableInfo, key: ForeignKey): IndexDefinition {
  const nullable = key.columns
    .map((name) => table.columns.find((column) => column.name === name))
    .find((column) => (column?.nullFraction ?? 0) >= NULL_FRACTION_LARGE);
  const index = {
    schema: table.schema,
    table: table.name,
    columns: key.columns.map((name) => ({ name })),
    ...(nullable ? { where: `"${nullable.name.replaceAll('"', '""')}" IS NOT NULL` } : {}),
  };
  return { ...index, name: indexName(index) };
}

function findingOf(catalog: Catalog, { table, key, index, evidence }: Unindexed): Finding {
  const parent = `${key.referencedSchema}.${key.referencedTable}`;
  const columns = key.columns.length === 1 ? "this column" : "these columns";
  const each = `each deleted ${key.referencedTable} row, and each whose ${key.referencedColumns.join(", ")} changes`;
  const reads = `reads all ${counted(table.rows ?? 0, "row")} of ${table.name}${ACTIONS[key.onDelete]}`;
  return {
    kind: "unindexed-foreign-key",
    table: `${table.schema}.${table.name}`,
    detail: `${key.name} (${key.columns.join(", ")}) references ${parent}, and no index begins with ${columns}: ${each}, ${reads}. ${evidence.words}`,
    sql: upSql(index, partitionTree(catalog, table))
      .map((sql) => `${sql};`)
      .join("\n"),
  };
}

const ACTIONS: Readonly<Record<ForeignKey["onDelete"], string>> = {
  "no action": " to look for rows that forbid it",
  restrict: " to look for rows that forbid it",
  cascade: " to delete what belongs to it",
  "set null": " to set what refers to it to null",
  "set default": " to set what refers to it to its default",
};

/** How much it matters, by what was seen. */
function evidenceFor(input: FindingsInput, key: ForeignKey, roots: Roots): Evidence {
  const root = referencedRoot(key, roots);
  const writes = writesTo(input.statements, root, roots);
  const deletes = callsOf(writes, ({ kind }) => kind === "delete");
  const renames = callsOf(
    writes,
    ({ kind, columns }) =>
      kind === "update" && columns.some((name) => key.referencedColumns.includes(name)),
  );
  const seen = [
    ...(deletes.statements > 0 ? [`deletes from it (${inWords(deletes)})`] : []),
    ...(renames.statements > 0 ? [`changes its key (${inWords(renames)})`] : []),
  ];
  if (seen.length > 0)
    return { strength: "strong", words: `Strong: the workload ${seen.join(" and ")}` };
  const activity = input.catalog.tables
    .filter((each) => isPartOf(each, root, roots))
    .flatMap((each) => each.activity ?? []);
  if (activity.length === 0) {
    const words = "How often that happens is not known: the counters were not read";
    return { strength: "unknown", words };
  }
  const age = countersAge(input);
  const period = age === undefined ? "since the counters began" : `in ${readableAge(age)}`;
  const deleted = activity.reduce((sum, each) => sum + each.deletes, 0);
  if (deleted === 0) {
    const words = `Weak: no row of it was deleted ${period}, and no statement of the workload does it`;
    return { strength: "weak", words };
  }
  const were = deleted === 1 ? "was" : "were";
  return {
    strength: "strong",
    words: `Strong: ${counted(deleted, "row")} of it ${were} deleted ${period}, by the counters`,
  };
}

type Write = ReadStatement["writes"][number];

interface Writer {
  readonly calls: number | undefined;
  readonly writes: readonly Write[];
}

function writesTo(
  statements: readonly ReadStatement[],
  root: string,
  roots: Roots,
): readonly Writer[] {
  return statements.map(({ statement, writes }) => ({
    calls: statement.calls,
    writes: writes.filter(({ table }) => isPartOf(table, root, roots)),
  }));
}

interface Calls {
  readonly statements: number;
  /** Undefined when the source of the workload does not count. */
  readonly calls: number | undefined;
}

function callsOf(writers: readonly Writer[], meant: (write: Write) => boolean): Calls {
  const counts = writers.filter(({ writes }) => writes.some(meant)).map(({ calls }) => calls);
  return {
    statements: counts.length,
    calls: counts.includes(undefined)
      ? undefined
      : counts.reduce<number>((sum, calls) => sum + (calls ?? 0), 0),
  };
}

function inWords({ statements, calls }: Calls): string {
  return calls === undefined ? counted(statements, "statement") : counted(calls, "call");
}
