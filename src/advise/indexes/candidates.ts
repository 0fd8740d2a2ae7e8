/** Uses of tables to indexes worth trying: equality first, then one range or the order; few, and none that exists. */
import type { TableInfo } from "./catalog.ts";
import { coveringIndex, mergePrefixes } from "./prefixes.ts";
import type { SortColumn, TableUse } from "./scope.ts";

export interface IndexCandidate {
  readonly table: TableInfo;
  readonly columns: readonly SortColumn[];
  /** How many leading columns are compared for equality, so that their order among themselves is free. */
  readonly equalities: number;
  /** The statements that it is for, by position. */
  readonly statements: readonly number[];
  /** Milliseconds of the statements that it is for; less for second and third ideas. */
  readonly promise: number;
}

export interface RejectedIndex {
  readonly table: string;
  readonly columns: IndexCandidate["columns"];
  readonly reason: string;
}

export interface CandidateLimits {
  readonly widthMax: number;
  readonly candidatesMax: number;
  /** Tables with fewer rows are read whole faster than by an index. */
  readonly rowsLeast: number;
  readonly indexBytesMax: number;
}

export interface StatementUses {
  readonly uses: readonly TableUse[];
  readonly totalMs: number;
}

/** Wider values make an index nearly as large as its table, and B-tree entries end at 2,704 bytes. */
const COLUMN_BYTES_MAX = 400;
/** An equality with so few distinct values barely narrows a search: also tried without it. */
const FEW_DISTINCT = 3;
/** A B-tree entry beside its values, in bytes: item pointer, tuple header, alignment. */
const ENTRY_BYTES = 20;

export function candidatesFor(
  statements: readonly StatementUses[],
  limits: CandidateLimits,
): { readonly candidates: readonly IndexCandidate[]; readonly rejected: readonly RejectedIndex[] } {
  const rejected: RejectedIndex[] = [];
  const ideas = statements.flatMap((statement, position) =>
    statement.uses.flatMap((use) =>
      ideasFor(use, limits.widthMax, rejected, position, statement.totalMs),
    ),
  );
  const worth = ideas.filter((idea) => {
    const reason = objection(idea, limits);
    if (reason) rejected.push(rejection(idea, reason));
    return reason === undefined;
  });
  const merged = mergePrefixes(worth, (idea, into) =>
    rejected.push(
      rejection(idea, `is the beginning of ${columnList(into)}, which serves its statements too`),
    ),
  );
  const ranked = merged.toSorted(
    (a, b) => b.promise - a.promise || a.columns.length - b.columns.length,
  );
  for (const idea of ranked.slice(limits.candidatesMax)) {
    rejected.push(
      rejection(
        idea,
        `not among the ${limits.candidatesMax} most promising, which are built and costed`,
      ),
    );
  }
  return { candidates: ranked.slice(0, limits.candidatesMax), rejected: distinct(rejected) };
}

export function rejection(
  idea: Pick<IndexCandidate, "table" | "columns">,
  reason: string,
): RejectedIndex {
  return { table: idea.table.name, columns: idea.columns, reason };
}

/** The ideas of one use, best first. */
function ideasFor(
  use: TableUse,
  widthMax: number,
  rejected: RejectedIndex[],
  position: number,
  totalMs: number,
): readonly IndexCandidate[] {
  const { table } = use;
  const equal = bySelectivity(table, use.equal);
  const listed = bySelectivity(table, use.listed);
  const known = new Set([...equal, ...listed]);
  const unique = uniqueIndexWithin(table, new Set(equal));
  if (unique) {
    rejected.push(
      rejection({ table, columns: ascending(equal) }, `the unique index ${unique} finds the row`),
    );
    return [];
  }
  const orders = use.orders
    .map((order) => oneWay(order.filter((column) => !use.equal.has(column.name))))
    .filter((order) => order.length > 0);
  const grouped = use.grouped.filter((name) => !use.equal.has(name));
  const selective = equal.filter((name) => (distinctOf(table, name) ?? Infinity) > FEW_DISTINCT);
  const variants: {
    readonly equalities: readonly string[];
    readonly rest: readonly SortColumn[];
  }[] = [];
  const add = (equalities: readonly string[], rest: readonly SortColumn[]): void => {
    const named = new Set(equalities);
    // ORDER BY a, a is an order by a.
    const others = rest.filter(({ name }) => !named.has(name) && named.add(name));
    variants.push({ equalities, rest: others });
  };
  for (const order of orders) add(equal, order);
  for (const range of use.ranges) add([...equal, ...listed], ascending([range]));
  if (known.size > 0) add(bySelectivity(table, known), []);
  for (const names of use.joins.values()) {
    const lookup = new Set([...equal, ...names]);
    // Looked up by the other table's row; or, where this table comes first, the join column read from the index.
    if (!uniqueIndexWithin(table, lookup)) add(bySelectivity(table, lookup), []);
    if (equal.length > 0) add(equal, ascending([...names]));
  }
  if (selective.length > 0 && selective.length < equal.length) add(selective, orders[0] ?? []);
  if (grouped.length > 0) add(equal, ascending(grouped));
  return variants
    .map(({ equalities, rest }, rank) => ({
      table,
      columns: [...ascending(equalities), ...rest].slice(0, widthMax),
      equalities: Math.min(equalities.length, widthMax),
      statements: [position],
      promise: totalMs / (1 + rank),
    }))
    .filter((idea) => idea.columns.length > 0);
}

