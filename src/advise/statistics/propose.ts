/** From wrong estimates to extended statistics that may mend them, and what is said of those that none can mend. */
import {
  createStatisticsSql,
  describeStatistics,
  statisticsName,
  type StatisticsDefinition,
  type StatisticsKind,
} from "../../core/statistics-definition.ts";
import { qualifiedName, quoteName } from "../../core/index-definition.ts";
import { significant } from "../../core/units.ts";
import { findTable, type Catalog, type TableInfo } from "../indexes/catalog.ts";
import { findingBounds } from "../indexes/findings/input.ts";
import { counted } from "../indexes/findings/words.ts";
import { equalityKinds, isListTooShort } from "./kinds.ts";
import type { Cause, Misestimate } from "./misestimates.ts";

export interface ProposedStatistics {
  readonly statistics: StatisticsDefinition;
  /** The worst of what it is for. */
  readonly misestimate: Misestimate;
  /** All that it is for. */
  readonly statements: readonly string[];
  /** What was expected and what came, one sentence. */
  readonly because: string;
}

export interface StatisticsAdvice {
  /** What matters most first: by the error's size and the statement's share. */
  readonly proposed: readonly ProposedStatistics[];
  /** Wrong estimates that extended statistics do not mend, each with what would, or why nothing does. */
  readonly remarks: readonly StatisticsRemark[];
}

export interface StatisticsRemark {
  readonly statement: string;
  /** `schema.table`, where it is about one. */
  readonly table?: string;
  readonly detail: string;
  /** What a person might run. */
  readonly sql?: string;
}

const PROPOSED_MAX = 4;
const REMARKS_MAX = 8;
/** STATS_MAX_DIMENSIONS of PostgreSQL. */
const TERMS_MAX = 8;
/** Expressions came with PostgreSQL 14. */
const EXPRESSIONS_FROM = 140_000;

type Columns = Extract<Cause, { kind: "columns" }>;

/** `guessed`: ids of statements whose constants were, so that their expressions are not those that will be asked for. */
export function proposeStatistics(
  misestimates: readonly Misestimate[],
  catalog: Catalog,
  guessed: ReadonlySet<string>,
): StatisticsAdvice {
  const proposed = new Map<string, ProposedStatistics>();
  const remarks = new Map<string, StatisticsRemark>();
  for (const each of misestimates.toSorted((a, b) => weightOf(b) - weightOf(a))) {
    const answer = answerTo(each, catalog, guessed);
    if (answer.kind === "remark") {
      const key = `${answer.remark.table ?? each.statement} ${answer.remark.sql ?? answer.remark.detail}`;
      if (!remarks.has(key)) remarks.set(key, answer.remark);
      continue;
    }
    const { statistics } = answer;
    const known = proposed.get(statistics.name);
    proposed.set(statistics.name, {
      statistics: {
        ...statistics,
        kinds: kindsTogether(known?.statistics.kinds ?? [], statistics.kinds),
      },
      misestimate: known?.misestimate ?? each,
      statements: [...new Set([...(known?.statements ?? []), each.statement])],
      because: known?.because ?? becauseOf(each, statistics),
    });
  }
  return {
    proposed: [...proposed.values()].slice(0, PROPOSED_MAX),
    remarks: [...remarks.values()].slice(0, REMARKS_MAX),
  };
}

function weightOf({ factor, share }: Misestimate): number {
  return Math.log10(factor) * Math.max(share, 0.001);
}

type Answer =
  | { readonly kind: "statistics"; readonly statistics: StatisticsDefinition }
  | { readonly kind: "remark"; readonly remark: StatisticsRemark };

