/** A small shop as a catalog, without a database: for tests of what is proposed before anything is costed. */
import type {
  Catalog,
  ColumnInfo,
  ExistingKey,
  ForeignKey,
  IndexInfo,
  TableInfo,
} from "../../src/advise/indexes/catalog.ts";

const referencesCustomers: ForeignKey = {
  name: "orders_customer_id_fkey",
  columns: ["customer_id"],
  referencedSchema: "public",
  referencedTable: "customers",
  referencedColumns: ["id"],
  onDelete: "cascade",
};

const flag: Partial<ColumnInfo> = {
  distinct: 2,
  type: "boolean",
  widthBytes: 1,
  common: [
    { value: "t", share: 0.95 },
    { value: "f", share: 0.05 },
  ],
};

export const shop: Catalog = {
  serverVersion: 180_000,
  extensions: ["pg_trgm"],
  countersSince: undefined,
  tables: [
    {
      ...table(
        "orders",
        50_000,
        {
          id: 50_000,
          customer_id: 5_000,
          status: {
            distinct: 4,
            common: [
              { value: "done", share: 0.97 },
              { value: "paid", share: 0.015 },
              { value: "pending", share: 0.01 },
              { value: "odd", share: 0.005 },
            ],
          },
          region: 20,
          placed_at: 40_000,
          total: { distinct: 30_000, type: "numeric" },
          note: { distinct: 900, ordered: false, type: "json" },
          memo: { distinct: 900, widthBytes: 900 },
          paid: flag,
          deleted_at: {
            distinct: 400,
            nullFraction: 0.97,
            notNull: false,
            type: "timestamp with time zone",
          },
          parcel_id: { distinct: 900, nullFraction: 0.9, notNull: false },
        },
        [primary("orders", ["id"])],
      ),
      foreignKeys: [referencesCustomers],
    },
    table("items", 100_000, { order_id: 50_000, product_id: 500, quantity: 9, price: 2_000 }, [
      primary("items", ["order_id", "product_id"]),
    ]),
    table(
      "customers",
      5_000,
      {
        id: 5_000,
        email: { distinct: 5_000, type: "character varying" },
        city: 50,
        joined_at: { distinct: 4_000, type: "timestamp with time zone" },
        seen_at: { distinct: 4_000, type: "timestamp without time zone" },
        born: { distinct: 3_000, type: "date" },
        profile: { distinct: 5_000, type: "jsonb", widthBytes: 200 },
        tags: { distinct: 900, type: "text[]", widthBytes: 40 },
        words: { distinct: 5_000, type: "tsvector", widthBytes: 200 },
        visits: { distinct: 4_000, type: "tstzrange" },
        place: { distinct: 4_000, type: "point", ordered: false },
        slug: { distinct: 5_000, bytewise: true },
        digest: { distinct: 5_000, widthBytes: 64 },
      },
      [primary("customers", ["id"]), index("customers_city_idx", ["city"])],
    ),
    table("countries", 200, { code: 200, name: 200 }, []),
    {
      ...table("orders", 9_000, { id: 9_000, customer_id: 100 }, []),
      schema: "archive",
      visible: false,
    },
    { ...table("events", 9_000_000, { at: { ...time(0.99) }, kind: 20 }, []), kind: "partitioned" },
    {
      ...table("events_2026", 4_000_000, { at: { ...time(0.99) }, kind: 20 }, []),
      partOf: "public.events",
    },
    {
      ...table("events_2025", 4_000_000, { at: { ...time(0.99) }, kind: 20 }, [
        index("events_2025_own", ["kind"]),
      ]),
      partOf: "public.events",
    },
    table(
      'Odd "Table',
      9_000,
      { "Mixed Case": 9_000, order: 9_000, 'quo"te': 9_000, user: flag },
      [],
    ),
    { ...table("recent_orders", 0, { id: 0 }, []), kind: "other", rows: undefined },
    { ...table("fresh", 9_000, { id: 9_000 }, []), rows: undefined },
  ],
};

type ColumnSketch = number | Partial<ColumnInfo>;

function time(correlation: number): Partial<ColumnInfo> {
  return { distinct: 8_000, type: "timestamp with time zone", correlation };
}

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
      notNull: true,
      distinct: typeof sketch === "number" ? sketch : undefined,
      widthBytes: 8,
      nullFraction: 0,
      correlation: 0.1,
      common: [],
      histogram: [],
      ordered: true,
      bytewise: false,
      ...(typeof sketch === "number" ? {} : sketch),
    })),
    indexes,
    foreignKeys: [],
    partOf: undefined,
    activity: undefined,
    statisticsOn: [],
  };
}

function primary(tableName: string, columns: readonly string[]): IndexInfo {
  return { ...index(`${tableName}_pkey`, columns), unique: true, constraint: true };
}

/** An existing B-tree on columns, or on keys that say more. */
export function index(
  name: string,
  keys: readonly (string | Partial<ExistingKey>)[],
  changes: Partial<IndexInfo> = {},
): IndexInfo {
  return {
    name,
    keys: keys.map((key) => ({
      name: typeof key === "string" ? key : undefined,
      expression: undefined,
      descending: false,
      nullsFirst: false,
      defaultOperators: true,
      operators: undefined,
      ...(typeof key === "string" ? {} : key),
    })),
    included: [],
    method: "btree",
    unique: false,
    constraint: false,
    valid: true,
    where: undefined,
    inherited: false,
    scans: 1,
    bytes: 8_192,
    rows: 1,
    definition: `CREATE INDEX ${name} ON t USING btree (k)`,
    ...changes,
  };
}
