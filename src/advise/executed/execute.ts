/** The heaviest queries of a workload executed once each, to see what the planner expected beside what came; never a statement that writes. */
import { messageOf, PerfoptError } from "../../core/errors.ts";
import type { DatabaseView } from "../../core/observation.ts";
import type { Query } from "../../core/planner.ts";
import { OWN_MARK } from "../../core/sample.ts";
import type { Catalog } from "../indexes/catalog.ts";
import { computingFunctions } from "../indexes/clone/harmless.ts";
import type { ViewDefinition } from "../indexes/ideas.ts";
import { parseStatement } from "../indexes/parse.ts";
import type { IndexWorkload, WorkloadStatement } from "../indexes/statement.ts";
import { readParameters } from "../indexes/workload/parameters.ts";
import { parametersOf } from "../indexes/workload/text.ts";
import { withValues } from "../indexes/workload/values.ts";
import { objectionToRunning } from "./allowed.ts";
import { withJointValues } from "./joint.ts";
import { readExecuted, type ExecutedPlan } from "./node.ts";
import { withGuesses } from "./values.ts";

export interface ExecuteLimits {
  /** Of the workload's queries, the heaviest. */
  readonly statementsMax: number;
  readonly timeoutMs: number;
  /** Of all together; none is begun after it. */
  readonly totalMs: number;
}

/** A phase has minutes, and the target stands still meanwhile. */
export const executeLimits: ExecuteLimits = {
  statementsMax: 8,
  timeoutMs: 10_000,
  totalMs: 40_000,
};

export interface Executed {
  readonly id: string;
  /** As the workload has it. */
  readonly sql: string;
  /** As it was executed. */
  readonly planSql: string;
  /** Share of the time of the workload's statements, 0 to 1; of their number where no time is known. */
  readonly share: number;
  /** Mean milliseconds of a call in the workload; undefined where nobody measured it. */
  readonly meanMs: number | undefined;
  /** A constant that the source had replaced was guessed, so that its expressions say nothing. */
  readonly guessed: boolean;
  /** Its values are not those of the workload, which nobody kept: drawn from statistics. */
  readonly drawn: boolean;
  readonly plan: ExecutedPlan;
}

export interface ExecutedStatements {
  readonly executed: readonly Executed[];
  /** Of the heaviest ones, those that were not executed; plain writes, which never are, are not listed. */
  readonly skipped: readonly {
    readonly id: string;
    readonly sql: string;
    readonly because: string;
  }[];
}

type Database = Pick<DatabaseView, "together">;

