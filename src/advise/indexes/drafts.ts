/** Index drafts of one use: its B-trees, each also for part of the rows and with columns carried along, and the other methods. */
import type { IndexDefinition, IndexKey } from "../../core/index-definition.ts";
import type { ColumnInfo, TableInfo } from "./catalog.ts";
import { unfitForBtree } from "./column-fit.ts";
import { columnSql } from "./expressions.ts";
import { isText } from "./expression-types.ts";
import type { ConstantFilter } from "./partial.ts";
import type { Filter, TableUse } from "./scope.ts";
import { keyId, listOf, shapesOf, withArm } from "./shapes.ts";
import type { Shape } from "./shapes.ts";

export interface Draft {
  readonly table: TableInfo;
  readonly index: Omit<IndexDefinition, "name">;
  /** How many leading keys may be in any order. */
  readonly free: number;
  /** 0 to 1: how promising among the drafts of its use. */
  readonly factor: number;
  readonly serves: string;
}

/** Above this share a predicate leaves so much that the whole index is hardly larger. */
const PARTIAL_SHARE_MAX = 0.7;
/** Columns carried along, beside the keys. */
const CARRIED_MAX = 5;
const CARRIED_BYTES_MAX = 120;
/** Of a row, what an index may hold and still be worth reading whole instead of the table. */
const NARROW_SHARE = 0.4;
/** Shapes of one use that are also tried for part of the rows, or carrying columns. */
const EXTENDED_MAX = 4;
/** Of an OR: more arms are mostly the same one with other values. */
const ARMS_MAX = 12;
/** Below it a hash index, which keeps four bytes a value, is hardly smaller than a B-tree. */
const HASH_BYTES_LEAST = 32;
/** BRIN reads block ranges of 1 MB: a table has to have many of them, in the order of the values. */
const BRIN_BYTES_LEAST = 32 * 1024 ** 2;
const BRIN_CORRELATION_LEAST = 0.9;

interface DraftOptions {
  readonly widthMax: number;
  readonly extensions: ReadonlySet<string>;
  readonly findsOne: (names: ReadonlySet<string>) => boolean;
}

export function draftsOf(use: TableUse, options: DraftOptions): readonly Draft[] {
  const shapes = shapesOf(use, options.widthMax, options.findsOne);
  const arms = use.filters
    .flatMap((filter) => (filter.kind === "alternative" ? [filter.use] : []))
    .slice(0, ARMS_MAX)
    .flatMap((arm) => [arm, ...(isWanted(use) ? [withArm(use, arm)] : [])]);
  return [
    ...shapes.map((shape, rank) => plainDraft(use, shape, 1 / (1 + rank))),
    ...(shapes.length === 0 ? wholeScan(use) : []),
    ...shapes.slice(0, EXTENDED_MAX).flatMap((shape, rank) => extended(use, shape, 1 / (1 + rank))),
    ...partialAlone(use, shapes),
    ...specialDrafts(use, options),
    ...unfitDrafts(use),
    ...arms.flatMap((arm) =>
      draftsOf(arm, options).map((draft) => ({
        ...draft,
        factor: draft.factor / 2,
        serves: `one side of an OR: ${draft.serves}`,
      })),
    ),
  ];
}

/** Keys that are columns, and what is carried along. */
function columnsHeld(index: Omit<IndexDefinition, "name">): ReadonlySet<string> {
  return new Set([...index.columns.flatMap((key) => key.name ?? []), ...(index.include ?? [])]);
}

function plainDraft(use: TableUse, shape: Shape, factor: number): Draft {
  const { table } = use;
  const index = { schema: table.schema, table: table.name, columns: shape.keys };
  const alone = isAnsweredBy(use, index) ? ", without the table" : "";
  return { table, index, free: shape.free, factor, serves: `${shape.serves}${alone}` };
}

/** A use without conditions that reads few columns: the index instead of the table. */
function wholeScan(use: TableUse): readonly Draft[] {
  const { table } = use;
  const columns = table.columns.filter(({ name }) => use.read.has(name));
  const [first, ...others] = columns.toSorted((a, b) => Number(b.ordered) - Number(a.ordered));
  const narrow = widthOf(columns) <= NARROW_SHARE * widthOf(table.columns);
  if (!first || !narrow || others.length > CARRIED_MAX || !mayAnswerAlone(use)) return [];
  const draft = plainDraft(use, { keys: [{ name: first.name }], free: 0, serves: "" }, 0.25);
  const index = carrying(
    draft.index,
    others.map(({ name }) => name),
  );
  return [{ ...draft, index, serves: `all that is read of it, ${listOf(columns)}, in less space` }];
}

