/** Hypothetical indexes: really created, over an empty file in the table's place, then made as large as they would be. */
import { messageOf } from "../../../core/errors.ts";
import { createIndexSql, type IndexDefinition, quoteText } from "../../../core/index-definition.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Estimate, Estimator } from "./estimate.ts";
import { needsFreshFile, pagesLeast, writeIndexFile } from "./files.ts";
import { indexFactsOf, indexFactsSql, type IndexFacts } from "./index-facts.ts";
import { freshFile, type Lane } from "./lane.ts";

/** An index that was asked for, as it is made in every lane that needs it. */
export interface Candidate {
  readonly id: number;
  readonly definition: IndexDefinition;
  /** One for a table; for a partitioned table one for each partition. */
  readonly parts: readonly CandidatePart[];
}

export interface CandidatePart {
  readonly schema: string;
  readonly table: string;
  /** Known once it was made in one lane. */
  readonly estimate: Estimate;
}

/** The tables that an index on a table consists of indexes on: itself, or all partitions at the end of the tree. */
export function leavesOf(
  snapshot: Snapshot,
  schema: string,
  name: string,
): readonly { readonly schema: string; readonly name: string }[] {
  const table = snapshot.tables.find((each) => each.schema === schema && each.name === name);
  if (table?.kind !== "partitioned") return [{ schema, name }];
  const quoted = [
    `"${schema.replaceAll('"', '""')}"."${name.replaceAll('"', '""')}"`,
    `${schema}.${name}`,
  ];
  return snapshot.tables
    .filter(({ parents }) => parents.some((parent) => quoted.includes(parent)))
    .flatMap((part) => leavesOf(snapshot, part.schema, part.name));
}

/** Names as plans show them; the blank keeps them apart from every existing one. */
function partName(id: number, part: number): string {
  return `perfopt what-if ${id}.${part}`;
}

/** The candidate that a plan's index name means. */
export function candidateOf(indexName: string): number | undefined {
  const match = /^perfopt what-if (\d+)\.\d+$/.exec(indexName);
  return match === null ? undefined : Number(match[1]);
}

/** Makes the index in a lane for the first time and estimates it. Throws what PostgreSQL says against it. */
export async function makeFirst(
  lane: Lane,
  estimator: Estimator,
  id: number,
  definition: IndexDefinition,
  leaves: readonly { readonly schema: string; readonly name: string }[],
): Promise<Candidate> {
  const oids: number[] = [];
  lane.made.set(id, oids);
  const parts: CandidatePart[] = [];
  try {
    for (const [index, { schema, name }] of leaves.entries()) {
      const facts = await createEmpty(lane, definition, schema, name, partName(id, index));
      oids.push(facts.oid);
      const estimate = await estimator.estimate(facts, lane.connection.query);
      await giveShape(lane, facts, estimate);
      parts.push({ schema, table: name, estimate });
    }
  } catch (error) {
    // An index that is no longer wanted must not stay visible to later commands of the lane.
    lane.dropping.add(id);
    throw error;
  }
  return { id, definition, parts };
}

/** Makes a candidate that another lane has. */
export async function makeAgain(lane: Lane, { id, definition, parts }: Candidate): Promise<void> {
  const oids: number[] = [];
  lane.made.set(id, oids);
  try {
    for (const [index, { schema, table, estimate }] of parts.entries()) {
      const facts = await createEmpty(lane, definition, schema, table, partName(id, index));
      oids.push(facts.oid);
      await giveShape(lane, facts, estimate);
    }
  } catch (error) {
    // What is there of it goes, so that the next question makes it whole.
    lane.dropping.add(id);
    throw error;
  }
}

/** Ends the transaction in which a lane shows a set. */
export function rollbackOf(lane: Lane): string {
  const open = lane.shown !== undefined;
  lane.shown = undefined;
  return open ? "ROLLBACK;" : "";
}

/**
 * CREATE INDEX reads the file that its table has: for one transaction that is an empty one, so that it reads nothing
 * however large the table is. Before PostgreSQL 18 it also overwrites the table's counts. The index stays invalid, so
 * that nothing plans with it, until a set shows it.
 */
async function createEmpty(
  lane: Lane,
  definition: IndexDefinition,
  schema: string,
  table: string,
  name: string,
): Promise<IndexFacts> {
  const facts = lane.tables.get(`${schema}.${table}`);
  if (facts === undefined) throw new Error(`the clone has no table ${schema}.${table}`);
  const create = createIndexSql({ ...definition, schema, table, name }, "plain");
  const created = `c.relname = ${quoteText(name)} AND cn.nspname = ${quoteText(schema)}`;
  try {
    const results = await lane.connection.script(
      `${rollbackOf(lane)} BEGIN;
       UPDATE pg_class SET relfilenode = ${lane.emptyFile} WHERE oid = ${facts.oid};
       ${create};
       UPDATE pg_class SET relfilenode = ${facts.file}, relpages = ${facts.pages}, reltuples = ${facts.rows}, relallvisible = ${facts.allVisible} WHERE oid = ${facts.oid};
       UPDATE pg_index SET indisvalid = false WHERE indexrelid = (SELECT c.oid FROM pg_class c JOIN pg_namespace cn ON cn.oid = c.relnamespace WHERE ${created});
       ${indexFactsSql(created)};
       COMMIT`,
    );
    const row = results.findLast((rows) => rows.length > 0)?.[0];
    if (row === undefined) throw new Error("the index that was just made is not there");
    return indexFactsOf(row);
  } catch (error) {
    await lane.connection.script("ROLLBACK");
    throw new Error(messageOf(error), { cause: error });
  }
}

async function giveShape(lane: Lane, facts: IndexFacts, { shape, rows }: Estimate): Promise<void> {
  const path = needsFreshFile(shape)
    ? await freshFile(lane.connection, facts.oid, `file of ${facts.oid}`)
    : facts.path;
  await writeIndexFile(lane.files, path, shape);
  // The planner scales a partial index's rows by these; another index has its table's.
  if (facts.predicate !== undefined) {
    await lane.connection.script(
      `UPDATE pg_class SET relpages = ${Math.max(shape.pages, pagesLeast(shape))}, reltuples = ${rows} WHERE oid = ${facts.oid}`,
    );
  }
}

/** Drops what was forgotten. No transaction may be open that shows it. */
export async function dropForgotten(lane: Lane): Promise<void> {
  const oids = [...lane.dropping].flatMap((id) => lane.made.get(id) ?? []);
  for (const id of lane.dropping) lane.made.delete(id);
  lane.dropping.clear();
  if (oids.length === 0) return;
  const names = await lane.connection.script(
    `${rollbackOf(lane)} SELECT oid::regclass::text AS name FROM pg_class WHERE oid IN (${oids.join(", ")})`,
  );
  const drops = (names.at(-1) ?? []).map((row) => `DROP INDEX ${String(row["name"])}`);
  if (drops.length > 0) await lane.connection.script(drops.join(";"));
}
