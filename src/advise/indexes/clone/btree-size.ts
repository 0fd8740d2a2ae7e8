/** How large a new B-tree becomes: pages and height from the distribution of its keys, by the rules of PostgreSQL's own build. */

import { align8, leavesOf, LINE_POINTER, PAGE_BYTES, PAGE_SPACE } from "./btree-leaves.ts";

/** One column of an index, as statistics know it. */
export interface KeyColumn {
  /** Stored sizes in bytes of values that are not null, with their shares, which sum up to 1. */
  readonly sizes: readonly (readonly [bytes: number, share: number])[];
  /** Of the type, in bytes. */
  readonly alignment: number;
  /** Has a length of its own; short values of such types are packed without alignment. */
  readonly variable: boolean;
  readonly nullShare: number;
  /** Values that are not null. */
  readonly distinct: number;
  /** Shares of all rows that the most common values have. */
  readonly common: readonly number[];
}

export interface BtreeInput {
  /** Entries: the table's rows, fewer for a partial index. */
  readonly rows: number;
  readonly keys: readonly KeyColumn[];
  readonly included: readonly KeyColumn[];
  /** Equal keys are stored once with a list of rows (PostgreSQL 13 and later, where the operators allow it). */
  readonly deduplicates: boolean;
  /** Distinct combinations of all keys, where something knows it: extended statistics, a unique key, a foreign key. */
  readonly distinct?: number;
  /** In percent; 90 unless the index says otherwise. */
  readonly fillFactor?: number;
}

/** Sizes with their shares. */
type Sizes = readonly (readonly [bytes: number, share: number])[];

export interface BtreeSize {
  /** The metapage included. */
  readonly pages: number;
  /** Levels above the leaves. */
  readonly height: number;
}

/** Of an index entry: its own, and with the bitmap of nulls. */
const TUPLE_HEADER = 8;
const TUPLE_HEADER_WITH_NULLS = 16;
/** BTREE_NONLEAF_FILLFACTOR. */
const INNER_FILL = 70;
const DEFAULT_FILL = 90;
const CLASSES_MAX = 48;
/** Above so many rows a value, chance no longer spreads them enough to matter. */
const SPREAD_ROWS = 80;
/** Fewer values than this are left out. */
const RARE = 1e-4;

/** Values that are alike in how many rows have them. */
interface ValueClass {
  /** Share of the rows that each of the values has. */
  readonly share: number;
  /** How many such values there are. */
  readonly values: number;
}

export function btreeSize(input: BtreeInput): BtreeSize {
  const rows = Math.max(0, Math.round(input.rows));
  if (rows === 0) return { pages: 1, height: 0 };
  const sizes = tupleSizes([...input.keys, ...input.included]);
  const reserve = Math.floor((PAGE_BYTES * (100 - (input.fillFactor ?? DEFAULT_FILL))) / 100);
  const leaves = Math.max(
    1,
    Math.ceil(
      input.deduplicates
        ? deduplicatedLeaves(input, rows, sizes, reserve)
        : plainLeaves(sizes, rows, reserve),
    ),
  );
  return aboveLeaves(leaves, pivotSize(input, rows, leaves));
}

/** The height of a B-tree of which only the file's size and the width of its keys are known. */
export function btreeHeight(pages: number, keyBytes: number): number {
  if (pages <= 2) return 0;
  const pivot = align8(TUPLE_HEADER + keyBytes);
  const fan = innerFan(pivot);
  let level = pages - 1 - Math.floor(pages / fan);
  let height = 0;
  while (level > 1) {
    level = Math.ceil(level / fan);
    height += 1;
  }
  return height;
}

