/** What an index costs the writers of a workload: entries to insert, in-place (HOT) updates lost, entries to clean up. */
import { loadModule, parseSync } from "libpg-query";
import type { WriteCost } from "../../../core/advice.ts";
import type { IndexDefinition, IndexMethod } from "../../../core/index-definition.ts";
import { findColumn } from "../catalog.ts";
import type { Catalog, ColumnInfo, IndexInfo, TableInfo } from "../catalog.ts";
import type { IndexWorkload } from "../statement.ts";
import type { Added } from "../what-if.ts";
import { cleanupCost, entryCost, heightOf } from "./maintenance.ts";
import type { KeptIndex, WriteCostSettings } from "./maintenance.ts";
import { countersOf, readWrites } from "./read-writes.ts";
import type { TableWrites, UpdatedRows, WorkloadWrites } from "./read-writes.ts";

export interface WriteCosts {
  /** Where the counts come from; `counters` and `nothing` are to be said. */
  readonly from: WorkloadWrites["from"];
  /** `workloadCost`: calls times planned cost of all statements, in the planner's units. */
  readonly of: (
    index: IndexDefinition,
    added: Pick<Extract<Added, { kind: "added" }>, "bytes" | "rows" | "height">,
    workloadCost: number,
  ) => WriteCost;
}

/** The workload is the whole one, before its light statements are left out. */
export async function writeCosts(
  workload: IndexWorkload,
  catalog: Catalog,
  settings: WriteCostSettings,
): Promise<WriteCosts> {
  await loadModule();
  const writes = await readWrites(workload, catalog);
  const tables = new Map<TableInfo, TableUpkeep>();
  return {
    from: writes.from,
    of: (index, added, workloadCost) => {
      const table = catalog.tables.find(
        ({ schema, name }) => schema === index.schema && name === index.table,
      );
      const written = table && writes.of(table);
      if (!table || !written) return NO_WRITES;
      let upkeep = tables.get(table);
      if (!upkeep) tables.set(table, (upkeep = upkeepOf(table, written, catalog, settings)));
      return costOf(index, added, table, upkeep, settings, workloadCost);
    },
  };
}

const NO_WRITES: WriteCost = {
  inserts: 0,
  updates: 0,
  deletes: 0,
  hotLost: 0,
  cost: 0,
  percent: 0,
};

/** BRIN and its like have no entry a row, so that updates of their columns stay in place. */
const SUMMARIES_KEEP_HOT_SINCE = 160_000;

/** What is the same for every new index of a table. */
interface TableUpkeep {
  readonly writes: TableWrites;
  /** Of updates that set no indexed column: those that are in place now. */
  readonly hotShare: number;
  readonly indexedColumns: ReadonlySet<string>;
  /** Of one more entry in each existing index. */
  readonly entryCostNow: number;
  readonly summariesKeepHot: boolean;
}

function upkeepOf(
  table: TableInfo,
  writes: TableWrites,
  catalog: Catalog,
  settings: WriteCostSettings,
): TableUpkeep {
  const summariesKeepHot = catalog.serverVersion >= SUMMARIES_KEEP_HOT_SINCE;
  const blocking = table.indexes.filter((index) => index.method !== "brin" || !summariesKeepHot);
  const indexedColumns = new Set(blocking.flatMap(existingColumns));
  return {
    writes,
    indexedColumns,
    summariesKeepHot,
    hotShare: hotShareOf(table, writes, indexedColumns, catalog),
    entryCostNow: table.indexes.reduce(
      (sum, index) => sum + entryCost(keptOf(index, table), settings, false),
      0,
    ),
  };
}

/** Counters know how many updates were in place; only those that set no indexed column can have been among them. */
function hotShareOf(
  table: TableInfo,
  writes: TableWrites,
  indexed: ReadonlySet<string>,
  catalog: Catalog,
): number {
  const { updates, hotUpdates } = countersOf(table, catalog);
  // Where nobody has counted, the index is charged for every update that could be in place.
  if (updates === 0) return 1;
  const known = writes.updates.filter((each) => each.columns !== undefined);
  const all = known.reduce((sum, each) => sum + each.rows, 0);
  const able = known.reduce((sum, each) => sum + (sets(each, indexed) ? 0 : each.rows), 0);
  const ableShare = all > 0 ? able / all : 1;
  return ableShare > 0 ? Math.min(1, hotUpdates / updates / ableShare) : 0;
}

