/** One question to a planner: which set of indexes is shown, and what the statement's plan is then. */
import type { Row } from "../../../core/workload.ts";
import type { Plan, PlanNode } from "../what-if.ts";
import { rollbackOf } from "./hypothetical.ts";
import type { Lane } from "./lane.ts";

/** EXPLAIN (GENERIC_PLAN) came with PostgreSQL 16. */
const GENERIC_PLAN_FROM = 16;

export interface Question {
  readonly sql: string;
  readonly parameters: number;
  /** Numbers of indexes to show and to hide. */
  readonly show: readonly number[];
  readonly hide: readonly number[];
}

/**
 * The transaction stays open, so that the next question about the same set is a mere EXPLAIN; what it changes in
 * pg_index nobody else ever sees. Throws what PostgreSQL says.
 */
export async function ask(lane: Lane, question: Question, major: number): Promise<PlanNode> {
  const { show, hide } = question;
  const wanted = `${show.join()} ${hide.join()}`;
  const begin =
    lane.shown === wanted
      ? ""
      : `${rollbackOf(lane)} BEGIN; ${updates(show, true)} ${updates(hide, false)}`;
  try {
    const results = await lane.connection.script(`${begin} ${explainSql(question, major)}`);
    lane.shown = wanted;
    return rootOf(results);
  } catch (error) {
    lane.shown = undefined;
    await lane.connection.script("ROLLBACK; DEALLOCATE ALL");
    throw error;
  }
}

/** The plan among the answers of a script's statements. */
export function rootOf(results: readonly (readonly Row[])[]): PlanNode {
  const row = results.findLast((rows) => rows[0]?.["QUERY PLAN"] !== undefined)?.[0];
  const [root]: readonly { readonly Plan: PlanNode }[] = JSON.parse(
    String(row?.["QUERY PLAN"] ?? "[]"),
  );
  if (root === undefined) throw new Error("EXPLAIN answered without a plan");
  return root.Plan;
}

function updates(indexes: readonly number[], valid: boolean): string {
  if (indexes.length === 0) return "";
  return `UPDATE pg_index SET indisvalid = ${valid} WHERE indexrelid IN (${indexes.join(", ")});`;
}

/** Without a semicolon at the end. A line's end closes a comment that the statement may end with. */
export function explainSql(
  { sql, parameters }: Pick<Question, "sql" | "parameters">,
  major: number,
): string {
  if (parameters === 0) return `EXPLAIN (FORMAT JSON) ${sql}\n`;
  if (major >= GENERIC_PLAN_FROM) return `EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${sql}\n`;
  // Prepared anew each time: a cached plan does not notice that an index is shown.
  const nulls = Array.from({ length: parameters }, () => "NULL").join(", ");
  return `SET LOCAL plan_cache_mode = force_generic_plan; PREPARE "perfopt what-if" AS ${sql}\n;
    EXPLAIN (FORMAT JSON) EXECUTE "perfopt what-if"(${nulls}); DEALLOCATE "perfopt what-if"`;
}

/** With names as `nameOf` has them, for the reader to know the indexes that were asked for. */
export function planOf(root: PlanNode, nameOf: (name: string) => string): Plan {
  const indexes = new Set<string>();
  const renamed = rename(root, nameOf, indexes);
  return { cost: root["Total Cost"], indexes: [...indexes], root: renamed };
}

function rename(node: PlanNode, nameOf: (name: string) => string, indexes: Set<string>): PlanNode {
  const own = node["Index Name"];
  const name = own === undefined ? undefined : nameOf(own);
  if (name !== undefined) indexes.add(name);
  const children = node.Plans?.map((child) => rename(child, nameOf, indexes));
  return {
    ...node,
    ...(name === undefined ? {} : { "Index Name": name }),
    ...(children === undefined ? {} : { Plans: children }),
  };
}
