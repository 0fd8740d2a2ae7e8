/** How a partitioned copy takes the place of its table: steps for a person, who knows when writers may wait. */
import { qualifiedName, quoteName } from "../../core/index-definition.ts";
import type { TableInfo } from "../indexes/catalog.ts";
import type { Snapshot } from "../indexes/snapshot/snapshot.ts";

export function swapSteps(
  table: TableInfo,
  made: { readonly schema: string; readonly name: string },
  snapshot: Snapshot,
): readonly string[] {
  const original = qualifiedName(table.schema, table.name);
  const copy = qualifiedName(made.schema, made.name);
  const old = quoteName(`${table.name}_unpartitioned`);
  const constraints = snapshot.constraints.filter(
    (each) => each.table === original && each.kind === "foreign key",
  );
  return [
    "make the partitioned table beside the original (the SQL of this plan), on a copy first; it needs as much disk again",
    "copy rows that have come since by the column that it is split by, or keep both in step by logical replication or a trigger",
    ...constraints.map(
      ({ name, definition }) =>
        `add the foreign key again: ALTER TABLE ${copy} ADD CONSTRAINT ${quoteName(name)} ${definition}`,
    ),
    "give it the original's owner, rights, triggers and policies; an identity column gets its sequence again, and a serial's sequence its new owner (ALTER SEQUENCE ... OWNED BY)",
    `swap both in one transaction, with a short lock_timeout: BEGIN; LOCK TABLE ${original} IN ACCESS EXCLUSIVE MODE; copy the last rows; ALTER TABLE ${original} RENAME TO ${old}; ALTER TABLE ${copy} RENAME TO ${quoteName(table.name)}; COMMIT. Views, publications and the like go with the table and not with its name: make them anew`,
    `ANALYZE, watch, and only then drop ${qualifiedName(table.schema, `${table.name}_unpartitioned`)}; until then the way back is the same two renames`,
  ];
}
