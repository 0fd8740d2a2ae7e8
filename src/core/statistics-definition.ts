/** Extended statistics as data: what PostgreSQL is to learn of several columns together, its SQL and its name. */
import { qualifiedName, quoteName, shortName } from "./index-definition.ts";

export const statisticsKinds = ["ndistinct", "dependencies", "mcv"] as const;
export type StatisticsKind = (typeof statisticsKinds)[number];

/** In force after an ANALYZE of the table. */
export interface StatisticsDefinition {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** Empty: all kinds; empty, too, for a single expression, which has statistics of its own. */
  readonly kinds: readonly StatisticsKind[];
  /** Unquoted names of columns. */
  readonly columns: readonly string[];
  /** SQL that PostgreSQL's grammar has read and that names columns without their table; from PostgreSQL 14 on. */
  readonly expressions?: readonly string[];
}

/** One statement without a semicolon. */
export function createStatisticsSql(statistics: StatisticsDefinition): string {
  const { schema, table, name, kinds } = statistics;
  const kindList = kinds.length === 0 ? "" : ` (${kinds.join(", ")})`;
  return `CREATE STATISTICS ${qualifiedName(schema, name)}${kindList} ON ${statisticsTerms(statistics)} FROM ${qualifiedName(schema, table)}`;
}

/** For people: `runs (status, lifecycle_stage)`. */
export function describeStatistics(statistics: Omit<StatisticsDefinition, "name">): string {
  const terms = statisticsTerms(statistics).replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1");
  return `${statistics.table} (${terms})`;
}

/** `perfopt_<table>_<columns>_stats`. */
export function statisticsName({
  table,
  columns,
  expressions = [],
}: Omit<StatisticsDefinition, "name">): string {
  const terms = [...columns, ...expressions.map((_, index) => `expr${index + 1}`)];
  return shortName(`perfopt_${table}_${terms.join("_")}_stats`);
}

function statisticsTerms({
  columns,
  expressions = [],
}: Pick<StatisticsDefinition, "columns" | "expressions">): string {
  return [...columns.map(quoteName), ...expressions.map((each) => `(${each})`)].join(", ");
}
