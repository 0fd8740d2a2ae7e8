/** How entries fill the leaves of a B-tree that is built at once, by the rules of nbtsort.c. */

export const PAGE_BYTES = 8_192;
export const LINE_POINTER = 4;
const ROW_POINTER = 6;
/** nbtsort.c: what is left of a page after its header, its special space, the high key's line pointer and PageGetFreeSpace's own. */
export const PAGE_SPACE = PAGE_BYTES - 24 - 16 - 2 * LINE_POINTER;
/** _bt_load: a list of rows takes at most a tenth of a page, its line pointer included, in units of 8 bytes. */
const LIST_MAX = (Math.floor((PAGE_BYTES / 10 - LINE_POINTER) / 8) | 0) * 8;
/** _bt_buildadd keeps room for a row's address on each leaf. */
const LEAF_ADDRESS = 8;
/** Values that so many rows share fill whole pages alone. */
const RUN_ROWS = 4_000;
/** Enough for a mean that is right to a few tenths of a percent. */
const PAGES_SIMULATED = 96;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Values that are alike: of one size, with one number of rows each. */
export interface ValueGroup {
  readonly values: number;
  /** Of one value. */
  readonly rows: number;
  /** Of an entry with one row. */
  readonly keyBytes: number;
}

/** `reserve` is what the fill factor leaves free on each page. Not rounded. */
export function leavesOf(groups: readonly ValueGroup[], reserve: number): number {
  let pages = 0;
  const mixed: ValueGroup[] = [];
  for (const group of groups) {
    if (group.values <= 0 || group.rows <= 0) continue;
    if (group.rows <= RUN_ROWS) mixed.push(group);
    else pages += group.values * (group.rows / rowsOnPage(group.keyBytes, reserve));
  }
  const bytes = mixed.reduce((sum, group) => sum + group.values * bytesOf(group), 0);
  return bytes === 0 ? pages : pages + bytes / keptOnPage(mixed, reserve);
}

/** Of a value with very many rows: lists of the greatest length, one after another. */
function rowsOnPage(keyBytes: number, reserve: number): number {
  const most = listRows(keyBytes);
  const size = listBytes(keyBytes, most) + LINE_POINTER;
  const kept = keptOnPage([{ values: 1, rows: most, keyBytes }], reserve);
  return (kept / size) * most;
}

function bytesOf({ rows, keyBytes }: ValueGroup): number {
  return entriesOf(rows, keyBytes).reduce(
    (sum, { size, count }) => sum + (size + LINE_POINTER) * count,
    0,
  );
}

interface Entries {
  /** Without the line pointer. */
  readonly size: number;
  /** Bytes of its list of rows, which a high key made of it loses. */
  readonly list: number;
  readonly count: number;
}

/** The entries of one value; a fraction of a row counts as a fraction of an entry. */
function entriesOf(rows: number, keyBytes: number): readonly Entries[] {
  if (rows < 2) return [{ size: keyBytes, list: 0, count: rows }];
  const most = listRows(keyBytes);
  const full = Math.floor(rows / most);
  const rest = Math.round(rows - full * most);
  const entries: Entries[] = [];
  if (full > 0)
    entries.push({ size: listBytes(keyBytes, most), list: most * ROW_POINTER, count: full });
  if (rest > 1)
    entries.push({ size: listBytes(keyBytes, rest), list: rest * ROW_POINTER, count: 1 });
  if (rest === 1) entries.push({ size: keyBytes, list: 0, count: 1 });
  return entries;
}

function listRows(keyBytes: number): number {
  return Math.max(2, Math.floor((LIST_MAX - keyBytes) / ROW_POINTER));
}

function listBytes(keyBytes: number, rows: number): number {
  return align8(keyBytes + rows * ROW_POINTER);
}

/** Mean bytes that stay on a page, entries drawn evenly from the groups: sizes on a page depend on each other in no simple way. */
function keptOnPage(groups: readonly ValueGroup[], reserve: number): number {
  const weights: number[] = [];
  const entries = groups.map(({ rows, keyBytes }) => entriesOf(Math.max(1, rows), keyBytes));
  let total = 0;
  for (const { values, rows } of groups) {
    total += rows < 2 ? values * rows : values;
    weights.push(total);
  }
  // Where all entries are alike, every page is.
  const wanted = entries.length === 1 && entries[0]?.length === 1 ? 1 : PAGES_SIMULATED;
  let [sum, last, lastList, items, kept, pages, drawn] = [0, 0, 0, 0, 0, 0, 0];
  while (pages < wanted) {
    drawn += 1;
    const value = entries[indexOf(weights, ((drawn * GOLDEN) % 1) * total)];
    if (value === undefined) break;
    for (const { size, list, count } of value) {
      for (let entry = 0; entry < Math.max(1, count); entry += 1) {
        const free = PAGE_SPACE - sum;
        if (free < size + LEAF_ADDRESS || (free + lastList < reserve && items > 1)) {
          // The last entry moves to the next page, and the page's high key is made of it.
          kept += sum - last;
          pages += 1;
          sum = last;
          items = 1;
        }
        last = size + LINE_POINTER;
        lastList = list;
        sum += last;
        items += 1;
      }
    }
  }
  return pages === 0 ? PAGE_SPACE - reserve : kept / pages;
}

/** Position of the first weight that is above a point. */
function indexOf(weights: readonly number[], point: number): number {
  let [low, high] = [0, weights.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((weights[middle] ?? Infinity) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function align8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
