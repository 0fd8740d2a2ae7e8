/** What one more entry in an index costs, in the planner's units: PostgreSQL prices reads only, so this prices writes by the same constants. */
import type { IndexMethod } from "../../../core/index-definition.ts";
import type { SnapshotSetting } from "../snapshot/snapshot.ts";

/** The planner's cost constants, and the share of page reads that miss the cache. */
export interface WriteCostSettings {
  readonly cpuIndexTuple: number;
  readonly cpuOperator: number;
  readonly seqPage: number;
  readonly randomPage: number;
  /** 0 to 1: what of the database does not fit effective_cache_size. */
  readonly missShare: number;
}

const DEFAULTS = {
  cpu_index_tuple_cost: 0.005,
  cpu_operator_cost: 0.0025,
  seq_page_cost: 1,
  random_page_cost: 4,
  effective_cache_size: 524_288,
};

const PAGE_BYTES = 8_192;

/** `databaseBytes`: of all tables and indexes. */
export function writeCostSettings(
  settings: readonly Pick<SnapshotSetting, "name" | "value">[],
  databaseBytes: number,
): WriteCostSettings {
  const value = (name: keyof typeof DEFAULTS): number => {
    const found = Number(settings.find((each) => each.name === name)?.value);
    return Number.isFinite(found) && found >= 0 ? found : DEFAULTS[name];
  };
  const cacheBytes = value("effective_cache_size") * PAGE_BYTES;
  return {
    cpuIndexTuple: value("cpu_index_tuple_cost"),
    cpuOperator: value("cpu_operator_cost"),
    seqPage: value("seq_page_cost"),
    randomPage: value("random_page_cost"),
    missShare: databaseBytes > 0 ? Math.max(0, 1 - cacheBytes / databaseBytes) : 0,
  };
}

/** An index, as far as its upkeep depends on it. */
export interface KeptIndex {
  readonly method: IndexMethod;
  readonly rows: number;
  readonly bytes: number;
  /** Levels above the leaves. */
  readonly height: number;
  /** Keys that one row has in a GIN index; 1 for all others. */
  readonly keysPerRow: number;
}

/** DEFAULT_PAGE_CPU_MULTIPLIER of selfuncs.c: operators charged for each page that a descent visits. */
const OPERATORS_PER_PAGE = 50;
/** Of a WAL record of an index insertion, beside the entry (XLogRecord, block reference, offset). */
const WAL_HEADER_BYTES = 64;
/** Entries that come in no order touch pages for the first time since a checkpoint, whose whole image is logged; measured. */
const WAL_SCATTERED = 2;
/** An insertion locks, changes and logs the page that a scan only looks at; measured against the descent alone. */
const CHANGED_TO_READ = 2;
/** With fastupdate, entries of many rows are merged at once, in order of their keys; measured against fastupdate = off. */
const GIN_BATCHED = 0.5;
/** A dirty page is read once and written back once. */
const READ_AND_WRITTEN = 2;
/** The metapage, cached by each session, and the bucket with its overflow. */
const HASH_PAGES = 2;
/** Comparisons of a GiST descent, which looks at every entry of a page for the least enlargement, against a B-tree's. */
const GIST_FACTOR = 2;

/**
 * A descent as btcostestimate charges it (comparisons, and 50 operators a page), the entry, its share of the WAL, and, where the
 * database does not fit the cache, its leaf read and written back. `appended`: it goes behind all others, for which B-trees
 * remember their last leaf (_bt_search_insert) and nothing is read.
 */
export function entryCost(
  index: KeptIndex,
  settings: WriteCostSettings,
  appended: boolean,
): number {
  const { cpuIndexTuple, cpuOperator, seqPage, randomPage, missShare } = settings;
  const pageCpu = OPERATORS_PER_PAGE * cpuOperator;
  // A block range is summarised again only when a row does not fit its summary.
  if (index.method === "brin") return 2 * cpuOperator;
  const entryBytes = index.rows > 0 ? index.bytes / index.rows / index.keysPerRow : 0;
  const log = (times: number): number =>
    (times * (entryBytes + WAL_HEADER_BYTES) * seqPage) / PAGE_BYTES;
  if (appended && index.method === "btree") return cpuIndexTuple + log(1);
  const pages = missShare * randomPage * READ_AND_WRITTEN;
  const scattered = cpuIndexTuple + log(WAL_SCATTERED) + pages;
  if (index.method === "hash") return CHANGED_TO_READ * HASH_PAGES * pageCpu + scattered;
  const entries = Math.max(2, index.rows * index.keysPerRow);
  const descent = Math.log2(entries) * cpuOperator + (index.height + 1) * pageCpu;
  if (index.method === "gin") return index.keysPerRow * GIN_BATCHED * (descent + scattered);
  const compared = index.method === "gist" ? GIST_FACTOR : 1;
  return CHANGED_TO_READ * compared * descent + scattered;
}

/** What vacuum does for an entry that is dead: its page is passed, the entry taken out and logged. */
export function cleanupCost(index: KeptIndex, settings: WriteCostSettings): number {
  if (index.method === "brin") return 0;
  const entryBytes = index.rows > 0 ? index.bytes / index.rows : 0;
  return (
    settings.cpuIndexTuple * index.keysPerRow +
    ((entryBytes + WAL_HEADER_BYTES) * settings.seqPage) / PAGE_BYTES
  );
}

/** Levels above the leaves of a B-tree whose height nobody has read. */
export function heightOf(bytes: number, rows: number): number {
  // One page is the metapage.
  const leaves = Math.max(1, bytes / PAGE_BYTES - 1);
  const entriesPerLeaf = rows / leaves;
  // Many rows with the same value share an entry; what is above them does not.
  const entriesPerInner = Math.min(entriesPerLeaf * INNER_TO_LEAF_FILL, PIVOTS_PER_PAGE_MAX);
  return Math.ceil(Math.log(leaves) / Math.log(Math.max(2, entriesPerInner)));
}

/** nbtree.h: BTREE_NONLEAF_FILLFACTOR 70 against BTREE_DEFAULT_FILLFACTOR 90. */
const INNER_TO_LEAF_FILL = 70 / 90;
/** A page of 8,152 bytes filled to 70 % with pivots of 16 bytes and their line pointers of 4. */
const PIVOTS_PER_PAGE_MAX = 285;
