/** Which indexes are not worth pricing, whatever they are for: small or unknown tables, types and widths that a method cannot hold. */
import type { IndexDefinition } from "../../core/index-definition.ts";
import type { TableInfo } from "./catalog.ts";
import { ENTRY_BYTES_MAX, longestOf, unfitForBtree } from "./column-fit.ts";
import { coveringIndex } from "./prefixes.ts";

export interface IdeaLimits {
  /** Keys of one index. */
  readonly widthMax: number;
  /** Tables with fewer rows are read whole faster than by an index. */
  readonly rowsLeast: number;
  /** The most promising are kept; absent: all. */
  readonly ideasMax?: number;
}

const KEYS_ALONE = 3;

/** Why an index is not worth trying; undefined when it is. `free` leading keys may be in any order. */
export function objectionTo(
  index: Omit<IndexDefinition, "name">,
  table: TableInfo,
  free: number,
  limits: IdeaLimits,
  extensions: ReadonlySet<string>,
): string | undefined {
  if (table.rows === undefined) return "the table was never analysed: run ANALYZE on it first";
  if (table.rows < limits.rowsLeast) {
    return `the table has ${Math.round(table.rows)} rows, fewer than ${limits.rowsLeast}: reading it whole is as fast`;
  }
  if (index.columns.some(({ operators }) => operators === "gin_trgm_ops")) {
    if (!extensions.has("pg_trgm")) {
      return "it needs the extension pg_trgm, which is not installed: CREATE EXTENSION pg_trgm, then ask again";
    }
  }
  const held = new Set([...index.columns.map(({ name }) => name), ...(index.include ?? [])]);
  const whole = table.columns.every(({ name }) => held.has(name));
  // A table of keys alone, such as one between two others, is well served by its columns in the other order.
  if (whole && (index.include !== undefined || table.columns.length > KEYS_ALONE)) {
    return "it holds every column, which is the table once more";
  }
  const method = index.method ?? "btree";
  const unfit = method === "btree" ? objectionToBtree(index, table) : undefined;
  if (unfit !== undefined) return unfit;
  const existing = coveringIndex(index, table, free);
  if (existing === undefined) return undefined;
  return `the existing index ${existing} ${method === "btree" ? "begins with these keys" : "serves the same"}`;
}

function objectionToBtree(
  index: Omit<IndexDefinition, "name">,
  table: TableInfo,
): string | undefined {
  let bytes = 0;
  for (const { name } of index.columns) {
    if (name === undefined) continue;
    const column = table.columns.find((each) => each.name === name);
    if (!column) return `there is no column ${name}`;
    const unfit = unfitForBtree(column);
    if (unfit !== undefined) return unfit;
    bytes += column.widthBytes;
  }
  for (const name of index.include ?? []) {
    const column = table.columns.find((each) => each.name === name);
    if (column && longestOf(column) > ENTRY_BYTES_MAX / 2) {
      return `${name} holds values too long to be carried along`;
    }
    bytes += column?.widthBytes ?? 0;
  }
  return bytes > ENTRY_BYTES_MAX / 2
    ? `an entry would take ${Math.round(bytes)} bytes on average, near the limit of ${ENTRY_BYTES_MAX}`
    : undefined;
}
