/** Index advisor: the steps it takes from an advice; the advice itself is tested in test/advise. */
import { expect, test } from "vitest";
import type { IndexAdvice, SelectedIndex } from "../../src/advise/indexes/advise.ts";
import { indexAdvisor } from "../../src/tuners/index-advisor.ts";
import { askOf, candidateOf, decided, MB, reasonOf } from "./views.ts";

const advice: IndexAdvice = {
  skipped: undefined,
  totalMs: 1_000,
  savedMs: 600,
  statements: [],
  selected: [selected("customer_id", 400), selected("status", 200)],
  rejected: [
    { table: "orders", columns: [{ name: "note", descending: false }], reason: "no plan uses it" },
  ],
  findings: [
    {
      kind: "invalid",
      table: "orders",
      index: "wreck",
      bytes: MB,
      detail: "an interrupted build left it",
    },
  ],
};

function selected(column: string, savedAloneMs: number): SelectedIndex {
  const index = {
    schema: "public",
    table: "orders",
    name: `perfopt_orders_${column}`,
    columns: [{ name: column, descending: false }],
  };
  return {
    index,
    sizeBytes: 2 * MB,
    savedAloneMs,
    statements: [
      { queryId: "1", sql: `SELECT ... ${column}`, calls: 70, costBefore: 900, costAfter: 9 },
    ],
    writes: { inserts: 5, updates: 7, deletes: 0, updatesOfColumns: 3 },
  };
}

test("first the whole set, with what gains, its size and its writes", () => {
  const { changes, hypothesis, evidence } = candidateOf(indexAdvisor.next(askOf(advice)));
  expect(changes).toEqual(
    advice.selected.map((each) => ({ kind: "create-index", index: each.index })),
  );
  expect(hypothesis).toMatch(/indexes on orders \(customer_id\), orders \(status\) take 60\.0 %/);
  expect(evidence.join("\n")).toMatch(
    /orders \(customer_id\): 2\.00 MB, read by 70 and kept up to date by 12 statements a window, 3 of them set its columns/,
  );
  expect(evidence.join("\n")).toMatch(/cost 900 to 9\.00 for 70 calls of: SELECT/);
  expect(evidence.join("\n")).toMatch(/reported only: invalid index wreck/);
});

test.each(["discard", "inconclusive"] as const)(
  "%s: then the best index alone, then the end",
  (verdict) => {
    const set = candidateOf(indexAdvisor.next(askOf(advice)));
    const history = [decided(set, verdict)];
    const single = candidateOf(indexAdvisor.next(askOf(advice, { history })));
    expect(single.changes).toEqual([{ kind: "create-index", index: advice.selected[0]!.index }]);
    expect(single.id).not.toBe(set.id);
    const step = indexAdvisor.next(
      askOf(advice, { history: [...history, decided(single, verdict)] }),
    );
    expect(reasonOf(step)).toBe("the whole set and the best index alone were tried");
  },
);

test("a set of one is not tried twice", () => {
  const one = { ...advice, selected: advice.selected.slice(0, 1) };
  const history = [decided(candidateOf(indexAdvisor.next(askOf(one))), "discard")];
  expect(indexAdvisor.next(askOf(one, { history })).kind).toBe("done");
});

test("after a keep, what the new observation finds is next, or the end", () => {
  const history = [decided(candidateOf(indexAdvisor.next(askOf(advice))), "keep")];
  const further = { ...advice, selected: [selected("region", 100)] };
  expect(candidateOf(indexAdvisor.next(askOf(further, { history }))).hypothesis).toMatch(/region/);
  expect(reasonOf(indexAdvisor.next(askOf({ ...advice, selected: [] }, { history })))).toMatch(
    /no further one/,
  );
});

test.each<[what: string, advice: IndexAdvice, reason: RegExp]>([
  [
    "nothing to build, and why",
    { ...advice, selected: [], savedMs: 0 },
    /no index is expected to pay: .*orders \(note\): no plan uses it/,
  ],
  [
    "too little to gain",
    { ...advice, savedMs: 20 },
    /2\.0 % of the statements' time, less than 3\.0 %/,
  ],
  [
    "no statements at all",
    { ...advice, selected: [], savedMs: 0, totalMs: 0 },
    /no index is expected to pay/,
  ],
  [
    "nothing could be costed",
    { ...advice, skipped: "PostgreSQL 15 cannot plan" },
    /PostgreSQL 15 cannot plan/,
  ],
])("the end: %s", (_, each, reason) => {
  expect(reasonOf(indexAdvisor.next(askOf(each)))).toMatch(reason);
});
