/** The catalog that a snapshot stands for: of a real database, and of one in the old format. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findColumn, findTable, type Catalog } from "../../../src/advise/indexes/catalog.ts";
import { arrayElements } from "../../../src/advise/indexes/snapshot/array.ts";
import { catalogOf } from "../../../src/advise/indexes/snapshot/catalog-of.ts";
import { parseSnapshot } from "../../../src/advise/indexes/snapshot/parse.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import { oldSnapshot } from "./old-format.ts";
import { openShop, type Shop } from "./source.ts";

let shop: Shop;
let snapshot: Snapshot;
let catalog: Catalog;
beforeAll(async () => {
  shop = await openShop();
  snapshot = await shop.take();
  catalog = catalogOf(snapshot);
}, 60_000);
afterAll(() => shop.stop());

function tableNamed(name: string, of = catalog) {
  const found = of.tables.find((table) => table.name === name);
  if (!found) throw new Error(`no table ${name}`);
  return found;
}

function columnNamed(table: string, name: string, of = catalog) {
  const found = findColumn(tableNamed(table, of), name);
  if (!found) throw new Error(`no column ${name}`);
  return found;
}

/** Rows of the visits when the catalogs say something else of them. */
function rowsWhen(
  change: Partial<Snapshot["relations"][number]>,
  serverVersion = 180_000,
): number | undefined {
  const relations = snapshot.relations.map((each) =>
    each.name === "visits" ? { ...each, ...change } : each,
  );
  return tableNamed("visits", catalogOf({ ...snapshot, serverVersion, relations })).rows;
}

function bytewise(of: Catalog): readonly string[] {
  const { columns } = tableNamed("customers", of);
  return columns.filter((column) => column.bytewise).map(({ name }) => name);
}

