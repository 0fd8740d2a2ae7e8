/** The advised indexes as migration files: up builds each beside writers and proves it valid, down takes them back in reverse. */
import type { IndexAdvice, SelectedIndex } from "../../core/advice.ts";
import {
  describeIndex,
  qualifiedName,
  quoteText,
  type IndexDefinition,
} from "../../core/index-definition.ts";
import { indexSteps, type IndexStep } from "../../core/partitioned-index.ts";
import { formatBytes, formatDuration } from "../../core/units.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { shortened } from "../outputs/document.ts";
import {
  costChange,
  factorChange,
  formatCost,
  formatPercent,
  measuredChange,
  sizesFrom,
} from "./words.ts";

export interface MigrationSql {
  readonly up: string;
  readonly down: string;
}

const COMMENT_WIDTH = 100;
const STATEMENTS_NAMED = 5;
/** For statements that lock a table for a moment: they fail soon, can be repeated, and leave nothing. */
const SHORT_LOCK_TIMEOUT = "SET lock_timeout = '2s';";
const NO_LOCK_TIMEOUT = "SET lock_timeout = 0;";
/** A build that takes ten times as long as expected is stuck. */
const BUILD_TIMEOUT_LEAST_MS = 30 * 60_000;
const BUILD_TIMEOUT_FACTOR = 10;

export function adviceSql(advice: IndexAdvice): MigrationSql {
  const { selected } = advice;
  return {
    up: text([
      ...heading(advice),
      ...BEFORE_UP,
      ...selected.flatMap((each, position) => ["", ...upOf(each, position, advice)]),
      "",
      "RESET statement_timeout;",
      "RESET lock_timeout;",
    ]),
    down: text([
      ...comment(
        `Takes back what perfopt advised for ${advice.workload.source}: ${countOf(selected.length, "index", "indexes")}, the last one first.`,
      ),
      ...OUTSIDE_TRANSACTION,
      ...selected.toReversed().flatMap((each) => ["", ...downOf(each)]),
      "",
      "RESET lock_timeout;",
    ]),
  };
}

function heading(advice: IndexAdvice): readonly string[] {
  const { totals, verification, selected, workload, engine } = advice;
  const proven =
    verification?.total === undefined
      ? "Not measured: these are the planner's costs."
      : `Measured in a copy: the workload's time ${measuredChange(verification.total)}.`;
  return [
    ...comment(
      `${countOf(selected.length, "index", "indexes")} that perfopt advises for ${workload.source}, ${formatBytes(totals.bytes)} (${sizesFrom(advice)}): the workload's cost ${factorChange(totals.relativeCost)}, estimated by the planner of PostgreSQL ${engine.engineVersion}. ${proven}`,
    ),
    ...OUTSIDE_TRANSACTION,
  ];
}

const OUTSIDE_TRANSACTION: readonly string[] = [
  "--",
  ...comment(
    'Run the statements one by one, outside a transaction: CONCURRENTLY is refused inside one. With psql: psql -X -v ON_ERROR_STOP=1 -f FILE (without -1). Tools that wrap a migration in a transaction have a switch: Rails disable_ddl_transaction!, Django atomic = False, Alembic autocommit_block(), Flyway executeInTransaction=false, Liquibase runInTransaction="false", goose +goose NO TRANSACTION, dbmate transaction:false, Knex config.transaction = false, sqlx -- no-transaction; where there is none, one statement a file.',
  ),
];

const BEFORE_UP: readonly string[] = [
  "--",
  ...comment(
    "lock_timeout is 0 on purpose: a concurrent build waits for transactions that are older than itself, and a short lock_timeout ends it in the middle and leaves an invalid index, which every write pays for and no read uses. Look for old transactions first: SELECT pid, now() - xact_start AS age, state, left(query, 60) FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute' ORDER BY xact_start;",
  ),
  ...comment(
    "IF NOT EXISTS is left out on purpose: it takes an invalid index of the same name for success. After each build a statement divides by zero unless the index is valid: then run its DROP of the down file, and repeat.",
  ),
];

