/** What a search walks through: the ideas that were found, those narrower than an existing index, and the way from each to its neighbours. */
import { indexName, type IndexDefinition } from "../../../core/index-definition.ts";
import type { IndexInfo, TableInfo } from "../catalog.ts";
import type { CandidatePool, IndexIdea } from "../pool.ts";
import type { IdeaLimits } from "../rules.ts";
import { identityOf } from "./candidates.ts";
import { isFit, neighbourhoodOf, type StatementUses } from "./variants.ts";

export function poolOf(
  found: Pick<CandidatePool, "ideas" | "rejected">,
  statements: readonly StatementUses[],
  limits: IdeaLimits,
  /** Names of installed extensions. */
  extensions: readonly string[],
): CandidatePool {
  const neighbourhood = neighbourhoodOf(statements, limits, extensions);
  const installed = new Set(extensions);
  const known = new Set(found.ideas.map(({ index }) => identityOf(index)));
  const tables = new Set(statements.flatMap(({ uses }) => uses.map(({ table }) => table)));
  const narrower = [...tables].flatMap((table) =>
    table.indexes
      .flatMap((existing) => beginningsOf(existing, table))
      .filter(
        ({ index }) => !known.has(identityOf(index)) && isFit(index, table, limits, installed),
      )
      .map((idea) => ({ ...idea, statements: neighbourhood.statementsOf(idea.index) }))
      .filter((idea) => idea.statements.length > 0),
  );
  const added = new Set(narrower.map(({ index }) => identityOf(index)));
  return {
    ideas: [...found.ideas, ...narrower],
    rejected: found.rejected.filter(({ index }) => !added.has(identityOf(index))),
    ...neighbourhood,
  };
}

/** The first keys of an existing index: an index on them alone is smaller, and its equal entries share their space. */
function beginningsOf(existing: IndexInfo, table: TableInfo): readonly IndexIdea[] {
  if (existing.method !== "btree" || !existing.valid || existing.where !== undefined) return [];
  const whole = existing.included.length > 0;
  return existing.keys.slice(whole ? 0 : 1).flatMap((_, at) => {
    const keys = existing.keys.slice(0, at + 1);
    const columns = keys.flatMap(({ name, defaultOperators, descending }) =>
      name === undefined || !defaultOperators
        ? []
        : [{ name, ...(descending ? { descending } : {}) }],
    );
    if (columns.length < keys.length) return [];
    const body: Omit<IndexDefinition, "name"> = {
      schema: table.schema,
      table: table.name,
      columns,
    };
    return [
      {
        index: { ...body, name: indexName(body) },
        statements: [],
        promise: 0,
        because: `Narrower than the existing index ${existing.name}, for statements that need no more of it.`,
      },
    ];
  });
}
