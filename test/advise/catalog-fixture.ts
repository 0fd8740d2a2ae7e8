/** A small shop as a catalog, without a database: for tests of what is proposed before anything is costed. */
import type {
  Catalog,
  ColumnInfo,
  IndexInfo,
  TableInfo,
} from "../../src/advise/indexes/catalog.ts";

export const shop: Catalog = {
  serverVersion: 180_000,
  tables: [
    table(
      "orders",
      50_000,
      {
        id: 50_000,
        customer_id: 5_000,
        status: 4,
        region: 20,
        placed_at: 40_000,
        total: 30_000,
        note: { distinct: 900, ordered: false, type: "json" },
        memo: { distinct: 900, widthBytes: 900 },
        paid: { distinct: 2, type: "boolean" },
      },
      [primary("orders", ["id"])],
    ),
    table("items", 100_000, { order_id: 50_000, product_id: 500, quantity: 9, price: 2_000 }, [
      primary("items", ["order_id", "product_id"]),
    ]),
    table("customers", 5_000, { id: 5_000, email: 5_000, city: 50, joined_at: 4_000 }, [
      primary("customers", ["id"]),
      index("customers_city_idx", ["city"]),
    ]),
    table("countries", 200, { code: 200, name: 200 }, []),
    {
      ...table("orders", 9_000, { id: 9_000, customer_id: 100 }, []),
      schema: "archive",
      visible: false,
    },
    { ...table("events", 9_000, { at: 9_000 }, []), kind: "partitioned" },
    { ...table("fresh", 9_000, { id: 9_000 }, []), rows: undefined },
  ],
};

type ColumnSketch = number | Partial<ColumnInfo>;

function table(
  name: string,
  rows: number,
  columns: Readonly<Record<string, ColumnSketch>>,
  indexes: readonly IndexInfo[],
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
      type: "text",
      distinct: typeof sketch === "number" ? sketch : undefined,
      widthBytes: 8,
      ordered: true,
      ...(typeof sketch === "number" ? {} : sketch),
    })),
    indexes,
  };
}

function primary(tableName: string, columns: readonly string[]): IndexInfo {
  return { ...index(`${tableName}_pkey`, columns), unique: true, constraint: true };
}

export function index(name: string, columns: readonly string[]): IndexInfo {
  return {
    name,
    columns: columns.map((column) => ({ name: column, descending: false, nullsFirst: false })),
    included: [],
    method: "btree",
    unique: false,
    constraint: false,
    valid: true,
    partial: false,
    defaultOperators: true,
    scans: 1,
    bytes: 8_192,
    definition: `CREATE INDEX ${name} ON t USING btree (${columns.join(", ")})`,
  };
}
