/** When one index makes another superfluous: its keys begin with the other's, up to what order is free. */
import type { IndexDefinition, IndexKey } from "../../core/index-definition.ts";
import type { ExistingKey, IndexInfo, TableInfo } from "./catalog.ts";
import { comparableForm } from "./expressions.ts";
import { hasNullsFirst, keyId } from "./shapes.ts";

type Body = Omit<IndexDefinition, "name">;

/** The name of an existing index that serves all that another would; of the latter, `free` leading keys may be in any order. */
export function coveringIndex(index: Body, table: TableInfo, free: number): string | undefined {
  return table.indexes.find((existing) => servesAs(existing, index, free))?.name;
}

/** The keys of a longer index, arranged so that it begins with those of a shorter one; undefined when they cannot be. */
export function rearranged(
  longer: { readonly index: Body; readonly free: number },
  shorter: Body,
): readonly IndexKey[] | undefined {
  const free = new Set(longer.index.columns.slice(0, longer.free).map(keyId));
  if (shorter.columns.length >= longer.index.columns.length) return undefined;
  if (!shorter.columns.every((key) => free.has(keyId(key)) && !key.descending)) return undefined;
  const names = new Set(shorter.columns.map(keyId));
  return [...shorter.columns, ...longer.index.columns.filter((key) => !names.has(keyId(key)))];
}

function servesAs(existing: IndexInfo, index: Body, free: number): boolean {
  if (!existing.valid || !samePredicate(existing.where, index.where)) return false;
  const method = index.method ?? "btree";
  const [first] = index.columns;
  const [leading] = existing.keys;
  // A B-tree finds what a hash or a BRIN index would.
  const simpler = method === "hash" || method === "brin";
  if (simpler && existing.method === "btree") {
    return first !== undefined && leading !== undefined && sameKey(leading, first);
  }
  if (existing.method !== method || existing.keys.length < index.columns.length) return false;
  if (method !== "btree") {
    return index.columns.every((key) => existing.keys.some((other) => sameKey(other, key)));
  }
  const held = new Set([...existing.keys.flatMap(({ name }) => name ?? []), ...existing.included]);
  if (!(index.include ?? []).every((name) => held.has(name))) return false;
  return beginsWith(existing.keys, index.columns, free);
}

/** The first `free` keys in any order, then the rest in order, read forwards or backwards. */
function beginsWith(
  keys: readonly ExistingKey[],
  start: readonly IndexKey[],
  free: number,
): boolean {
  const anyOrder = keys.slice(0, free);
  const open = start.slice(0, free);
  if (!open.every((key) => anyOrder.some((other) => sameKey(other, key)))) return false;
  const rest = start.slice(free);
  const [first] = rest;
  const [here] = keys.slice(free);
  const flip =
    first !== undefined && here !== undefined && here.descending !== (first.descending ?? false);
  return rest.every((key, position) => {
    const other = keys[free + position];
    return (
      other !== undefined &&
      sameKey(other, key) &&
      (other.descending !== (key.descending ?? false)) === flip &&
      (other.nullsFirst !== hasNullsFirst(key)) === flip
    );
  });
}

function sameKey(existing: ExistingKey, key: IndexKey): boolean {
  const operators =
    key.operators === undefined
      ? existing.defaultOperators
      : existing.operators === key.operators ||
        // The default class of jsonb finds all that the one for paths does.
        (key.operators === "jsonb_path_ops" && existing.defaultOperators);
  if (!operators) return false;
  if (key.name !== undefined || key.expression === undefined) return existing.name === key.name;
  return (
    existing.expression !== undefined &&
    comparableForm(existing.expression) === comparableForm(key.expression)
  );
}

function samePredicate(existing: string | undefined, wanted: string | undefined): boolean {
  if (existing === undefined || wanted === undefined) return existing === wanted;
  return comparableForm(existing) === comparableForm(wanted);
}
