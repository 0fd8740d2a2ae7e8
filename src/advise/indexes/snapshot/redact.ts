/** Takes values out of a snapshot's statistics: what is left says how many and how wide, not what. */
import type { ColumnStatistics, Snapshot } from "./snapshot.ts";
import { baseType, type TypeNames } from "./types.ts";

/** From weak to strong. */
const STRENGTH = [
  "nothing",
  "text",
  "all values",
] as const satisfies readonly Snapshot["redacted"][];

/** Numbers and times: kept when only text is taken out. Everything else may hold anything. */
const NUMBERS_AND_TIMES: ReadonlySet<string> = new Set([
  "smallint",
  "integer",
  "bigint",
  "numeric",
  "real",
  "double precision",
  "money",
  "oid",
  "date",
  "time without time zone",
  "time with time zone",
  "timestamp without time zone",
  "timestamp with time zone",
  "interval",
  "int4range",
  "int8range",
  "numrange",
  "daterange",
  "tsrange",
  "tstzrange",
  "int4multirange",
  "int8multirange",
  "nummultirange",
  "datemultirange",
  "tsmultirange",
  "tstzmultirange",
]);

/** Never weaker than it was. What a boolean or an enum can hold stands in the schema, so their values stay. */
export function redactSnapshot(snapshot: Snapshot, redact: Snapshot["redacted"]): Snapshot {
  const already = STRENGTH.indexOf(snapshot.redacted);
  const wanted = STRENGTH.indexOf(redact);
  if (wanted <= already) return snapshot;
  const keeps = keeperOf(snapshot, redact);
  return {
    ...snapshot,
    redacted: redact,
    columns: snapshot.columns.map((column) => (keeps(column) ? column : withoutValues(column))),
    extendedStatistics: snapshot.extendedStatistics.map((each) => {
      const [schema, table] = namesIn(each.table);
      const kept =
        !each.expressions && each.columns.every((column) => keeps({ schema, table, column }));
      return kept
        ? each
        : { ...each, data: each.data.map((data) => ({ ...data, mostCommon: null })) };
    }),
    caveats: [
      ...snapshot.caveats,
      `values of ${redact === "text" ? "columns that hold text and its like" : "all columns"} were taken out of the statistics: plans of statements with conditions on them are less certain`,
      "definitions (predicates, partition bounds, checks, views, functions) are as they were written, with the constants in them",
    ],
  };
}

type ColumnName = Pick<ColumnStatistics, "schema" | "table" | "column">;

/** Tells whether the values of a column, or of an index's expression, may stay. What is not known may not. */
function keeperOf(
  snapshot: Snapshot,
  redact: Snapshot["redacted"],
): (column: ColumnName) => boolean {
  const types: TypeNames = new Map(snapshot.types.map((type) => [type.name, type]));
  const ofColumn = new Map<string, string>();
  for (const { schema, name, columns } of snapshot.tables) {
    for (const column of columns) {
      ofColumn.set(JSON.stringify([schema, name, column.name]), column.type);
    }
  }
  for (const { schema, name, keys } of snapshot.indexes) {
    for (const { attribute, type } of keys) {
      if (type !== null) ofColumn.set(JSON.stringify([schema, name, attribute]), type);
    }
  }
  return ({ schema, table, column }) => {
    const type = ofColumn.get(JSON.stringify([schema, table, column]));
    if (type === undefined) return false;
    const base = baseType(type, types);
    if (base === "boolean" || types.get(base)?.kind === "enum") return true;
    return redact === "text" && NUMBERS_AND_TIMES.has(base);
  };
}

function withoutValues(column: ColumnStatistics): ColumnStatistics {
  return {
    ...column,
    mostCommonValues: null,
    mostCommonShares: null,
    histogram: null,
    mostCommonElements: null,
    mostCommonElementShares: null,
    elementCountHistogram: null,
    rangeLengthHistogram: null,
    rangeEmptyShare: null,
    rangeBoundsHistogram: null,
  };
}

/** Of `"schema"."table"`. */
function namesIn(qualified: string): readonly [schema: string, table: string] {
  const [schema = "", table = ""] = [...qualified.matchAll(/"((?:[^"]|"")*)"/g)].map((match) =>
    (match[1] ?? "").replaceAll('""', '"'),
  );
  return [schema, table];
}
