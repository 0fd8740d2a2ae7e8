/** The B-trees that one use of a table would like: equality first, then lists, then one range or the order. */
import type { IndexKey } from "../../core/index-definition.ts";
import type { TableInfo } from "./catalog.ts";
import { unfitForBtree } from "./column-fit.ts";
import type { Filter, SortColumn, TableUse } from "./scope.ts";

/** Keys in order, and what they are for. */
export interface Shape {
  readonly keys: readonly IndexKey[];
  /** How many leading keys are compared for equality, so that their order among themselves is free. */
  readonly free: number;
  /** A clause for `because`. */
  readonly serves: string;
}

/** A key with what is known of its values. */
interface Term {
  readonly key: IndexKey;
  readonly distinct: number | undefined;
}

/** Everything that a use asks for, columns and expressions alike. */
interface Wishes {
  readonly equal: readonly Term[];
  readonly listed: readonly Term[];
  readonly ranges: readonly IndexKey[];
  /** By the other side of the join. */
  readonly joins: readonly (readonly Term[])[];
  readonly orders: readonly (readonly IndexKey[])[];
  readonly grouped: readonly IndexKey[];
}

/** An equality with so few distinct values, or one that so many rows meet, barely narrows a search: also tried without it. */
const FEW_DISTINCT = 3;
const COMMON_SHARE = 0.2;
/** With fewer values, an equality leaves more than a hundredth of the rows. */
const MANY_LEFT = 100;

/** Of one use, the best first; `findsOne` says by which unique index names find a row, so that nothing more is wanted. */
export function shapesOf(
  use: TableUse,
  widthMax: number,
  findsOne: (names: ReadonlySet<string>) => boolean,
): readonly Shape[] {
  const { equal, listed, ranges, joins, orders, grouped } = wishesOf(use);
  const shapes = new Map<string, Shape>();
  const add = (free: readonly Term[], rest: readonly IndexKey[], purpose: string): void => {
    const named = new Set(free.map(({ key }) => keyId(key)));
    // ORDER BY a, a is an order by a.
    const others = rest.filter((key) => !named.has(keyId(key)) && named.add(keyId(key)));
    const keys = [...free.map(({ key }) => key), ...others].slice(0, widthMax);
    if (keys.length === 0) return;
    const found = free.length === 0 ? "" : `equality on ${listOf(free.map(({ key }) => key))}`;
    const serves = [found, others.length === 0 ? "" : `${purpose} ${listOf(others)}`]
      .filter((part) => part !== "")
      .join(", then ");
    const id = JSON.stringify(keys);
    if (!shapes.has(id)) shapes.set(id, { keys, free: Math.min(free.length, widthMax), serves });
  };
  const lists = keysOf(listed);
  for (const order of orders) add(equal, order, "the order");
  const ranged = listed.length > 0 ? "lists and the range of" : "the range of";
  for (const range of ranges) add(equal, [...lists, range], ranged);
  if (listed.length > 0) add(equal, lists, "lists of");
  if (equal.length > 0) add(equal, [], "");
  for (const terms of joins) {
    const lookup = bySelectivity([...equal, ...terms]);
    // Looked up by the other table's row; or, where this table comes first, the join column read from the index.
    if (!findsOne(new Set(lookup.flatMap(({ key }) => key.name ?? [])))) {
      add(lookup, [], "");
      for (const order of orders) add(lookup, order, "the order");
      for (const range of ranges) add(lookup, [range], "the range of");
      if (listed.length > 0) add(lookup, lists, "lists of");
      if (lookup.length > terms.length) add(bySelectivity(terms), [], "");
    }
    if (equal.length > 0) add(equal, keysOf(terms), "the join on");
    const [range] = ranges;
    if (range) add(equal, [range, ...keysOf(terms)], "the range and the join on");
  }
  const common = new Set(
    use.filters.flatMap((filter) =>
      filter.kind === "constant" && (filter.share ?? 0) >= COMMON_SHARE ? filter.columns : [],
    ),
  );
  const selective = equal.filter(
    ({ key, distinct }) =>
      (distinct ?? Infinity) > FEW_DISTINCT && !(key.name !== undefined && common.has(key.name)),
  );
  if (selective.length > 0 && selective.length < equal.length) {
    add(selective, orders[0] ?? [], "the order");
  }
  for (const range of listed.length > 0 ? ranges : []) add(equal, [range], "the range of");
  if (grouped.length > 0) add(equal, grouped, "groups of");
  // Where many rows are left, an order alone finds the first of a page without a sort, whatever is filtered on the way.
  const manyLeft = equal.length > 0 && equal.every(({ distinct }) => (distinct ?? 0) <= MANY_LEFT);
  for (const order of manyLeft ? orders : []) add([], order, "the order");
  return [...shapes.values()];
}

export function keyId(key: IndexKey): string {
  return `${key.name ?? `(${key.expression ?? ""})`}${key.operators === undefined ? "" : ` ${key.operators}`}`;
}

