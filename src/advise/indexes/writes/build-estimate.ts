/** How long an index will take to build: extrapolated from small builds on the scratch server of this machine. */
import type { BuildEstimate } from "../../../core/advice.ts";
import type { IndexMethod } from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { TableInfo } from "../catalog.ts";

/** Of this machine, without other load: milliseconds for each row read, and for each comparison-sorted or inserted key. */
export interface BuildSpeed {
  /** Reading a row and forming its key. */
  readonly readMsPerRow: number;
  /** Times rows times log2(rows). */
  readonly sortMsPerComparison: { readonly number: number; readonly text: number };
  /** Reading the table's pages beyond those of the measured rows. */
  readonly pageMs: number;
  /** Said of every estimate. */
  readonly note: string;
}

/** Big enough to last longer than starting a build, small enough to be done at once. */
const ROWS_SMALL = 20_000;
const ROWS_LARGE = 120_000;

/**
 * Builds on a table of random numbers and texts of two sizes. `now` is a clock in milliseconds. The database is scratch, in the
 * locale of the one that is advised: comparing text is as slow as the locale makes it.
 */
export async function measureBuildSpeed(
  connection: PlannerConnection,
  now: () => number,
): Promise<BuildSpeed> {
  await connection.script(
    "SET statement_timeout = '30s'; SET max_parallel_maintenance_workers = 0",
  );
  const small = await measure(connection, now, ROWS_SMALL);
  const large = await measure(connection, now, ROWS_LARGE);
  const read = Math.max(0, large.readMs - small.readMs) / (ROWS_LARGE - ROWS_SMALL);
  const comparison = (smallMs: number, largeMs: number): number =>
    Math.max(0, largeMs - smallMs - read * (ROWS_LARGE - ROWS_SMALL)) /
    (comparisons(ROWS_LARGE) - comparisons(ROWS_SMALL));
  return {
    readMsPerRow: read,
    sortMsPerComparison: {
      number: comparison(small.numberMs, large.numberMs),
      text: comparison(small.textMs, large.textMs),
    },
    pageMs:
      large.pages > small.pages
        ? Math.max(0, large.readMs - small.readMs) / (large.pages - small.pages)
        : 0,
    note: "extrapolated from builds on the scratch server of this machine: another machine, its disks and its load differ",
  };
}

interface Measured {
  readonly readMs: number;
  readonly numberMs: number;
  readonly textMs: number;
  readonly pages: number;
}

async function measure(
  connection: PlannerConnection,
  now: () => number,
  rows: number,
): Promise<Measured> {
  const table = `perfopt_build_${rows}`;
  // The digest scatters the keys alike on every run.
  await connection.script(
    `CREATE UNLOGGED TABLE ${table} AS SELECT hashint4(g) AS number, md5(g::text) AS text FROM generate_series(1, ${rows}) AS g`,
  );
  const timed = async (sql: string): Promise<number> => {
    const before = now();
    await connection.script(sql);
    return now() - before;
  };
  try {
    // The first reading also settles hint bits, which a table in use has settled.
    await connection.script(`SELECT count(number) FROM ${table}`);
    const readMs = await timed(`SELECT count(number) FROM ${table}`);
    const numberMs = await timed(`CREATE INDEX ON ${table} (number)`);
    const textMs = await timed(`CREATE INDEX ON ${table} (text)`);
    const [sizes] = await connection.script(`SELECT pg_relation_size('${table}')::float8 AS bytes`);
    return { readMs, numberMs, textMs, pages: Number(sizes?.[0]?.["bytes"] ?? 0) / PAGE_BYTES };
  } finally {
    await connection.script(`DROP TABLE ${table}`);
  }
}

const PAGE_BYTES = 8_192;

/** Entries of the index: fewer than the table's rows for a partial one. */
export interface BuiltIndex {
  readonly method: IndexMethod;
  readonly rows: number;
  readonly bytes: number;
  /** The first key is text, or an expression of text. */
  readonly text: boolean;
}

/** Sorting and writing an entry beside a B-tree's of a number: builds on 100,000 rows, PostgreSQL 18, the best of four. */
const METHOD_FACTORS: Readonly<Record<Exclude<IndexMethod, "gin">, number>> = {
  btree: 1,
  hash: 1.5,
  gist: 4.4,
  brin: 0.1,
};

/** Of GIN as many keys as its entries have bytes: 2.5 times a B-tree at 25 bytes a row (arrays), 11 at 150 (jsonb), 25 at 210 (trigrams). */
const GIN_FACTOR_PER_BYTE = 0.1;

function methodFactor({ method, rows, bytes }: BuiltIndex): number {
  if (method !== "gin") return METHOD_FACTORS[method];
  return Math.max(1, (GIN_FACTOR_PER_BYTE * bytes) / Math.max(1, rows));
}

/** Reading the whole table, then n log n over the entries. `speed` undefined: nothing was built on this machine. */
export function estimateBuild(
  speed: BuildSpeed | undefined,
  table: Pick<TableInfo, "rows" | "bytes">,
  index: BuiltIndex,
): BuildEstimate {
  const rows = table.rows ?? index.rows;
  const known = { tableBytes: table.bytes, rows };
  if (!speed) return { ...known, ms: undefined };
  const isText = index.text && index.method === "btree";
  const sort = speed.sortMsPerComparison[isText ? "text" : "number"];
  const read = Math.max(rows * speed.readMsPerRow, (table.bytes / PAGE_BYTES) * speed.pageMs);
  const ms = read + comparisons(index.rows) * sort * methodFactor(index);
  return { ...known, ms: Number.isFinite(ms) ? ms : undefined };
}

function comparisons(rows: number): number {
  return rows > 1 ? rows * Math.log2(rows) : 0;
}
