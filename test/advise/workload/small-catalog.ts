/** Tables as a catalog knows them, from a few words, for tests of what reads workloads. */
import type { Catalog, ColumnInfo, TableInfo } from "../../../src/advise/indexes/catalog.ts";

export type ColumnSketch = Partial<ColumnInfo>;

export function catalogOf(tables: readonly TableInfo[], serverVersion = 180_000): Catalog {
  return { serverVersion, tables, extensions: [], countersSince: undefined };
}

export function tableOf(
  name: string,
  rows: number,
  columns: Readonly<Record<string, ColumnSketch>>,
  more: Partial<TableInfo> = {},
): TableInfo {
  return {
    schema: "public",
    name,
    kind: "table",
    rows,
    bytes: rows * 100,
    visible: true,
    columns: Object.entries(columns).map(([column, sketch]) => ({
      name: column,
      type: "integer",
      notNull: true,
      distinct: undefined,
      widthBytes: 4,
      nullFraction: 0,
      correlation: undefined,
      common: [],
      histogram: [],
      ordered: true,
      bytewise: false,
      ...sketch,
    })),
    indexes: [],
    foreignKeys: [],
    partOf: undefined,
    activity: undefined,
    statisticsOn: [],
    ...more,
  };
}