/** Whether a key sorts nulls first. */
export function hasNullsFirst(key: Pick<IndexKey, "descending" | "nullsFirst">): boolean {
  return key.nullsFirst ?? key.descending ?? false;
}

export function listOf(keys: readonly IndexKey[]): string {
  return keys
    .map((key) => `${key.name ?? key.expression ?? ""}${key.descending ? " DESC" : ""}`)
    .join(", ");
}

/** The same use as if one arm of its OR were a further condition. */
export function withArm(use: TableUse, arm: TableUse): TableUse {
  return {
    ...use,
    equal: new Set([...use.equal, ...arm.equal]),
    listed: new Set([...use.listed, ...arm.listed].filter((name) => !arm.equal.has(name))),
    ranges: new Set([...use.ranges, ...arm.ranges].filter((name) => !arm.equal.has(name))),
    joins: new Map([...use.joins, ...arm.joins]),
    filters: [...use.filters.filter(({ kind }) => kind !== "alternative"), ...arm.filters],
  };
}

function wishesOf(use: TableUse): Wishes {
  const { table, filters } = use;
  const ofColumns = (names: Iterable<string>): readonly Term[] =>
    [...names].map((name) => ({
      key: { name },
      distinct: table.columns.find((column) => column.name === name)?.distinct,
    }));
  const expressions = (as: Extract<Filter, { kind: "expression" }>["as"]): readonly Term[] =>
    filters.filter((filter) => filter.kind === "expression").filter((filter) => filter.as === as);
  const patterns = filters.flatMap((filter) =>
    filter.kind === "pattern" && filter.method === "btree" ? [filter.key] : [],
  );
  const unfit = new Set(
    table.columns.filter((column) => unfitForBtree(column) !== undefined).map(({ name }) => name),
  );
  const isFit = ({ name }: IndexKey): boolean => name === undefined || !unfit.has(name);
  const equal = inTableOrder(table, [...ofColumns(use.equal), ...expressions("equal")]).filter(
    ({ key }) => isFit(key),
  );
  const fixed = new Set(equal.map(({ key }) => keyId(key)));
  const isOpen = (key: IndexKey): boolean => isFit(key) && !fixed.has(keyId(key));
  const listed = inTableOrder(table, [...ofColumns(use.listed), ...expressions("listed")]);
  const sorts = filters.flatMap((filter) => (filter.kind === "order" ? [filter.keys] : []));
  const joins = [...use.joins.values()].map((names) =>
    ofColumns(names).filter(({ key }) => isFit(key)),
  );
  return {
    equal: bySelectivity(equal),
    listed: bySelectivity(listed).filter(({ key }) => isOpen(key)),
    ranges: [
      ...[...use.ranges].map((name) => ({ name })),
      ...expressions("range").map(({ key }) => key),
      ...patterns,
    ].filter(isOpen),
    joins: [...joins, ...expressions("join").map((term) => [term])].filter(
      (terms) => terms.length > 0,
    ),
    orders: [...use.orders.map((order) => order.map(sortKey)), ...sorts]
      .map((order) => order.filter((key) => !fixed.has(keyId(key))))
      // What follows a key that cannot be had is in no useful order.
      .map((order) => oneWay(order.slice(0, order.findIndex((key) => !isFit(key)) >>> 0)))
      .filter((order) => order.length > 0),
    grouped: [
      ...use.grouped.map((name) => ({ name })),
      ...expressions("group").map(({ key }) => key),
    ].filter(isOpen),
  };
}

function keysOf(terms: readonly Term[]): readonly IndexKey[] {
  return terms.map(({ key }) => key);
}

/** The most distinct values first (SPEC: above 1,000 first); those without statistics last. A prior, not a law: costs decide. */
function bySelectivity(terms: readonly Term[]): readonly Term[] {
  const seen = new Set<string>();
  return terms
    .filter(({ key }) => !seen.has(keyId(key)) && seen.add(keyId(key)))
    .toSorted((a, b) => (b.distinct ?? 0) - (a.distinct ?? 0));
}

function inTableOrder(table: TableInfo, terms: readonly Term[]): readonly Term[] {
  const position = new Map(table.columns.map((column, index) => [column.name, index]));
  const placeOf = ({ key }: Term): number => position.get(key.name ?? "") ?? position.size;
  return terms.toSorted((a, b) => placeOf(a) - placeOf(b));
}

function sortKey({ name, descending, nullsFirst }: SortColumn): IndexKey {
  return {
    name,
    ...(descending ? { descending } : {}),
    ...(nullsFirst === undefined ? {} : { nullsFirst }),
  };
}

/** An index is read backwards as fast as forwards, so only changes of direction matter: the first key goes up. */
function oneWay(order: readonly IndexKey[]): readonly IndexKey[] {
  if (!order[0]?.descending) return order;
  return order.map(({ descending: was, nullsFirst, ...key }) => {
    const descending = !was;
    return {
      ...key,
      ...(descending ? { descending } : {}),
      ...(nullsFirst === undefined ? {} : { nullsFirst: !nullsFirst }),
    };
  });
}
