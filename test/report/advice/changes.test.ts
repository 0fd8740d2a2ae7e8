/** An index that was kept, in words: all that it is, whatever it is on. */
import { expect, test } from "vitest";
import type { IndexDefinition } from "../../../src/core/index-definition.ts";
import { describeChange } from "../../../src/report/format.ts";

const plain: IndexDefinition = {
  schema: "public",
  table: "orders",
  name: "perfopt_orders_total",
  columns: [{ name: "total", descending: true }],
};

test.each<[index: Partial<IndexDefinition>, words: string]>([
  [{}, "index perfopt_orders_total on public.orders (total DESC)"],
  [
    { columns: [{ expression: "lower(email)" }], include: ["id"], where: "gone_at IS NULL" },
    "index perfopt_orders_total on public.orders ((lower(email))) INCLUDE (id) WHERE gone_at IS NULL",
  ],
  [
    { method: "gin", columns: [{ name: "Tags", operators: "array_ops" }] },
    'index perfopt_orders_total on public.orders USING gin ("Tags" array_ops)',
  ],
])("%j", (over, words) => {
  expect(describeChange({ kind: "create-index", index: { ...plain, ...over } }, [])).toBe(words);
});