/** Why an idea is not worth building; undefined when it is. */
function objection(idea: IndexCandidate, limits: CandidateLimits): string | undefined {
  const { table, columns } = idea;
  if (table.rows === undefined) return "the table was never analysed: run ANALYZE on it first";
  if (table.rows < limits.rowsLeast) {
    return `the table has ${Math.round(table.rows)} rows, fewer than ${limits.rowsLeast}: reading it whole is as fast`;
  }
  let entryBytes = ENTRY_BYTES;
  for (const { name } of columns) {
    const column = table.columns.find((each) => each.name === name);
    if (!column) return `there is no column ${name}`;
    if (!column.ordered) return `${name} is of type ${column.type}, which a B-tree cannot order`;
    if (column.widthBytes > COLUMN_BYTES_MAX) {
      return `${name} holds ${column.widthBytes} bytes on average, too wide for a B-tree`;
    }
    entryBytes += column.widthBytes;
  }
  const existing = coveringIndex(idea);
  if (existing) return `the existing index ${existing} begins with these columns`;
  const bytes = table.rows * entryBytes;
  if (bytes > limits.indexBytesMax) {
    return `it would take about ${Math.round(bytes / 1024 ** 2)} MB, more than the limit of ${Math.round(limits.indexBytesMax / 1024 ** 2)} MB`;
  }
  return undefined;
}

/** Names with the most distinct values first; those without statistics last. */
function bySelectivity(table: TableInfo, names: ReadonlySet<string>): readonly string[] {
  const position = new Map(table.columns.map((column, index) => [column.name, index]));
  return [...names].toSorted(
    (a, b) =>
      (distinctOf(table, b) ?? 0) - (distinctOf(table, a) ?? 0) ||
      (position.get(a) ?? 0) - (position.get(b) ?? 0),
  );
}

function distinctOf(table: TableInfo, name: string): number | undefined {
  return table.columns.find((column) => column.name === name)?.distinct;
}

function uniqueIndexWithin(table: TableInfo, names: ReadonlySet<string>): string | undefined {
  return table.indexes.find(
    (index) =>
      index.unique &&
      index.valid &&
      !index.partial &&
      index.columns.every((column) => column.name !== undefined && names.has(column.name)),
  )?.name;
}

function ascending(names: readonly string[]): readonly SortColumn[] {
  return names.map((name) => ({ name, descending: false }));
}

/** An index is read backwards as fast as forwards, so only changes of direction matter: the first column goes up. */
function oneWay(sort: readonly SortColumn[]): readonly SortColumn[] {
  const flip = sort[0]?.descending ?? false;
  return sort.map((column) => ({ name: column.name, descending: column.descending !== flip }));
}

function columnList(idea: IndexCandidate): string {
  return `(${idea.columns.map((column) => column.name + (column.descending ? " DESC" : "")).join(", ")})`;
}

/** One rejection an index and reason, in the order of statements. */
function distinct(rejected: readonly RejectedIndex[]): readonly RejectedIndex[] {
  const seen = new Map(rejected.map((each) => [JSON.stringify(each), each]));
  return [...seen.values()];
}
