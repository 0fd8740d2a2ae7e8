/** The room that an index takes, before it is built. */
import { statfs } from "node:fs/promises";
import type { Client } from "pg";
import { PerfoptError } from "../core/errors.ts";
import { qualifiedName, quoteName, type IndexDefinition } from "../core/index-definition.ts";
import { formatBytes } from "../core/units.ts";
import { rowsOf } from "./sql.ts";

/** Of a B-tree page that a build fills; the default fillfactor. */
const FILL_SHARE = 0.9;
/** Item pointer and tuple header of an index entry, aligned. */
const ENTRY_OVERHEAD_BYTES = 16;

export interface DiskNeed {
  readonly index: IndexDefinition;
  /** Of the server, when it is on this machine: its free space is checked. */
  readonly dataFolder: string | undefined;
  /** The advice's, which is better than what is known here. */
  readonly estimatedBytes?: number;
}

/** A build needs room for the index and as much again for its sort. Returns what is to be said of it. */
export async function checkDisk(client: Client, need: DiskNeed): Promise<string> {
  const { index, dataFolder } = need;
  if (dataFolder === undefined) return "free disk space not checked: the server is not perfopt's";
  const estimate = need.estimatedBytes ?? (await estimateBytes(client, index));
  const { bavail, bsize } = await statfs(dataFolder);
  const free = bavail * bsize;
  if (free >= 2 * estimate) return `${formatBytes(free)} of disk free`;
  throw new PerfoptError(
    "cannot-measure",
    `index ${index.name} needs about ${formatBytes(estimate)} and as much again while it is built, and ${formatBytes(free)} are free`,
    `make room on the disk of ${dataFolder}`,
  );
}

/** The planner's rows, of those that a partial index has, times the width that it gives an entry. */
async function estimateBytes(client: Client, index: IndexDefinition): Promise<number> {
  const keys = index.columns.map(({ name, expression }) =>
    name === undefined ? `(${expression ?? ""})` : quoteName(name),
  );
  const columns = [...keys, ...(index.include ?? []).map(quoteName)].join(", ");
  const where = index.where === undefined ? "" : ` WHERE ${index.where}`;
  const [row] = await rowsOf(
    client,
    `EXPLAIN (FORMAT JSON) SELECT ${columns} FROM ${qualifiedName(index.schema, index.table)}${where}`,
  );
  const [explained]: readonly {
    readonly Plan: { readonly "Plan Rows": number; readonly "Plan Width": number };
  }[] = JSON.parse(String(row?.["QUERY PLAN"]));
  if (!explained) return 0;
  const { "Plan Rows": rows, "Plan Width": width } = explained.Plan;
  return (rows * (width + ENTRY_OVERHEAD_BYTES)) / FILL_SHARE;
}
