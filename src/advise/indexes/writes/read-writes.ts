/** Who writes to which table in the workload, and which columns updates set: what keeping an index costs depends on nothing else. */
import { loadModule, parseSync } from "libpg-query";
import type { Node } from "libpg-query";
import { findTable } from "../catalog.ts";
import type { Catalog, TableInfo } from "../catalog.ts";
import type { IndexWorkload, WorkloadStatement } from "../statement.ts";

/** In rows, over the whole workload. */
export interface TableWrites {
  readonly inserts: number;
  readonly deletes: number;
  readonly updates: readonly UpdatedRows[];
}

export interface UpdatedRows {
  /** Columns that are set; undefined where only counters say that there were updates. */
  readonly columns: ReadonlySet<string> | undefined;
  readonly rows: number;
}

export interface WorkloadWrites {
  readonly of: (table: TableInfo) => TableWrites | undefined;
  /** `counters`: the workload only reads, and the database's own counters say how much is written a scan. */
  readonly from: "workload" | "counters" | "nothing";
}

export async function readWrites(
  workload: IndexWorkload,
  catalog: Catalog,
): Promise<WorkloadWrites> {
  await loadModule();
  const found = new Map<TableInfo, Writes>();
  const reads = new Map<TableInfo, number>();
  for (const statement of workload.statements) {
    for (const write of statementWrites(statement.planSql)) {
      const table = findTable(catalog, write.schema, write.table);
      if (table) note(found, table, write, statement);
    }
    for (const table of tablesIn(statement.planSql, catalog)) {
      reads.set(table, (reads.get(table) ?? 0) + (statement.calls ?? 1));
    }
  }
  if (found.size > 0) return { from: "workload", of: (table) => found.get(table) };
  if (workload.complete) return { from: "nothing", of: () => undefined };
  const counted = new Map<TableInfo, TableWrites>();
  for (const [table, calls] of reads) {
    const writes = countedWrites(table, catalog, calls);
    if (writes) counted.set(table, writes);
  }
  return { from: counted.size > 0 ? "counters" : "nothing", of: (table) => counted.get(table) };
}

interface Writes {
  inserts: number;
  deletes: number;
  readonly updates: UpdatedRows[];
}

/** One write of a statement; `rowsLeast` is what its text says where nobody counted. */
export interface StatementWrite {
  readonly kind: "insert" | "update" | "delete" | "upsert";
  readonly schema: string | undefined;
  readonly table: string;
  /** Columns that an update sets. */
  readonly columns: ReadonlySet<string>;
  readonly rowsLeast: number;
}

/** In the statement itself and in its WITH queries. The parser has to be loaded. */
export function statementWrites(sql: string): readonly StatementWrite[] {
  const writes: StatementWrite[] = [];
  for (const node of nodesIn(parsedOf(sql))) {
    if (isInsert(node)) writes.push(insertOf(node.InsertStmt));
    else if (isUpdate(node)) {
      const { relation, targetList } = node.UpdateStmt;
      writes.push({ ...named("update", relation), columns: columnsSet(targetList) });
    } else if (isDelete(node)) {
      writes.push(named("delete", node.DeleteStmt.relation));
    } else if (isMerge(node)) {
      const { relation, mergeWhenClauses = [] } = node.MergeStmt;
      for (const clause of mergeWhenClauses) {
        if (!("MergeWhenClause" in clause)) continue;
        const { commandType, targetList } = clause.MergeWhenClause;
        if (commandType === "CMD_INSERT") writes.push(named("insert", relation));
        if (commandType === "CMD_DELETE") writes.push(named("delete", relation));
        if (commandType === "CMD_UPDATE") {
          writes.push({ ...named("update", relation), columns: columnsSet(targetList) });
        }
      }
    }
  }
  return writes.filter((write) => write.table !== "");
}

type Insert = Extract<Node, { InsertStmt: unknown }>;
type Update = Extract<Node, { UpdateStmt: unknown }>;
type Delete = Extract<Node, { DeleteStmt: unknown }>;
type Merge = Extract<Node, { MergeStmt: unknown }>;
type Relation = Insert["InsertStmt"]["relation"];

function insertOf(insert: Insert["InsertStmt"]): StatementWrite {
  const { relation, onConflictClause, selectStmt } = insert;
  const lists = selectStmt && "SelectStmt" in selectStmt ? selectStmt.SelectStmt.valuesLists : [];
  const rowsLeast = Math.max(1, lists?.length ?? 0);
  return onConflictClause?.action === "ONCONFLICT_UPDATE"
    ? { ...named("upsert", relation), columns: columnsSet(onConflictClause.targetList), rowsLeast }
    : { ...named("insert", relation), rowsLeast };
}

