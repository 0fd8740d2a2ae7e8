/** The size and shape that an index would have on the source, by its method's model. */
import { qualifiedName } from "../../../core/index-definition.ts";
import type { Query } from "../../../core/planner.ts";
import type { ColumnStatistics, Snapshot, SnapshotTable } from "../snapshot/snapshot.ts";
import { btreeHeight, btreeSize, type KeyColumn } from "./btree-size.ts";
import { keyColumnOf, type ColumnContext } from "./columns.ts";
import { knownDistinct } from "./extended-statistics.ts";
import type { IndexShape } from "./files.ts";
import { ginColumnOf } from "./gin-columns.ts";
import type { IndexColumn, IndexFacts } from "./index-facts.ts";
import { brinSize, ginSize, gistPages, hashPages } from "./other-sizes.ts";
import { narrowed, readPredicate } from "./predicate.ts";

export interface Estimator {
  /** Of an index that is to be made. */
  estimate(facts: IndexFacts, query: Query): Promise<Estimate>;
  /** Of one that is there with so many pages. */
  existing(facts: IndexFacts, pages: number, query: Query): Promise<IndexShape>;
  /** The planner's estimate of rows of a table alone, without its parts. */
  rowsOf(table: string, where: string | undefined, query: Query): Promise<number>;
}

export interface Estimate {
  readonly shape: IndexShape;
  /** Entries. */
  readonly rows: number;
}

/** Deduplication came with PostgreSQL 13. */
const DEDUPLICATES_FROM = 13;

export function createEstimator(snapshot: Snapshot, major: number): Estimator {
  const source: Source = {
    snapshot,
    major,
    tables: new Map(snapshot.tables.map((table) => [`${table.schema}.${table.name}`, table])),
    blocks: new Map(
      snapshot.relations.map(({ schema, name, blocks }) => [`${schema}.${name}`, blocks]),
    ),
    statistics: statisticsByTable(snapshot),
    counted: new Map(),
    measured: new Map(),
  };
  return {
    rowsOf: (table, where, query) => countRows(source, table, where, query),
    estimate: (facts, query) => estimate(source, facts, query),
    existing: (facts, pages, query) => existing(source, facts, pages, query),
  };
}

type Statistics = ReadonlyMap<string, ReadonlyMap<string, ColumnStatistics>>;

/** The snapshot by table, and what the clone was asked before. */
interface Source {
  readonly snapshot: Snapshot;
  readonly major: number;
  readonly tables: ReadonlyMap<string, SnapshotTable>;
  readonly blocks: ReadonlyMap<string, number>;
  readonly statistics: Statistics;
  readonly counted: Map<string, Promise<number>>;
  readonly measured: Map<string, Promise<KeyColumn>>;
}

function countRows(
  { tables, counted }: Source,
  table: string,
  where: string | undefined,
  query: Query,
): Promise<number> {
  const key = `${table} ${where ?? ""}`;
  const rows = counted.get(key) ?? planRows(nameOf(tables, table), where, query);
  counted.set(key, rows);
  return rows;
}

async function estimate(source: Source, facts: IndexFacts, query: Query): Promise<Estimate> {
  const all = await countRows(source, facts.table, undefined, query);
  const predicate = await readPredicate(facts.predicate);
  const rows =
    predicate === undefined
      ? all
      : Math.min(all, await countRows(source, facts.table, facts.predicate, query));
  const context = contextOf(source, facts.table, query, all);
  const whole = await Promise.all(
    facts.columns.map((column) => measuredColumn(source, facts.table, column, context)),
  );
  const columns = whole.map((column, index) =>
    predicate === undefined
      ? column
      : narrowed(column, facts.columns[index]?.column, predicate, rows / Math.max(1, all)),
  );
  const heap = source.blocks.get(facts.table) ?? 0;
  const { method, pagesPerRange } = facts;
  if (method === "btree") {
    const known = distinctKeys(source, facts, { partial: predicate !== undefined, all, rows });
    return { shape: btreeShape(source, facts, columns, rows, known), rows };
  }
  if (method === "brin") {
    return { shape: { method, pagesPerRange, ...brinSize(heap, pagesPerRange, columns) }, rows };
  }
  if (method === "gin") {
    const parts = await Promise.all(facts.columns.map((column) => ginColumnOf(column, context)));
    const counts = ginSize(rows, heap, parts);
    return { shape: { method, pages: counts.pages, counts }, rows };
  }
  const [first] = columns;
  const pages =
    method === "hash" && first !== undefined ? hashPages(rows, first) : gistPages(rows, columns);
  return { shape: { method: "other", pages }, rows };
}

function btreeShape(
  { major }: Source,
  facts: IndexFacts,
  columns: readonly KeyColumn[],
  rows: number,
  known: number | undefined,
): IndexShape {
  const keys = facts.columns.filter(({ included }) => !included).length;
  const size = btreeSize({
    rows,
    keys: columns.slice(0, keys),
    included: columns.slice(keys),
    deduplicates: facts.equalImage && major >= DEDUPLICATES_FROM,
    ...(known === undefined ? {} : { distinct: known }),
    ...(facts.fillFactor === undefined ? {} : { fillFactor: facts.fillFactor }),
  });
  return { method: "btree", ...size };
}

function measuredColumn(
  { measured }: Source,
  table: string,
  column: IndexColumn,
  context: ColumnContext,
): Promise<KeyColumn> {
  const key = `${table} ${column.type} ${column.definition}`;
  const known = measured.get(key) ?? keyColumnOf(column, context);
  measured.set(key, known);
  return known;
}

