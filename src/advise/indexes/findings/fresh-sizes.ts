/** How large existing indexes would be if they were built afresh: the planner clone is asked for a twin of each. */
import type { IndexDefinition } from "../../../core/index-definition.ts";
import { indexMethods } from "../../../core/index-definition.ts";
import type { Catalog, IndexInfo, TableInfo } from "../catalog.ts";
import type { WhatIf } from "../what-if.ts";
import { findingBounds } from "./input.ts";

type ExpectedBytes = (index: IndexInfo, table: TableInfo) => number | undefined;

/** For `expectedBytes` of the findings. Indexes too small to be worth a rebuild are not asked for. */
export async function freshSizes(
  whatIf: Pick<WhatIf, "add" | "remove">,
  catalog: Catalog,
  bytesLeast: number = findingBounds.bloatBytesLeast,
): Promise<ExpectedBytes> {
  const sizes = new Map<IndexInfo, number>();
  for (const table of catalog.tables) {
    for (const index of table.indexes) {
      if (!index.valid || index.bytes < bytesLeast || table.kind === "partitioned") continue;
      const twin = twinOf(table, index);
      if (!twin) continue;
      const added = await whatIf.add(twin);
      if (added.kind !== "added") continue;
      sizes.set(index, added.bytes);
      await whatIf.remove(twin.name);
    }
  }
  return (index) => sizes.get(index);
}

/** The same index under a name of its own; undefined for methods that have no size model. */
function twinOf(table: TableInfo, index: IndexInfo): IndexDefinition | undefined {
  const method = indexMethods.find((each) => each === index.method);
  if (method === undefined) return undefined;
  return {
    schema: table.schema,
    table: table.name,
    name: `perfopt fresh ${index.name}`,
    method,
    columns: index.keys.map((key) => ({
      ...(key.name === undefined ? {} : { name: key.name }),
      ...(key.expression === undefined ? {} : { expression: key.expression }),
      ...(key.defaultOperators || key.operators === undefined ? {} : { operators: key.operators }),
      ...(method === "btree" && key.descending ? { descending: true } : {}),
      ...(method === "btree" && key.nullsFirst !== key.descending
        ? { nullsFirst: key.nullsFirst }
        : {}),
    })),
    ...(index.included.length > 0 ? { include: index.included } : {}),
    ...(index.where === undefined ? {} : { where: index.where }),
  };
}
