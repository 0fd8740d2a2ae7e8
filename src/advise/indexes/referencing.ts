/** Foreign keys without an index: every delete of a referenced row, and every change of its key, reads the referencing table whole. */
import type { RejectedIndex } from "../../core/advice.ts";
import { indexName } from "../../core/index-definition.ts";
import type { Catalog, ForeignKey, TableInfo } from "./catalog.ts";
import type { IndexIdea } from "./pool.ts";
import { objectionTo } from "./rules.ts";
import type { IdeaLimits } from "./rules.ts";
import type { Write } from "./usage.ts";

/** No plan shows what it saves: PostgreSQL looks the referencing rows up in a trigger. */
export interface ForeignKeyIdea extends IndexIdea {
  readonly referencing: TableInfo;
  readonly foreignKey: ForeignKey;
}

interface WritingStatement {
  readonly id: string;
  readonly writes: readonly Write[];
}

export function foreignKeyIdeas(
  statements: readonly WritingStatement[],
  catalog: Catalog,
  weights: ReadonlyMap<string, number>,
  limits: IdeaLimits,
): { readonly ideas: readonly ForeignKeyIdea[]; readonly rejected: readonly RejectedIndex[] } {
  const ideas: ForeignKeyIdea[] = [];
  const rejected: RejectedIndex[] = [];
  for (const referencing of catalog.tables.filter((table) => !isInherited(table, catalog))) {
    for (const foreignKey of referencing.foreignKeys) {
      const writers = statements.filter(({ writes }) =>
        writes.some((write) => looksUp(write, foreignKey)),
      );
      if (writers.length === 0) continue;
      const columns = foreignKey.columns.slice(0, limits.widthMax).map((name) => ({ name }));
      const body = { schema: referencing.schema, table: referencing.name, columns };
      const reason = objectionTo(body, referencing, columns.length, limits, new Set());
      if (reason !== undefined) {
        rejected.push({ index: body, reason: `for the foreign key ${foreignKey.name}: ${reason}` });
        continue;
      }
      const isDelete = writers.some(({ writes }) => writes.some(({ kind }) => kind === "delete"));
      ideas.push({
        index: { ...body, name: indexName(body) },
        statements: writers.map(({ id }) => id),
        promise: writers.reduce((sum, { id }) => sum + (weights.get(id) ?? 0), 0),
        because: `Each row ${isDelete ? "deleted from" : "given another key in"} ${foreignKey.referencedTable} is looked for in ${referencing.name} by the foreign key ${foreignKey.name}, which no index serves; no plan shows that.`,
        referencing,
        foreignKey,
      });
    }
  }
  return { ideas, rejected };
}

function looksUp(write: Write, foreignKey: ForeignKey): boolean {
  const name = `${foreignKey.referencedSchema}.${foreignKey.referencedTable}`;
  const { table, kind, columns } = write;
  if (`${table.schema}.${table.name}` !== name && table.partOf !== name) return false;
  if (kind === "delete") return true;
  return kind === "update" && columns.some((each) => foreignKey.referencedColumns.includes(each));
}

/** A partition has its parent's foreign keys. */
function isInherited(table: TableInfo, catalog: Catalog): boolean {
  return catalog.tables.some(
    (parent) => parent.kind === "partitioned" && `${parent.schema}.${parent.name}` === table.partOf,
  );
}
