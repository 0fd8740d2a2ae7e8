import { expect, test } from "vitest";
import type { StructureAdvice, StructurePlan } from "../../src/core/structure.ts";
import { planFacts, planSql, proofOf, proofRows } from "../../src/report/structures.ts";

const plan: StructurePlan = {
  id: "materialised-view-1",
  kind: "materialised-view",
  table: "public.metrics",
  makes: '"public"."v"',
  title: "a view",
  statements: ["q1"],
  apply: ["CREATE MATERIALIZED VIEW v AS SELECT 1 -- one\n"],
  revert: ["DROP MATERIALIZED VIEW v"],
  steps: [],
  upkeep: "refresh it",
  estimated: { rows: 1, ofRows: 1_000 },
  rewrites: [
    {
      statement: "q1",
      expected: "faster",
      before: "SELECT 1",
      after: "SELECT * FROM v",
      others: [],
      predicted: { costBefore: 1_000, costAfter: 10 },
    },
  ],
  caveats: ["it is old"],
};

const proven: NonNullable<StructureAdvice["proofs"]>[number]["outcome"] = {
  kind: "proven",
  unmeasured: [],
  buildMs: 20,
  upkeepMs: 30,
  bytes: 8_192,
  rewrites: [
    {
      statement: "q1",
      sameRows: true,
      compared: 3,
      rows: 12,
      beforeMs: 100,
      afterMs: 1,
      ratio: { estimate: 0.01, low: 0.009, high: 0.011, confidence: 0.99 },
      executions: 9,
      pruning: { read: 1, of: 13 },
    },
  ],
};

test("a proof is shown with its interval, its pairs, and what it costs to keep up", () => {
  expect(proofRows(plan, proven)).toEqual([
    [
      "q1",
      "cost 1000 to 10.0",
      "yes (3 sets of values)",
      "100 ms",
      "1.00 ms",
      "-99.0 % (-99.1 % to -98.9 %; 9 pairs, 99.0 %)",
      "1 of 13",
    ],
  ]);
  expect(planFacts(plan, proven).join(" ")).toMatch(
    /8.00 kB, made in 20.0 ms, refreshed in 30.0 ms/,
  );
  expect(planSql(plan).join("\n")).toContain("SELECT * FROM v;");
});

test("what was not proven is never shown as measured", () => {
  expect(proofOf(plan, [])).toBeUndefined();
  expect(proofRows(plan, undefined)[0]?.slice(2)).toEqual([
    "not proven",
    "not measured",
    "not measured",
    "not measured",
    "",
  ]);
  expect(planFacts(plan, { kind: "failed", because: "the disk is full" })[0]).toBe(
    "Not proven: the disk is full.",
  );
});
