// Remembers which lines of an import made a model version, in the transaction that made it: sent again, they make no other.

import { arrayText, textArrayText } from "./array-text.ts";
import type { Connection } from "./connection.ts";

/** A line of an import, and what it says. */
export type Entry = { readonly line: number; readonly digest: string };

/** `same`: the line was written before; `other`: the import had another line there. */
export type Found = "same" | "other";

const KEPT_MS = 30 * 86_400_000;
export const PURGE_ROWS_MAX = 10_000;

/** Call it with the lines' models locked: whoever writes the same lines holds them until its entries are there. */
export async function findEntries(
  connection: Connection,
  importId: string,
  entries: readonly Entry[],
): Promise<ReadonlyMap<number, Found>> {
  if (entries.length === 0) return new Map();
  const { rows } = await connection.query<{ line: number; same: boolean }>(
    `SELECT line, kept.digest = sent.digest AS same FROM bulk_lines kept
     JOIN unnest($2::bigint[], $3::text[]) AS sent (line, digest) USING (line)
     WHERE import_id = $1 AND ($1 <> '' OR kept.digest = sent.digest)`,
    [
      importId,
      arrayText(entries.map(({ line }) => line)),
      textArrayText(entries.map(({ digest }) => digest)),
    ],
  );
  return new Map(rows.map(({ line, same }) => [line, same ? "same" : "other"]));
}

export async function keepEntries(
  connection: Connection,
  importId: string,
  entries: readonly Entry[],
): Promise<void> {
  if (entries.length === 0) return;
  await connection.query(
    `INSERT INTO bulk_lines (import_id, line, digest, written_ms)
     SELECT $1, sent.*, $4::bigint FROM unnest($2::bigint[], $3::text[]) AS sent`,
    [
      importId,
      arrayText(entries.map(({ line }) => line)),
      textArrayText(entries.map(({ digest }) => digest)),
      Date.now(),
    ],
  );
}

/** Forgets a part of what is older than any retry; how many lines that were. */
export async function purgeEntries(connection: Connection): Promise<number> {
  const { count } = await connection.query(
    `DELETE FROM bulk_lines WHERE (import_id, line, digest) IN
       (SELECT import_id, line, digest FROM bulk_lines WHERE written_ms < $1 ORDER BY written_ms LIMIT ${PURGE_ROWS_MAX})`,
    [Date.now() - KEPT_MS],
  );
  return count;
}
