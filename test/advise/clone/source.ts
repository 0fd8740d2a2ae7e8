/** A small real database with a snapshot of it, and a server to plan on, for tests of the planner clone. */
import { Client } from "pg";
import { createIndexSql, type IndexDefinition } from "../../../src/core/index-definition.ts";
import type { Query } from "../../../src/core/planner.ts";
import { readSnapshot } from "../../../src/advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import type { PlanNode } from "../../../src/advise/indexes/what-if.ts";
import { openPlannerServer, type OpenPlannerServer } from "../../../src/target/planner-server.ts";
import { rowsOf } from "../../../src/target/sql.ts";
import { neverAborted, startStores, type Stores } from "../../integration/stores.ts";

export interface TestSource {
  readonly query: Query;
  readonly server: OpenPlannerServer;
  snapshot(): Promise<Snapshot>;
  /** What EXPLAIN says of the source as it is. */
  explain(sql: string): Promise<PlanNode>;
  stop(): Promise<void>;
}

/** PostgreSQL 18: the one that is installed with perfopt. */
export async function startSource(schema: readonly string[]): Promise<TestSource> {
  const stores: Stores = await startStores({ autovacuum: "off", fsync: "off" });
  const owner = new Client({ connectionString: stores.postgresUrl });
  await owner.connect();
  for (const statement of schema) await owner.query(statement);
  await owner.query("VACUUM (ANALYZE)");
  await owner.end();
  // A session that began after the schema's settings, as a snapshot has them.
  const client = new Client({ connectionString: stores.postgresUrl });
  await client.connect();
  const server = await openPlannerServer({ home: stores.home, major: 18, signal: neverAborted });
  const query: Query = (sql, parameters) => rowsOf(client, sql, parameters);
  return {
    query,
    server,
    async snapshot() {
      await query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      try {
        return await readSnapshot(query, { redact: "nothing", now: () => 0 });
      } finally {
        await query("ROLLBACK");
      }
    },
    async explain(sql) {
      const [row] = await query(`EXPLAIN (FORMAT JSON) ${sql}`);
      const [root]: readonly { readonly Plan: PlanNode }[] = JSON.parse(
        String(row?.["QUERY PLAN"]),
      );
      if (root === undefined) throw new Error("EXPLAIN answered without a plan");
      return root.Plan;
    },
    async stop() {
      await server.close();
      await client.end();
      await stores.stop();
    },
  };
}

/** The plan and the size with the index really built, for one transaction. */
export async function realPlan(source: TestSource, index: IndexDefinition, sql: string) {
  await source.query("BEGIN");
  try {
    await source.query(createIndexSql(index, "plain"));
    const parts = await source.query(
      `SELECT c.relname::text AS name, pg_relation_size(c.oid)::int8 AS bytes FROM pg_class c
       WHERE c.relkind = 'i' AND (c.oid = $1::regclass OR c.oid IN (SELECT relid FROM pg_partition_tree($1::regclass)))`,
      [`shop."${index.name}"`],
    );
    const names = new Set(parts.map(({ name }) => name));
    const bytes = parts.reduce((sum, part) => sum + Number(part["bytes"]), 0);
    return { root: rename(await source.explain(sql), names, index.name), bytes };
  } finally {
    await source.query("ROLLBACK");
  }
}

function rename(node: PlanNode, names: ReadonlySet<unknown>, name: string): PlanNode {
  const children = node.Plans?.map((child) => rename(child, names, name));
  return {
    ...node,
    ...(names.has(node["Index Name"]) ? { "Index Name": name } : {}),
    ...(children === undefined ? {} : { Plans: children }),
  };
}

/** Node types, join types and indexes. */
export function outline(node: PlanNode): unknown {
  return [
    node["Node Type"],
    node["Join Type"],
    node["Index Name"],
    (node.Plans ?? []).map(outline),
  ];
}
