/** Whether a column can be a key of a B-tree at all. */
import type { ColumnInfo } from "./catalog.ts";

/** Wider values make an index nearly as large as its table. */
const COLUMN_BYTES_MAX = 400;
/** A third of a page: BTMaxItemSize in nbtree.h. A longer value makes the build fail, and every insert of one afterwards. */
export const ENTRY_BYTES_MAX = 2_704;

/** Why a B-tree cannot, or should not, have a column as a key. */
export function unfitForBtree(column: ColumnInfo): string | undefined {
  const { name, type, widthBytes, ordered } = column;
  if (!ordered) return `${name} is of type ${type}, which a B-tree cannot order`;
  if (widthBytes > COLUMN_BYTES_MAX) {
    return `${name} holds ${Math.round(widthBytes)} bytes on average, too wide for a B-tree`;
  }
  return longestOf(column) > ENTRY_BYTES_MAX
    ? `${name} holds values of more than ${ENTRY_BYTES_MAX} bytes, which a B-tree entry cannot`
    : undefined;
}

/** Of the values that statistics show. */
export function longestOf(column: ColumnInfo): number {
  const lengths = [...column.histogram, ...column.common.map(({ value }) => value)].map(
    (value) => value.length,
  );
  return lengths.reduce((longest, length) => Math.max(longest, length), 0);
}
