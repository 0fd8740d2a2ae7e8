/** What an index has to save beyond the least to be worth having: for its size beside the table's, and for being nearly there already. */
import type { IndexDefinition } from "../../core/index-definition.ts";
import type { Catalog, IndexInfo } from "./catalog.ts";
import type { AddedIndex } from "./search/candidates.ts";

/** An index as large as its table is the table once more: cache and backups hold it too, which no plan's cost knows. */
const SIZE_FACTOR = 2;
/** Beside an existing index that begins alike the planner's gain is a matter of pages, and the existing one stays. */
const TWIN = 4;

/** In multiples of the least gain. */
export function surcharges(
  catalog: Catalog,
): (index: IndexDefinition, added: Pick<AddedIndex, "bytes">) => number {
  return (index, { bytes }) => {
    const table = catalog.tables.find(
      ({ schema, name }) => schema === index.schema && name === index.table,
    );
    if (!table) return 0;
    const share = table.bytes > 0 ? Math.min(1, bytes / table.bytes) : 0;
    const beside = table.indexes.some((each) => isBeside(each, index));
    return SIZE_FACTOR * share + (beside ? TWIN : 0);
  };
}

/** The existing index begins with all keys of the other one. */
function isBeside(existing: IndexInfo, index: IndexDefinition): boolean {
  if (existing.method !== (index.method ?? "btree") || !existing.valid) return false;
  if (existing.where !== undefined) return false;
  return index.columns.every((key, position) => {
    const own = existing.keys[position];
    return key.name !== undefined && own?.name === key.name && own.defaultOperators;
  });
}
