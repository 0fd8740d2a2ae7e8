/** The index advisor: the slowest statements to the indexes that their plans would use, built and costed on a scratch database. */
import { messageOf, PerfoptError } from "../../core/errors.ts";
import type { IndexDefinition } from "../../core/knob.ts";
import type { DatabaseView, ScratchDatabase } from "../../core/observation.ts";
import type { StatementStats } from "../../core/sample.ts";
import { candidatesFor, rejection } from "./candidates.ts";
import type { CandidateLimits, IndexCandidate, RejectedIndex } from "./candidates.ts";
import { readCatalog } from "./catalog.ts";
import { findIndexProblems } from "./findings.ts";
import type { IndexFinding } from "./findings.ts";
import { indexName } from "./name.ts";
import { buildIndex, explain, prepareScratch } from "./scratch.ts";
import { selectIndexes } from "./select.ts";
import type { Selection } from "./select.ts";
import { readWorkload, shortened } from "./workload.ts";
import type { ReadStatement, WriteCount } from "./workload.ts";

export interface AdviceLimits extends CandidateLimits {
  /** The slowest ones are looked at. */
  readonly statementsMax: number;
  /** Of the window's statement time: what an index has to be expected to save. */
  readonly gainLeast: number;
}

export const adviceLimits: AdviceLimits = {
  widthMax: 4,
  candidatesMax: 12,
  rowsLeast: 1_000,
  indexBytesMax: 2 * 1024 ** 3,
  statementsMax: 20,
  gainLeast: 0.01,
};

/** Plain JSON: it is journalled. */
export interface IndexAdvice {
  /** Why nothing could be costed; the findings stand all the same. */
  readonly skipped: string | undefined;
  /** All statements of the window. */
  readonly totalMs: number;
  /** Expected: each statement's time, less the share by which the planner's cost falls. */
  readonly savedMs: number;
  readonly statements: readonly StatementAdvice[];
  /** Best first. */
  readonly selected: readonly SelectedIndex[];
  readonly rejected: readonly RejectedIndex[];
  readonly findings: readonly IndexFinding[];
}

interface StatementAdvice {
  readonly queryId: string;
  readonly sql: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly costBefore: number | undefined;
  readonly costAfter: number | undefined;
  /** Why it is left out, or what about it no B-tree can serve. */
  readonly notes: readonly string[];
}

export interface SelectedIndex {
  readonly index: IndexDefinition;
  readonly sizeBytes: number;
  /** Expected, if it were the only new index. */
  readonly savedAloneMs: number;
  /** The statements whose plan reads it, with all selected indexes in place. */
  readonly statements: readonly {
    readonly queryId: string;
    readonly sql: string;
    readonly calls: number;
    readonly costBefore: number;
    readonly costAfter: number;
  }[];
  readonly writes: WriteCount;
}

/** EXPLAIN (GENERIC_PLAN) plans `$1` without a value. */
const VERSION_LEAST = 160_000;

/** Read-only for the target: what is built is built in the scratch database. */
export async function adviseIndexes(
  database: DatabaseView,
  stats: readonly StatementStats[],
  limits: AdviceLimits = adviceLimits,
): Promise<IndexAdvice> {
  const catalog = await readCatalog(database);
  const workload = await readWorkload(stats, catalog, limits.statementsMax);
  const { candidates, rejected } = candidatesFor(workload.statements, limits);
  const totalMs = stats.reduce((sum, each) => sum + each.totalMs, 0);
  const plain: IndexAdvice = {
    skipped: undefined,
    totalMs,
    savedMs: 0,
    statements: [
      ...workload.statements.map((each) => withoutCost(each)),
      ...workload.leftOut.map(leftOut),
    ],
    selected: [],
    rejected,
    findings: findIndexProblems(catalog),
  };
  if (candidates.length === 0) return plain;
  if (catalog.serverVersion < VERSION_LEAST) {
    const skipped = `PostgreSQL ${Math.floor(catalog.serverVersion / 10_000)} cannot plan statements without their values (EXPLAIN GENERIC_PLAN is of version 16): candidates were not costed`;
    return {
      ...plain,
      skipped,
      rejected: [...rejected, ...candidates.map((each) => rejection(each, "not costed"))],
    };
  }
  const costed = await database
    .withScratch((scratch) =>
      cost(scratch, candidates, workload.statements, limits.gainLeast * totalMs),
    )
    .catch(orFailure);
  if ("failure" in costed) {
    const skipped = `candidates were not costed, the scratch database failed: ${costed.failure}`;
    return {
      ...plain,
      skipped,
      rejected: [...rejected, ...candidates.map((each) => rejection(each, "not costed"))],
    };
  }
  return {
    ...plain,
    savedMs: costed.selection.savedMs,
    statements: [...costed.statements, ...workload.leftOut.map(leftOut)],
    selected: costed.selection.selected.map((each) =>
      selectedIndex(each.candidate, each.savedAloneMs, costed, workload.writesOf),
    ),
    rejected: [...rejected, ...costed.rejected],
  };
}

