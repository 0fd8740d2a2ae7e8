/** What the size of an index needs to know of a column or an expression, from the snapshot's statistics and the clone's own types. */
import { loadModule, parseSync } from "libpg-query";
import { quoteName } from "../../../core/index-definition.ts";
import type { Query } from "../../../core/planner.ts";
import type { ColumnStatistics } from "../snapshot/snapshot.ts";
import type { KeyColumn } from "./btree-size.ts";
import type { IndexColumn } from "./index-facts.ts";

/** Statistics of a table's column. */
export type StatisticsOf = (column: string) => ColumnStatistics | undefined;

export interface ColumnContext {
  readonly query: Query;
  readonly statisticsOf: StatisticsOf;
  /** Type of a column of the table, without modifiers. */
  readonly typeOf: (column: string) => string | undefined;
  /** Of the whole table. */
  readonly rows: number;
  /** What the planner takes for the width of an expression that it knows nothing of. */
  readonly widthOf: (expression: string) => Promise<number>;
}

/** Without statistics: plancat.c and selfuncs.c take 200 different values for granted. */
const DISTINCT_UNKNOWN = 200;

export async function keyColumnOf(column: IndexColumn, context: ColumnContext): Promise<KeyColumn> {
  const { length, alignment, definition } = column;
  const variable = length === -1;
  const own = column.column === undefined ? undefined : context.statisticsOf(column.column);
  const measured = await measure(column, own, context);
  const fixed = variable ? undefined : ([[Math.max(1, length), 1]] as const);
  const sizes = fixed ?? measured?.sizes ?? [[await context.widthOf(definition), 1] as const];
  if (own !== undefined) {
    return {
      sizes: fixed ?? scaleTo(sizes, own.averageWidth),
      alignment,
      variable,
      nullShare: own.nullFraction,
      distinct: distinctOf(own, context.rows),
      common: numbersOf(own.mostCommonShares),
    };
  }
  return {
    sizes,
    alignment,
    variable,
    nullShare: measured?.nullShare ?? 0,
    distinct:
      measured?.distinct ??
      (column.column === undefined ? context.rows : Math.min(DISTINCT_UNKNOWN, context.rows)),
    common: measured?.common ?? [],
  };
}

/** analyze.c: 300 rows for each unit of the statistics target, which is 100 unless somebody changed it. */
const SAMPLE_ROWS = 30_000;
/** Values outside the most common ones that the sample met more than once are taken to have been met so often. */
const SEEN_AGAIN = 4;

/** Distinct values that are not null, in a table of so many rows. */
function distinctOf(statistics: ColumnStatistics, rows: number): number {
  const { distinct } = statistics;
  if (distinct === 0) return Math.min(DISTINCT_UNKNOWN, rows);
  const stated = distinct < 0 ? -distinct * rows : distinct;
  return Math.max(stated, distinctBeside(statistics, stated, rows));
}

/**
 * ANALYZE estimates over all values at once, and is far too low where a few common values stand beside unique ones. The
 * common ones are known: how many values the sample met once follows from the estimate, and the estimate (of Haas and
 * Stokes) is made again over what is not common.
 */
function distinctBeside(statistics: ColumnStatistics, stated: number, rows: number): number {
  const common = numbersOf(statistics.mostCommonShares);
  if (common.length === 0 || rows <= SAMPLE_ROWS) return 0;
  const share = 1 - statistics.nullFraction - common.reduce((sum, each) => sum + each, 0);
  const [sampled, whole] = [SAMPLE_ROWS * share, rows * share];
  if (sampled < 1) return 0;
  const unseen = 1 - SAMPLE_ROWS / rows;
  const once = Math.min(
    sampled,
    (SAMPLE_ROWS * (stated - common.length - sampled / SEEN_AGAIN)) /
      (SAMPLE_ROWS * (1 - 1 / SEEN_AGAIN) + stated * unseen),
  );
  if (once <= 0) return 0;
  const met = once + (sampled - once) / SEEN_AGAIN;
  return common.length + (sampled * met) / (sampled - once + (once * sampled) / whole);
}

/** PostgreSQL's notation of an array of numbers. */
export function numbersOf(array: string | null): readonly number[] {
  if (array === null || array.length < 3) return [];
  return array.slice(1, -1).split(",").map(Number);
}

interface Measured {
  readonly sizes: readonly (readonly [number, number])[];
  readonly nullShare: number;
  readonly distinct: number;
  readonly common: readonly number[];
}

/** Statistics hold most common values and evenly spread others: a weighted sample, on which the clone evaluates the key. */
async function measure(
  column: IndexColumn,
  own: ColumnStatistics | undefined,
  context: ColumnContext,
): Promise<Measured | undefined> {
  if (column.column !== undefined && column.length !== -1) return undefined;
  const base = column.column ?? (await onlyColumnOf(column.definition));
  const statistics = own ?? (base === undefined ? undefined : context.statisticsOf(base));
  const type = base === undefined ? undefined : context.typeOf(base);
  if (base === undefined || statistics === undefined || type === undefined) return undefined;
  const groups = await evaluate(column, base, type, statistics, context.query);
  return groups === undefined ? undefined : summarise(groups, statistics, context.rows);
}

/** The column that an expression is of; undefined when it is of several or none. */
export async function onlyColumnOf(expression: string): Promise<string | undefined> {
  await loadModule();
  const names = new Set<string>();
  try {
    collectColumns(parseSync(`SELECT ${expression}`), names);
  } catch {
    return undefined;
  }
  const [name, ...others] = names;
  return others.length === 0 ? name : undefined;
}

