/**
 * The statements that build an index, and that take it away again, beside writers: also on a partitioned table, where
 * CREATE INDEX CONCURRENTLY does not exist and each partition's index is built by itself and attached.
 */
import {
  createIndexSql,
  indexBody,
  qualifiedName,
  quoteName,
  shortName,
  type IndexDefinition,
} from "./index-definition.ts";

/** A table and its partitions, which may be partitioned themselves. */
export interface PartitionTree {
  readonly schema: string;
  readonly table: string;
  /** False for an ordinary table, and for a partition that holds rows. */
  readonly partitioned: boolean;
  readonly partitions: readonly PartitionTree[];
}

/** One statement without a semicolon; those of a leaf cannot run inside a transaction. */
export type IndexStep =
  /** On an ordinary table or on a partition that holds rows: CREATE INDEX CONCURRENTLY. */
  | { readonly kind: "leaf"; readonly index: IndexDefinition; readonly sql: string }
  /** On a partitioned table alone, where it has no entries and stays invalid until every partition's is attached. */
  | { readonly kind: "parent"; readonly index: IndexDefinition; readonly sql: string }
  | {
      readonly kind: "attach";
      readonly parent: IndexDefinition;
      readonly index: IndexDefinition;
      readonly sql: string;
    };

/** In the order to run them: a partition's index is complete before it is attached. */
export function indexSteps(index: IndexDefinition, tree: PartitionTree): readonly IndexStep[] {
  if (!tree.partitioned)
    return [{ kind: "leaf", index, sql: createIndexSql(index, "concurrently") }];
  const table = qualifiedName(tree.schema, tree.table);
  return [
    {
      kind: "parent",
      index,
      sql: `CREATE INDEX ${quoteName(index.name)} ON ONLY ${table} ${indexBody(index)}`,
    },
    ...tree.partitions.flatMap((partition): readonly IndexStep[] => {
      const part = indexOfPartition(index, partition);
      const sql = `ALTER INDEX ${qualifiedName(index.schema, index.name)} ATTACH PARTITION ${qualifiedName(part.schema, part.name)}`;
      return [...indexSteps(part, partition), { kind: "attach", parent: index, index: part, sql }];
    }),
  ];
}

/** Statements for a person or a migration tool to run one by one, outside a transaction. */
export function upSql(index: IndexDefinition, tree?: PartitionTree): readonly string[] {
  if (tree === undefined) return [createIndexSql(index, "concurrently")];
  return indexSteps(index, tree).map(({ sql }) => sql);
}

/** An index of a partitioned table goes with its partitions' in one statement, which locks them all for a moment. */
export function downSql(index: IndexDefinition, tree?: PartitionTree): readonly string[] {
  const concurrently = tree?.partitioned ? "" : "CONCURRENTLY ";
  return [`DROP INDEX ${concurrently}IF EXISTS ${qualifiedName(index.schema, index.name)}`];
}

/** The same keys under a name made of the parent's: no other index of the partition is ever taken for it. */
function indexOfPartition(
  index: IndexDefinition,
  { schema, table }: Pick<PartitionTree, "schema" | "table">,
): IndexDefinition {
  return { ...index, schema, table, name: shortName(`${index.name}_${table}`) };
}
