/** Takes an index away: without locks where PostgreSQL can, in short tries for the one of a partitioned table. */
import type { Client } from "pg";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { qualifiedName, type IndexDefinition } from "../core/index-definition.ts";
import { downSql, indexSteps, type PartitionTree } from "../core/partitioned-index.ts";
import { readIndexState, readPartitionTree } from "./index-state.ts";
import { sessionsInTheWay, underShortLock } from "./index-waits.ts";

/** One sentence on what was done. Idempotent. */
export async function removeIndex(client: Client, index: IndexDefinition): Promise<string> {
  const tree = await treeOrNone(client, index);
  if (!tree?.partitioned) {
    if (!(await readIndexState(client, index))) return `index ${index.name} is not there`;
    await drop(client, index, tree);
    return `index ${index.name} is dropped, and the catalog has it no more`;
  }
  let dropped = 0;
  // The whole one first: those of the partitions that are attached go with it.
  for (const step of indexSteps(index, tree)) {
    if (step.kind === "attach" || !(await readIndexState(client, step.index))) continue;
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
  await client.query("SET lock_timeout = 0");
  try {
    for (const sql of downSql(index, tree)) {
      if (tree?.partitioned) await underShortLock(client, sql);
      else await client.query(sql);
    }
  } catch (error) {
    const holders = await sessionsInTheWay(client, index, 0);
    throw new PerfoptError(
      "dirty-target",
      `index ${name} could not be dropped: ${messageOf(error)}${holders.length > 0 ? `; open transactions: ${holders.join("; ")}` : ""}`,
      "end what it waits for, then run `perfopt rollback`",
      { cause: error },
    );
  }
  if (!(await readIndexState(client, index))) return;
  throw new PerfoptError(
    "dirty-target",
    `index ${name} is still in the catalog after it was dropped`,
    "look at it by hand, then run `perfopt rollback`",
  );
}
