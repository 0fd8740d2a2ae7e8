/** One query priced three ways: with its indexes really built, on the planner clone, and by HypoPG. */
import { createIndexSql, qualifiedName, quoteName } from "../../src/core/index-definition.ts";
import type { PlanNode, WhatIf } from "../../src/advise/indexes/what-if.ts";
import type { PricedQuery } from "./queries.ts";
import type { Source } from "./sources.ts";

/** What was found with indexes built in a transaction that is rolled back. */
export interface Real {
  readonly costBefore: number;
  readonly cost: number;
  readonly shape: string;
  /** In the order of the query's indexes. */
  readonly bytes: readonly number[];
}

export async function priceReal(source: Source, { sql, indexes }: PricedQuery): Promise<Real> {
  const before = await explain(source, sql);
  await source.connection.query("BEGIN");
  try {
    const names = new Map<string, string>();
    const bytes: number[] = [];
    for (const index of indexes) {
      await source.connection.query(createIndexSql(index, "plain"));
      const parts = await source.connection.query(
        `SELECT c.relname::text AS name, pg_relation_size(c.oid)::int8 AS bytes
         FROM pg_class c WHERE c.relkind = 'i' AND (c.oid = $1::regclass OR c.oid IN (SELECT relid FROM pg_partition_tree($1::regclass)))`,
        [qualifiedName(index.schema, index.name)],
      );
      for (const part of parts) names.set(String(part["name"]), index.name);
      bytes.push(parts.reduce((sum, part) => sum + Number(part["bytes"]), 0));
    }
    const plan = await explain(source, sql);
    const shape = shapeOf(plan, (name) => names.get(name) ?? name);
    return { costBefore: before["Total Cost"], cost: plan["Total Cost"], shape, bytes };
  } finally {
    await source.connection.query("ROLLBACK");
  }
}

async function explain(source: Source, sql: string): Promise<PlanNode> {
  const [row] = await source.connection.query(`EXPLAIN (FORMAT JSON) ${sql}`);
  const [root]: readonly { readonly Plan: PlanNode }[] = JSON.parse(String(row?.["QUERY PLAN"]));
  if (root === undefined) throw new Error("EXPLAIN answered without a plan");
  return root.Plan;
}

export interface Priced {
  readonly costBefore: number;
  readonly cost: number;
  readonly shape: string;
  readonly bytes: readonly number[];
  readonly addMs: readonly number[];
  /** Of a question about a set that was not shown before. */
  readonly planMs: readonly number[];
}

/** Undefined with the reason where an index is refused. */
export async function priceWhatIf(
  whatIf: WhatIf,
  { id, sql, indexes }: PricedQuery,
  repetitions: number,
): Promise<Priced | string> {
  const statement = { id, sql, valuesFrom: "statement" } as const;
  const bytes: number[] = [];
  const addMs: number[] = [];
  for (const index of indexes) {
    const started = performance.now();
    const added = await whatIf.add(index);
    addMs.push(performance.now() - started);
    if (added.kind === "refused") return added.because;
    bytes.push(added.bytes);
  }
  const names = indexes.map(({ name }) => name);
  const planMs: number[] = [];
  const timed = async (set: readonly string[]) => {
    const started = performance.now();
    const explained = await whatIf.plan(statement, { with: set });
    planMs.push(performance.now() - started);
    if (explained.kind === "failed") throw new Error(`${id}: ${explained.because}`);
    return explained.plan;
  };
  let before = await timed([]);
  let plan = await timed(names);
  for (let turn = 1; turn < repetitions; turn += 1) {
    before = await timed([]);
    plan = await timed(names);
  }
  for (const name of names) await whatIf.remove(name);
  const shape = shapeOf(plan.root, (name) => name);
  return { costBefore: before.cost, cost: plan.cost, shape, bytes, addMs, planMs };
}

/** Node types, join types, aliases and indexes, as a nested text. */
function shapeOf(node: PlanNode, nameOf: (index: string) => string): string {
  const index = node["Index Name"];
  const parts = [
    node["Node Type"],
    ...(node["Join Type"] === undefined ? [] : [node["Join Type"]]),
    ...(node.Alias === undefined ? [] : [quoteName(node.Alias)]),
    ...(index === undefined ? [] : [`by ${quoteName(nameOf(index))}`]),
  ].join(" ");
  const children = (node.Plans ?? []).map((child) => shapeOf(child, nameOf));
  return children.length === 0 ? parts : `${parts} (${children.join(", ")})`;
}
