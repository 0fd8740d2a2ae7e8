/** Names and SQL of indexes: unique, short enough, and safe whatever the names in them are. */
import { describe, expect, test } from "vitest";
import { createIndexSql, describeIndex, indexName } from "../../src/core/index-definition.ts";
import type { IndexKey } from "../../src/core/index-definition.ts";

const nameOf = (table: string, ...columns: IndexKey[]): string =>
  indexName({ schema: "public", table, columns });

describe("names", () => {
  test("say table, columns and directions", () => {
    expect(nameOf("orders", { name: "region" }, { name: "placed_at", descending: true })).toBe(
      "perfopt_orders_region_placed_at_desc",
    );
  });

  test.each([
    ["long", "a".repeat(50), "b".repeat(50)],
    ["of characters of several bytes", "ü".repeat(30), "한국어".repeat(10)],
  ])("%s fit in 63 bytes and stay apart", (_, table, column) => {
    const [one, other] = [nameOf(table, { name: column }), nameOf(table, { name: `${column}x` })];
    expect(new TextEncoder().encode(one).length).toBeLessThanOrEqual(63);
    expect(one).not.toBe(other);
    expect(one).not.toContain("\uFFFD");
  });

  test("tell apart what differs in anything but the name", () => {
    const plain = { schema: "public", table: "orders", columns: [{ name: "region" }] };
    const names = [
      plain,
      { ...plain, method: "hash" as const },
      { ...plain, include: ["total"] },
      { ...plain, where: "paid" },
      { ...plain, where: "NOT (paid)" },
      { ...plain, columns: [{ name: "region", nullsFirst: true }] },
      { ...plain, columns: [{ name: "region", operators: "text_pattern_ops" }] },
      { ...plain, columns: [{ expression: "lower(region)" }] },
    ].map(indexName);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("SQL", () => {
  test("quotes names, so that odd ones are names and nothing else", () => {
    const index = {
      schema: "public",
      table: 'a"b',
      name: "x; DROP TABLE y",
      columns: [{ name: "Mixed Case" }],
    };
    expect(createIndexSql(index, "plain")).toBe(
      'CREATE INDEX "x; DROP TABLE y" ON "public"."a""b" ("Mixed Case")',
    );
  });

  test("says everything that an index is", () => {
    const index = {
      schema: "shop",
      table: "orders",
      name: "i",
      method: "btree" as const,
      columns: [
        { expression: "lower(region)", operators: "text_pattern_ops" },
        { name: "placed_at", descending: true, nullsFirst: false },
      ],
      include: ["total"],
      where: "status = 'pending'",
    };
    expect(createIndexSql(index, "concurrently")).toBe(
      `CREATE INDEX CONCURRENTLY "i" ON "shop"."orders" ((lower(region)) text_pattern_ops, "placed_at" DESC NULLS LAST) INCLUDE ("total") WHERE status = 'pending'`,
    );
    expect(describeIndex(index)).toBe(
      "orders ((lower(region)) text_pattern_ops, placed_at DESC NULLS LAST) INCLUDE (total) WHERE status = 'pending'",
    );
  });
});