function named(kind: StatementWrite["kind"], relation: Relation): StatementWrite {
  return {
    kind,
    schema: relation?.schemaname,
    table: relation?.relname ?? "",
    columns: new Set(),
    rowsLeast: 1,
  };
}

function columnsSet(targets: readonly Node[] | undefined): ReadonlySet<string> {
  return new Set(
    (targets ?? []).flatMap((target) =>
      "ResTarget" in target ? (target.ResTarget.name ?? []) : [],
    ),
  );
}

function note(
  found: Map<TableInfo, Writes>,
  table: TableInfo,
  write: StatementWrite,
  statement: WorkloadStatement,
): void {
  const writes: Writes = found.get(table) ?? { inserts: 0, deletes: 0, updates: [] };
  found.set(table, writes);
  const rows = statement.rows ?? (statement.calls ?? 1) * write.rowsLeast;
  const updated =
    write.kind === "update" ? 1 : write.kind === "upsert" ? upsertsUpdating(table) : 0;
  if (write.kind === "delete") writes.deletes += rows;
  if (write.kind === "insert" || write.kind === "upsert") writes.inserts += rows * (1 - updated);
  if (updated > 0) writes.updates.push({ columns: write.columns, rows: rows * updated });
}

/** INSERT ... ON CONFLICT DO UPDATE says only how many rows it touched: the table's counters say which part of them was there. */
function upsertsUpdating(table: TableInfo): number {
  const { inserts = 0, updates = 0 } = table.activity ?? {};
  return inserts + updates > 0 ? updates / (inserts + updates) : 0.5;
}

/**
 * What the table was written a scan of it, times the workload's scans. The rows that are there may have come with one load (a restored
 * copy, a first import), so only inserts beyond them count.
 */
function countedWrites(table: TableInfo, catalog: Catalog, calls: number): TableWrites | undefined {
  const counters = countersOf(table, catalog);
  const { updates, deletes, scans } = counters;
  const inserts = Math.max(0, counters.inserts - Math.max(0, table.rows ?? 0));
  if (inserts + updates + deletes === 0 || scans === 0) return undefined;
  const scale = calls / scans;
  return {
    inserts: inserts * scale,
    deletes: deletes * scale,
    updates: updates === 0 ? [] : [{ columns: undefined, rows: updates * scale }],
  };
}

export interface Counters {
  readonly inserts: number;
  readonly updates: number;
  readonly hotUpdates: number;
  readonly deletes: number;
  readonly scans: number;
}

/** Of a table and all its partitions: a partitioned table has no rows of its own. */
export function countersOf(table: TableInfo, catalog: Catalog, depth = 0): Counters {
  const own: Counters = table.activity ?? {
    inserts: 0,
    updates: 0,
    hotUpdates: 0,
    deletes: 0,
    scans: 0,
  };
  if (table.kind !== "partitioned" || depth > PARTITION_LEVELS_MAX) return own;
  const name = `${table.schema}.${table.name}`;
  return catalog.tables
    .filter((each) => each.partOf === name)
    .map((part) => countersOf(part, catalog, depth + 1))
    .reduce(
      (sum, each) => ({
        inserts: sum.inserts + each.inserts,
        updates: sum.updates + each.updates,
        hotUpdates: sum.hotUpdates + each.hotUpdates,
        deletes: sum.deletes + each.deletes,
        scans: sum.scans + each.scans,
      }),
      own,
    );
}

const PARTITION_LEVELS_MAX = 10;

function tablesIn(sql: string, catalog: Catalog): ReadonlySet<TableInfo> {
  const tables = new Set<TableInfo>();
  for (const node of nodesIn(parsedOf(sql))) {
    if (!("relname" in node) || typeof node.relname !== "string") continue;
    const schema =
      "schemaname" in node && typeof node.schemaname === "string" ? node.schemaname : undefined;
    const table = findTable(catalog, schema, node.relname);
    if (table) tables.add(table);
  }
  return tables;
}

/** What cannot be read was left out of the workload already. */
function parsedOf(sql: string): unknown {
  try {
    return parseSync(sql).stmts;
  } catch {
    return undefined;
  }
}

function* nodesIn(node: unknown): Generator<object> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield node;
  for (const each of Object.values(node)) yield* nodesIn(each);
}

function isInsert(node: object): node is Insert {
  return "InsertStmt" in node;
}

function isUpdate(node: object): node is Update {
  return "UpdateStmt" in node;
}

function isDelete(node: object): node is Delete {
  return "DeleteStmt" in node;
}

function isMerge(node: object): node is Merge {
  return "MergeStmt" in node;
}
