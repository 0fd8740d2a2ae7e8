/** Statements in, described ideas out: what tests of the ideas look at. */
import type { Catalog } from "../../src/advise/indexes/catalog.ts";
import { ideasOf, readStatements } from "../../src/advise/indexes/ideas.ts";
import type { ViewDefinition } from "../../src/advise/indexes/ideas.ts";
import type { WorkloadStatement } from "../../src/advise/indexes/statement.ts";
import { describeIndex } from "../../src/core/index-definition.ts";
import { shop } from "./catalog-fixture.ts";

export const limits = { widthMax: 4, rowsLeast: 1_000 };

export function statementOf(
  sql: string,
  changes: Partial<WorkloadStatement> = {},
): WorkloadStatement {
  return {
    id: sql,
    sql,
    planSql: sql,
    valuesFrom: "statement",
    calls: 10,
    totalMs: 100,
    rows: 10,
    joined: [],
    ...changes,
  };
}

export async function suggest(
  statements: readonly (string | WorkloadStatement)[],
  catalog: Catalog = shop,
  views: readonly ViewDefinition[] = [],
) {
  const workload = statements.map((each) => (typeof each === "string" ? statementOf(each) : each));
  const read = await readStatements(workload, catalog, views);
  const weights = new Map(workload.map(({ id }) => [id, 1 / workload.length]));
  const { ideas, rejected } = ideasOf(read, catalog, weights, limits);
  return {
    ideas,
    read,
    indexes: ideas.map(({ index }) => describeIndex(index)),
    plain: ideas.flatMap(({ index }) =>
      index.include || index.where !== undefined ? [] : [describeIndex(index)],
    ),
    schemas: ideas.map(({ index }) => index.schema),
    rejected: rejected.map(({ index, reason }) => `${describeIndex(index)}: ${reason}`),
    notes: read.statements.flatMap(({ notes }) => notes),
    leftOut: read.leftOut.map(({ because }) => because),
  };
}