describe("the catalog of a snapshot", () => {
  test("has rows and bytes as the planner sees them, of all partitions where there are such", () => {
    expect(tableNamed("customers").rows).toBe(1000);
    const parent = tableNamed('Order "lines"');
    const parts = ["lines_old_north", "lines_old_rest", "lines_new"].map((name) =>
      tableNamed(name),
    );
    expect(parent.kind).toBe("partitioned");
    expect(parent.rows).toBe(900);
    expect(parent.bytes).toBe(parts.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(parent.bytes).toBeGreaterThan(0);
    expect(tableNamed("lines_old_north").partOf).toBe("Sales data.lines_old");
    const whole = parent.indexes.find(({ name }) => name === "By customer");
    const [part] = tableNamed("lines_new").indexes.filter(({ inherited }) => inherited);
    expect(whole?.bytes).toBeGreaterThan(part?.bytes ?? Number.NaN);
    expect(whole?.scans).toBe(0);
  });

  test("knows which indexes are needed, those of partitioned tables by the parts that are", () => {
    const indexes = catalog.tables.flatMap((table) => table.indexes);
    const identities = indexes.filter(({ replicaIdentity }) => replicaIdentity);
    expect(identities.map(({ name }) => name).toSorted()).toEqual([
      'Order "lines"_pkey',
      "lines_new_pkey",
    ]);
    const referenced = indexes.filter((each) => each.referenced);
    expect(referenced.map(({ name }) => name)).toEqual(["customers_pkey"]);
  });

  test("scales rows to the pages that there are now, and has none for what was never analysed", () => {
    expect(rowsWhen({ pages: 10, rows: 500, blocks: 40 })).toBe(2000);
    expect(rowsWhen({ pages: 0, rows: -1, blocks: 40 })).toBeUndefined();
    expect(rowsWhen({ pages: 0, rows: 0, blocks: 40 }, 130_000)).toBeUndefined();
    expect(rowsWhen({ pages: 0, rows: 0, blocks: 0 })).toBe(0);
  });

  test("knows which table a bare name means", () => {
    expect(findTable(catalog, undefined, "customers")?.schema).toBe("public");
    expect(findTable(catalog, undefined, "lines_new")?.schema).toBe("Sales data");
    const elsewhere = catalogOf({ ...snapshot, searchPath: ["public"] });
    expect(findTable(elsewhere, undefined, "lines_new")).toBeUndefined();
    expect(findTable(elsewhere, "Sales data", "lines_new")).toBeDefined();
    const shadowed = catalogOf({
      ...snapshot,
      views: [...snapshot.views, { schema: "Sales data", name: "customers", definition: "" }],
    });
    expect(findTable(shadowed, undefined, "customers")).toBeUndefined();
  });

  test("has columns without the dropped ones, with types, values and their shares", () => {
    expect(tableNamed("customers").columns.map(({ name }) => name)).not.toContain("gone_first");
    expect(tableNamed("customers").columns).toHaveLength(11);
    expect(columnNamed("customers", "score")).toMatchObject({ type: "numeric", notNull: false });
    expect(columnNamed("customers", "mail").distinct).toBe(50);
    expect(columnNamed("customers", "id").distinct).toBe(1000);
    expect(columnNamed("customers", "feeling").common).toEqual([
      { value: "sad", share: 0.5 },
      { value: "happy", share: 0.5 },
    ]);
    expect(columnNamed("customers", "tags").common[0]?.value).toMatch(
      /^\{zz-secret-tag\d,common\}$/,
    );
    const histogram = columnNamed("customers", "id").histogram.map(Number);
    expect(histogram).toHaveLength(101);
    expect(histogram).toEqual(histogram.toSorted((a, b) => a - b));
  });

  test("knows what is ordered, and what is compared byte by byte", () => {
    expect(bytewise(catalog)).toEqual(["note"]);
    const locale = (change: Partial<Snapshot["locale"]>) =>
      bytewise(catalogOf({ ...snapshot, locale: { ...snapshot.locale, ...change } }));
    expect(locale({ collate: "C" })).toEqual(["mail", "note"]);
    expect(locale({ provider: "builtin", locale: "C.UTF-8" })).toEqual(["mail", "note"]);
    expect(locale({ provider: "icu", locale: "en", collate: "C" })).toEqual(["note"]);
    expect(columnNamed("customers", "place").ordered).toBe(false);
    expect(columnNamed("customers", "span").ordered).toBe(true);
    expect(columnNamed("visits", "address").ordered).toBe(true);
  });

  test("has keys, foreign keys, extended statistics and counters", () => {
    const { indexes, statisticsOn, activity } = tableNamed("customers");
    expect(
      indexes.map(({ name, keys }) => [name, keys.map((key) => key.name ?? key.expression)]),
    ).toEqual([
      ["customers_pkey", ["id"]],
      ["customers_mail_lower", ["lower((mail)::text)"]],
      ["customers_score", ["score", "born"]],
      ["customers_tags", ["tags"]],
    ]);
    expect(indexes[1]?.keys[0]).toMatchObject({
      defaultOperators: false,
      operators: "text_pattern_ops",
    });
    expect(indexes[2]).toMatchObject({ rows: 586, included: ["feeling"], constraint: false });
    expect(statisticsOn).toEqual([
      ["feeling", "active"],
      ["note", "feeling"],
    ]);
    expect(activity).toMatchObject({ inserts: 1000, updates: 0 });
    expect(tableNamed('Order "lines"').foreignKeys).toEqual([
      {
        name: "buyer",
        columns: ["customer"],
        referencedSchema: "public",
        referencedTable: "customers",
        referencedColumns: ["id"],
        onDelete: "cascade",
      },
    ]);
  });

  test("of the old format has no counters, and says nothing of scans", async () => {
    const old = catalogOf(await parseSnapshot(JSON.stringify(oldSnapshot), "old.json"));
    expect(old.countersSince).toBeUndefined();
    const child = tableNamed("child", old);
    expect(child).toMatchObject({ rows: 1200, activity: undefined, partOf: "public.Parents" });
    expect(child.indexes.map(({ scans }) => scans)).toEqual([undefined, undefined]);
    expect(columnNamed("child", "name", old)).toMatchObject({
      distinct: 600,
      type: "character varying",
    });
    expect(tableNamed("Parents", old).rows).toBe(1200);
  });
});

test.each([
  ["{}", []],
  ["{1,NULL,3}", ["1", null, "3"]],
  [String.raw`{"a, \"b\" \\","NULL",c d}`, ['a, "b" \\', "NULL", "c d"]],
  ['{"","{x,y}"}', ["", "{x,y}"]],
  ["[0:1]={1,2}", []],
])("the elements of the array %s", (text, elements) => {
  expect(arrayElements(text)).toEqual(elements);
});
