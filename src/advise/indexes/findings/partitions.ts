/** A table with its partitions, for the SQL that builds an index on all of them. */
import type { PartitionTree } from "../../../core/partitioned-index.ts";
import type { Catalog, TableInfo } from "../catalog.ts";

/** Undefined for a table without partitions. */
export function partitionTree(catalog: Catalog, table: TableInfo): PartitionTree | undefined {
  return table.kind === "partitioned" ? treeOf(catalog, table) : undefined;
}

function treeOf(catalog: Catalog, table: TableInfo): PartitionTree {
  const partitioned = table.kind === "partitioned";
  return {
    schema: table.schema,
    table: table.name,
    partitioned,
    // What inherits from an ordinary table is no part of it for an index.
    partitions: partitioned
      ? catalog.tables
          .filter((each) => each.partOf === `${table.schema}.${table.name}`)
          .map((each) => treeOf(catalog, each))
      : [],
  };
}
