/** From statements to indexes worth trying: each statement read into uses of tables, and what those uses suggest. */
import type { Node } from "libpg-query";
import type { RejectedIndex } from "../../core/advice.ts";
import { messageOf } from "../../core/errors.ts";
import { indexBody, indexName } from "../../core/index-definition.ts";
import { uniqueIndexWithin, type Catalog } from "./catalog.ts";
import { draftsOf } from "./drafts.ts";
import type { Draft } from "./drafts.ts";
import { boundLiterals, parseStatement } from "./parse.ts";
import type { IndexIdea } from "./pool.ts";
import { rearranged } from "./prefixes.ts";
import { foreignKeyIdeas } from "./referencing.ts";
import { objectionTo } from "./rules.ts";
import type { IdeaLimits } from "./rules.ts";
import type { TableUse } from "./scope.ts";
import { listOf } from "./shapes.ts";
import type { WorkloadStatement } from "./statement.ts";
import { readStatement } from "./usage.ts";
import type { Write } from "./usage.ts";

export interface ReadStatement {
  readonly id: string;
  readonly statement: WorkloadStatement;
  readonly uses: readonly TableUse[];
  readonly writes: readonly Write[];
  readonly notes: readonly string[];
}

export interface ReadStatements {
  /** In the order given; those that use and write no table are left out. */
  readonly statements: readonly ReadStatement[];
  readonly leftOut: readonly {
    readonly statement: WorkloadStatement;
    readonly because: string;
  }[];
}

export interface ViewDefinition {
  readonly schema: string;
  readonly name: string;
  /** Its query, as pg_get_viewdef writes it. */
  readonly definition: string;
}

/** Pairs of ideas that are looked at for one that begins with the other. */
const REARRANGED_MAX = 60;

export async function readStatements(
  statements: readonly WorkloadStatement[],
  catalog: Catalog,
  views: readonly ViewDefinition[] = [],
): Promise<ReadStatements> {
  const definitions = new Map<string, Node>();
  for (const { schema, name, definition } of views) {
    const parsed = await parseStatement(definition.replace(/;\s*$/, ""));
    if (parsed.kind === "failed") continue;
    definitions.set(`${schema}.${name}`, parsed.statement);
    // Of views with one name, the bare name mostly means the one in the usual schema.
    if (schema === "public" || !definitions.has(name)) definitions.set(name, parsed.statement);
  }
  const read: ReadStatement[] = [];
  const leftOut: { statement: WorkloadStatement; because: string }[] = [];
  for (const statement of statements) {
    const found = await readOne(statement, catalog, definitions);
    if (typeof found === "string") leftOut.push({ statement, because: found });
    else read.push(found);
  }
  return { statements: read, leftOut };
}

/** The most promising first. `weights` are the statements' shares of the workload by id. */
export function ideasOf(
  read: ReadStatements,
  catalog: Catalog,
  weights: ReadonlyMap<string, number>,
  limits: IdeaLimits,
): { readonly ideas: readonly IndexIdea[]; readonly rejected: readonly RejectedIndex[] } {
  const extensions = new Set(catalog.extensions);
  const rejected: RejectedIndex[] = [];
  const found = new Map<string, Idea>();
  for (const { id, uses } of read.statements) {
    for (const use of uses) {
      const unique = rowFinder(use);
      if (unique !== undefined) {
        const columns = [...use.equal].map((name) => ({ name }));
        const index = { schema: use.table.schema, table: use.table.name, columns };
        rejected.push({ index, reason: `the unique index ${unique} finds the row` });
        continue;
      }
      const findsOne = (names: ReadonlySet<string>): boolean =>
        uniqueIndexWithin(use.table, names) !== undefined;
      for (const draft of draftsOf(use, { widthMax: limits.widthMax, extensions, findsOne })) {
        const { index, table, free } = draft;
        const reason = objectionTo(index, table, free, limits, extensions);
        if (reason === undefined) addIdea(found, draft, id, weights.get(id) ?? 0);
        else rejected.push({ index, reason });
      }
    }
  }
  const beginning = rearrangedIdeas([...found.values()]);
  for (const { draft, statements } of beginning) {
    for (const [id, promise] of statements) addIdea(found, draft, id, promise / draft.factor);
  }
  const foreign = foreignKeyIdeas(read.statements, catalog, weights, limits);
  const ideas = withForeign([...found.values()].map(ideaOf), foreign.ideas).toSorted(
    (a, b) => b.promise - a.promise || a.index.columns.length - b.index.columns.length,
  );
  const most = limits.ideasMax ?? ideas.length;
  for (const { index } of ideas.slice(most)) {
    rejected.push({ index, reason: `not among the ${most} most promising, which are priced` });
  }
  return { ideas: ideas.slice(0, most), rejected: distinct([...rejected, ...foreign.rejected]) };
}