function contextOf(
  { tables, statistics }: Source,
  table: string,
  query: Query,
  rows: number,
): ColumnContext {
  const columns = tables.get(table)?.columns ?? [];
  return {
    query,
    rows,
    statisticsOf: (column) => statistics.get(table)?.get(column),
    typeOf: (name) => columns.find((column) => column.name === name && !column.dropped)?.type,
    widthOf: (expression) => planWidth(nameOf(tables, table), expression, query),
  };
}

async function existing(
  source: Source,
  facts: IndexFacts,
  pages: number,
  query: Query,
): Promise<IndexShape> {
  if (facts.method === "btree") {
    const height = btreeHeight(pages, keyBytes(facts, source.statistics));
    return { method: "btree", pages, height };
  }
  if (facts.method !== "gin" && facts.method !== "brin") return { method: "other", pages };
  const { shape } = await estimate(source, facts, query);
  if (shape.method !== "gin") return { ...shape, pages };
  // The pages are known, so that only their kinds are estimated.
  const factor = Math.max(0, pages - 1) / Math.max(1, shape.counts.pages - 1);
  const dataPages = Math.floor(shape.counts.dataPages * factor);
  const entryPages = Math.max(1, pages - 1 - dataPages);
  const counts = { pages, dataPages, entryPages, entries: shape.counts.entries * factor };
  return { method: "gin", pages, counts };
}

function statisticsByTable(snapshot: Snapshot): Statistics {
  const tables = new Map<string, Map<string, ColumnStatistics>>();
  for (const column of snapshot.columns) {
    if (column.inherited) continue;
    const key = `${column.schema}.${column.table}`;
    const columns = tables.get(key) ?? new Map<string, ColumnStatistics>();
    columns.set(column.column, column);
    tables.set(key, columns);
  }
  return tables;
}

function nameOf(tables: ReadonlyMap<string, SnapshotTable>, key: string): string {
  const table = tables.get(key);
  return table === undefined ? key : qualifiedName(table.schema, table.name);
}

async function planRows(table: string, where: string | undefined, query: Query): Promise<number> {
  const plan = await explain(
    `SELECT FROM ONLY ${table}${where === undefined ? "" : ` WHERE ${where}`}`,
    query,
  );
  return plan["Plan Rows"];
}

async function planWidth(table: string, expression: string, query: Query): Promise<number> {
  const plan = await explain(`SELECT ${expression} FROM ONLY ${table}`, query);
  return Math.max(1, plan["Plan Width"]);
}

interface Estimated {
  readonly "Plan Rows": number;
  readonly "Plan Width": number;
}

async function explain(sql: string, query: Query): Promise<Estimated> {
  const [row] = await query(`EXPLAIN (FORMAT JSON) ${sql}`);
  const [root]: readonly { readonly Plan: Estimated }[] = JSON.parse(String(row?.["QUERY PLAN"]));
  return root?.Plan ?? { "Plan Rows": 0, "Plan Width": 1 };
}

/** Mean bytes of a key, for the fan-out of the inner pages. */
function keyBytes(facts: IndexFacts, statistics: Statistics): number {
  return facts.columns
    .filter(({ included }) => !included)
    .reduce((sum, column) => sum + widthOf(facts.table, column, statistics), 0);
}

const WIDTH_UNKNOWN = 16;

function widthOf(table: string, { column, length }: IndexColumn, statistics: Statistics): number {
  if (length > 0) return length;
  const own = column === undefined ? undefined : statistics.get(table)?.get(column);
  return own?.averageWidth ?? WIDTH_UNKNOWN;
}

/** How many combinations of the keys there are, where a constraint or extended statistics say so. */
function distinctKeys(
  { snapshot, tables }: Source,
  facts: IndexFacts,
  {
    partial,
    all,
    rows,
  }: { readonly partial: boolean; readonly all: number; readonly rows: number },
): number | undefined {
  const table = tables.get(facts.table);
  const keys = facts.columns.filter(({ included }) => !included);
  if (table === undefined || keys.some(({ column }) => column === undefined)) return undefined;
  const names = new Set(keys.map(({ column }) => column ?? ""));
  const quoted = qualifiedName(table.schema, table.name);
  const constraints = snapshot.constraints
    .filter((constraint) => constraint.table === quoted)
    .map((constraint) => ({ ...constraint, columns: listedColumns(constraint.definition) }));
  const unique = constraints.filter(({ kind }) => kind === "primary key" || kind === "unique");
  if (unique.some(({ columns }) => columns.every((name) => names.has(name)))) return rows;
  if (partial || keys.length < 2) return undefined;
  const numbers = keys.map(({ number }) => number).toSorted((a, b) => a - b);
  const known = knownDistinct(snapshot, quoted).find(
    ({ columns }) => columns.join() === numbers.join(),
  );
  if (known !== undefined) return known.distinct < 0 ? -known.distinct * all : known.distinct;
  // What a foreign key refers to has each combination once.
  const referenced = constraints
    .filter(({ kind }) => kind === "foreign key")
    .filter(
      ({ columns }) => columns.length === names.size && columns.every((name) => names.has(name)),
    )
    .map(({ definition }) => referencedRows(snapshot, definition))
    .filter((each) => each !== undefined);
  return referenced.length === 0 ? undefined : Math.min(...referenced);
}

/** The columns in the first parentheses of a constraint's definition. */
function listedColumns(definition: string): readonly string[] {
  const list = /\(((?:"(?:[^"]|"")*"|[^()"])*)\)/.exec(definition)?.[1] ?? "";
  return [...list.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "",
  );
}

function referencedRows(snapshot: Snapshot, definition: string): number | undefined {
  const name = /REFERENCES ([^(]+)\(/.exec(definition)?.[1]?.trim().replaceAll('"', "");
  const relation = snapshot.relations.find(
    (each) => `${each.schema}.${each.name}` === name || each.name === name,
  );
  return relation !== undefined && relation.rows > 0 ? relation.rows : undefined;
}