function extended(use: TableUse, shape: Shape, factor: number): readonly Draft[] {
  const plain = plainDraft(use, shape, factor);
  const covering = coveringDraft(use, plain);
  const partial = partialsOf(use).flatMap((part) => limited(plain, part));
  const sparse = sparseOf(use, shape).flatMap((part) => limited(plain, part));
  const both = covering
    ? partialsOf(use)
        .slice(0, 1)
        .flatMap((part) => limited(covering, part))
    : [];
  return [...(covering ? [covering] : []), ...partial, ...sparse, ...both];
}

function coveringDraft(use: TableUse, plain: Draft): Draft | undefined {
  const held = columnsHeld(plain.index);
  const rest = use.table.columns.filter(({ name }) => use.read.has(name) && !held.has(name));
  if (!mayAnswerAlone(use) || rest.length === 0 || rest.length > CARRIED_MAX) return undefined;
  if (widthOf(rest) > CARRIED_BYTES_MAX) return undefined;
  return {
    ...plain,
    index: carrying(
      plain.index,
      rest.map(({ name }) => name),
    ),
    factor: plain.factor * 0.6,
    serves: `${plain.serves}, and ${listOf(rest)} carried along so that the table is not read`,
  };
}

function carrying(index: Draft["index"], names: readonly string[]): Draft["index"] {
  return names.length === 0 ? index : { ...index, include: names };
}

interface Part {
  readonly sql: string;
  readonly share: number;
  /** Columns whose value the predicate fixes, so that a key on them tells nothing. */
  readonly fixed: readonly string[];
}

/** Predicates for the use, the rarest first; all that are rare together last. */
function partialsOf(use: TableUse): readonly Part[] {
  const rare = use.filters
    .filter((filter) => filter.kind === "constant")
    .flatMap(({ sql, columns, share }): Part[] => {
      const [name] = columns;
      const isFixed = name !== undefined && columns.length === 1 && use.equal.has(name);
      return share === undefined || share > PARTIAL_SHARE_MAX
        ? []
        : [{ sql, share, fixed: isFixed ? [name] : [] }];
    })
    .toSorted((a, b) => a.share - b.share);
  const distinct = rare.filter(
    ({ sql }, at) => rare.findIndex((other) => other.sql === sql) === at,
  );
  if (distinct.length < 2) return distinct;
  const together: Part = {
    sql: distinct.map(({ sql }) => (/\bOR\b/.test(sql) ? `(${sql})` : sql)).join(" AND "),
    share: distinct.reduce((share, each) => share * each.share, 1),
    fixed: distinct.flatMap(({ fixed }) => fixed),
  };
  return [...distinct.slice(0, 2), together];
}

/** `x = value` is never true of a null, so an index may leave the nulls out: worth it where they are many. */
function sparseOf(use: TableUse, shape: Shape): readonly Part[] {
  const names = new Set(shape.keys.flatMap((key) => key.name ?? []));
  const compared = new Set([
    ...use.equal,
    ...use.listed,
    ...use.ranges,
    ...[...use.joins.values()].flatMap((joined) => [...joined]),
  ]);
  const nulls = new Set(
    use.filters
      .filter((filter): filter is ConstantFilter => filter.kind === "constant")
      .map(({ sql }) => sql),
  );
  return use.table.columns.flatMap(({ name, nullFraction }) => {
    if (nullFraction < 1 - PARTIAL_SHARE_MAX || !names.has(name) || !compared.has(name)) return [];
    const column = columnSql(name);
    return nulls.has(`${column} IS NULL`) || nulls.has(`${column} IS NOT NULL`)
      ? []
      : [{ sql: `${column} IS NOT NULL`, share: 1 - nullFraction, fixed: [] }];
  });
}

function limited(draft: Draft, { sql, share, fixed }: Part): readonly Draft[] {
  const columns = draft.index.columns.filter((key) => !fixed.includes(key.name ?? ""));
  if (columns.length === 0) return [];
  const dropped =
    draft.index.columns.slice(0, draft.free).length - columns.slice(0, draft.free).length;
  const gone = draft.index.columns.length - columns.length;
  return [
    {
      ...draft,
      index: { ...draft.index, columns, where: sql },
      free: Math.max(0, draft.free - Math.max(gone, dropped)),
      factor: draft.factor * (1 - share) * 0.9,
      serves: `${draft.serves}; only the ${percent(share)} of rows with ${sql}`,
    },
  ];
}

