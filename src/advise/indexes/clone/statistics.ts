/** A snapshot's statistics written into the catalogs of a clone, so that its planner sees what the source's planner sees. */
import { qualifiedName, quoteText } from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { Row } from "../../../core/workload.ts";
import type { ColumnStatistics, RelationStatistics, Snapshot } from "../snapshot/snapshot.ts";
import { runAll } from "./run.ts";

/** Returns what could not be loaded. */
export async function loadStatistics(
  connection: PlannerConnection,
  snapshot: Snapshot,
): Promise<readonly string[]> {
  const relations = relationStatements(snapshot.relations);
  const attributes = await readAttributes(connection);
  const columns = snapshot.columns.flatMap((statistics) => {
    const attribute = attributes.get(keyOf(statistics));
    return attribute === undefined ? [] : [{ statistics, attribute }];
  });
  const failures = await runAll(connection, [
    ...relations,
    ...columns.map(({ statistics, attribute }) => insertStatement(statistics, attribute)),
  ]);
  return failures.map(({ index, message }) => {
    const column = columns[index - relations.length]?.statistics;
    const what =
      column === undefined
        ? "sizes of relations"
        : `statistics of ${column.schema}.${column.table}.${column.column}`;
    return `${what} not loaded: ${message}`;
  });
}

function keyOf({ schema, table, column }: ColumnStatistics): string {
  return JSON.stringify([schema, table, column]);
}

const RELATIONS_AT_ONCE = 500;

function relationStatements(relations: readonly RelationStatistics[]): readonly string[] {
  const statements: string[] = [];
  for (let from = 0; from < relations.length; from += RELATIONS_AT_ONCE) {
    const values = relations
      .slice(from, from + RELATIONS_AT_ONCE)
      .map(
        ({ schema, name, pages, rows, allVisible }) =>
          `(${quoteText(qualifiedName(schema, name))}, ${Math.max(0, pages)}::int, ${rows}::real, ${allVisible}::int)`,
      );
    statements.push(
      `UPDATE pg_class SET relpages = s.pages, reltuples = s.rows, relallvisible = s.visible
       FROM (VALUES ${values.join(", ")}) AS s(name, pages, rows, visible) WHERE oid = to_regclass(s.name)`,
    );
  }
  return statements;
}

/** A column in the clone, and the operators with which PostgreSQL gathers its statistics. */
interface Attribute {
  readonly relation: number;
  readonly number: number;
  readonly type: number;
  readonly collation: number;
  readonly equal: number;
  readonly less: number;
  /** Of an array's elements, or the words of a tsvector. */
  readonly elementType: number;
  readonly elementEqual: number;
}

async function readAttributes(
  connection: PlannerConnection,
): Promise<ReadonlyMap<string, Attribute>> {
  const rows = await connection.query(ATTRIBUTES);
  return new Map(
    rows.map((row) => [
      JSON.stringify([row["schema"], row["name"], row["column"]]),
      attributeOf(row),
    ]),
  );
}

function attributeOf(row: Row): Attribute {
  const number = (name: string) => Number(row[name] ?? 0);
  return {
    relation: number("relation"),
    number: number("number"),
    type: number("type"),
    collation: number("collation"),
    equal: number("equal"),
    less: number("less"),
    elementType: number("element"),
    elementEqual: number("element_equal"),
  };
}

/**
 * typcache.c: the operators of the type's default B-tree class, or of the class of what it is stored like (varchar like
 * text, an enum like any enum); equality of the hash class for types without an order. Domains are their base type.
 */
const ATTRIBUTES = `
  WITH RECURSIVE attribute AS (
    SELECT a.attrelid, a.attnum, n.nspname, c.relname, a.attname, a.atttypid, a.attcollation
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'i') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  ), type AS (
    SELECT DISTINCT atttypid AS type, atttypid AS base FROM attribute
    UNION SELECT 'text'::regtype::oid, 'text'::regtype::oid
    UNION SELECT t.typelem, t.typelem FROM attribute JOIN pg_type t ON t.oid = atttypid WHERE t.typelem <> 0 AND t.typlen = -1
    UNION SELECT type, t.typbasetype FROM type JOIN pg_type t ON t.oid = base WHERE t.typtype = 'd'
  ), based AS (
    SELECT type, t.* FROM type JOIN pg_type t ON t.oid = base WHERE t.typtype <> 'd'
  ), class AS (
    SELECT b.type, CASE WHEN b.typcategory = 'A' AND b.typlen = -1 THEN b.typelem WHEN b.oid = 'tsvector'::regtype THEN 'text'::regtype END AS element,
           (SELECT row(o.opcmethod, o.opcfamily, o.opcintype)::text FROM pg_opclass o JOIN pg_type i ON i.oid = o.opcintype
            WHERE o.opcmethod IN (403, 405) AND o.opcdefault AND (
              o.opcintype = b.oid
              OR b.typtype = 'e' AND o.opcintype = 'anyenum'::regtype
              OR b.typtype = 'r' AND o.opcintype = 'anyrange'::regtype
              OR b.typtype = 'm' AND o.opcintype = to_regtype('anymultirange')
              OR b.typtype = 'c' AND o.opcintype = 'record'::regtype
              OR b.typcategory = 'A' AND b.typlen = -1 AND o.opcintype = 'anyarray'::regtype
              OR EXISTS (SELECT FROM pg_cast k WHERE k.castmethod = 'b' AND k.castcontext = 'i' AND k.castsource = b.oid AND k.casttarget = o.opcintype))
            ORDER BY o.opcmethod, o.opcintype = b.oid DESC, i.typispreferred DESC LIMIT 1) AS chosen
    FROM based b
  ), operators AS (
    SELECT c.type, c.element,
           max(p.amopopr) FILTER (WHERE p.amopstrategy = CASE WHEN p.amopmethod = 403 THEN 3 ELSE 1 END) AS equal,
           max(p.amopopr) FILTER (WHERE p.amopmethod = 403 AND p.amopstrategy = 1) AS less
    FROM class c LEFT JOIN pg_opclass o ON o.opcdefault AND row(o.opcmethod, o.opcfamily, o.opcintype)::text = c.chosen
    LEFT JOIN pg_amop p ON p.amopfamily = o.opcfamily AND p.amoplefttype = o.opcintype AND p.amoprighttype = o.opcintype AND p.amoppurpose = 's'
    GROUP BY c.type, c.element
  )
  SELECT a.nspname::text AS schema, a.relname::text AS name, a.attname::text AS "column",
         a.attrelid::int8 AS relation, a.attnum::int AS number, a.atttypid::int8 AS type, a.attcollation::int8 AS collation,
         o.equal::int8 AS equal, o.less::int8 AS less, o.element::int8 AS element, e.equal::int8 AS element_equal
  FROM attribute a JOIN operators o ON o.type = a.atttypid LEFT JOIN operators e ON e.type = o.element`;

