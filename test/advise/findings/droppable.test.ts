/** Simulated drops on a planner of the test's own: what is asked of it, and what is made of its answers. */
import { describe, expect, test } from "vitest";
import { droppable, simulateDrop } from "../../../src/advise/indexes/findings/droppable.ts";
import type { Explained, IndexSet, WhatIf } from "../../../src/advise/indexes/what-if.ts";
import type { Finding } from "../../../src/core/advice.ts";
import { statementOf } from "../suggest.ts";

/** One statement that either of two indexes serves; without both it costs ten times as much. */
function planner(
  answer?: (set: IndexSet) => Explained | undefined,
): WhatIf & { readonly asked: IndexSet[] } {
  const asked: IndexSet[] = [];
  return {
    asked,
    add: () => Promise.resolve({ kind: "refused", because: "not asked for" }),
    remove: () => Promise.resolve(),
    plan: (_, set) => {
      asked.push(set);
      const left = ["a_idx", "b_idx"].filter((name) => !set.without?.includes(`public.${name}`));
      const cost = left.length === 0 ? 100 : 10;
      const root = { "Node Type": "Index Scan", "Total Cost": cost, "Plan Rows": 1 };
      return Promise.resolve(
        answer?.(set) ?? { kind: "plan", plan: { cost, indexes: left.slice(0, 1), root } },
      );
    },
    counts: { explains: 0, hypotheticals: 0 },
  };
}

function finding(index: string, kind: Finding["kind"] = "unused"): Finding {
  return {
    kind,
    table: "public.t",
    index,
    detail: `${index} is ${kind}`,
    sql: `DROP INDEX ${index};`,
  };
}

const statements = [statementOf("SELECT 1", { id: "Q1" })];

describe("droppable", () => {
  test("counts with the drops before it: of two that replace each other the second one stays", async () => {
    const [a, b] = await droppable(planner(), statements, [finding("a_idx"), finding("b_idx")]);
    expect(a?.simulated).toEqual({ statements: 1, using: 1, rises: [], failed: [] });
    expect(a?.detail).toMatch(/1 of 1 statements read it, and plan as cheaply without it$/);
    expect(b?.simulated?.rises).toEqual([{ id: "Q1", costBefore: 10, costAfter: 100 }]);
    expect(b?.detail).toMatch(/keep it, for without it Q1 \(10\.0 times the cost\)/);
    expect(a?.sql).toBe("DROP INDEX a_idx;");
    expect(b?.sql).toBeUndefined();
  });

  test("an index that is not to be dropped yet, for want of evidence, stays for the others", async () => {
    const { sql: _, ...weak } = finding("a_idx");
    const [a, b] = await droppable(planner(), statements, [weak, finding("b_idx")]);
    expect(a?.sql).toBeUndefined();
    expect(b?.sql).toBeDefined();
  });

  test("has the advice's own indexes in every plan", async () => {
    const what = planner();
    await droppable(what, statements, [finding("a_idx")], { with: ["perfopt_x"] });
    expect(what.asked.map((set) => set.with)).toEqual([["perfopt_x"], ["perfopt_x"]]);
  });

  test("asks nothing more of a statement whose plan does not read the index", async () => {
    const what = planner();
    await droppable(what, statements, [finding("c_idx")]);
    expect(what.asked).toHaveLength(1);
  });

  test("a plan that fails is no proof that the index can go", async () => {
    const failing = planner((set) =>
      set.without?.length ? { kind: "failed", because: "timeout" } : undefined,
    );
    const [a] = await droppable(failing, statements, [finding("a_idx")]);
    expect(a?.detail).toMatch(/could not be simulated for Q1/);
    expect(a?.sql).toBeUndefined();
  });

  test("leaves findings alone that drop nothing", async () => {
    const others = [finding("a_idx", "bloated"), finding("b_idx", "invalid")];
    const what = planner();
    expect(await droppable(what, statements, others)).toEqual(others);
    expect(what.asked).toEqual([]);
  });
});

test("simulateDrop prices several indexes gone at once", async () => {
  const { rises } = await simulateDrop(planner(), statements, ["public.a_idx", "public.b_idx"]);
  expect(rises).toEqual([{ id: "Q1", costBefore: 10, costAfter: 100 }]);
});