/** A database that cannot be cloned, or a statement that runs out of time, costs the advice, not the run. */
function orFailure(error: unknown): { readonly failure: string } {
  if (error instanceof PerfoptError && error.code !== "cannot-measure") throw error;
  return { failure: messageOf(error) };
}

interface BuiltCandidate extends IndexCandidate {
  readonly index: IndexDefinition;
  readonly sizeBytes: number;
}

interface Costed {
  readonly selection: Selection<BuiltCandidate>;
  /** Those that could be planned, in the order of the selection's plans. */
  readonly planned: readonly ReadStatement[];
  readonly statements: readonly StatementAdvice[];
  readonly rejected: readonly RejectedIndex[];
}

async function cost(
  scratch: ScratchDatabase,
  candidates: readonly IndexCandidate[],
  statements: readonly ReadStatement[],
  gainLeastMs: number,
): Promise<Costed> {
  await prepareScratch(scratch);
  const failures = new Map<ReadStatement, string>();
  for (const statement of statements) {
    const explained = await explain(scratch, statement.explainSql, []);
    if (explained.kind === "failed") failures.set(statement, explained.because);
  }
  const planned = statements.filter((statement) => !failures.has(statement));
  const rejected: RejectedIndex[] = [];
  const built: BuiltCandidate[] = [];
  for (const candidate of candidates) {
    const result = await build(scratch, candidate);
    if ("index" in result) built.push(result);
    else rejected.push(result);
  }
  const selection = await selectIndexes({
    candidates: built,
    statements: planned,
    statementsOf: (candidate) =>
      [...planned.keys()].filter((position) =>
        planned[position]?.uses.some((use) => use.table === candidate.table),
      ),
    planOf: async (position, visible) => {
      const hidden = built.filter((candidate) => !visible.includes(candidate));
      const explained = await explain(
        scratch,
        planned[position]?.explainSql ?? "",
        hidden.map((each) => each.index),
      );
      if (explained.kind === "failed")
        throw new Error(`a statement that was planned before failed: ${explained.because}`);
      return explained.plan;
    },
    nameOf: (candidate) => candidate.index.name,
    narrower: async (candidate) => {
      const columns = candidate.columns.slice(0, -1);
      if (columns.length === 0) return undefined;
      const narrowed = await build(scratch, { ...candidate, columns });
      if ("index" in narrowed) built.push(narrowed);
      return "index" in narrowed ? narrowed : undefined;
    },
    gainLeastMs,
  });
  return {
    selection,
    planned,
    statements: statements.map((statement) => {
      const plans = selection.plans[planned.indexOf(statement)];
      return withoutCost(statement, failures.get(statement), plans?.before.cost, plans?.after.cost);
    }),
    rejected: [
      ...rejected,
      ...selection.rejected.map((each) => rejection(each.candidate, each.reason)),
    ],
  };
}

async function build(
  scratch: ScratchDatabase,
  candidate: IndexCandidate,
): Promise<BuiltCandidate | RejectedIndex> {
  const { table, columns } = candidate;
  const index = {
    schema: table.schema,
    table: table.name,
    name: indexName(table.name, columns),
    columns,
  };
  const built = await buildIndex(scratch, index);
  return built.kind === "built"
    ? { ...candidate, index, sizeBytes: built.bytes }
    : rejection(candidate, `could not be built: ${built.because}`);
}

function selectedIndex(
  built: BuiltCandidate,
  savedAloneMs: number,
  costed: Costed,
  writesOf: (table: IndexCandidate["table"], columns: readonly string[]) => WriteCount,
): SelectedIndex {
  const gaining = costed.selection.plans.flatMap(({ before, after }, position) => {
    const statement = costed.planned[position];
    const uses = after.indexes.includes(built.index.name) && after.cost < before.cost;
    return statement && uses ? [{ statement, before, after }] : [];
  });
  return {
    index: built.index,
    sizeBytes: built.sizeBytes,
    savedAloneMs,
    statements: gaining.map(({ statement, before, after }) => ({
      queryId: statement.stats.queryId,
      sql: shortened(statement.stats.sql),
      calls: statement.stats.calls,
      costBefore: before.cost,
      costAfter: after.cost,
    })),
    writes: writesOf(
      built.table,
      built.columns.map((column) => column.name),
    ),
  };
}

function withoutCost(
  statement: ReadStatement,
  failure?: string,
  costBefore?: number,
  costAfter?: number,
): StatementAdvice {
  return {
    queryId: statement.stats.queryId,
    sql: shortened(statement.stats.sql),
    calls: statement.stats.calls,
    totalMs: statement.totalMs,
    costBefore,
    costAfter,
    notes: failure === undefined ? statement.notes : [...statement.notes, `EXPLAIN: ${failure}`],
  };
}

function leftOut(each: {
  readonly stats: StatementStats;
  readonly because: string;
}): StatementAdvice {
  const { queryId, sql, calls, totalMs } = each.stats;
  return {
    queryId,
    sql: shortened(sql),
    calls,
    totalMs,
    costBefore: undefined,
    costAfter: undefined,
    notes: [each.because],
  };
}