/** Where the predicate says all: the rows are found by being in the index. */
function partialAlone(use: TableUse, shapes: readonly Shape[]): readonly Draft[] {
  const { table } = use;
  return partialsOf(use).flatMap(({ sql, share, fixed }) => {
    const served = shapes.some(({ keys }) => keys.some((key) => !fixed.includes(key.name ?? "")));
    const column =
      table.columns.find(({ name, ordered }) => ordered && fixed.includes(name)) ??
      table.columns.find(({ name, ordered }) => ordered && sql.includes(columnSql(name)));
    if (served || !column) return [];
    const index = {
      schema: table.schema,
      table: table.name,
      columns: [{ name: column.name }],
      where: sql,
    };
    const serves = `the ${percent(share)} of rows with ${sql}`;
    return [{ table, index, free: 1, factor: 0.9 * (1 - share), serves }];
  });
}

/** Keys that no B-tree can have, for the rules to say so. */
function unfitDrafts(use: TableUse): readonly Draft[] {
  const { table } = use;
  const joined = [...use.joins.values()].flatMap((names) => [...names]);
  const sorted = use.orders.flatMap((order) => order.map(({ name }) => name));
  const wanted = new Set([...use.equal, ...use.listed, ...use.ranges, ...joined, ...sorted]);
  return table.columns.flatMap((column) => {
    if (!wanted.has(column.name) || unfitForBtree(column) === undefined) return [];
    return [plainDraft(use, { keys: [{ name: column.name }], free: 0, serves: "" }, 0)];
  });
}

/** GIN and GiST for their operators, hash for wide equalities, BRIN for what lies in order on disk. */
function specialDrafts(use: TableUse, options: DraftOptions): readonly Draft[] {
  const { table } = use;
  const draftOf = (
    method: "gin" | "gist" | "hash" | "brin",
    columns: readonly IndexKey[],
    factor: number,
    serves: string,
  ): Draft => ({
    table,
    index: { schema: table.schema, table: table.name, method, columns },
    free: 0,
    factor,
    serves,
  });
  const drafts: Draft[] = [];
  for (const [rank, filter] of use.filters.filter(isSpecial).entries()) {
    const { method, key } = filter;
    if (method === "btree") continue;
    const what = filter.kind === "pattern" ? "patterns on" : "what is contained in";
    drafts.push(draftOf(method, [key], 1 / (1 + rank), `${what} ${keyId(key)}`));
    const beside = options.extensions.has(`btree_${method}`)
      ? [...use.equal].map((name) => ({ name })).slice(0, options.widthMax - 1)
      : [];
    if (beside.length > 0) {
      drafts.push(
        draftOf(
          method,
          [...beside, key],
          0.9,
          `equality on ${listOf(beside)} and ${what} ${keyId(key)}`,
        ),
      );
    }
  }
  const joined = [...use.joins.values()].flatMap((names) => [...names]);
  for (const column of table.columns) {
    const { name } = column;
    if ((use.equal.has(name) || joined.includes(name)) && isWideText(column)) {
      drafts.push(draftOf("hash", [{ name }], 0.4, `equality on the wide ${name}`));
    }
    if (use.ranges.has(name) && isInDiskOrder(table, column)) {
      drafts.push(
        draftOf(
          "brin",
          [{ name }],
          0.5,
          `the range of ${name}, in whose order the table lies on disk`,
        ),
      );
    }
  }
  return drafts;
}

type SpecialFilter = Extract<Filter, { readonly kind: "pattern" | "contains" }>;

function isSpecial(filter: Filter): filter is SpecialFilter {
  return filter.kind === "pattern" || filter.kind === "contains";
}

function isWideText(column: ColumnInfo): boolean {
  return column.widthBytes >= HASH_BYTES_LEAST && (isText(column.type) || column.type === "bytea");
}

function isInDiskOrder(table: TableInfo, column: ColumnInfo): boolean {
  return (
    table.bytes >= BRIN_BYTES_LEAST &&
    column.ordered &&
    column.type !== "boolean" &&
    Math.abs(column.correlation ?? 0) >= BRIN_CORRELATION_LEAST
  );
}

function isWanted(use: TableUse): boolean {
  return use.equal.size + use.listed.size + use.ranges.size + use.joins.size > 0;
}

/** A use that reads all its columns gains nothing by having them twice. */
function mayAnswerAlone(use: TableUse): boolean {
  return use.read.size > 0 && use.read.size < use.table.columns.length;
}

function isAnsweredBy(use: TableUse, index: Draft["index"]): boolean {
  const held = columnsHeld(index);
  return use.read.size > 0 && [...use.read].every((name) => held.has(name));
}

function widthOf(columns: readonly ColumnInfo[]): number {
  return columns.reduce((sum, { widthBytes }) => sum + widthBytes, 0);
}

function percent(share: number): string {
  return share < 0.01 ? `${(100 * share).toPrecision(1)} %` : `${Math.round(100 * share)} %`;
}
