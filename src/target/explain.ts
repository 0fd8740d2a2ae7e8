/** EXPLAIN of one statement of a workload, planned or run, and what matters of its plan. */
import type { Client, QueryConfig, QueryResult } from "pg";
import { qualifiedName } from "../core/index-definition.ts";
import { sqlStateOf } from "./index-state.ts";
import { rowsOf } from "./sql.ts";

export interface ExplainedPlan {
  /** Nodes, tables and indexes in the order of the plan: two equal ones are the same plan. */
  readonly shape: string;
  /** Names of the indexes that it reads, each once. */
  readonly indexes: readonly string[];
  /** Names of the tables that it reads, each once; of a run, those that were read indeed: pruned partitions are not. */
  readonly relations: readonly string[];
  /** Quoted tables that it writes to. */
  readonly writes: readonly string[];
  /** Of a run: the server's own time, without planning and without sending rows. */
  readonly executionMs: number | undefined;
}

interface Node {
  readonly "Node Type": string;
  readonly "Join Type"?: string;
  readonly "Relation Name"?: string;
  readonly Schema?: string;
  readonly Alias?: string;
  readonly "Index Name"?: string;
  readonly "Actual Loops"?: number;
  readonly Plans?: readonly Node[];
}

/** The mode in which a query may hold one statement only, whatever its text says; node-postgres' types lack it. */
interface SingleStatement extends QueryConfig {
  readonly queryMode: "extended";
}

const PREPARED = "perfopt_statement";
const INDETERMINATE_TYPE = "42P18";

/**
 * The plan that the statement would get now; for one with $1, $2 the plan that fits all values. To be called outside a
 * transaction: it opens and rolls back its own, after `inTransaction` has set the stage in it.
 */
export async function planStatement(
  client: Client,
  sql: string,
  inTransaction: () => Promise<void> = async () => {},
): Promise<ExplainedPlan> {
  try {
    await prepare(client, sql);
    const [row] = await rowsOf(
      client,
      `SELECT current_setting('server_version_num')::int >= 160000 AS generic,
         (SELECT coalesce(array_length(parameter_types, 1), 0) FROM pg_prepared_statements WHERE name = $1) AS parameters`,
      [PREPARED],
    );
    return await rolledBack(client, async () => {
      await inTransaction();
      if (row?.["generic"] === true) {
        return readPlan(await client.query(`EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) ${sql}`));
      }
      return planPrepared(client, Number(row?.["parameters"]));
    });
  } finally {
    await client.query(`DEALLOCATE ${PREPARED}`).catch(() => {});
  }
}

/**
 * Only one statement can be prepared, whatever the text says; so that it may be sent as text afterwards. Parameters of no known type
 * are refused after that was checked, and EXPLAIN (GENERIC_PLAN) takes them.
 */
async function prepare(client: Client, sql: string): Promise<void> {
  try {
    await single(client, `PREPARE ${PREPARED} AS ${sql}`);
  } catch (error) {
    if (sqlStateOf(error) !== INDETERMINATE_TYPE) throw error;
  }
}

/** Before PostgreSQL 16: the generic plan of the prepared statement, executed without values. */
async function planPrepared(client: Client, parameters: number): Promise<ExplainedPlan> {
  await client.query("SET LOCAL plan_cache_mode = force_generic_plan");
  // With NULL for a value, partitions would be pruned away, and what is read of them with them.
  if (parameters > 0) await client.query("SET LOCAL enable_partition_pruning = off");
  const values = Array.from({ length: parameters }, () => "NULL").join(", ");
  const execute = `EXECUTE ${PREPARED}${values === "" ? "" : `(${values})`}`;
  return readPlan(await client.query(`EXPLAIN (VERBOSE, FORMAT JSON) ${execute}`));
}

/** Runs it, in a transaction that is rolled back, and gives the time that the server took. */
export function runStatement(
  client: Client,
  sql: string,
  inTransaction: () => Promise<void>,
): Promise<ExplainedPlan> {
  return rolledBack(client, async () => {
    await inTransaction();
    const explain = "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, VERBOSE, FORMAT JSON)";
    return readPlan(await single(client, `${explain} ${sql}`));
  });
}

async function rolledBack<T>(client: Client, use: () => Promise<T>): Promise<T> {
  await client.query("BEGIN");
  try {
    return await use();
  } finally {
    await client.query("ROLLBACK");
  }
}

function readPlan({ rows }: QueryResult<Explanation>): ExplainedPlan {
  const [explained]: readonly { readonly Plan: Node; readonly "Execution Time"?: number }[] =
    JSON.parse(rows[0]?.["QUERY PLAN"] ?? "[]");
  if (!explained) throw new Error("EXPLAIN gave no plan");
  const nodes = nodesOf(explained.Plan);
  return {
    shape: JSON.stringify(shapeOf(explained.Plan)),
    indexes: [...new Set(nodes.flatMap((node) => node["Index Name"] ?? []))],
    relations: [
      ...new Set(
        nodes.flatMap((node) => (node["Actual Loops"] === 0 ? [] : (node["Relation Name"] ?? []))),
      ),
    ],
    writes: [
      ...new Set(
        nodes.flatMap((node) =>
          node["Node Type"] === "ModifyTable"
            ? [qualifiedName(node.Schema ?? "", node["Relation Name"] ?? "")]
            : [],
        ),
      ),
    ],
    executionMs: explained["Execution Time"],
  };
}

interface Explanation {
  readonly "QUERY PLAN": string;
}

function single(client: Client, text: string): Promise<QueryResult<Explanation>> {
  const query: SingleStatement = { text, queryMode: "extended" };
  return client.query(query);
}

function nodesOf(node: Node): readonly Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function shapeOf(node: Node): unknown {
  return [
    node["Node Type"],
    node["Join Type"],
    node.Alias,
    node["Index Name"],
    (node.Plans ?? []).map(shapeOf),
  ];
}