function collectColumns(node: unknown, names: Set<string>): void {
  if (Array.isArray(node)) {
    for (const each of node) collectColumns(each, names);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  for (const [kind, value] of Object.entries(node)) {
    if (kind === "ColumnRef") names.add(lastName(value));
    else collectColumns(value, names);
  }
}

function lastName(reference: unknown): string {
  const found = [...JSON.stringify(reference).matchAll(/"sval":("(?:[^"\\]|\\.)*")/g)].at(-1)?.[1];
  return found === undefined ? "" : String(JSON.parse(found));
}

/** One value of the key in the sample. */
interface Group {
  /** Share of the rows. */
  readonly share: number;
  /** How many values of the sample gave it. */
  readonly seen: number;
  /** As it is stored; undefined for null. */
  readonly bytes: number | undefined;
  /** Of a number, or of a time in seconds. */
  readonly position: number | undefined;
}

/** Types whose values lie on a line. */
const TIMES = new Set(["date", "timestamp without time zone", "timestamp with time zone"]);
const NUMBERS = new Set(["smallint", "integer", "bigint", "numeric", "real", "double precision"]);

async function evaluate(
  { definition, type: keyType }: IndexColumn,
  base: string,
  type: string,
  statistics: ColumnStatistics,
  query: Query,
): Promise<readonly Group[] | undefined> {
  const { mostCommonValues, mostCommonShares, histogram } = statistics;
  if (mostCommonValues === null && histogram === null) return undefined;
  const shares = numbersOf(mostCommonShares);
  const rest = Math.max(
    0,
    1 - statistics.nullFraction - shares.reduce((sum, each) => sum + each, 0),
  );
  const position = TIMES.has(keyType)
    ? "extract(epoch FROM min(key))::float8"
    : NUMBERS.has(keyType)
      ? "min(key)::float8"
      : "NULL::float8";
  try {
    // A row packs its values as tables and indexes do, after 24 bytes of its own.
    const rows = await query(
      `WITH value AS (
         SELECT v::${type} AS ${quoteName(base)}, share::float8 AS share FROM unnest($1::text[], $2::float8[]) AS m(v, share)
         UNION ALL SELECT v::${type}, $4::float8 / array_length($3::text[], 1) FROM unnest($3::text[]) AS h(v)
       ), key AS (SELECT (${definition}) AS key, share FROM value)
       SELECT sum(share)::float8 AS share, count(*)::int AS seen, max(pg_column_size(row(key)) - 24) FILTER (WHERE key IS NOT NULL) AS bytes, ${position} AS position
       FROM key GROUP BY key::text`,
      [mostCommonValues, mostCommonShares, histogram, rest],
    );
    return rows.map((row) => ({
      share: Number(row["share"]),
      seen: Number(row["seen"]),
      bytes: row["bytes"] === null ? undefined : Number(row["bytes"]),
      position: row["position"] === null ? undefined : Number(row["position"]),
    }));
  } catch {
    // A value that the clone's type does not take, or an expression that fails on one: there is no sample then.
    return undefined;
  }
}

function summarise(groups: readonly Group[], statistics: ColumnStatistics, rows: number): Measured {
  const values = groups.filter(({ bytes }) => bytes !== undefined);
  const total = values.reduce((sum, { share }) => sum + share, 0);
  const sizes = new Map<number, number>();
  for (const { bytes, share } of values) {
    if (bytes !== undefined) sizes.set(bytes, (sizes.get(bytes) ?? 0) + share / total);
  }
  const nulls = groups.find(({ bytes }) => bytes === undefined)?.share ?? 0;
  // Haas and Stokes' estimate, as ANALYZE makes it from its own sample; no more than the column itself has.
  const seen = values.reduce((sum, group) => sum + group.seen, 0);
  const once = values.filter((group) => group.seen === 1).length;
  const whole = Math.max(seen, rows * (1 - statistics.nullFraction));
  const estimate = (seen * values.length) / (seen - once + (once * seen) / whole);
  return {
    sizes: [...sizes],
    nullShare: Math.min(1, statistics.nullFraction + nulls),
    distinct: Math.max(
      values.length,
      Math.min(distinctOf(statistics, rows), estimate, stepsBetween(values)),
    ),
    common: values.filter((group) => group.seen > 1).map(({ share }) => share),
  };
}

/** Days, hours or whole numbers: how many steps of their greatest common size lie between the least and the greatest value. */
function stepsBetween(values: readonly Group[]): number {
  const positions = values
    .flatMap(({ position }) => (position === undefined ? [] : [position]))
    .toSorted((a, b) => a - b);
  const [first] = positions;
  const last = positions.at(-1);
  if (first === undefined || last === undefined || positions.length < values.length)
    return Infinity;
  if (positions.some((each) => !Number.isSafeInteger(each))) return Infinity;
  const step = positions.reduce((common, each) => divisor(common, each - first), 0);
  return step === 0 ? 1 : (last - first) / step + 1;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** The statistics' mean width is of all values, the sample's of a few: a difference is taken for a different mean of the same spread. */
function scaleTo(
  sizes: readonly (readonly [number, number])[],
  averageWidth: number,
): readonly (readonly [number, number])[] {
  const mean = sizes.reduce((sum, [bytes, share]) => sum + bytes * share, 0);
  const difference = averageWidth - mean;
  if (Math.abs(difference) <= 2 || Math.abs(difference) < 0.05 * averageWidth) return sizes;
  return sizes.map(
    ([bytes, share]) => [Math.max(1, Math.round(bytes + difference)), share] as const,
  );
}
