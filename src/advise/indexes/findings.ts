/** What is wrong with the indexes that exist: unused, duplicate, redundant, invalid. Reported, never dropped. */
import type { Catalog, IndexInfo, TableInfo } from "./catalog.ts";

export interface IndexFinding {
  readonly kind: "unused" | "duplicate" | "redundant" | "invalid";
  readonly table: string;
  readonly index: string;
  readonly bytes: number;
  readonly detail: string;
}

export function findIndexProblems(catalog: Catalog): readonly IndexFinding[] {
  return catalog.tables
    .filter((table) => table.kind === "table")
    .flatMap((table) => table.indexes.flatMap((index) => problemOf(table, index)));
}

function problemOf(table: TableInfo, index: IndexInfo): readonly IndexFinding[] {
  const found = (kind: IndexFinding["kind"], detail: string): readonly IndexFinding[] => [
    { kind, table: table.name, index: index.name, bytes: index.bytes, detail },
  ];
  if (!index.valid) {
    return found("invalid", "an interrupted build left it: writes pay for it, and no read uses it");
  }
  if (index.constraint) return [];
  // Of two that are alike, the one with the later name is reported, so that never both are.
  const twin = table.indexes.find(
    (other) =>
      other !== index &&
      bodyOf(other) === bodyOf(index) &&
      (other.unique || !index.unique) &&
      (other.constraint || other.name < index.name),
  );
  if (twin) return found("duplicate", `the same as ${twin.name}`);
  const wider = table.indexes.find((other) => other !== index && beginsWith(other, index));
  if (wider) return found("redundant", `${wider.name} begins with the same columns`);
  if (index.scans === 0 && !index.unique) {
    return found(
      "unused",
      "no scan since this database was cloned for the run: minutes of evidence, not weeks",
    );
  }
  return [];
}

/** All that the definition says after the name. */
function bodyOf(index: IndexInfo): string {
  return index.definition.replace(/^CREATE (?:UNIQUE )?INDEX .*? ON /, "");
}

function beginsWith(wider: IndexInfo, index: IndexInfo): boolean {
  const plain = [wider, index].every(
    (each) => each.method === "btree" && each.valid && !each.partial && each.defaultOperators,
  );
  if (!plain || index.unique || index.included.length > 0) return false;
  if (wider.columns.length <= index.columns.length) return false;
  return index.columns.every((column, position) => {
    const other = wider.columns[position];
    return (
      column.name !== undefined &&
      other?.name === column.name &&
      other.descending === column.descending &&
      other.nullsFirst === column.nullsFirst
    );
  });
}
