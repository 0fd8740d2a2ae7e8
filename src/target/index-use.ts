/** Whether the statements that an index was built for read it now. */
import type { Client } from "pg";
import { messageOf } from "../core/errors.ts";
import { planStatement } from "./explain.ts";

export interface StatementToRead {
  readonly id: string;
  /** One statement, with its values or with $1, $2. */
  readonly sql: string;
}

export interface IndexUse {
  /** Ids of the statements whose plan reads it. */
  readonly readBy: readonly string[];
  readonly notReadBy: readonly string[];
  /** Could not be planned. */
  readonly failed: readonly { readonly id: string; readonly because: string }[];
}

/** `names`: of the index and, on a partitioned table, of its partitions' indexes. */
export async function readersOf(
  client: Client,
  names: readonly string[],
  statements: readonly StatementToRead[],
): Promise<IndexUse> {
  const readBy: string[] = [];
  const notReadBy: string[] = [];
  const failed: { readonly id: string; readonly because: string }[] = [];
  for (const { id, sql } of statements) {
    try {
      const { indexes } = await planStatement(client, sql);
      (indexes.some((name) => names.includes(name)) ? readBy : notReadBy).push(id);
    } catch (error) {
      failed.push({ id, because: messageOf(error) });
    }
  }
  return { readBy, notReadBy, failed };
}

export function useInWords({ readBy, notReadBy, failed }: IndexUse): string {
  const all = readBy.length + notReadBy.length + failed.length;
  const unknown =
    failed.length === 0
      ? ""
      : `; ${failed.length} could not be planned (${failed.map(({ id, because }) => `${id}: ${because}`).join("; ")})`;
  if (readBy.length > 0) return `read by the plans of ${readBy.join(", ")}${unknown}`;
  return `NO plan of the ${all} statement${all === 1 ? "" : "s"} that it is for reads it${unknown}`;
}
