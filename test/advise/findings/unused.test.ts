/** Unused indexes that serve the checks of a foreign key. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { findingsOf } from "../../../src/advise/indexes/findings/findings.ts";
import { AT, openShop, type Shop } from "./shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

test("two unused indexes that serve one foreign key are never both told to be dropped", () => {
  const tables = shop.catalog.tables.map((table) => ({
    ...table,
    indexes: table.indexes.flatMap((index) => {
      if (index.name !== "orders_total_idx") return [index];
      const on = (name: string, ...columns: readonly string[]) => ({
        ...index,
        name,
        keys: columns.flatMap((column) => index.keys.map((key) => ({ ...key, name: column }))),
        definition: `CREATE INDEX ${name} ON public.orders USING btree (${columns.join(", ")})`,
      });
      return [on("short", "customer_id"), on("long", "customer_id", "total")];
    }),
  }));
  const found = findingsOf({ catalog: { ...shop.catalog, tables }, at: AT, statements: [] });
  for (const name of ["short", "long"]) {
    const finding = found.find(({ index }) => index === name);
    expect(finding?.kind).toBe("unused");
    expect(finding?.detail).toMatch(/foreign key orders_customer_id_fkey/);
    expect(finding?.sql).toBeUndefined();
  }
});
