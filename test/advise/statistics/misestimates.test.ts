/** Whose fault a wrong number of rows is, by plans made by hand. */
import { describe, expect, test } from "vitest";
import { conditionsOf } from "../../../src/advise/statistics/conditions.ts";
import { misestimatesOf } from "../../../src/advise/statistics/misestimates.ts";
import type { ExecutedNode } from "../../../src/advise/executed/node.ts";
import { executedPlan, node, scan } from "../executed-plans.ts";

const BOTH = { Filter: "((cars.make = 3) AND (cars.model = 35))" };

async function blamed(root: ExecutedNode): Promise<readonly string[]> {
  const found = await misestimatesOf(executedPlan(root));
  return found.map(({ node: name, factor, cause }) => {
    const terms =
      cause.kind === "columns" ? cause.terms.map(({ text }) => text).join("+") : cause.kind;
    return `${name} x${Math.round(factor)}: ${terms}`;
  });
}

describe("what is to blame", () => {
  test.each<[what: string, root: ExecutedNode, found: readonly string[]]>([
    ["a scan", scan("cars", 2, 200, BOTH), ["Seq Scan on cars x100: make+model"]],
    ["too many as well", scan("cars", 5_000, 10, BOTH), ["Seq Scan on cars x500: make+model"]],
    ["nine times is near enough", scan("cars", 2, 18, BOTH), []],
    ["fewer than one row count as one", scan("cars", 8, 0, BOTH), []],
    [
      "a join that only hands on its input's error",
      node("Hash Join", 2, 200, { Plans: [scan("cars", 2, 200, BOTH), scan("makes", 10, 10)] }),
      ["Seq Scan on cars x100: make+model"],
    ],
    [
      "a join of its own",
      node("Hash Join", 2, 2_000, { Plans: [scan("cars", 100, 100), scan("makes", 10, 10)] }),
      ["Hash Join x1000: join"],
    ],
    [
      "groups, halved over workers",
      node("Aggregate", 20_000, 1_000, {
        "Group Key": ["cars.make", "cars.model"],
        "Partial Mode": "Finalize",
        Plans: [
          node("Gather Merge", 40_000, 2_000, {
            Plans: [
              node("Aggregate", 20_000, 1_000, {
                "Group Key": ["cars.make", "cars.model"],
                "Partial Mode": "Partial",
                Plans: [scan("cars", 80_000, 80_000)],
              }),
            ],
          }),
        ],
      }),
      ["Aggregate x20: make+model"],
    ],
    [
      "conditions of another kind",
      scan("cars", 2, 200, { Filter: "((cars.make = 3) AND (cars.name ~~ '%x%'::text))" }),
      ["Seq Scan on cars x100: other"],
    ],
    ["what was never reached", scan("cars", 200, 0, { ...BOTH, "Actual Loops": 0 }), []],
  ])("%s", async (_, root, found) => {
    expect(await blamed(root)).toEqual(found);
  });

  test("whoever stops early is not wrong, unless a sort reads all first", async () => {
    const few = scan("cars", 5_000, 10, BOTH);
    expect(await blamed(node("Limit", 10, 10, { Plans: [few] }))).toEqual([]);
    const sorted = node("Sort", 5_000, 10, { Plans: [few] });
    expect(await blamed(node("Limit", 10, 10, { Plans: [sorted] }))).toHaveLength(1);
    // More than expected is wrong in any case.
    const many = scan("cars", 2, 900, BOTH);
    expect(await blamed(node("Limit", 900, 900, { Plans: [many] }))).toHaveLength(1);
  });
});

test.each([
  ["(cars.kind = 'x'::text)", [["kind", true]], 0],
  ["((cars.kind)::text = ANY ('{a,b}'::text[]))", [["kind", true]], 0],
  [
    "((cars.a > 5) AND (7 >= cars.a) AND cars.flag AND (NOT cars.gone))",
    [
      ["a", false],
      ["flag", true],
      ["gone", false],
    ],
    0,
  ],
  [
    "((cars.a = 1) OR (cars.b = 2))",
    [
      ["a", false],
      ["b", false],
    ],
    0,
  ],
  ["(lower(cars.name) = 'x'::text)", [["lower(name)", true]], 0],
  ["((cars.a = other.a) AND (cars.b IS NULL))", [["b", true]], 1],
  ["(cars.a = $0)", [], 1],
  ["(ANY (cars.a = (hashed SubPlan 1).col1))", [], 1],
] as const)("conditions as EXPLAIN writes them: %s", async (text, terms, others) => {
  const found = await conditionsOf([text], "cars");
  expect(found.terms.map((term) => [term.text, term.equal])).toEqual(terms);
  expect(found.others).toBe(others);
});