function upOf(each: SelectedIndex, position: number, advice: IndexAdvice): readonly string[] {
  const { index, partitions, build } = each;
  const timeoutMs = Math.max(BUILD_TIMEOUT_LEAST_MS, BUILD_TIMEOUT_FACTOR * (build.ms ?? 0));
  const steps =
    partitions === undefined
      ? indexSteps(index, {
          schema: index.schema,
          table: index.table,
          partitioned: false,
          partitions: [],
        })
      : indexSteps(index, partitions);
  return [
    ...comment(`${position + 1}. ${describeIndex(index)}`),
    ...why(each, advice),
    ...(partitions?.partitioned
      ? comment(
          "Partition by partition. Where lock_timeout is 2s a statement locks for a moment only: if it does not get the lock in time, repeat it, and go on from there.",
        )
      : []),
    `SET statement_timeout = '${Math.ceil(timeoutMs / 60_000)}min';`,
    ...steps.flatMap(stepSql),
    ...(partitions?.partitioned ? [validSql(index)] : []),
    ...(index.columns.some(({ expression }) => expression !== undefined)
      ? [
          ...comment("Statistics on the expression exist from the next ANALYZE on."),
          `ANALYZE ${qualifiedName(index.schema, index.table)};`,
        ]
      : []),
  ];
}

function stepSql(step: IndexStep): readonly string[] {
  if (step.kind !== "leaf") return [SHORT_LOCK_TIMEOUT, `${step.sql};`];
  return [NO_LOCK_TIMEOUT, `${step.sql};`, validSql(step.index)];
}

/** No block and no function, which tools that split files at semicolons would cut. */
function validSql({ schema, name }: IndexDefinition): string {
  const literal = quoteText(qualifiedName(schema, name));
  return `SELECT 1 / count(*) AS valid FROM pg_index WHERE indexrelid = ${literal}::regclass AND indisvalid AND indisready;`;
}

function why(each: SelectedIndex, advice: IndexAdvice): readonly string[] {
  const { statements } = advice;
  const { bytes, build, gaining, losing, because, writes, index } = each;
  const time = build.ms === undefined ? "" : `, about ${formatDuration(build.ms)} to build`;
  const trigrams = index.columns.some(({ operators }) => operators?.includes("trgm"));
  return [
    ...comment(sentence(because)),
    ...comment(
      `${formatBytes(bytes)} (${sizesFrom(advice)})${time}, ${formatPercent(writes.percent)} of the workload's cost to keep up (estimated).`,
    ),
    ...gaining.slice(0, STATEMENTS_NAMED).flatMap(({ id, costBefore, costAfter }) => {
      const sql = statements.find((statement) => statement.id === id)?.sql ?? "";
      return comment(
        `Cheaper: ${id}, cost ${formatCost(costBefore)} to ${formatCost(costAfter)} (${costChange(costBefore, costAfter)}): ${shortened(sql, 160)}`,
      );
    }),
    ...(gaining.length > STATEMENTS_NAMED
      ? comment(`and ${countOf(gaining.length - STATEMENTS_NAMED, "more statement")}.`)
      : []),
    ...losing.flatMap(({ id, costBefore, costAfter }) =>
      comment(`Dearer: ${id}, cost ${formatCost(costBefore)} to ${formatCost(costAfter)}.`),
    ),
    ...(trigrams ? comment("Needs the extension pg_trgm.") : []),
  ];
}

function downOf({ index, partitions }: SelectedIndex): readonly string[] {
  if (!partitions?.partitioned) return [NO_LOCK_TIMEOUT, dropSql(index, "CONCURRENTLY ")];
  // The index of the table takes those attached to it along; others are what a build that stopped half way left.
  const parts = indexSteps(index, partitions)
    .filter((step) => step.kind !== "attach")
    .slice(1);
  return [
    ...comment(
      "Locks the table and its partitions for a moment; repeat it if it does not get the lock in time.",
    ),
    SHORT_LOCK_TIMEOUT,
    dropSql(index, ""),
    ...comment("Left over only where a build stopped half way:"),
    NO_LOCK_TIMEOUT,
    ...parts.map((step) => dropSql(step.index, step.kind === "leaf" ? "CONCURRENTLY " : "")),
  ];
}

function dropSql({ schema, name }: IndexDefinition, concurrently: "" | "CONCURRENTLY "): string {
  return `DROP INDEX ${concurrently}IF EXISTS ${qualifiedName(schema, name)};`;
}

/** Text of anybody as comment lines, broken between words: nothing of it is ever outside of the comment. */
function comment(words: string): readonly string[] {
  const lines: string[] = [];
  let line = "--";
  for (const word of shortened(words, 2_000).split(" ")) {
    if (line.length + 1 + word.length > COMMENT_WIDTH && line !== "--") {
      lines.push(line);
      line = "--";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