function costOf(
  index: IndexDefinition,
  added: { readonly bytes: number; readonly rows: number; readonly height: number | undefined },
  table: TableInfo,
  upkeep: TableUpkeep,
  settings: WriteCostSettings,
  workloadCost: number,
): WriteCost {
  const { writes, entryCostNow } = upkeep;
  const method = index.method ?? "btree";
  const kept: KeptIndex = {
    method,
    rows: added.rows,
    bytes: added.bytes,
    height: added.height ?? heightOf(added.bytes, added.rows),
    keysPerRow: keysPerRow(method, index.columns[0], table),
  };
  // A partial index has an entry for those rows only that fulfil its predicate.
  const part = index.where !== undefined && table.rows ? Math.min(1, added.rows / table.rows) : 1;
  const columns = new Set(columnsOf(index));
  const keepsHot = method === "brin" && upkeep.summariesKeepHot;
  let hotLost = 0;
  let moved = 0;
  for (const update of writes.updates) {
    const hot = sets(update, upkeep.indexedColumns) ? 0 : update.rows * upkeep.hotShare;
    const lost = !keepsHot && sets(update, columns) ? hot : 0;
    hotLost += lost;
    // Only an update that stays in place leaves the index alone.
    moved += update.rows - hot + lost;
  }
  const entry = entryCost(kept, settings, false);
  const inserted = entryCost(kept, settings, isAppended(index, table));
  const cost =
    part *
      (writes.inserts * inserted +
        moved * entry +
        (writes.deletes + moved) * cleanupCost(kept, settings)) +
    hotLost * entryCostNow;
  return {
    inserts: writes.inserts * part,
    updates: moved * part,
    deletes: writes.deletes * part,
    hotLost,
    cost,
    percent: workloadCost > 0 ? (cost / workloadCost) * 100 : 0,
  };
}

/** Counters do not say which columns were set: such updates are taken to leave indexed ones alone, as most do. */
function sets(update: UpdatedRows, columns: ReadonlySet<string>): boolean {
  return update.columns !== undefined && [...update.columns].some((name) => columns.has(name));
}

const APPENDED_CORRELATION = 0.99;

/** New rows have the highest key where the rows on disk are in its order: serial numbers and times of writing. */
function isAppended(index: IndexDefinition, table: TableInfo): boolean {
  const [key] = index.columns;
  const column = key?.name === undefined ? undefined : findColumn(table, key.name);
  return key?.descending !== true && (column?.correlation ?? 0) >= APPENDED_CORRELATION;
}

/** Every column that a change of would need a new entry: keys, columns carried along, expressions and the predicate. */
function columnsOf(index: IndexDefinition): readonly string[] {
  return [
    ...index.columns.flatMap((key) => key.name ?? columnsIn(key.expression)),
    ...(index.include ?? []),
    ...columnsIn(index.where),
  ];
}

function existingColumns(index: IndexInfo): readonly string[] {
  return [
    ...index.keys.flatMap((key) => key.name ?? columnsIn(key.expression)),
    ...index.included,
    ...columnsIn(index.where),
  ];
}

/** The column names in an expression that names no tables. */
function columnsIn(expression: string | undefined): readonly string[] {
  if (expression === undefined) return [];
  const names: string[] = [];
  const look = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("ColumnRef" in node) names.push(...namesIn(node.ColumnRef));
    for (const each of Object.values(node)) look(each);
  };
  try {
    look(parseSync(`SELECT ${expression}`).stmts);
  } catch {
    // What PostgreSQL's grammar of another version wrote and this one cannot read names no column that is known.
  }
  return names;
}

function namesIn(reference: unknown): readonly string[] {
  const { fields } = Object(reference);
  if (!Array.isArray(fields)) return [];
  return fields.flatMap((field: unknown) => {
    const name: unknown = Object(Object(field).String).sval;
    return typeof name === "string" ? [name] : [];
  });
}

function keptOf(index: IndexInfo, table: TableInfo): KeptIndex {
  const method = methodOf(index.method);
  return {
    method,
    rows: index.rows,
    bytes: index.bytes,
    height: heightOf(index.bytes, index.rows),
    keysPerRow: keysPerRow(method, index.keys[0], table),
  };
}

/** Methods of extensions are priced as GiST, which they are mostly made after. */
function methodOf(name: string): IndexMethod {
  return name === "btree" || name === "hash" || name === "gin" || name === "brin" ? name : "gist";
}

/** A rough count from the column's width: trigrams of a text, elements of an array, keys and values of a document, words. */
function keysPerRow(
  method: IndexMethod,
  key: { readonly name?: string | undefined; readonly operators?: string | undefined } | undefined,
  table: TableInfo,
): number {
  if (method !== "gin") return 1;
  const column = key?.name === undefined ? undefined : findColumn(table, key.name);
  const width = column?.widthBytes ?? 32;
  if (key?.operators?.includes("trgm") === true) return Math.max(1, width);
  return Math.max(1, width / bytesPerKey(column));
}

function bytesPerKey(column: ColumnInfo | undefined): number {
  if (column?.type.endsWith("[]") === true) return /int|date|real/.test(column.type) ? 8 : 16;
  return 16;
}
