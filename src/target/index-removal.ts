/** Takes an index away: without locks where PostgreSQL can, in short tries for the one of a partitioned table. */
import type { Client } from "pg";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { qualifiedName, type IndexDefinition } from "../core/index-definition.ts";
import { downSql, indexSteps, type PartitionTree } from "../core/partitioned-index.ts";
import { readIndexState, readPartitionTree } from "./index-state.ts";
import { sessionsInTheWay, underShortLock } from "./index-waits.ts";

/** One sentence on what was done. Idempotent. With `only` (quoted names) nothing else is touched: it is somebody else's. */
export async function removeIndex(
  client: Client,
  index: IndexDefinition,
  only?: ReadonlySet<string>,
): Promise<string> {
  const tree = await treeOrNone(client, index);
  const isThere = async ({ schema, name }: IndexDefinition) =>
    only?.has(qualifiedName(schema, name)) !== false &&
    (await readIndexState(client, { schema, name })) !== undefined;
  if (!tree?.partitioned) {
    if (!(await isThere(index))) return `index ${index.name} is not there`;
    await drop(client, index, tree);
    return `index ${index.name} is dropped, and the catalog has it no more`;
  }
  let dropped = 0;
  // The whole one first: those of the partitions that are attached go with it.
  for (const step of indexSteps(index, tree)) {
    if (step.kind === "attach" || !(await isThere(step.index))) continue;
    await drop(client, step.index, step.kind === "leaf" ? undefined : tree);
    dropped += 1;
  }
  if (dropped === 0) return `index ${index.name} is not there`;
  return `index ${index.name} is dropped with those of its partitions, under a lock of the table for a moment; the catalog has it no more`;
}

/** Of a table that is gone, the index is gone too. */
async function treeOrNone(
  client: Client,
  index: IndexDefinition,
): Promise<PartitionTree | undefined> {
  try {
    return await readPartitionTree(client, index);
  } catch (error) {
    if (error instanceof PerfoptError) return undefined;
    throw error;
  }
}

async function drop(
  client: Client,
  index: IndexDefinition,
  tree: PartitionTree | undefined,
): Promise<void> {
  const name = qualifiedName(index.schema, index.name);
  const statements = downSql(index, tree);
  // Whatever was built for a verification, no rollback knows.
  const byHand = `drop it by hand: ${statements.join("; ")}; or, after a run, by \`perfopt rollback\``;
  await client.query("SET lock_timeout = 0");
  try {
    for (const sql of statements) {
      if (tree?.partitioned) await underShortLock(client, sql);
      else await client.query(sql);
    }
  } catch (error) {
    const holders = await sessionsInTheWay(client, index, 0);
    throw new PerfoptError(
      "dirty-target",
      `index ${name} could not be dropped: ${messageOf(error)}${holders.length > 0 ? `; open transactions: ${holders.join("; ")}` : ""}`,
      `end what it waits for, then ${byHand}`,
      { cause: error },
    );
  }
  if (!(await readIndexState(client, index))) return;
  throw new PerfoptError(
    "dirty-target",
    `index ${name} is still in the catalog after it was dropped`,
    byHand,
  );
}