function answerTo(
  misestimate: Misestimate,
  catalog: Catalog,
  guessed: ReadonlySet<string>,
): Answer {
  const { cause, statement } = misestimate;
  const remark = (why: string, more: Partial<StatisticsRemark> = {}): Answer => ({
    kind: "remark",
    remark: { statement, detail: `${rowsOf(misestimate)}: ${why}`, ...more },
  });
  if (cause.kind === "join") {
    return remark("the rows of a join, of which PostgreSQL keeps no statistics");
  }
  if (cause.kind === "other") {
    return remark("conditions that extended statistics do not tell about, or of several tables");
  }
  const { schema, table: name, terms } = cause;
  const table = findTable(catalog, schema, name);
  const at = { table: `${schema}.${name}` };
  if (!table) return remark("the table is not in the catalogue that was read", at);
  if (isStale(table)) {
    const sql = `ANALYZE ${qualifiedName(schema, name)};`;
    return remark("the table's statistics are older than much of its data", { ...at, sql });
  }
  const [only, ...more] = terms;
  if (only && more.length === 0 && only.kind === "column") {
    const sql = `ALTER TABLE ${qualifiedName(schema, name)} ALTER COLUMN ${quoteName(only.text)} SET STATISTICS 1000;\nANALYZE ${qualifiedName(schema, name)};`;
    const why = `${only.text} alone, of which a larger sample may tell more than the 100 common values and bounds that are kept by default`;
    return remark(why, { ...at, sql });
  }
  const withExpression = terms.some(({ kind }) => kind === "expression");
  if (withExpression && guessed.has(statement)) {
    return remark(
      "an expression whose constants pg_stat_statements does not keep, so that it is not known which",
      at,
    );
  }
  if (withExpression && catalog.serverVersion < EXPRESSIONS_FROM) {
    return remark("an expression, of which PostgreSQL keeps statistics from version 14 on", at);
  }
  if (terms.length > TERMS_MAX) return remark(`more than ${TERMS_MAX} columns together`, at);
  if (isKnown(table, cause)) {
    return remark("statistics on these columns together are there already", at);
  }
  const statistics = definitionOf(cause, table);
  if (isOfRanges(cause) && isListTooShort(columnsOf(cause, table))) {
    const longer = `ALTER STATISTICS ${qualifiedName(schema, statistics.name)} SET STATISTICS 1000`;
    const sql = `${createStatisticsSql(statistics)};\n${longer};\nANALYZE ${qualifiedName(schema, name)};`;
    const why =
      "ranges, of which only a list of common combinations tells, and these columns have more than it keeps by default; a longer one may hold them";
    return remark(why, { ...at, sql });
  }
  return { kind: "statistics", statistics };
}

function isOfRanges({ terms, of }: Columns): boolean {
  return of === "conditions" && terms.length > 1 && terms.some(({ equal }) => !equal);
}

function columnsOf({ terms }: Columns, table: TableInfo): TableInfo["columns"] {
  const names = new Set(terms.map(({ text }) => text));
  return table.columns.filter(({ name }) => names.has(name));
}

function definitionOf(cause: Columns, table: TableInfo): StatisticsDefinition {
  const texts = (kind: "column" | "expression") =>
    cause.terms
      .filter((term) => term.kind === kind)
      .map(({ text }) => text)
      .toSorted((a, b) => (a < b ? -1 : 1));
  const expressions = texts("expression");
  const definition = {
    schema: cause.schema,
    table: cause.table,
    kinds: kindsFor(cause, table),
    columns: texts("column"),
    ...(expressions.length > 0 ? { expressions } : {}),
  };
  return { ...definition, name: statisticsName(definition) };
}

function kindsFor(cause: Columns, table: TableInfo): readonly StatisticsKind[] {
  const { terms, of } = cause;
  // Of one expression PostgreSQL keeps what it keeps of a column; kinds are for several.
  if (terms.length === 1) return [];
  if (of === "groups") return ["ndistinct"];
  // Dependencies are about equality alone; common combinations tell about ranges too.
  return isOfRanges(cause) ? ["mcv"] : equalityKinds(columnsOf(cause, table));
}

function kindsTogether(
  a: readonly StatisticsKind[],
  b: readonly StatisticsKind[],
): readonly StatisticsKind[] {
  return (["ndistinct", "dependencies", "mcv"] as const).filter(
    (kind) => a.includes(kind) || b.includes(kind),
  );
}

function isKnown(table: TableInfo, { terms }: Columns): boolean {
  const columns = terms.flatMap(({ kind, text }) => (kind === "column" ? [text] : []));
  if (columns.length < terms.length) return false;
  return table.statisticsOn.some((names) => columns.every((name) => names.includes(name)));
}

function isStale({ rows, activity }: TableInfo): boolean {
  if (rows === undefined) return true;
  const changed = activity?.changedSinceAnalyze ?? 0;
  const { rowsLeast, staleShare } = findingBounds;
  return changed >= rowsLeast && changed >= staleShare * Math.max(rows, activity?.liveRows ?? 0);
}

function becauseOf(misestimate: Misestimate, statistics: StatisticsDefinition): string {
  const { cause } = misestimate;
  const how =
    cause.kind === "columns" && cause.of === "groups"
      ? "groups by these columns"
      : "conditions on these columns";
  return `${rowsOf(misestimate)}, by ${how}: ${describeStatistics(statistics)}`;
}

/** `Seq Scan on runs: 12 rows expected and 11,800 came, 983 times as many`. */
function rowsOf({ node, planned, actual, drawn }: Misestimate): string {
  const ratio = actual >= planned ? actual / planned : planned / actual;
  const times = `${significant(ratio)} times ${actual >= planned ? "as many" : "fewer"}`;
  const whose = drawn ? ", with values drawn from statistics" : "";
  return `${node}: ${counted(planned, "row")} expected and ${counted(actual, "row")} came, ${times}${whose}`;
}
