/** Pages of indexes as PostgreSQL's planner reads them: metapages with height and counts, and trees without a row. */

export const PAGE_BYTES = 8_192;

/** nbtree.h */
const BTREE_SPECIAL = 16;
const BTREE_MAGIC = 0x053162;
const BTREE_VERSION = 4;
const BTP_LEAF = 1;
const BTP_ROOT = 2;
const BTP_META = 8;
/** Height 0 has the root on block 1; each level above has a block of its own. */
const BTREE_FIRST_BLOCK = 1;

/** The whole file's beginning: a metapage that tells the height, and one valid page without a row for each level. */
export function btreePages(height: number): Uint8Array {
  const bytes = new Uint8Array((2 + height) * PAGE_BYTES);
  writeBtreeMetapage(view(bytes, 0), height);
  for (let level = 0; level <= height; level += 1) {
    writeBtreeLevel(view(bytes, BTREE_FIRST_BLOCK + level), level, level === height);
  }
  return bytes;
}

function writeBtreeMetapage(page: DataView, height: number): void {
  const root = BTREE_FIRST_BLOCK + height;
  // BTMetaPageData ends at byte 72: magic, version, root, level, fast root, fast level, deleted pages, heap tuples (unknown).
  initialise(page, 72, PAGE_BYTES - BTREE_SPECIAL, PAGE_BYTES - BTREE_SPECIAL);
  const fields = [BTREE_MAGIC, BTREE_VERSION, root, height, root, height, 0];
  for (const [index, value] of fields.entries()) page.setUint32(24 + index * 4, value, true);
  page.setFloat64(56, -1, true);
  page.setUint16(PAGE_BYTES - 4, BTP_META, true);
}

function writeBtreeLevel(page: DataView, level: number, isRoot: boolean): void {
  const special = PAGE_BYTES - BTREE_SPECIAL;
  if (level === 0) {
    initialise(page, 24, special, special);
  } else {
    // One downlink, to the page of the level below: minus infinity, a pivot tuple without columns (INDEX_ALT_TID_MASK).
    initialise(page, 28, special - 8, special);
    page.setUint32(24, ((special - 8) | (1 << 15) | (8 << 17)) >>> 0, true);
    page.setUint16(special - 8, 0, true);
    page.setUint16(special - 6, BTREE_FIRST_BLOCK + level - 1, true);
    page.setUint16(special - 4, 0, true);
    page.setUint16(special - 2, 8 | 0x2000, true);
  }
  page.setUint32(special + 8, level, true);
  page.setUint16(special + 12, (level === 0 ? BTP_LEAF : 0) | (isRoot ? BTP_ROOT : 0), true);
}

export interface GinCounts {
  readonly pages: number;
  readonly entryPages: number;
  readonly dataPages: number;
  readonly entries: number;
}

/** ginblock.h: GinMetaPageData, version 2, nothing pending. */
export function ginMetapage(counts: GinCounts): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const page = view(bytes, 0);
  const special = PAGE_BYTES - 8;
  initialise(page, 24 + 56, special, special);
  const none = 0xffff_ffff;
  page.setUint32(24, none, true);
  page.setUint32(28, none, true);
  page.setUint32(48, counts.pages, true);
  page.setUint32(52, counts.entryPages, true);
  page.setUint32(56, counts.dataPages, true);
  page.setBigInt64(64, BigInt(Math.round(counts.entries)), true);
  page.setInt32(72, 2, true);
  page.setUint32(special, none, true);
  page.setUint16(special + 6, 1 << 3, true);
  return bytes;
}

/** brin_page.h: BrinMetaPageData, version 1. */
export function brinMetapage(pagesPerRange: number, revmapPages: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const page = view(bytes, 0);
  initialise(page, 24 + 16, PAGE_BYTES - 8, PAGE_BYTES - 8);
  const fields = [0xa8109cfa, 1, pagesPerRange, revmapPages];
  for (const [index, value] of fields.entries()) page.setUint32(24 + index * 4, value, true);
  page.setUint16(PAGE_BYTES - 2, 0xf091, true);
  return bytes;
}

/** bufpage.h: the header of a page in layout 4. */
function initialise(page: DataView, lower: number, upper: number, special: number): void {
  page.setUint16(12, lower, true);
  page.setUint16(14, upper, true);
  page.setUint16(16, special, true);
  page.setUint16(18, PAGE_BYTES | 4, true);
}

function view(bytes: Uint8Array, block: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + block * PAGE_BYTES, PAGE_BYTES);
}
