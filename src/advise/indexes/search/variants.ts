/** What can be made of an index in one step, and which statements an index could matter to: the neighbourhood that a search walks. */
import { indexName, type IndexDefinition, type IndexKey } from "../../../core/index-definition.ts";
import type { TableInfo } from "../catalog.ts";
import type { CandidatePool } from "../pool.ts";
import { objectionTo, type IdeaLimits } from "../rules.ts";
import type { Filter, TableUse } from "../scope.ts";
import { identityOf } from "./candidates.ts";

export interface StatementUses {
  readonly id: string;
  readonly uses: readonly TableUse[];
}

/** More columns than this are rather the table once more than an index. */
const CARRIED_MAX = 6;
/** A predicate that most rows meet makes an index hardly smaller. */
const SHARE_MAX = 0.5;

type Neighbourhood = Pick<CandidatePool, "variants" | "merge" | "statementsOf">;

export function neighbourhoodOf(
  statements: readonly StatementUses[],
  limits: IdeaLimits,
  /** Names of installed extensions. */
  extensions: readonly string[],
): Neighbourhood {
  const byTable = usesByTable(statements);
  const usesOf = (index: IndexDefinition): readonly UseOf[] =>
    byTable.get(tableKey({ schema: index.schema, name: index.table })) ?? [];
  const installed = new Set(extensions);
  return {
    variants: (index) => {
      const uses = usesOf(index).map(({ use }) => use);
      const table = uses[0]?.table;
      if (!table || !isBtree(index)) return [];
      const steps = [
        ...fewerKeys(index),
        ...swappedKeys(index),
        ...moreKeys(index, uses, limits.widthMax),
        ...otherCarried(index, uses, limits.widthMax),
        ...otherPredicates(index, uses),
      ];
      return distinct([index], steps).filter((step) => isFit(step, table, limits, installed));
    },
    merge: (a, b) => {
      const table = usesOf(a)[0]?.use.table;
      if (!table || a.schema !== b.schema || a.table !== b.table) return [];
      const merged = distinct([a, b], mergesOf(a, b, limits.widthMax));
      return merged.filter((each) => isFit(each, table, limits, installed));
    },
    statementsOf: (index) => [
      ...new Set(usesOf(index).flatMap(({ id, use }) => (couldServe(index, use) ? [id] : []))),
    ],
  };
}

/** Not there yet, and of types and widths that its method can hold. An existing index that only begins with the same keys is no objection: it is wider. */
export function isFit(
  index: IndexDefinition,
  table: TableInfo,
  limits: IdeaLimits,
  extensions: ReadonlySet<string>,
): boolean {
  const objection = objectionTo(index, { ...table, indexes: [] }, 0, limits, extensions);
  return objection === undefined && !isThere(index, table);
}

interface UseOf {
  readonly id: string;
  readonly use: TableUse;
}

function usesByTable(statements: readonly StatementUses[]): ReadonlyMap<string, readonly UseOf[]> {
  const byTable = new Map<string, UseOf[]>();
  for (const { id, uses } of statements) {
    for (const use of uses.flatMap(withAlternatives)) {
      const name = tableKey(use.table);
      const others = byTable.get(name);
      if (others) others.push({ id, use });
      else byTable.set(name, [{ id, use }]);
    }
  }
  return byTable;
}

/**
 * A plan could read the index for this use: its first key is looked up, compared or sorted by; or it holds all that is read; or it is
 * limited to rows that the use asks for. Other methods than btree and hash serve any of their keys.
 */
function couldServe(index: IndexDefinition, use: TableUse): boolean {
  const wanted = servableBy(use);
  const keys = index.columns.map(keyOf);
  const leading = isBtree(index) || index.method === "hash" ? keys.slice(0, 1) : keys;
  if (leading.some((key) => wanted.has(key))) return true;
  const { where } = index;
  if (where !== undefined && constants(use).some(({ sql }) => where.includes(sql))) return true;
  const held = new Set([...keys, ...(index.include ?? [])]);
  return isBtree(index) && use.read.size > 0 && [...use.read].every((name) => held.has(name));
}

/** Columns and expressions that a use filters, joins, sorts or groups by. */
function servableBy(use: TableUse): ReadonlySet<string> {
  const joins = [...use.joins.values()].flatMap((names) => [...names]);
  const orders = use.orders.flatMap((order) => order.map(({ name }) => name));
  const names = [...use.equal, ...use.listed, ...use.ranges, ...joins, ...orders, ...use.grouped];
  const filters = use.filters.flatMap((filter) => {
    if (filter.kind === "constant") return filter.columns;
    if (filter.kind === "alternative") return [];
    return (filter.kind === "order" ? filter.keys : [filter.key]).map(keyOf);
  });
  return new Set([...names, ...filters]);
}

function fewerKeys(index: IndexDefinition): readonly IndexDefinition[] {
  const { columns } = index;
  if (columns.length < 2) return [];
  return columns.map((_, at) => withKeys(index, columns.toSpliced(at, 1)));
}

function swappedKeys(index: IndexDefinition): readonly IndexDefinition[] {
  const { columns } = index;
  return columns.flatMap((key, at) => {
    const next = columns[at + 1];
    return next ? [withKeys(index, columns.toSpliced(at, 2, next, key))] : [];
  });
}