export interface ExecuteInput {
  /** The heaviest first. */
  readonly workload: IndexWorkload;
  readonly catalog: Catalog;
  readonly views: readonly ViewDefinition[];
  readonly limits: ExecuteLimits;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Each in a read-only transaction of its own with a timeout, which is rolled back. */
export async function executeStatements(
  database: Database,
  input: ExecuteInput,
): Promise<ExecutedStatements> {
  const { catalog, views, limits, now } = input;
  const startedMs = now();
  const total = input.workload.statements.reduce((sum, each) => sum + weightOf(each), 0);
  const wanted = await heaviestQueries(input.workload.statements, limits.statementsMax);
  const computing = await database.together(async (query) => computingFunctions({ query }));
  const executed: Executed[] = [];
  const skipped: { id: string; sql: string; because: string }[] = [];
  for (const statement of wanted) {
    const { id, sql, calls, totalMs } = statement;
    const skip = (because: string) => void skipped.push({ id, sql, because });
    if (now() - startedMs > limits.totalMs) {
      skip(`the time for executing statements, ${limits.totalMs / 1000} s, was over`);
      continue;
    }
    const { statement: valued, guessed } = await withEveryValue(database, statement, catalog);
    const objection = await objectionToRunning(valued.planSql, { computing, views });
    if (objection !== undefined) {
      skip(objection);
      continue;
    }
    if (valued.valuesFrom === "generic") {
      skip("no representative value is known for one of its parameters");
      continue;
    }
    const plan = await explained(database, valued.planSql, limits.timeoutMs);
    if (typeof plan === "string") skip(plan);
    else {
      executed.push({
        id,
        sql,
        planSql: valued.planSql,
        share: total > 0 ? weightOf(statement) / total : 0,
        meanMs: totalMs !== undefined && calls ? totalMs / calls : undefined,
        guessed,
        drawn: statement.valuesFrom === "generic" && valued.planSql !== statement.planSql,
        plan,
      });
    }
  }
  return { executed, skipped };
}

/** Imports may be what weighs most, and what is looked for is the plans of questions. */
async function heaviestQueries(
  statements: readonly WorkloadStatement[],
  most: number,
): Promise<readonly WorkloadStatement[]> {
  const queries: WorkloadStatement[] = [];
  for (const statement of statements) {
    if (queries.length >= most) break;
    const parsed = await parseStatement(statement.planSql);
    if (parsed.kind === "failed" || "SelectStmt" in parsed.statement) queries.push(statement);
  }
  return queries;
}

function weightOf({ totalMs, calls }: WorkloadStatement): number {
  return totalMs ?? calls ?? 1;
}

interface Valued {
  readonly statement: WorkloadStatement;
  readonly guessed: boolean;
}

/** Values that occur together first, then those of single columns, and constants that mean little. */
async function withEveryValue(
  database: Database,
  statement: WorkloadStatement,
  catalog: Catalog,
): Promise<Valued> {
  if (statement.valuesFrom !== "generic") return { statement, guessed: false };
  const joint = await database
    .together((query) => withJointValues(query, statement.planSql, catalog))
    .catch((error: unknown) => {
      if (isUnreachable(error)) throw error;
      return statement.planSql;
    });
  const planSql = await withGuesses(joint);
  const one: IndexWorkload = {
    source: "",
    weights: "equal",
    statements: [{ ...statement, planSql }],
    leftOut: [],
    caveats: [],
  };
  const [valued = statement] = (await withValues(one, catalog, "statistics", plannable(database)))
    .statements;
  // Without a parameter left it is a statement with its values, whatever it was called before.
  const isWhole = parametersOf(valued.planSql).length === 0;
  return {
    statement: { ...valued, valuesFrom: isWhole ? "statistics" : "generic" },
    guessed: planSql !== joint || (await hasGiven(planSql, catalog)),
  };
}

/** Constants inside what is given out, or grouped by, for which any value stands that can be planned. */
async function hasGiven(sql: string, catalog: Catalog): Promise<boolean> {
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return false;
  return [...readParameters(parsed.statement, catalog).values()].some(
    ({ kind }) => kind === "given",
  );
}

function plannable(database: Database): (sql: string) => Promise<boolean> {
  return async (sql) => {
    try {
      await database.together((query) => query(`EXPLAIN ${OWN_MARK} (FORMAT JSON) ${sql}\n`));
      return true;
    } catch (error) {
      if (isUnreachable(error)) throw error;
      return false;
    }
  };
}

/** Why there is no plan, when there is none. */
async function explained(
  database: Database,
  sql: string,
  timeoutMs: number,
): Promise<ExecutedPlan | string> {
  try {
    return await database.together(async (query) => {
      await query("SELECT set_config('statement_timeout', $1, true)", [String(timeoutMs)]);
      const plan = await analyse(query, sql, "OFF");
      // How long compiling took is only told along with the nodes' times, whose clock slows the others down.
      return plan.jit === undefined ? plan : { ...plan, ...jitOf(await analyse(query, sql, "ON")) };
    });
  } catch (error) {
    if (isUnreachable(error)) throw error;
    return `it could not be executed: ${messageOf(error)}`;
  }
}

/** Both from the one execution that was timed, for their share. */
function jitOf(timed: ExecutedPlan): Pick<ExecutedPlan, "jit" | "executionMs"> {
  return { executionMs: timed.executionMs, ...(timed.jit ? { jit: timed.jit } : {}) };
}

async function analyse(query: Query, sql: string, timing: "ON" | "OFF"): Promise<ExecutedPlan> {
  // A line's end closes a comment that the statement may end with.
  const [row] = await query(
    `EXPLAIN ${OWN_MARK} (ANALYZE, VERBOSE, TIMING ${timing}, BUFFERS OFF, FORMAT JSON) ${sql}\n`,
  );
  return readExecuted(String(row?.["QUERY PLAN"] ?? "[]"));
}

/** The database itself is gone: no statement's fault. */
function isUnreachable(error: unknown): boolean {
  return error instanceof PerfoptError;
}
