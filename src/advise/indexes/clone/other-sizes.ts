/** How large new indexes of the other methods become: hash and BRIN by their rules, GIN and GiST roughly. */
import { tupleSizes, type KeyColumn } from "./btree-size.ts";
import type { GinCounts } from "./pages.ts";

const PAGE = 8_192;
/** hashpage.c: three quarters of a page, entries of 16 bytes and their line pointer. */
const HASH_PER_BUCKET = Math.floor((PAGE * 0.75) / 20);
const HASH_PER_PAGE = Math.floor((PAGE - 24 - 16) / 20);
/** brin_page.h, REVMAP_PAGE_MAXITEMS. */
const BRIN_RANGES_PER_MAP = 1_360;
/** Longer values are cut or compressed in practice; a range keeps two. */
const BRIN_VALUE_MAX = 512;

/** Pages of a hash index on so many rows. */
export function hashPages(rows: number, column: KeyColumn): number {
  const buckets = hashBuckets(Math.ceil(rows / HASH_PER_BUCKET));
  // Values that many rows share fill pages after their bucket's first.
  const heavy = [...column.common, column.nullShare].map((share) => share * rows);
  const overflow = heavy
    .slice(0, -1)
    .reduce((sum, each) => sum + Math.max(0, Math.ceil(each / HASH_PER_PAGE) - 1), 0);
  const others = Math.max(0, rows - heavy.reduce((sum, each) => sum + each, 0));
  const spread = poissonOverflow(
    others / buckets,
    Math.max(1, others / Math.max(1, column.distinct - column.common.length)),
  );
  const bitmaps = 1 + Math.floor((overflow + spread * buckets) / (PAGE * 8));
  return 1 + bitmaps + buckets + overflow + Math.ceil(spread * buckets);
}

/** hashutil.c, _hash_spareindex: up to 1,024 buckets by doubling, then in quarters. */
function hashBuckets(wanted: number): number {
  let buckets = 2;
  while (buckets < Math.min(wanted, 1_024)) buckets *= 2;
  let power = buckets;
  while (buckets < wanted) {
    buckets += power / 4;
    if (buckets >= power * 2) power = buckets;
  }
  return buckets;
}

/** Pages beyond the first that a bucket needs on average, when its entries come in groups of `group` equal ones (normal approximation). */
function poissonOverflow(mean: number, group: number): number {
  const deviation = Math.sqrt(mean * group);
  if (deviation === 0) return 0;
  let pages = 0;
  for (let page = 1; page <= 16; page += 1) {
    pages += 1 - normalBelow((page * HASH_PER_PAGE - mean) / deviation);
  }
  return pages;
}

/** Abramowitz and Stegun 7.1.26 for the error function. */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const tail =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
    Math.exp(-x * x);
  return z >= 0 ? 1 - tail / 2 : tail / 2;
}

export interface BrinSize {
  readonly pages: number;
  readonly revmapPages: number;
}

export function brinSize(
  heapPages: number,
  pagesPerRange: number,
  columns: readonly KeyColumn[],
): BrinSize {
  const ranges = Math.max(1, Math.ceil(heapPages / pagesPerRange));
  // The lowest and the highest value of each column.
  const twice = columns.flatMap((column) => [column, column]).map(cutForBrin);
  const tuple = tupleSizes(twice).reduce((sum, [bytes, share]) => sum + bytes * share, 0) + 4;
  const revmapPages = Math.ceil(ranges / BRIN_RANGES_PER_MAP);
  const perPage = Math.max(1, Math.floor((PAGE - 24 - 8) / tuple));
  return { pages: 1 + revmapPages + Math.ceil(ranges / perPage), revmapPages };
}

function cutForBrin(column: KeyColumn): KeyColumn {
  const sizes = column.sizes.map(
    ([bytes, share]) => [Math.min(bytes, BRIN_VALUE_MAX), share] as const,
  );
  return { ...column, sizes, nullShare: 0 };
}

/** What a GIN index holds of one column. */
export interface GinColumn {
  /** Entries that a row has, on average over all rows. */
  readonly perRow: number;
  /** Different entries. */
  readonly distinct: number;
  /** Mean bytes of an entry. */
  readonly bytes: number;
  /** Shares of all rows that have the most common entries. */
  readonly common: readonly number[];
}

/** ginpostinglist.c stores the distances between rows in 7 bits a byte; lists beyond 2 KB get pages of their own. */
export function ginSize(rows: number, heapPages: number, columns: readonly GinColumn[]): GinCounts {
  const rowsPerPage = Math.max(1, rows / Math.max(1, heapPages));
  let entryBytes = 0;
  let dataPages = 0;
  let entries = 0;
  for (const column of columns) {
    const occurrences = column.perRow * rows;
    const inCommon = column.common.reduce((sum, share) => sum + share, 0) * rows;
    const rest = Math.max(0, column.distinct - column.common.length);
    const groups: (readonly [share: number, count: number])[] = column.common.map(
      (share) => [share, 1] as const,
    );
    if (rest > 0) groups.push([Math.max(1, occurrences - inCommon) / rest / rows, rest]);
    for (const [share, count] of groups) {
      const list = share * rows * postingBytes(share, rowsPerPage);
      entries += count;
      const key = Math.ceil((8 + column.bytes) / 8) * 8 + 4;
      if (list > GIN_LIST_MAX) {
        dataPages += count * Math.ceil(list / GIN_DATA_BYTES);
        entryBytes += count * key;
      } else {
        entryBytes += count * (key + Math.ceil(list / 8) * 8);
      }
    }
  }
  const entryPages = Math.max(1, Math.ceil(entryBytes / (PAGE * GIN_ENTRY_FILL)));
  return { pages: 1 + entryPages + dataPages, entryPages, dataPages, entries };
}

const GIN_LIST_MAX = 2_700;
/** Appended pages are left three quarters full (gindatapage.c). */
const GIN_DATA_BYTES = 8_000 * 0.75;
/** ginentrypage.c splits a page in halves, and entries come in order: the left one stays half full. */
const GIN_ENTRY_FILL = 0.5;

/** Bytes of one row in the list of an entry that this share of rows has. */
function postingBytes(share: number, rowsPerPage: number): number {
  // Distances are counted in row numbers of which a page has 2,048.
  const perPage = share * rowsPerPage;
  const crossing = Math.min(1, 1 / Math.max(perPage, 1e-9));
  const distance = Math.max(1, 1 / Math.max(perPage, 1e-9)) * 2_048;
  const far = Math.ceil(Math.log2(distance + 1) / 7);
  return crossing * far + (1 - crossing);
}

/** Entries keep their whole key; pages end up about three quarters full after splits. */
export function gistPages(rows: number, columns: readonly KeyColumn[]): number {
  const entry = tupleSizes(columns).reduce((sum, [bytes, share]) => sum + bytes * share, 0) + 4;
  const leaves = Math.max(1, Math.ceil((rows * entry) / ((PAGE - 40) * 0.75)));
  return leaves + Math.ceil(leaves / 100);
}