/** At the end, of the columns that some use looks for. */
function moreKeys(
  index: IndexDefinition,
  uses: readonly TableUse[],
  widthMax: number,
): readonly IndexDefinition[] {
  if (index.columns.length >= widthMax) return [];
  const here = new Set(index.columns.map(keyOf));
  const names = new Set(
    uses
      .filter((use) => couldServe(index, use))
      .flatMap((use) => [...servableBy(use)].filter((name) => use.read.has(name))),
  );
  return [...names]
    .filter((name) => !here.has(name))
    .map((name) => withKeys(index, [...index.columns, { name }]));
}

/** Everything that a use reads, so that the table need not be; or nothing carried along any more. */
function otherCarried(
  index: IndexDefinition,
  uses: readonly TableUse[],
  widthMax: number,
): readonly IndexDefinition[] {
  const keys = new Set(index.columns.map(keyOf));
  const carrying = uses
    .filter((use) => couldServe(index, use))
    .flatMap((use) => {
      const missing = [...use.read].filter((name) => !keys.has(name)).toSorted();
      if (missing.length === 0 || missing.length > CARRIED_MAX) return [];
      // As keys they can be deduplicated, which makes the smaller index of the two where values repeat.
      const asKeys = [...index.columns, ...missing.map((name) => ({ name }))];
      return [
        { ...bare(index), include: missing },
        ...(asKeys.length <= widthMax ? [withKeys(bare(index), asKeys)] : []),
      ];
    });
  return [...carrying, ...(index.include === undefined ? [] : [bare(index)])];
}

function otherPredicates(
  index: IndexDefinition,
  uses: readonly TableUse[],
): readonly IndexDefinition[] {
  if (index.where !== undefined) {
    const { where: _, ...whole } = index;
    return [whole];
  }
  return uses
    .filter((use) => couldServe(index, use))
    .flatMap(constants)
    .filter(({ share }) => share !== undefined && share <= SHARE_MAX)
    .map(({ sql }) => ({ ...index, where: sql }));
}

/** The keys of one and then what the other has beside them, in both orders; what is carried along by either stays so. */
function mergesOf(
  a: IndexDefinition,
  b: IndexDefinition,
  widthMax: number,
): readonly IndexDefinition[] {
  if (!isBtree(a) || !isBtree(b) || a.where !== b.where) return [];
  return [
    [a, b],
    [b, a],
  ].flatMap(([first, second]) => {
    if (!first || !second) return [];
    const keys = new Set(first.columns.map(keyOf));
    const columns = [...first.columns, ...second.columns.filter((key) => !keys.has(keyOf(key)))];
    if (columns.length > widthMax) return [];
    const named = new Set(columns.map(keyOf));
    const include = [...new Set([...(a.include ?? []), ...(b.include ?? [])])]
      .filter((name) => !named.has(name))
      .toSorted();
    if (include.length > CARRIED_MAX) return [];
    const { include: _, ...rest } = first;
    return [{ ...rest, columns, ...(include.length === 0 ? {} : { include }) }];
  });
}

/** Named for what they are; without doubles and those that they were made of. */
function distinct(
  known: readonly IndexDefinition[],
  variants: readonly IndexDefinition[],
): readonly IndexDefinition[] {
  const seen = new Set(known.map(identityOf));
  return variants.flatMap((variant) => {
    const identity = identityOf(variant);
    if (seen.has(identity)) return [];
    seen.add(identity);
    return [{ ...variant, name: indexName(variant) }];
  });
}

/** The same keys, and nothing carried along that the existing one has not. */
function isThere(index: IndexDefinition, table: TableInfo): boolean {
  return table.indexes.some(
    (existing) =>
      existing.method === "btree" &&
      existing.valid &&
      existing.where === undefined &&
      existing.keys.length === index.columns.length &&
      index.columns.every((key, at) => {
        const same = existing.keys[at];
        return (
          same?.name !== undefined &&
          same.name === key.name &&
          same.descending === (key.descending ?? false) &&
          same.defaultOperators &&
          key.operators === undefined
        );
      }) &&
      (index.include ?? []).every((name) => existing.included.includes(name)),
  );
}

/** The arms of an OR are scanned each for itself. */
function withAlternatives(use: TableUse): readonly TableUse[] {
  return [
    use,
    ...use.filters.flatMap((filter) =>
      filter.kind === "alternative" ? withAlternatives(filter.use) : [],
    ),
  ];
}

function constants(use: TableUse): readonly Extract<Filter, { kind: "constant" }>[] {
  return use.filters.filter((filter) => filter.kind === "constant");
}

function keyOf(key: IndexKey): string {
  return key.name ?? `(${key.expression ?? ""})`;
}

function withKeys(index: IndexDefinition, columns: readonly IndexKey[]): IndexDefinition {
  const names = new Set(columns.map(keyOf));
  const include = (index.include ?? []).filter((name) => !names.has(name));
  const { include: _, ...rest } = index;
  return { ...rest, columns, ...(include.length === 0 ? {} : { include }) };
}

function bare(index: IndexDefinition): IndexDefinition {
  const { include: _, ...rest } = index;
  return rest;
}

function isBtree(index: IndexDefinition): boolean {
  return index.method === undefined || index.method === "btree";
}

function tableKey(table: Pick<TableInfo, "schema" | "name">): string {
  return JSON.stringify([table.schema, table.name]);
}
