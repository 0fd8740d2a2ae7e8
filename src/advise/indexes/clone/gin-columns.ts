/** How many entries of a GIN index a column's rows have, from element statistics or from the values that statistics hold. */
import { quoteName } from "../../../core/index-definition.ts";
import { numbersOf, onlyColumnOf, type ColumnContext } from "./columns.ts";
import type { IndexColumn } from "./index-facts.ts";
import type { GinColumn } from "./other-sizes.ts";

/** Where nothing is known of the values. */
const UNKNOWN: Omit<GinColumn, "distinct"> = { perRow: 8, bytes: 16, common: [] };

export async function ginColumnOf(column: IndexColumn, context: ColumnContext): Promise<GinColumn> {
  const statistics = column.column === undefined ? undefined : context.statisticsOf(column.column);
  const shares = numbersOf(statistics?.mostCommonElementShares ?? null);
  const counts = numbersOf(statistics?.elementCountHistogram ?? null);
  if (statistics !== undefined && shares.length > 0) {
    // pg_statistic.h: the shares of elements are followed by their least, their greatest and, for arrays, that of null.
    const common = shares.slice(0, elementsIn(statistics.mostCommonElements));
    const perRow =
      counts.at(-1) ??
      Math.max(
        1,
        common.reduce((sum, each) => sum + each, 0),
      );
    const rest = Math.max(0, perRow - common.reduce((sum, each) => sum + each, 0));
    const least = common.at(-1) ?? 1;
    return {
      perRow,
      distinct: common.length + Math.ceil(rest / Math.max(least / 2, 1 / context.rows)),
      bytes: UNKNOWN.bytes,
      common,
    };
  }
  return (await sampled(column, context)) ?? { ...UNKNOWN, distinct: context.rows };
}

function elementsIn(array: string | null): number {
  if (array === null) return 0;
  return [...array.slice(1, -1).matchAll(/"(?:[^"\\]|\\.)*"|[^,]+/g)].length;
}

/** Scalars with the keys that they stand under. */
const JSON_PAIRS = `jsonb_path_query(key, '$.** ? (@.type() == "object").keyvalue() ? (@.value.type() != "object" && @.value.type() != "array")') AS pair`;
/** jsonb_path_ops keeps a hash of each. */
const HASH_BYTES = 4;

/** Entries of `key` as SQL gives them: of the operator class where a function shows them, else of the type. */
function entriesSql({ type, operators }: IndexColumn): string | undefined {
  if (operators === "gin_trgm_ops") return "SELECT unnest(show_trgm(key::text)) AS entry";
  if (operators === "jsonb_path_ops")
    return `SELECT (pair - 'id')::text AS entry FROM ${JSON_PAIRS}`;
  if (type === "jsonb") {
    return `SELECT unnest(ARRAY[pair ->> 'key', pair ->> 'value']) AS entry FROM ${JSON_PAIRS}`;
  }
  if (type === "tsvector") return "SELECT unnest(tsvector_to_array(key)) AS entry";
  return type.endsWith("[]") ? "SELECT unnest(key)::text AS entry" : undefined;
}

async function sampled(
  column: IndexColumn,
  context: ColumnContext,
): Promise<GinColumn | undefined> {
  const base = column.column ?? (await onlyColumnOf(column.definition));
  const statistics = base === undefined ? undefined : context.statisticsOf(base);
  const type = base === undefined ? undefined : context.typeOf(base);
  const values = statistics?.histogram ?? statistics?.mostCommonValues ?? null;
  const entries = entriesSql(column);
  if (base === undefined || type === undefined || entries === undefined || values === null) {
    return undefined;
  }
  try {
    const rows = await context.query(
      `WITH value AS (SELECT ordinality AS row, v::${type} AS ${quoteName(base)} FROM unnest($1::text[]) WITH ORDINALITY AS u(v)),
            key AS (SELECT row, (${column.definition}) AS key FROM value),
            entry AS (SELECT DISTINCT row, entry FROM key, LATERAL (${entries}) AS e)
       SELECT count(*)::int AS seen, avg(octet_length(entry))::float8 AS bytes, (SELECT count(*)::int FROM value) AS rows FROM entry GROUP BY entry`,
      [values],
    );
    const hashed = column.operators === "jsonb_path_ops";
    return summarise(
      rows.map((row) => ({
        seen: Number(row["seen"]),
        bytes: hashed ? HASH_BYTES : Number(row["bytes"]),
      })),
      Number(rows[0]?.["rows"] ?? 0),
      context.rows,
    );
  } catch {
    // The clone cannot show the entries of this type.
    return undefined;
  }
}

function summarise(
  entries: readonly { readonly seen: number; readonly bytes: number }[],
  sample: number,
  rows: number,
): GinColumn | undefined {
  if (sample === 0 || entries.length === 0) return undefined;
  const occurrences = entries.reduce((sum, { seen }) => sum + seen, 0);
  const once = entries.filter(({ seen }) => seen === 1).length;
  const perRow = occurrences / sample;
  const whole = perRow * rows;
  return {
    perRow,
    // The estimator of Charikar and others (PODS 2000), whose error is the least possible in the worst case.
    distinct: entries.length - once + once * Math.sqrt(Math.max(1, whole / occurrences)),
    bytes: entries.reduce((sum, { bytes, seen }) => sum + bytes * seen, 0) / occurrences,
    common: entries
      .filter(({ seen }) => seen > 1)
      .map(({ seen }) => seen / sample)
      .toSorted((a, b) => b - a),
  };
}