/** Sizes of whole entries with their shares: columns aligned one after another, nulls left out. */
export function tupleSizes(columns: readonly KeyColumn[]): Sizes {
  let offsets = new Map<string, readonly [number, boolean, number]>([["0", [0, false, 1]]]);
  for (const { sizes, alignment, variable, nullShare } of columns) {
    const next = new Map<string, readonly [number, boolean, number]>();
    const put = (bytes: number, nulls: boolean, share: number) => {
      const key = `${bytes}${nulls ? "n" : ""}`;
      next.set(key, [bytes, nulls, (next.get(key)?.[2] ?? 0) + share]);
    };
    for (const [offset, nulls, share] of offsets.values()) {
      if (nullShare > 0) put(offset, true, share * nullShare);
      for (const [bytes, part] of sizes) {
        // A value with a one-byte header is not aligned.
        const unit = variable && bytes <= 127 ? 1 : alignment;
        const start = Math.ceil(offset / unit) * unit;
        put(start + bytes, nulls, share * part * (1 - nullShare));
      }
    }
    offsets = next;
  }
  const whole = new Map<number, number>();
  for (const [bytes, nulls, share] of offsets.values()) {
    const size = align8((nulls ? TUPLE_HEADER_WITH_NULLS : TUPLE_HEADER) + bytes);
    whole.set(size, (whole.get(size) ?? 0) + share);
  }
  return [...whole].filter(([, share]) => share > 0);
}

/** Every row has an entry of its own. */
function plainLeaves(sizes: Sizes, rows: number, reserve: number): number {
  const groups = sizes.map(([keyBytes, share]) => ({ values: share * rows, rows: 1, keyBytes }));
  return leavesOf(groups, reserve);
}

function deduplicatedLeaves(
  input: BtreeInput,
  rows: number,
  sizes: Sizes,
  reserve: number,
): number {
  const { classes, spread } = valueClasses(input, rows);
  const groups = classes.flatMap(({ share, values }) =>
    spreadRows(share * rows, values, spread).flatMap((group) =>
      sizes.map(([keyBytes, part]) => ({ ...group, values: group.values * part, keyBytes })),
    ),
  );
  const leaves = leavesOf(groups, reserve);
  const alone = missingValues(input, rows, classes);
  // More values than independent columns would have: so many rows have a key to themselves.
  return alone > 0 ? leaves * (1 - alone) + plainLeaves(sizes, rows, reserve) * alone : leaves;
}

/** Columns combined as if they were independent, corrected where the number of combinations is known. */
function valueClasses(
  input: BtreeInput,
  rows: number,
): { readonly classes: readonly ValueClass[]; readonly spread: "counted" | "possible" } {
  let classes: readonly ValueClass[] = [{ share: 1, values: 1 }];
  for (const column of input.keys) {
    const own = bucket(columnClasses(column, rows));
    classes = bucket(
      classes.flatMap((a) =>
        own.map((b) => ({ share: a.share * b.share, values: a.values * b.values })),
      ),
    );
  }
  // The values of one column were all seen; of several, some combinations have no row.
  if (input.keys.length === 1) return { classes, spread: "counted" };
  const expected = expectedDistinct(classes, rows);
  const known = Math.max(input.distinct ?? Infinity, ...input.keys.map(({ distinct }) => distinct));
  if (known >= expected) return { classes, spread: "possible" };
  const factor = known / expected;
  const fewer = classes.map(({ share, values }) => ({
    share: share / factor,
    values: values * factor,
  }));
  return { classes: fewer, spread: "possible" };
}

function columnClasses(column: KeyColumn, rows: number): readonly ValueClass[] {
  const classes = column.common.map((share): ValueClass => ({ share, values: 1 }));
  if (column.nullShare > 0) classes.push({ share: column.nullShare, values: 1 });
  const left = Math.max(0, 1 - classes.reduce((sum, { share }) => sum + share, 0));
  if (left > 1e-9) {
    const values = Math.max(1, Math.min(rows, column.distinct) - column.common.length);
    classes.push({ share: left / values, values });
  }
  return classes;
}