async function readOne(
  statement: WorkloadStatement,
  catalog: Catalog,
  views: ReadonlyMap<string, Node>,
): Promise<ReadStatement | string> {
  const planned = await parseStatement(statement.planSql);
  const own = await parseStatement(statement.sql);
  const parsed = planned.kind === "parsed" ? planned : own;
  if (parsed.kind === "failed") return parsed.because;
  // Values that the advisor or a log filled in are not part of the statement.
  const borrowed =
    own.kind === "parsed"
      ? boundLiterals(own.statement, parsed.statement)
      : boundLiterals(undefined, parsed.statement);
  try {
    const { uses, writes, notes } = readStatement(parsed.statement, catalog, { views, borrowed });
    if (uses.length > 0 || writes.length > 0) {
      return { id: statement.id, statement, uses, writes, notes };
    }
    return notes[0] ?? "it uses no table of the application";
  } catch (error) {
    // Grammar that nobody thought of, or nesting beyond the stack: one statement less, and it says so.
    return `could not be read: ${messageOf(error)}`;
  }
}

interface Idea {
  readonly draft: Draft;
  /** What each statement promises, by id. */
  readonly statements: Map<string, number>;
}

/** The same index for several statements, or twice for one, is one idea. */
function addIdea(found: Map<string, Idea>, draft: Draft, id: string, weight: number): void {
  const { index } = draft;
  const key = JSON.stringify([index.schema, index.table, indexBody(index)]);
  const same = found.get(key);
  const idea: Idea =
    same && same.draft.factor >= draft.factor
      ? same
      : { draft, statements: same?.statements ?? new Map() };
  const promise = weight * draft.factor;
  idea.statements.set(id, Math.max(promise, idea.statements.get(id) ?? 0));
  found.set(key, {
    statements: idea.statements,
    draft: { ...idea.draft, free: Math.min(idea.draft.free, same?.draft.free ?? idea.draft.free) },
  });
}

/** Equalities may stand in any order: in that of a shorter index, one serves the statements of both. */
function rearrangedIdeas(ideas: readonly Idea[]): readonly Idea[] {
  const plain = ideas
    .filter(({ draft: { index } }) => index.method === undefined && index.where === undefined)
    .filter(({ draft: { index } }) => index.include === undefined)
    .toSorted((a, b) => promiseOf(b) - promiseOf(a))
    .slice(0, REARRANGED_MAX);
  return plain.flatMap((longer) =>
    plain.flatMap((shorter) => {
      if (shorter.draft.table !== longer.draft.table) return [];
      const columns = rearranged(longer.draft, shorter.draft.index);
      if (!columns) return [];
      const index = { ...longer.draft.index, columns };
      const free = Math.min(longer.draft.free, shorter.draft.index.columns.length);
      const serves = `${longer.draft.serves}; it begins with ${listOf(shorter.draft.index.columns)}, which others look for`;
      const statements = new Map([...shorter.statements, ...longer.statements]);
      return [{ draft: { ...longer.draft, index, free, serves }, statements }];
    }),
  );
}

function ideaOf({ draft, statements }: Idea): IndexIdea {
  const { index, serves } = draft;
  return {
    index: { ...index, name: indexName(index) },
    statements: [...statements.keys()],
    promise: promiseOf({ statements }),
    because: `${serves.charAt(0).toUpperCase()}${serves.slice(1)}.`,
  };
}

function promiseOf({ statements }: Pick<Idea, "statements">): number {
  return [...statements.values()].reduce((sum, promise) => sum + promise, 0);
}

/** An index that a foreign key wants may be one that a plan wants too: then it is both. */
function withForeign(
  ideas: readonly IndexIdea[],
  foreign: readonly IndexIdea[],
): readonly IndexIdea[] {
  const byName = new Map(ideas.map((idea) => [`${idea.index.schema}.${idea.index.name}`, idea]));
  for (const idea of foreign) {
    const name = `${idea.index.schema}.${idea.index.name}`;
    const same = byName.get(name);
    byName.set(
      name,
      same
        ? {
            ...same,
            statements: [...new Set([...same.statements, ...idea.statements])],
            promise: same.promise + idea.promise,
            because: `${same.because} ${idea.because}`,
          }
        : idea,
    );
  }
  return [...byName.values()];
}

/** The unique index that finds the one row that a use is about, and holds it: IS NULL finds many. */
/** The unique index that finds the row by this use's equalities: nothing else could find it much faster. */
export function rowFinder(use: TableUse): string | undefined {
  const nulls = new Set(
    use.filters.flatMap((filter) =>
      filter.kind === "constant" && filter.sql.endsWith(" IS NULL") ? filter.columns : [],
    ),
  );
  return uniqueIndexWithin(use.table, new Set([...use.equal].filter((name) => !nulls.has(name))))
    ?.name;
}

/** One rejection an index and reason, in the order of statements. */
function distinct(rejected: readonly RejectedIndex[]): readonly RejectedIndex[] {
  return [...new Map(rejected.map((each) => [JSON.stringify(each), each])).values()];
}