/** pg_statistic.h: kinds of slots. */
const MCV = 1;
const HISTOGRAM = 2;
const CORRELATION = 3;
const MCELEM = 4;
const DECHIST = 5;
const RANGE_LENGTH = 6;
const RANGE_BOUNDS = 7;
const SLOTS = 5;
const FLOAT8 = 701;
/** `<` on double precision, as rangetypes_typanalyze.c has it. */
const FLOAT8_LESS = 672;
/** Words of a tsvector are compared under the default collation (ts_typanalyze.c). */
const DEFAULT_COLLATION = 100;

interface Slot {
  readonly kind: number;
  readonly operator: number;
  readonly collation: number;
  /** In PostgreSQL's notation of arrays. */
  readonly numbers: string | null;
  readonly values: string | null;
  readonly valueType: number;
}

const EMPTY: Slot = {
  kind: 0,
  operator: 0,
  collation: 0,
  numbers: null,
  values: null,
  valueType: 0,
};

/** array_in returns the pseudo-type that pg_statistic's columns have; a superuser may write there. */
function insertStatement(statistics: ColumnStatistics, attribute: Attribute): string {
  const slots = slotsOf(statistics, attribute).slice(0, SLOTS);
  while (slots.length < SLOTS) slots.push(EMPTY);
  const { relation, number } = attribute;
  return `INSERT INTO pg_statistic SELECT ${[
    relation,
    number,
    String(statistics.inherited),
    statistics.nullFraction,
    statistics.averageWidth,
    statistics.distinct,
    ...slots.map(({ kind }) => kind),
    ...slots.map(({ operator }) => operator),
    ...slots.map(({ collation }) => collation),
    ...slots.map(({ numbers }) =>
      numbers === null ? "NULL::real[]" : `${quoteText(numbers)}::real[]`,
    ),
    ...slots.map(({ values, valueType }) =>
      values === null ? "NULL" : `array_in(${quoteText(values)}::cstring, ${valueType}, -1)`,
    ),
  ].join(", ")}`;
}

function slotsOf(statistics: ColumnStatistics, attribute: Attribute): Slot[] {
  const { type, collation, equal, less, elementType, elementEqual } = attribute;
  const elementCollation = collation === 0 ? DEFAULT_COLLATION : collation;
  const own = { collation, valueType: type };
  const elements = { collation: elementCollation, operator: elementEqual, valueType: elementType };
  const slots: Slot[] = [
    {
      ...own,
      kind: MCV,
      operator: equal,
      numbers: statistics.mostCommonShares,
      values: statistics.mostCommonValues,
    },
    { ...own, kind: HISTOGRAM, operator: less, numbers: null, values: statistics.histogram },
    {
      ...own,
      kind: CORRELATION,
      operator: less,
      numbers: statistics.correlation === null ? null : `{${statistics.correlation}}`,
      values: null,
    },
    {
      ...elements,
      kind: MCELEM,
      numbers: statistics.mostCommonElementShares,
      values: elementType === 0 ? null : statistics.mostCommonElements,
    },
    { ...elements, kind: DECHIST, numbers: statistics.elementCountHistogram, values: null },
    {
      kind: RANGE_LENGTH,
      operator: FLOAT8_LESS,
      collation: 0,
      numbers: statistics.rangeEmptyShare === null ? null : `{${statistics.rangeEmptyShare}}`,
      values: statistics.rangeLengthHistogram,
      valueType: FLOAT8,
    },
    {
      ...own,
      kind: RANGE_BOUNDS,
      operator: 0,
      collation: 0,
      numbers: null,
      values: statistics.rangeBoundsHistogram,
    },
  ];
  return slots.filter(({ numbers, values }) => numbers !== null || values !== null);
}