/** Joins classes of about the same share (within a quarter of e) when there are many. */
function bucket(classes: readonly ValueClass[]): readonly ValueClass[] {
  if (classes.length <= CLASSES_MAX) return classes;
  const joined = new Map<number, { rows: number; values: number }>();
  for (const { share, values } of classes) {
    const place = Math.round(Math.log(share) * 4);
    const one = joined.get(place) ?? { rows: 0, values: 0 };
    joined.set(place, { rows: one.rows + share * values, values: one.values + values });
  }
  return [...joined.values()].map(({ rows, values }) => ({ share: rows / values, values }));
}

function expectedDistinct(classes: readonly ValueClass[], rows: number): number {
  return classes.reduce((sum, { share, values }) => sum - values * Math.expm1(-rows * share), 0);
}

/** Share of the rows whose key has to be unique for the combinations to be as many as they are known to be. */
function missingValues(input: BtreeInput, rows: number, classes: readonly ValueClass[]): number {
  if (input.keys.length < 2) return 0;
  const expected = expectedDistinct(classes, rows);
  const known = Math.max(input.distinct ?? 0, ...input.keys.map(({ distinct }) => distinct));
  const least = Math.min(rows, known);
  return least > expected * 1.001 && rows > expected ? (least - expected) / (rows - expected) : 0;
}

/** Values that have `each` rows on average, spread as chance does; of counted values none has no row. */
function spreadRows(
  each: number,
  values: number,
  spread: "counted" | "possible",
): readonly { readonly values: number; readonly rows: number }[] {
  if (each > SPREAD_ROWS) return [{ values, rows: each }];
  if (spread === "counted" && each <= 1.000_001) return [{ values: values * each, rows: 1 }];
  const lambda = spread === "counted" ? truncatedMean(each) : each;
  const scale = spread === "counted" ? 1 / -Math.expm1(-lambda) : 1;
  const last = Math.ceil(lambda + 8 * Math.sqrt(lambda) + 6);
  // Neighbouring numbers of rows are taken together where there are many.
  const step = Math.max(1, Math.floor(Math.sqrt(lambda) / 2));
  const groups: { readonly values: number; readonly rows: number }[] = [];
  let chance = Math.exp(-lambda) * scale;
  for (let rows = 1; rows <= last; rows += step) {
    let [together, weighted] = [0, 0];
    for (let one = rows; one < rows + step; one += 1) {
      chance *= lambda / one;
      together += chance;
      weighted += chance * one;
    }
    if (together * values > RARE) {
      groups.push({ values: together * values, rows: step === 1 ? rows : weighted / together });
    }
  }
  return groups;
}

/** The parameter of a Poisson distribution without zero that has this mean. */
function truncatedMean(wanted: number): number {
  let lambda = wanted - 1;
  for (let step = 0; step < 80; step += 1) lambda = wanted * -Math.expm1(-lambda);
  return lambda;
}

/** Inner pages hold only as many columns as tell neighbouring leaves apart; when none does, the row's address as well. */
function pivotSize(input: BtreeInput, rows: number, leaves: number): number {
  let distinct = 1;
  for (const [position, column] of input.keys.entries()) {
    distinct *= Math.max(1, Math.min(rows, column.distinct));
    if (distinct >= leaves * 2) return align8(mean(tupleSizes(input.keys.slice(0, position + 1))));
  }
  return align8(mean(tupleSizes(input.keys))) + (distinct >= leaves ? 0 : 8);
}

function aboveLeaves(leaves: number, pivot: number): BtreeSize {
  const fan = innerFan(pivot);
  let pages = 1 + leaves;
  let height = 0;
  for (let level = leaves; level > 1; height += 1) {
    level = Math.ceil(level / fan);
    pages += level;
  }
  return { pages, height };
}

function innerFan(pivot: number): number {
  const space = PAGE_SPACE - Math.floor((PAGE_BYTES * (100 - INNER_FILL)) / 100);
  return Math.max(2, Math.floor(space / (pivot + LINE_POINTER)));
}

function mean(sizes: Sizes): number {
  const shares = sizes.reduce((sum, [, share]) => sum + share, 0);
  return shares > 0 ? sizes.reduce((sum, [size, share]) => sum + size * share, 0) / shares : 0;
}
